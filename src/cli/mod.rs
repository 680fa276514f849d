//! The command line: subcommands, flags and their help.

mod attest;
mod bundle;
mod cache;
mod completing;
mod format;
mod generate;
mod image;
mod inspect;
mod load;
mod login;
mod sbom;
mod table;

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::spelling::hint;
pub use attest::{
    AttachArgs, Attest, GenerateKeyArgs, ReferrersArgs, Required, SignArgs, SignerArgs, SubjectArgs, VerifyArgs,
};
pub use bundle::{BundleArgs, BundleForm};
pub use cache::{CacheAction, CacheArgs, PruneArgs};
pub use format::{MessageFormat, WithFormat};
pub use generate::{CompletionsArgs, ManArgs};
pub use image::{ImageArgs, Prebuilt};
pub use inspect::NamedArgs;
pub use load::{EngineArgs, LoadArgs, RunArgs};
pub use login::{LoginArgs, LogoutArgs, PasswordArg, TalkArgs};
pub use sbom::SbomArgs;

/// Cargo's own colors.
const STYLES: Styles = Styles::styled()
    .header(bold(AnsiColor::BrightGreen))
    .usage(bold(AnsiColor::BrightGreen))
    .literal(bold(AnsiColor::BrightCyan))
    .placeholder(AnsiColor::Cyan.on_default())
    .error(bold(AnsiColor::BrightRed))
    .valid(bold(AnsiColor::BrightCyan))
    .invalid(bold(AnsiColor::BrightYellow));

const fn bold(color: AnsiColor) -> Style {
    color.on_default().bold()
}

/// Ship a Rust crate as a multi-arch container image: no Docker, no Dockerfile
#[derive(Debug, Parser)]
#[command(name = "cargo oci", bin_name = "cargo oci", version, styles = STYLES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image and write it as an OCI layout
    ///
    /// Compiles the crate for each platform, layers the binaries on the base and writes a multi-arch OCI index to
    /// target/oci/NAME. Prints a line for each image: `oci:target/oci/NAME@sha256:…`.
    Build(WithFormat<BuildArgs>),
    /// Build an image and push it to a registry
    ///
    /// Skips blobs that the registry has, and mounts base layers without downloading them if it can. Moves the tags last.
    /// Prints a line for each repository: `REGISTRY/REPOSITORY@sha256:…`.
    Push(WithFormat<PushArgs>),
    /// Build an image and load it into Docker, Podman, nerdctl, containerd, kind, minikube or k3d
    ///
    /// Builds for the engine's own platform, or for `--platform`, and sends only what the engine lacks. Prints the name of
    /// the image in the engine: `NAME:TAG`.
    Load(WithFormat<LoadArgs>),
    /// Build an image, load it and run it, like `cargo run`
    ///
    /// The program gets the terminal and the signals, and its exit status is the status of this command. Arguments after `--`
    /// replace the image's `cmd`.
    Run(RunArgs),
    /// Build an image and unpack it as a bundle for runc, crun and youki
    ///
    /// A bundle is a folder `rootfs` with the files of the image for one platform, and a `config.json` made from the image's
    /// config. `--from` unpacks any other image and needs no crate. Prints the path of the bundle.
    Bundle(WithFormat<BundleArgs>),
    /// Inspect an image: platforms, layers, configuration, attachments
    ///
    /// The image is in a registry, a layout or an archive; without a name, all images of a layout are shown. Layers are not
    /// read. Prints a tree, or JSON.
    Inspect(NamedArgs),
    /// Print the SBOM without building the image
    ///
    /// It is the SBOM that `cargo oci build` attaches, without the digests of binaries and image, which only a build knows.
    /// For one platform, it is the SBOM of that platform's image, else of the index.
    Sbom(SbomArgs),
    /// Verify every digest, size and diffID of an image
    ///
    /// Reads the whole image; without a name, all images of a layout or archive. Prints a line `DIGEST: what is wrong` for
    /// each problem, and exits with status 1 then. `--json` prints one object, which also lists what was checked.
    Validate(NamedArgs),
    /// Generate a key pair for signing
    ///
    /// Writes PREFIX.key, the private key, readable only by you and encrypted with a password, and PREFIX.pub, the public
    /// key: ECDSA P-256, as `cosign generate-key-pair` writes them. The password comes from COSIGN_PASSWORD or a prompt.
    /// Prints both paths.
    GenerateKey(GenerateKeyArgs),
    /// Sign an image in a registry or a layout
    ///
    /// Signs the index, the image for each platform, and their SBOMs and provenance as cosign 3 does with a key: as sigstore
    /// bundles, attached as referrers. Skips what the key has signed already. Verify with `cosign verify --key FILE
    /// --insecure-ignore-tlog`: signatures with a key are not in a transparency log. To sign without a key (Fulcio, Rekor),
    /// install cargo-oci with the feature `keyless`. Prints the image's name with its digest.
    Sign(SignArgs),
    /// Verify the signature of an image and its attachments
    ///
    /// Checks that the key has signed the index, with `cargo oci sign` or cosign 3, and that attachments and attestations of
    /// index and images are unchanged. Reports whether there are SBOMs and provenance. Prints the image's name with the
    /// digest that was verified.
    Verify(VerifyArgs),
    /// Attach a file to an image in a registry or a layout
    ///
    /// Does nothing if the same content is attached with the same type. Prints the name of the artifact with its digest.
    Attach(AttachArgs),
    /// List what is attached to an image: signatures, SBOMs, other files
    ///
    /// Reads the referrers of the index and of the image for each platform. Prints a tree, or JSON.
    Referrers(ReferrersArgs),
    /// Log in to a registry
    ///
    /// Checks the password with the registry, and stores it in the credential helper that is configured for the registry,
    /// else in the file where Docker and Podman look for it. Prompts for the user and the password unless they are given.
    Login(LoginArgs),
    /// Log out of a registry
    Logout(LogoutArgs),
    /// Manage the cache of pulled bases and built layers
    ///
    /// It is in the user's cache folder, or in CARGO_OCI_CACHE_DIR.
    Cache(CacheArgs),
    /// Print the JSON Schema of the table in Cargo.toml
    ///
    /// Editors with taplo, such as VS Code with Even Better TOML, complete and check [package.metadata.oci] and
    /// [workspace.metadata.oci] with it.
    Schema,
    /// Print shell completions for `cargo oci` and `cargo-oci`
    ///
    /// For bash, add `source <(cargo oci completions bash)` to ~/.bashrc. For fish, add `cargo oci completions fish | source`
    /// to ~/.config/fish/config.fish. For zsh, write them to a file `_cargo-oci` in a folder of $fpath. In elvish and
    /// PowerShell, only `cargo-oci` is completed.
    Completions(CompletionsArgs),
    /// Write man pages: cargo-oci.1, and one for each command
    ///
    /// They hold the same text as `cargo oci help`. Prints the path of each.
    Man(ManArgs),
}

/// The arguments of `cargo oci push`.
#[derive(Args, Clone, Debug, Default)]
#[command(group(ArgGroup::new("signer").requires("sign")))]
pub struct PushArgs {
    /// What is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// Push without tags: the image can only be pulled by digest
    #[arg(long, help_heading = "Output")]
    pub by_digest: bool,
    /// Sign index and images, as `cargo oci sign` does, before the tags move
    #[arg(long, requires = "signer", help_heading = "Signing")]
    pub sign: bool,
    /// Who signs.
    #[command(flatten, next_help_heading = "Signing")]
    pub signer: SignerArgs,
}

/// The arguments of `cargo oci build`.
#[derive(Args, Clone, Debug, Default)]
pub struct BuildArgs {
    /// What is in the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Where it is written.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Cargo's own flags.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

/// What is written in addition to the layout in `target/oci`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Also write the image to oci-dir=PATH, oci-archive=PATH or docker-archive=PATH (repeatable)
    #[arg(short, long = "output", value_name = "TYPE=PATH")]
    pub outputs: Vec<Output>,
    /// Write the result (references, digests, sizes) to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Also write the SBOMs to this folder: NAME.cdx.json for the index, NAME-linux-amd64.cdx.json for a platform, or .spdx.json
    #[arg(long, value_name = "DIR")]
    pub sbom_dir: Option<PathBuf>,
}

/// An output: a format and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The format.
    pub kind: OutputKind,
    /// The path.
    pub path: PathBuf,
}

/// The formats that an image is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A folder with an OCI layout.
    OciDir,
    /// A tar file with an OCI layout.
    OciArchive,
    /// A tar file with an OCI layout that `docker load` reads too.
    DockerArchive,
}

impl std::str::FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, path) = text.split_once('=').unwrap_or((text, ""));
        let kind = match kind {
            "oci-dir" => OutputKind::OciDir,
            "oci-archive" => OutputKind::OciArchive,
            "docker-archive" => OutputKind::DockerArchive,
            other => {
                let hint = hint(other, ["oci-dir", "oci-archive", "docker-archive"]);
                return Err(format!(
                    "unknown output type `{other}`{hint}: expected oci-dir, oci-archive or docker-archive"
                ));
            }
        };
        if path.is_empty() {
            return Err("missing path: expected TYPE=PATH, such as oci-archive=image.tar".to_owned());
        }
        Ok(Output { kind, path: path.into() })
    }
}

/// Cargo's own flags, with cargo's own meaning.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cargo")]
pub struct CargoArgs {
    /// Build an image of this package (repeatable)
    #[arg(short, long = "package", value_name = "SPEC")]
    pub packages: Vec<String>,
    /// Build images of all packages in the workspace that have a table or a binary
    #[arg(long)]
    pub workspace: bool,
    /// Exclude this package (repeatable)
    #[arg(long, value_name = "SPEC", requires = "workspace")]
    pub exclude: Vec<String>,
    /// Put this binary into the image (repeatable)
    #[arg(long = "bin", value_name = "NAME")]
    pub bins: Vec<String>,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Space or comma separated list of features to activate
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub features: Vec<String>,
    /// Activate all available features
    #[arg(long)]
    pub all_features: bool,
    /// Do not activate the `default` feature
    #[arg(long)]
    pub no_default_features: bool,
    /// Build with this profile [default: release]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Build with the profile release, the default unless a table sets another.
    #[arg(short, long, hide = true, conflicts_with = "profile")]
    pub release: bool,
    /// Directory for all generated artifacts
    #[arg(long, value_name = "DIRECTORY")]
    pub target_dir: Option<PathBuf>,
    /// Number of parallel jobs
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub jobs: Option<String>,
    /// Assert that Cargo.lock will remain unchanged
    #[arg(long)]
    pub locked: bool,
    /// Run without accessing the network, with bases from the cache
    #[arg(long)]
    pub offline: bool,
    /// Equivalent to specifying both --locked and --offline
    #[arg(long)]
    pub frozen: bool,
    /// Override a cargo configuration value (repeatable)
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub config: Vec<String>,
    /// Keep the paths of this machine in the binaries, for debuggers that look for sources
    #[arg(long)]
    pub no_remap_path_prefix: bool,
    /// Do not install a missing Rust target through rustup
    #[arg(long)]
    pub no_install: bool,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// Returns the arguments without the `oci` that cargo adds: `cargo-oci oci build` is the same as `cargo-oci build`.
pub fn arguments(typed: impl Iterator<Item = std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut typed: Vec<_> = typed.collect();
    if typed.get(1).is_some_and(|first| first == "oci") {
        typed.remove(1);
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(args: &[&str]) -> Result<BuildArgs, clap::Error> {
        let typed = ["cargo-oci", "build"].iter().chain(args).map(Into::into);
        match Cli::try_parse_from(arguments(typed))?.command {
            Command::Build(told) => Ok(told.args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cli_definition_is_valid() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn arguments_drop_the_oci_of_cargo() {
        let read = |typed: &[&str]| arguments(typed.iter().map(Into::into));
        assert_eq!(read(&["cargo-oci", "oci", "build"]), read(&["cargo-oci", "build"]));
    }

    #[test]
    fn flags_with_lists_split_or_repeat() {
        let args = build(&["--platform", "linux/amd64,linux/arm64", "-t", "a", "-t", "b"]).expect("parses");
        assert_eq!(args.image.choices().len(), 2);
        let tags: Vec<_> = args.image.table.tags.expect("tags").0.iter().map(ToString::to_string).collect();
        assert_eq!(tags, ["a", "b"]);
        let args = build(&["--cmd", "--listen", "--cmd", "a,b"]).expect("parses");
        assert_eq!(args.image.table.cmd.expect("arguments").0, ["--listen", "a,b"]);
    }

    #[test]
    fn prebuilt_flag_needs_platform_and_path() {
        let args = build(&["--prebuilt", "linux/amd64=a=b"]).expect("parses");
        assert_eq!(args.image.prebuilt[0].path, PathBuf::from("a=b"));
        for wrong in ["a", "linux/amd64=", "all=x", "windows/amd64=x", "=x"] {
            assert!(build(&["--prebuilt", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn target_flag_replaces_platform_flag() {
        let args = build(&["--target", "x86_64-unknown-linux-gnu"]).expect("parses");
        assert_eq!(args.image.choices()[0].to_string(), "linux/amd64");
        assert!(build(&["--target", "x86_64-unknown-linux-gnu", "--platform", "host"]).is_err());
        assert!(build(&["--target", "aarch64-apple-darwin"]).is_err());
    }

    #[test]
    fn output_flag_needs_type_and_path() {
        let args = build(&["-o", "oci-archive=a=b.tar"]).expect("parses");
        assert_eq!(args.output.outputs[0].path, PathBuf::from("a=b.tar"));
        for wrong in ["tar=x", "oci-dir", "oci-dir="] {
            assert!(build(&["-o", wrong]).is_err(), "{wrong}");
        }
    }
}
