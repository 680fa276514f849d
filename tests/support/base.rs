//! A base image like distroless's `static-debian13:nonroot`, and one that is like what else is found in registries.
//!
//! It is written here by hand, not by the code under test.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::registry::{DockerRegistry, sha256};
use super::strict::random::Random;

/// The tag of the image in its layout.
pub const TAG: &str = "nonroot";
/// What the image is there for, unless it is also there for [`RISCV64`].
pub const PLATFORMS: [&str; 3] = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"];

/// What Debian 13 is there for, other than Debian 12.
pub const RISCV64: &str = "linux/riscv64";

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CREATED: &str = "1970-01-01T00:00:00Z";
const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
    nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
const OS_RELEASE: &str = "PRETTY_NAME=\"Distroless\"\nNAME=\"Debian GNU/Linux\"\nID=\"debian\"\nVERSION_ID=\"13\"\n";
/// A certificate whose key nobody has, valid from 1975 to 4096.
const CERTIFICATES: &str = "-----BEGIN CERTIFICATE-----
MIIBhzCCASygAwIBAgIUGQczmUBQjOGvmfR+GOgQz9NGbWMwCgYIKoZIzj0EAwIw
KDEmMCQGA1UEAwwdQSByb290IG9mIG5vYm9keSdzLCBmb3IgdGVzdHMwIBcNNzUw
MTAxMDAwMDAwWhgPNDA5NjAxMDEwMDAwMDBaMCgxJjAkBgNVBAMMHUEgcm9vdCBv
ZiBub2JvZHkncywgZm9yIHRlc3RzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
lbXlQnPYQN6By2I6w+mfGGvc9nWj6n9Xw4JnUJh4woqIUDMw5IARcwNIt1eXQvny
Mah+J+cibE7Srrhbx1rmpqMyMDAwHQYDVR0OBBYEFHK08d6zzNMBVNO5RXBoMV+f
nN2JMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAPFFjG7E7OlM
aZTAjgPYi8ZOouvHtb8udCfCWjAdNCmTAiEA2NPSKeuMDYgQY8WsXIBNSEPGlAbI
QVVV7w8wOmU7aJ4=
-----END CERTIFICATE-----
";

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub struct BaseImage {
    docker_types: bool,
    single: Option<String>,
    attestations: bool,
    big: usize,
    glibc: bool,
    debian: Option<&'static str>,
    riscv64: bool,
    made: Option<&'static str>,
}

/// A base image in an OCI layout.
#[derive(Clone, Debug)]
pub struct WrittenBase {
    /// The layout's folder.
    pub folder: PathBuf,
    /// Of what the tag names: the index, or the manifest where there is only one.
    pub digest: String,
    /// The media type of that.
    pub media_type: String,
    /// In the order of the index.
    pub platforms: Vec<BasePlatform>,
}

/// A platform's part of a [`WrittenBase`].
#[derive(Clone, Debug)]
pub struct BasePlatform {
    /// Such as `linux/arm64/v8`.
    pub platform: String,
    /// The digest of the manifest.
    pub manifest: String,
    /// The digest of the config.
    pub config: String,
    /// The digests of the layers' blobs, the lowest first.
    pub layers: Vec<String>,
    /// The digests of the uncompressed layers.
    pub diff_ids: Vec<String>,
}

impl BaseImage {
    /// An index of [`PLATFORMS`] with OCI media types; layers in gzip, in zstd and uncompressed.
    pub fn new() -> BaseImage {
        BaseImage::default()
    }

    /// With the media types of Docker's schema 2 throughout, and gzip only: there are no others.
    pub fn docker_types(mut self) -> BaseImage {
        self.docker_types = true;
        self
    }

    /// Just the manifest of `platform`, one of [`PLATFORMS`], without an index.
    pub fn single(mut self, platform: &str) -> BaseImage {
        self.single = Some(platform.to_owned());
        self
    }

    /// With attestations in the index, as buildx puts them there: for the platform `unknown/unknown`.
    pub fn attestations(mut self) -> BaseImage {
        self.attestations = true;
        self
    }

    /// With a layer more, of so many MiB that cannot be compressed.
    pub fn big(mut self, mib: usize) -> BaseImage {
        self.big = mib;
        self
    }

    /// With a layer more, of this computer's glibc: its loader, behind a symbolic link as on Debian, and its libraries.
    pub fn glibc(mut self) -> BaseImage {
        self.glibc = true;
        self
    }

    /// With a layer more for amd64 and arm64, of the glibc of Debian's `bookworm` or `trixie`.
    pub fn debian(mut self, suite: &'static str) -> BaseImage {
        self.debian = Some(suite);
        self
    }

    /// Also for [`RISCV64`].
    pub fn riscv64(mut self) -> BaseImage {
        self.riscv64 = true;
        self
    }

    /// Made at another time than 1970, which its configs say.
    pub fn made(mut self, time: &'static str) -> BaseImage {
        self.made = Some(time);
        self
    }

    /// Writes it as an OCI layout into `folder`. The same image has the same digests each time.
    pub fn write(&self, folder: &Path) -> WrittenBase {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder for the layout");
        let layout = Layout {
            folder,
            docker_types: self.docker_types,
            big: self.big,
            glibc: self.glibc,
            debian: self.debian,
            made: self.made.unwrap_or(CREATED),
        };
        let all = PLATFORMS.into_iter().chain(self.riscv64.then_some(RISCV64));
        let wanted = |platform: &&str| self.single.as_deref().is_none_or(|one| one == *platform);
        let parts: Vec<(BasePlatform, Value)> = all.filter(wanted).map(|platform| layout.image(platform)).collect();
        assert!(!parts.is_empty(), "the base image is not there for {:?}", self.single);

        let mut manifests: Vec<Value> = parts.iter().map(|(_, entry)| entry.clone()).collect();
        let mut top = if self.single.is_some() {
            let mut manifest = manifests.remove(0);
            // A platform is said in an index only.
            object(&mut manifest).remove("platform");
            manifest
        } else {
            if self.attestations {
                assert!(!self.docker_types, "buildx writes attestations with OCI media types only");
                let of = |(part, _): &(BasePlatform, Value)| layout.attestation(&part.manifest);
                manifests.extend(parts.iter().map(of));
            }
            layout.put_document(Type::Index, json!({ "manifests": manifests }))
        };
        let (digest, media_type) = (text(&top, "digest"), text(&top, "mediaType"));
        top["annotations"] = json!({ "org.opencontainers.image.ref.name": TAG });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [top] });
        layout.write("index.json", index.to_string().as_bytes());
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        WrittenBase {
            folder: folder.to_owned(),
            digest,
            media_type,
            platforms: parts.into_iter().map(|(part, _)| part).collect(),
        }
    }
}

impl WrittenBase {
    /// The part for `platform`, named as in [`PLATFORMS`].
    pub fn platform(&self, platform: &str) -> &BasePlatform {
        let part = self.platforms.iter().find(|part| part.platform == platform);
        part.unwrap_or_else(|| panic!("the base image is not there for {platform}"))
    }

    /// The bytes of a blob, a manifest or an index of it.
    pub fn blob(&self, digest: &str) -> Vec<u8> {
        let path = self.folder.join("blobs").join(digest.replace(':', "/"));
        fs::read(path).unwrap_or_else(|error| panic!("the base image lacks {digest}: {error}"))
    }

    /// Puts it into a registry, byte for byte, and names it `repository:tag` there.
    pub fn push_to(&self, registry: &DockerRegistry, repository: &str, tag: &str) {
        let push = Push { base: self, registry, repository };
        push.manifest(&self.digest, &self.media_type, tag);
    }
}

struct Push<'a> {
    base: &'a WrittenBase,
    registry: &'a DockerRegistry,
    repository: &'a str,
}

impl Push<'_> {
    /// A registry takes a manifest only after all that it names.
    fn manifest(&self, digest: &str, media_type: &str, reference: &str) {
        let bytes = self.base.blob(digest);
        let document: Value = serde_json::from_slice(&bytes).expect("a manifest or an index");
        for manifest in array(&document, "manifests") {
            let digest = text(manifest, "digest");
            self.manifest(&digest, &text(manifest, "mediaType"), &digest);
        }
        for blob in document.get("config").into_iter().chain(array(&document, "layers")) {
            self.registry.put_blob(self.repository, &self.base.blob(&text(blob, "digest")));
        }
        self.registry.put_manifest(self.repository, reference, media_type, &bytes);
    }
}

/// What media types are for.
#[derive(Clone, Copy)]
enum Type {
    Index,
    Manifest,
    Config,
    Layer(Packing),
}

#[derive(Clone, Copy)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Packing::None => tar.to_owned(),
            Packing::Gzip => {
                let mut gzip = GzBuilder::new().write(Vec::new(), Compression::new(9));
                gzip.write_all(tar).and_then(|()| gzip.finish()).expect("gzip into memory")
            }
            Packing::Zstd => zstd::encode_all(tar, 3).expect("zstd into memory"),
        }
    }
}

struct Layout<'a> {
    folder: &'a Path,
    docker_types: bool,
    big: usize,
    glibc: bool,
    debian: Option<&'static str>,
    made: &'static str,
}

impl Layout<'_> {
    fn write(&self, path: &str, content: &[u8]) {
        fs::write(self.folder.join(path), content).expect("a file of the layout");
    }

    fn media_type(&self, of: Type) -> &'static str {
        match (of, self.docker_types) {
            (Type::Index, false) => OCI_INDEX,
            (Type::Manifest, false) => "application/vnd.oci.image.manifest.v1+json",
            (Type::Config, false) => "application/vnd.oci.image.config.v1+json",
            (Type::Layer(Packing::None), false) => "application/vnd.oci.image.layer.v1.tar",
            (Type::Layer(Packing::Gzip), false) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Type::Layer(Packing::Zstd), false) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Type::Index, true) => "application/vnd.docker.distribution.manifest.list.v2+json",
            (Type::Manifest, true) => "application/vnd.docker.distribution.manifest.v2+json",
            (Type::Config, true) => "application/vnd.docker.container.image.v1+json",
            (Type::Layer(_), true) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }

    /// The descriptor of `content`, which is a blob of the layout from now on.
    fn put(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = sha256(content);
        self.write(&format!("blobs/{}", digest.replace(':', "/")), content);
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    /// The descriptor of a manifest or an index.
    fn put_document(&self, kind: Type, mut document: Value) -> Value {
        let media_type = self.media_type(kind);
        document["schemaVersion"] = json!(2);
        document["mediaType"] = json!(media_type);
        self.put(media_type, document.to_string().as_bytes())
    }

    /// The image for `platform`, and its entry in an index.
    fn image(&self, platform: &str) -> (BasePlatform, Value) {
        let platform_fields = platform_fields(platform);
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        let big = (self.big > 0).then(|| (Packing::None, big_layer(self.big)));
        let architecture = text(&platform_fields, "architecture");
        let debian = self.debian.filter(|_| architecture != "arm").map(|suite| debian_layer(suite, &architecture));
        let debian = debian.map(|layer| (Packing::Gzip, layer));
        let more = big.into_iter().chain(self.glibc.then(|| (Packing::Gzip, glibc_layer()))).chain(debian);
        for (mut packing, tar) in layers_of(&architecture).into_iter().chain(more) {
            if self.docker_types {
                packing = Packing::Gzip;
            }
            diff_ids.push(sha256(&tar));
            layers.push(self.put(self.media_type(Type::Layer(packing)), &packing.pack(&tar)));
        }
        let config = config(&platform_fields, &diff_ids, self.made);
        let config = self.put(self.media_type(Type::Config), config.to_string().as_bytes());
        let (config_digest, layer_digests) =
            (text(&config, "digest"), layers.iter().map(|layer| text(layer, "digest")).collect());
        let manifest = json!({ "config": config, "layers": layers });
        let mut entry = self.put_document(Type::Manifest, manifest);
        entry["platform"] = platform_fields;
        let part = BasePlatform {
            platform: platform.to_owned(),
            manifest: text(&entry, "digest"),
            config: config_digest,
            layers: layer_digests,
            diff_ids,
        };
        (part, entry)
    }

    /// The entry of an index for what buildx attests of the image `of`.
    fn attestation(&self, of: &str) -> Value {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://spdx.dev/Document",
            "subject": [{ "name": "base", "digest": { "sha256": of.replace("sha256:", "") } }],
            "predicate": { "spdxVersion": "SPDX-2.3" },
        });
        let mut layer = self.put("application/vnd.in-toto+json", statement.to_string().as_bytes());
        layer["annotations"] = json!({ "in-toto.io/predicate-type": statement["predicateType"] });
        let config = json!({
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let config = self.put(self.media_type(Type::Config), config.to_string().as_bytes());
        let manifest = json!({ "config": config, "layers": [layer] });
        let mut entry = self.put_document(Type::Manifest, manifest);
        entry["annotations"] = json!({
            "vnd.docker.reference.digest": of,
            "vnd.docker.reference.type": "attestation-manifest",
        });
        entry["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
        entry
    }
}

/// A layer with one file of so many MiB, which look random and are the same each time.
fn big_layer(mib: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    let content: Vec<u8> = (0..mib << 17).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut layer = Layer::default();
    layer.file("./big", &content);
    layer.finish()
}

/// The loader and the libraries of one of Debian's suites, which `.ci/setup` has unpacked.
fn debian_layer(suite: &str, architecture: &str) -> Vec<u8> {
    let unpacked = std::env::var_os("CARGO_OCI_TEST_GLIBC_PATH").expect("a folder with glibc: `.ci/test` sets it");
    let root = Path::new(&unpacked).join(suite).join(architecture);
    let mut layer = Layer::default();
    let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(|entry| entry.expect("a file"));
    for file in files.filter(|file| !file.file_type().is_dir()) {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("ld-linux") || ["libc.so.6", "libm.so.6", "libgcc_s.so.1"].contains(&&*name) {
            let path = file.path().strip_prefix(&root).expect("a path below it");
            let path = format!("./{}", path.display());
            match fs::read_link(file.path()) {
                Ok(to) => layer.link(&path, to.to_str().expect("UTF-8")),
                Err(_) => layer.entry(EntryType::Regular, &path, 0o755, 0, &fs::read(file.path()).expect("a library")),
            }
        }
    }
    // Since Debian 13, packages name the folders that these are links to.
    if !root.join("lib").exists() {
        layer.link("./lib", "usr/lib");
        layer.link("./lib64", "usr/lib64");
    }
    layer.finish()
}

fn glibc_layer() -> Vec<u8> {
    let mut layer = Layer::default();
    let read = |path: &str| fs::read(Path::new("/").join(path)).ok();
    let mut program = |path: &str, content: Vec<u8>| layer.entry(EntryType::Regular, path, 0o755, 0, &content);
    if let Some(loader) = read("lib64/ld-linux-x86-64.so.2") {
        program("./usr/lib64/ld-linux-x86-64.so.2", loader);
    }
    if let Some(loader) = read("lib/ld-linux-aarch64.so.1") {
        program("./lib/ld-linux-aarch64.so.1", loader);
    }
    let folder = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    for name in ["libc.so.6", "libgcc_s.so.1", "libm.so.6"] {
        let path = format!("{folder}/{name}");
        let library = read(&path).or_else(|| read(path.trim_start_matches("usr/")));
        program(&format!("./{path}"), library.expect("a library of glibc's, as Debian has it"));
    }
    layer.link("./lib64", "usr/lib64");
    layer.finish()
}

/// `os/architecture[/variant]` as the fields of an index's entry.
fn platform_fields(platform: &str) -> Value {
    let names = ["os", "architecture", "variant"];
    names.into_iter().zip(platform.split('/')).collect()
}

fn config(platform: &Value, diff_ids: &[String], made: &str) -> Value {
    let step = json!({ "created": CREATED, "created_by": "bazel build //static" });
    let mut history = vec![step; diff_ids.len()];
    history.push(json!({ "created": CREATED, "created_by": "USER 65532", "empty_layer": true }));
    let mut config = platform.clone();
    object(&mut config).extend([
        ("created".to_owned(), json!(made)),
        ("config".to_owned(), run_config()),
        ("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids })),
        ("history".to_owned(), json!(history)),
        ("com.example.future".to_owned(), json!({ "kept": true })),
    ]);
    config
}

fn run_config() -> Value {
    json!({
        "User": "65532",
        "WorkingDir": "/home/nonroot",
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
        ],
        "Labels": {
            "org.opencontainers.image.source": "https://example.com/base",
            "com.example.kept": "yes",
        },
        // An image of one's own program should have neither of the two.
        "Entrypoint": ["/base/entrypoint"],
        "Cmd": ["--base"],
        // Docker's, not of the specification.
        "Healthcheck": { "Test": ["CMD", "/base/healthy"], "Interval": 30_000_000_000_u64 },
        "FutureField": ["kept"],
    })
}

/// The tars of the layers, the lowest first, and how each is packed.
fn layers_of(architecture: &str) -> [(Packing, Vec<u8>); 4] {
    let mut root = Layer::default();
    root.directory("./", 0o755, 0);
    for path in ["bin", "boot", "dev", "etc", "home", "lib", "proc", "run", "sbin", "sys", "usr"] {
        root.directory(&format!("./{path}/"), 0o755, 0);
    }
    root.directory("./home/nonroot/", 0o700, 65532);
    root.directory("./root/", 0o700, 0);
    root.directory("./tmp/", 0o1777, 0);
    root.directory("./var/", 0o755, 0);
    root.link("./var/run", "/run");
    root.file("./etc/passwd", PASSWD);
    root.file("./etc/group", GROUP);
    let package = format!("Package: base-files\nVersion: 12.4\nArchitecture: {architecture}\n");
    root.file("./var/lib/dpkg/status.d/base-files", &package);

    let mut certificates = Layer::default();
    certificates.file("./etc/nsswitch.conf", NSSWITCH);
    certificates.file("./etc/ssl/certs/ca-certificates.crt", CERTIFICATES);

    let mut zones = Layer::default();
    zones.file("./usr/share/zoneinfo/Etc/UTC", &time_zone("UTC", 0, "UTC0"));
    zones.file("./usr/share/zoneinfo/Asia/Tokyo", &time_zone("JST", 9 * 3600, "JST-9"));
    zones.link("./usr/share/zoneinfo/UTC", "Etc/UTC");

    let mut release = Layer::default();
    release.file("./usr/lib/os-release", OS_RELEASE);
    release.link("./etc/os-release", "../usr/lib/os-release");

    [
        (Packing::Gzip, root.finish()),
        (Packing::Gzip, certificates.finish()),
        (Packing::Zstd, zones.finish()),
        (Packing::None, release.finish()),
    ]
}

/// A file of the time zone database (RFC 9636): one local time, and the `rule` for what comes after.
fn time_zone(name: &str, offset: i32, rule: &str) -> Vec<u8> {
    let names = [name.as_bytes(), b"\0"].concat();
    // How many there are: UT indicators, standard indicators, leap seconds, transitions, types, letters.
    let counts = [0, 0, 0, 0, 1, u32::try_from(names.len()).expect("a short name")];
    let mut block = [&b"TZif2"[..], &[0; 15]].concat();
    block.extend(counts.into_iter().flat_map(u32::to_be_bytes));
    block.extend(offset.to_be_bytes());
    block.extend([0, 0]);
    block.extend(names);
    // Once for readers of version 1, once for the later ones.
    [&block, &block, &b"\n"[..], rule.as_bytes(), b"\n"].concat()
}

/// A tar in the making. Paths start with `./`, as those of Debian's packages and of distroless do.
struct Layer(tar::Builder<Vec<u8>>);

impl Default for Layer {
    fn default() -> Layer {
        Layer(tar::Builder::new(Vec::new()))
    }
}

impl Layer {
    fn directory(&mut self, path: &str, mode: u32, owner: u64) {
        self.entry(EntryType::Directory, path, mode, owner, &[]);
    }

    fn file(&mut self, path: &str, content: &(impl AsRef<[u8]> + ?Sized)) {
        self.entry(EntryType::Regular, path, 0o644, 0, content.as_ref());
    }

    fn link(&mut self, path: &str, to: &str) {
        let mut header = header(EntryType::Symlink, path, 0o777, 0);
        header.set_link_name_literal(to).expect("a short target");
        self.append(header, &[]);
    }

    fn entry(&mut self, kind: EntryType, path: &str, mode: u32, owner: u64, content: &[u8]) {
        self.append(header(kind, path, mode, owner), content);
    }

    fn append(&mut self, mut header: Header, content: &[u8]) {
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).expect("a tar in memory");
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("a tar in memory")
    }
}

fn header(kind: EntryType, path: &str, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    // Not `set_path`, which drops the `./`.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header
}

fn text(value: &Value, key: &str) -> String {
    let found = value[key].as_str();
    found.unwrap_or_else(|| panic!("there is no `{key}` in {value}")).to_owned()
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn object(value: &mut Value) -> &mut serde_json::Map<String, Value> {
    value.as_object_mut().expect("a JSON object")
}
