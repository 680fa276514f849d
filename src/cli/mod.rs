//! What was typed, not yet what it means: [`plan`](crate::plan) knows that.

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

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::config::check::check_line;
use crate::suggest::hint;
pub use attest::{
    AttachArgs, Attest, GenerateKeyArgs, ReferrersArgs, Required, SignArgs, SignerArgs, SubjectArgs, VerifyArgs,
};
pub use bundle::{BundleArgs, BundleForm};
pub use cache::{CacheAction, CacheArgs, PruneArgs};
pub use format::{MessageFormat, Told};
pub use generate::{CompletionsArgs, ManArgs};
pub use image::{ImageArgs, Prebuilt};
pub use inspect::NamedArgs;
pub use load::{EngineArgs, LoadArgs, RunArgs};
pub use login::{LoginArgs, LogoutArgs, TalkArgs, Typed};
pub use sbom::SbomArgs;

/// Cargo's own colours.
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
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile, assemble the image and write it as an OCI layout
    ///
    /// Builds the crate for each platform, lays the binaries over the base and writes a multi-arch OCI index to
    /// target/oci/NAME. The last line on stdout is the result: `oci:target/oci/NAME@sha256:…`.
    Build(Told<BuildArgs>),
    /// Build, then push index, images and tags to a registry
    ///
    /// Nothing is pushed that is there already, and base layers are not downloaded to be pushed. The tags move last. The
    /// result on stdout is one line a repository: `REGISTRY/REPOSITORY@sha256:…`.
    Push(Told<PushArgs>),
    /// Build, then hand the image to Docker, Podman, nerdctl, containerd, kind, minikube or k3d
    ///
    /// Builds for the engine's own platform, or for `--platform`, and sends only what the engine lacks. The result on
    /// stdout is what the engine calls the image: `NAME:TAG`.
    Load(Told<LoadArgs>),
    /// Build, load, then run it as `cargo run` would
    ///
    /// The program has the terminal and the signals, and its exit status is that of this command. What stands behind `--`
    /// takes the place of the image's `cmd`.
    Run(RunArgs),
    /// Build, then unpack a bundle that runc, crun and youki start
    ///
    /// A bundle is the folder `rootfs` with the files of the image for one platform, and a `config.json` made from the
    /// image's own. With `--from` it is that of any other image, and no crate is needed. The result on stdout is its path.
    Bundle(Told<BundleArgs>),
    /// Show what an image holds: platforms, layers, config, base, and what is attached to it
    ///
    /// The image is in a registry, a layout or an archive; where none of a layout's images is named, all are shown. No
    /// layer is read. The result on stdout is a tree, or all of it as JSON.
    Inspect(NamedArgs),
    /// Print what an image would be made of, without building it
    ///
    /// It is the SBOM that `cargo oci build` attaches, but for what only a build can know: the digests of programs and image.
    /// For one platform it is that of the image for it, else that of the index.
    Sbom(SbomArgs),
    /// Recompute every digest, size and diffID of an image
    ///
    /// It reads all of the image, or of all images in a layout or archive where none is named. Each problem is a line on
    /// stdout, `DIGEST: what is wrong`, and the exit status is 1 then; stdout stays empty when all is right. With `--json` it
    /// is one object, with what was looked at too.
    Validate(NamedArgs),
    /// Make a pair of keys: one that signs, one that verifies
    ///
    /// It writes PREFIX.key, which only you can read and which has a password, and PREFIX.pub, which is for everybody:
    /// ECDSA on the curve P-256, as `cosign generate-key-pair` makes it. The password comes from COSIGN_PASSWORD, else it is
    /// asked for. The result on stdout is both paths.
    GenerateKey(GenerateKeyArgs),
    /// Sign an image where it is: in a registry or in a layout
    ///
    /// The index and the image for each platform are signed as cosign 3 does it with a key: a sigstore bundle each, attached
    /// as a referrer; and so are the SBOMs and the provenance that are attached to them. What is signed already stays as it
    /// is. `cosign verify --key --insecure-ignore-tlog` accepts it, for there is no transparency log. Without a key (Fulcio,
    /// Rekor), a cargo-oci signs that was installed with the feature `keyless`. The result on stdout is the image's name with
    /// its digest.
    Sign(SignArgs),
    /// Verify that an image is signed, and what is attached to it
    ///
    /// The index is signed with this key, by `cargo oci sign` or by cosign 3; what is attached to it and to its images is what
    /// was attached; what the key has signed is unchanged. It says whether an SBOM and provenance are there. The result on
    /// stdout is the image's name with the digest that was verified.
    Verify(VerifyArgs),
    /// Attach a file to an image where it is: in a registry or in a layout
    ///
    /// What is attached already, with this type and this content, is not attached again. The result on stdout is the name of
    /// what is attached, with its digest.
    Attach(AttachArgs),
    /// List what is attached to an image: signatures, SBOMs, any file
    ///
    /// It looks at the index and at the image for each platform. The result on stdout is a tree, or all of it as JSON.
    Referrers(ReferrersArgs),
    /// Keep a user's password for a registry, once the registry has accepted it
    ///
    /// It goes to the credential helper that is configured for the registry, else into the file where Docker and Podman
    /// look for it. Without `--username` and a password, both are asked for.
    Login(LoginArgs),
    /// Forget what `login` has kept for a registry
    Logout(LogoutArgs),
    /// See what is kept between runs: pulled bases and layers that were made
    ///
    /// It is on by default, and in the user's cache folder, or where CARGO_OCI_CACHE_DIR says.
    Cache(CacheArgs),
    /// Print what a shell needs to complete `cargo oci` and `cargo-oci`
    ///
    /// For bash and fish, have it read at their start: `source <(cargo oci completions bash)` in ~/.bashrc,
    /// `cargo oci completions fish | source` in ~/.config/fish/config.fish. For zsh, write it to a file `_cargo-oci` in a
    /// folder of $fpath. In elvish and PowerShell `cargo-oci` alone is completed.
    Completions(CompletionsArgs),
    /// Write the man pages: cargo-oci.1, and one for each command
    ///
    /// They say what `cargo oci help` says. The result on stdout is the path of each.
    Man(ManArgs),
}

impl Command {
    /// Returns how much is said.
    pub fn talk(&self) -> TalkArgs {
        let talk = match self {
            Command::Build(typed) => &typed.args.cargo.talk,
            Command::Push(typed) => &typed.args.build.cargo.talk,
            Command::Load(typed) => &typed.args.build.cargo.talk,
            Command::Bundle(typed) => &typed.args.cargo.talk,
            Command::Run(args) => &args.load.build.cargo.talk,
            Command::Sbom(args) => &args.cargo.talk,
            Command::Inspect(args) | Command::Validate(args) => &args.talk,
            Command::Login(args) => &args.talk,
            Command::Logout(args) => &args.talk,
            Command::GenerateKey(args) => &args.talk,
            Command::Sign(args) => &args.talk,
            Command::Verify(args) => &args.talk,
            Command::Attach(args) => &args.talk,
            Command::Referrers(args) => &args.talk,
            Command::Cache(args) => args.action.talk(),
            Command::Completions(_) | Command::Man(_) => return TalkArgs::default(),
        };
        talk.clone()
    }

    /// Returns the form of what is written to stdout.
    pub fn message_format(&self) -> MessageFormat {
        match self {
            Command::Build(typed) => typed.message_format,
            Command::Push(typed) => typed.message_format,
            Command::Load(typed) => typed.message_format,
            Command::Bundle(typed) => typed.message_format,
            _ => MessageFormat::Human,
        }
    }
}

/// The arguments of `cargo oci push`.
#[derive(Args, Clone, Debug, Default)]
#[command(group(ArgGroup::new("signer").requires("sign")))]
pub struct PushArgs {
    /// What is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// Push no tag: the result is reachable by its digest alone
    #[arg(long, help_heading = "Output")]
    pub by_digest: bool,
    /// Sign index and images where they are pushed to, as `cargo oci sign` does, before a tag moves
    #[arg(long, requires = "signer", help_heading = "Signing")]
    pub sign: bool,
    /// Who signs.
    #[command(flatten, next_help_heading = "Signing")]
    pub signer: SignerArgs,
}

/// The arguments of `cargo oci build`.
#[derive(Args, Clone, Debug, Default)]
pub struct BuildArgs {
    /// What the image is made of.
    #[command(flatten)]
    pub image: ImageArgs,
    /// Where it goes.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Cargo's own.
    #[command(flatten)]
    pub cargo: CargoArgs,
}

/// What is written besides the layout in `target/oci`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write the image there too: oci-dir=PATH, oci-archive=PATH or docker-archive=PATH (repeatable)
    #[arg(short, long = "output", value_name = "TYPE=PATH")]
    pub outputs: Vec<Output>,
    /// Write the result (references, digests, sizes) to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Write the SBOMs there too, as NAME.cdx.json for the index and NAME-linux-amd64.cdx.json for a platform, or .spdx.json
    #[arg(long, value_name = "DIR")]
    pub sbom_dir: Option<PathBuf>,
}

/// A place of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The form.
    pub kind: OutputKind,
    /// The place.
    pub path: PathBuf,
}

/// The forms an image is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A folder with an OCI layout.
    OciDir,
    /// A tar file with an OCI layout.
    OciArchive,
    /// A tar file that `docker load` reads as well.
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
                return Err(format!("`{other}` is none of oci-dir, oci-archive and docker-archive{hint}"));
            }
        };
        if path.is_empty() {
            return Err("the path is missing, as in `oci-archive=image.tar`".to_owned());
        }
        Ok(Output { kind, path: path.into() })
    }
}

/// Cargo's own flags, with cargo's own meaning.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cargo")]
pub struct CargoArgs {
    /// Package to build an image of (repeatable)
    #[arg(short, long = "package", value_name = "SPEC")]
    pub packages: Vec<String>,
    /// Build the images of every package of the workspace that has a table or a binary
    #[arg(long)]
    pub workspace: bool,
    /// Package to leave out (repeatable)
    #[arg(long, value_name = "SPEC", requires = "workspace")]
    pub exclude: Vec<String>,
    /// Binary to put into the image (repeatable)
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
    /// Build with the profile release, which is what is done where no table says otherwise.
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
    /// Run cargo without accessing the network, and take a base from the cache
    #[arg(long)]
    pub offline: bool,
    /// Both --locked and --offline
    #[arg(long)]
    pub frozen: bool,
    /// Override a cargo configuration value (repeatable)
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub config: Vec<String>,
    /// Leave the paths of this computer in the binaries, for a debugger that looks for sources
    #[arg(long)]
    pub no_remap_path_prefix: bool,
    /// Do not install a missing Rust target through rustup
    #[arg(long)]
    pub no_install: bool,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            check_line(key)?;
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// The arguments of this process, read both as cargo calls it (`cargo-oci oci build`) and by itself (`cargo-oci build`).
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
    fn the_definition_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn cargos_call_and_ones_own_are_read_alike() {
        let read = |typed: &[&str]| arguments(typed.iter().map(Into::into));
        assert_eq!(read(&["cargo-oci", "oci", "build"]), read(&["cargo-oci", "build"]));
    }

    #[test]
    fn lists_come_with_commas_or_repeated() {
        let args = build(&["--platform", "linux/amd64,linux/arm64", "-t", "a", "-t", "b"]).expect("parses");
        assert_eq!(args.image.platforms.len(), 2);
        let tags: Vec<_> = args.image.tags.iter().map(ToString::to_string).collect();
        assert_eq!(tags, ["a", "b"]);
        let args = build(&["--cmd", "--listen", "--cmd", "a,b"]).expect("parses");
        assert_eq!(args.image.cmd, ["--listen", "a,b"]);
    }

    #[test]
    fn prebuilt_programs_are_a_platforms() {
        let args = build(&["--prebuilt", "linux/amd64=a=b"]).expect("parses");
        assert_eq!(args.image.prebuilt[0].path, PathBuf::from("a=b"));
        for wrong in ["a", "linux/amd64=", "all=x", "windows/amd64=x", "=x"] {
            assert!(build(&["--prebuilt", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_target_takes_the_place_of_a_platform() {
        let args = build(&["--target", "x86_64-unknown-linux-gnu"]).expect("parses");
        assert_eq!(args.image.choices()[0].to_string(), "linux/amd64");
        assert!(build(&["--target", "x86_64-unknown-linux-gnu", "--platform", "host"]).is_err());
        assert!(build(&["--target", "aarch64-apple-darwin"]).is_err());
    }

    #[test]
    fn an_output_is_a_known_type_and_a_path() {
        let args = build(&["-o", "oci-archive=a=b.tar"]).expect("parses");
        assert_eq!(args.output.outputs[0].path, PathBuf::from("a=b.tar"));
        for wrong in ["tar=x", "oci-dir", "oci-dir="] {
            assert!(build(&["-o", wrong]).is_err(), "{wrong}");
        }
    }
}
