//! The keys of the table. To add one, add a row.
//!
//! The field of [`Table`], reading, merging, the flag, the environment variable, the row in docs/configuration.md and the JSON
//! Schema come from the row. The type of the value implements [`KeyValue`]; for most it exists already.

use super::allocator::Allocator;
use super::attestations::AttestationPlace;
use super::byte_size::ByteSize;
use super::env::EnvEntries;
use super::files::FileRule;
use super::folder::Folder;
use super::image_test::ImageTests;
use super::key::{Flag, Key, KeyDefault, ValueFunctions, Variable};
use super::labels::Labels;
use super::policy::Policy;
use super::port::Port;
use super::repositories::Repositories;
use super::sbom::SbomFormats;
use super::signal::Signal;
use super::signature_format::SignatureFormat;
use super::template::TagTemplate;
use super::text::{BinName, Feature, Profile, UserAndGroup, VolumeFolder, WorkingDir};
use super::value::{Arguments, Entrypoint, KeyValue, NonEmpty};
use super::verify::BaseVerify;
use super::vex::VexPaths;
use crate::image::Compression;
use crate::platform::{Libc, PlatformChoice};
use crate::reference::{BaseReference, EngineReference};

/// The key whose tables are more images of the package. It is the one key without a row: it has tables, no value.
pub const IMAGES: &str = "images";
/// An example of [`IMAGES`].
pub(crate) const IMAGES_EXAMPLE: &str = r#"{ migrate = { bins = ["hello-migrate"] } }"#;
/// The description of [`IMAGES`].
pub(crate) const IMAGES_HELP: &str =
    "Build more images of the package: tables with these keys, by name, which inherit from this table";

/// Defines the struct [`Table`] and the list [`KEYS`] from rows `field: Type { help: …, …the other fields of Key… }`.
macro_rules! keys {
    ($($field:ident: $type:ty { help: $help:literal, $($rest:tt)* })*) => {
        /// The keys of a table. All are optional.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Table {$(
            #[doc = $help]
            pub $field: Option<$type>,
        )*}

        /// All keys but [`IMAGES`], in the order of the documentation.
        pub const KEYS: &[Key<Table>] = &[$(Key {
            help: $help,
            value: ValueFunctions {
                type_name: <$type as KeyValue>::TYPE,
                is_list: <$type as KeyValue>::IS_LIST,
                schema: <$type as KeyValue>::schema,
                words: <$type as KeyValue>::words,
                read: |table, value| {
                    table.$field = Some(KeyValue::read(value)?);
                    Ok(())
                },
                parse: |table, texts| {
                    table.$field = Some(KeyValue::parse(texts)?);
                    Ok(())
                },
                inherit: |table, inherited| table.$field = merge(table.$field.take(), inherited.$field.take()),
            },
            $($rest)*
        }),*];
    };
}

fn merge<T: KeyValue>(own: Option<T>, inherited: Option<T>) -> Option<T> {
    match (own, inherited) {
        (Some(own), Some(inherited)) => Some(own.over(inherited)),
        (own, inherited) => own.or(inherited),
    }
}

keys! {
    base: BaseReference {
        help: "Use this base image: a registry reference, `oci:PATH[:NAME]`, `oci-archive:PATH[:NAME]`, `embedded` or `scratch`",
        name: "base",
        default: KeyDefault::Value(r#""gcr.io/distroless/static-debian13:nonroot""#),
        example: r#""gcr.io/distroless/static-debian13:nonroot""#,
        flag: Some(Flag::new("base", "REF")),
        variable: Some(Variable::new("CARGO_OCI_BASE", "gcr.io/distroless/static-debian13:nonroot")),
    }
    base_verify: BaseVerify {
        help: "Require that the base is signed: `\"distroless\"` or `\"chainguard\"` by whom those images are, `{ identity = \"…\", issuer = \"…\" }` without a key, \
               `{ key = \"FILE\" }` or `{ key = \"env://VAR\" }` with one; `false` if it need not be",
        name: "base-verify",
        default: KeyDefault::None,
        example: r#""distroless""#,
        flag: None,
        variable: None,
    }
    debug_base: BaseReference {
        help: "Use this base for the debug twin of `run --debug` and `push --debug-tag`: a variant of `base` that has a shell",
        name: "debug-base",
        default: KeyDefault::Words("that of distroless (`:debug-nonroot`) or Chainguard (`:latest-dev`)"),
        example: r#""ghcr.io/acme/base:1-debug""#,
        flag: None,
        variable: None,
    }
    platforms: NonEmpty<PlatformChoice> {
        help: "Build for these platforms: linux/amd64, linux/arm64, …, `host` for this machine, or `all` for every platform of the \
               base that Rust has a musl target for",
        name: "platforms",
        default: KeyDefault::Value(r#"["linux/amd64", "linux/arm64"]"#),
        example: r#"["linux/amd64", "linux/arm64"]"#,
        flag: Some(Flag::new("platform", "LIST").split().hide_default()),
        variable: Some(Variable::new("CARGO_OCI_PLATFORMS", "linux/amd64,linux/arm64").split()),
    }
    libc: Libc {
        help: "Link with this C library: musl, or gnu for programs that need a base with glibc, which is then \
               gcr.io/distroless/cc-debian13:nonroot by default",
        name: "libc",
        default: KeyDefault::Value(r#""musl""#),
        example: r#""gnu""#,
        flag: Some(Flag::new("libc", "LIBC")),
        variable: None,
    }
    repository: Repositories {
        help: "Push to this repository, such as ghcr.io/acme/hello or, for several images, ghcr.io/acme/{name}; without a tag",
        name: "repository",
        default: KeyDefault::None,
        example: r#""ghcr.io/acme/hello""#,
        flag: Some(Flag::new("repository", "REPO")),
        variable: Some(Variable::new("CARGO_OCI_REPOSITORY", "ghcr.io/you/{name}").filled()),
    }
    tags: NonEmpty<TagTemplate> {
        help: "Set the tags of the image; a tag may contain placeholders such as {version} and {git.short}, and is left out with \
               {git.tag?} if there is no value",
        name: "tags",
        default: KeyDefault::Value(r#"["latest"]"#),
        example: r#"["latest", "{version}", "{git.short}"]"#,
        flag: Some(Flag::new("tag", "TAG").short('t').split()),
        variable: Some(Variable::new("CARGO_OCI_TAGS", "'latest,{version}'").split().filled()),
    }
    bins: NonEmpty<BinName> {
        help: "Put these binaries into the image",
        name: "bins",
        default: KeyDefault::Words("`default-run`, else the binary named as the package, else the only binary"),
        example: r#"["hello", "hello-migrate"]"#,
        flag: Some(Flag::declared_elsewhere("bin")),
        variable: None,
    }
    bin_dir: Folder {
        help: "Put the binaries into this folder of the image",
        name: "bin-dir",
        default: KeyDefault::Value(r#""/app""#),
        example: r#""/app""#,
        flag: None,
        variable: None,
    }
    entrypoint: Entrypoint {
        help: "Start this program, with these first arguments",
        name: "entrypoint",
        default: KeyDefault::Words("the first of `bins`"),
        example: r#"["/app/hello"]"#,
        flag: Some(Flag::new("entrypoint", "ARG")),
        variable: None,
    }
    cmd: Arguments {
        help: "Pass these arguments to the program by default",
        name: "cmd",
        default: KeyDefault::None,
        example: r#"["--listen", "0.0.0.0:8080"]"#,
        flag: Some(Flag::new("cmd", "ARG")),
        variable: None,
    }
    env: EnvEntries {
        help: "Set environment variables; $NAME and ${NAME} expand to the base's value or that of an earlier variable, $$ is a \
               dollar sign; a value may contain placeholders such as {version} and {env.NAME}",
        name: "env",
        default: KeyDefault::Words("those of the base, with `bin-dir` at the end of PATH"),
        example: r#"{ RUST_LOG = "info", PATH = "/opt/bin:$PATH" }"#,
        flag: Some(Flag::new("env", "K=V")),
        variable: None,
    }
    user: UserAndGroup {
        help: "Run as this user, a number or a name in the base, and this group after a colon",
        name: "user",
        default: KeyDefault::Words("the base's"),
        example: r#""65532:65532""#,
        flag: Some(Flag::new("user", "USER[:GROUP]")),
        variable: None,
    }
    workdir: WorkingDir {
        help: "Start the program in this working directory",
        name: "workdir",
        default: KeyDefault::Words("the base's"),
        example: r#""/srv""#,
        flag: Some(Flag::new("workdir", "PATH")),
        variable: None,
    }
    expose: Vec<Port> {
        help: "Declare these ports, such as 8080 or 53/udp (tcp, udp or sctp), in addition to the base's",
        name: "expose",
        default: KeyDefault::None,
        example: r#"["8080/tcp", "9000/udp"]"#,
        flag: Some(Flag::new("expose", "PORT").split()),
        variable: None,
    }
    volumes: Vec<VolumeFolder> {
        help: "Declare these folders as volumes, in addition to the base's; those that the base lacks are made, and belong to the user \
               of the image",
        name: "volumes",
        default: KeyDefault::None,
        example: r#"["/data"]"#,
        flag: None,
        variable: None,
    }
    stop_signal: Signal {
        help: "Stop the container with this signal, a name or a number",
        name: "stop-signal",
        default: KeyDefault::Words("the base's"),
        example: r#""SIGTERM""#,
        flag: None,
        variable: None,
    }
    labels: Labels {
        help: "Add labels to the image config; `false` in the table removes one",
        name: "labels",
        default: KeyDefault::Words("from Cargo.toml and git"),
        example: r#"{ "com.acme.team" = "payments", "org.opencontainers.image.authors" = false }"#,
        flag: Some(Flag::new("label", "K=V")),
        variable: None,
    }
    annotations: Labels {
        help: "Add annotations to images and index; `false` in the table removes one",
        name: "annotations",
        default: KeyDefault::Words("from Cargo.toml and git"),
        example: r#"{ "com.acme.tier" = "1", "org.opencontainers.image.authors" = false }"#,
        flag: Some(Flag::new("annotation", "K=V")),
        variable: None,
    }
    compression: Compression {
        help: "Compress layers with gzip, zstd or none",
        name: "compression",
        default: KeyDefault::Value(r#""gzip""#),
        example: r#""zstd""#,
        flag: Some(Flag::new("compression", "KIND")),
        variable: None,
    }
    max_size: ByteSize {
        help: "Fail if the layers of the image are larger than this for a platform, compressed: bytes, or with kB, KiB, MB, MiB, GB or GiB",
        name: "max-size",
        default: KeyDefault::None,
        example: r#""20 MiB""#,
        flag: Some(Flag::new("max-size", "SIZE")),
        variable: None,
    }
    features: Vec<Feature> {
        help: "Build with these features; cargo's flags about features replace this key and the next two",
        name: "features",
        default: KeyDefault::None,
        example: r#"["tls"]"#,
        flag: Some(Flag::declared_elsewhere("features")),
        variable: None,
    }
    no_default_features: bool {
        help: "Build without the default features",
        name: "no-default-features",
        default: KeyDefault::Value("false"),
        example: "true",
        flag: Some(Flag::declared_elsewhere("no-default-features")),
        variable: None,
    }
    all_features: bool {
        help: "Build with all features",
        name: "all-features",
        default: KeyDefault::Value("false"),
        example: "true",
        flag: Some(Flag::declared_elsewhere("all-features")),
        variable: None,
    }
    profile: Profile {
        help: "Build with this profile",
        name: "profile",
        default: KeyDefault::Value(r#""release""#),
        example: r#""release""#,
        flag: Some(Flag::declared_elsewhere("profile")),
        variable: None,
    }
    allocator: Allocator {
        help: "Link this allocator into the programs: mimalloc, jemalloc, or system for that of the C library",
        name: "allocator",
        default: KeyDefault::Value(r#""system""#),
        example: r#""mimalloc""#,
        flag: Some(Flag::new("allocator", "NAME")),
        variable: None,
    }
    engine: EngineReference {
        help: "Load into this engine: docker, podman, nerdctl, containerd, kind, minikube or k3d, with its context, connection, \
               namespace, cluster or profile after a colon",
        name: "engine",
        default: KeyDefault::Words("the first of docker, podman, nerdctl and containerd that answers"),
        example: r#""podman""#,
        flag: Some(Flag::declared_elsewhere("engine")),
        variable: None,
    }
    files: Vec<FileRule> {
        help: "Copy files into the image and make folders, in a layer below the binaries",
        name: "files",
        default: KeyDefault::None,
        example: r#"[{ from = "assets/**", to = "/srv/www/", mode = "0644", owner = "0:0" }]"#,
        flag: None,
        variable: None,
    }
    sbom: SbomFormats {
        help: "Attach SBOMs in these formats: cyclonedx, spdx, both, or `false` for none",
        name: "sbom",
        default: KeyDefault::Value(r#""cyclonedx""#),
        example: r#"["cyclonedx", "spdx"]"#,
        flag: Some(Flag::new("sbom", "FORMATS")),
        variable: None,
    }
    provenance: bool {
        help: "Attach SLSA provenance to the image",
        name: "provenance",
        default: KeyDefault::Value("true"),
        example: "false",
        flag: Some(Flag::new("provenance", "BOOL")),
        variable: None,
    }
    attestations: AttestationPlace {
        help: "Attach SBOM and provenance to the image (referrers), put them into its index as BuildKit does (index), or both",
        name: "attestations",
        default: KeyDefault::Value(r#""referrers""#),
        example: r#""both""#,
        flag: Some(Flag::new("attestations", "PLACE")),
        variable: None,
    }
    signature_format: SignatureFormat {
        help: "Sign as cosign 3 does (bundle), as cosign 2 does (legacy: tags that Podman, Skopeo and Harbor read), or both",
        name: "signature-format",
        default: KeyDefault::Value(r#""bundle""#),
        example: r#""both""#,
        flag: Some(Flag::declared_elsewhere("signature-format")),
        variable: None,
    }
    policy: Policy {
        help: "Push only images that keep these rules, as `verify --policy` checks them",
        name: "policy",
        default: KeyDefault::None,
        example: r#"{ bases = ["gcr.io/distroless/*"], deny-crates = ["openssl-sys"] }"#,
        flag: None,
        variable: None,
    }
    vex: VexPaths {
        help: "Attach these OpenVEX documents to the image: a file, a folder with *.openvex.json files, or an array of them",
        name: "vex",
        default: KeyDefault::None,
        example: r#""hello.openvex.json""#,
        flag: Some(Flag::new("vex", "PATH")),
        variable: None,
    }
    auditable: bool {
        help: "Embed the list of crates into the binaries, as `cargo auditable` does, so that scanners find them",
        name: "auditable",
        default: KeyDefault::Value("true"),
        example: "false",
        flag: Some(Flag::new("auditable", "BOOL")),
        variable: None,
    }
    test: ImageTests {
        help: "Test the image with `cargo oci test` and `cargo oci push --test`: what it prints, its exit status, what it answers",
        name: "test",
        default: KeyDefault::None,
        example: r#"{ run = ["--version"], stdout = "hello" }"#,
        flag: None,
        variable: None,
    }
}
