//! The command line: subcommands, flags and their help.

mod attest;
mod build;
mod bundle;
mod cache;
mod cargo;
mod completing;
mod format;
mod generate;
mod image;
mod inspect;
mod load;
mod login;
mod output;
mod sbom;
mod table;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{Parser, Subcommand};

pub use attest::{
    AttachArgs, Attest, GenerateKeyArgs, ReferrersArgs, Required, SignArgs, SignerArgs, SubjectArgs, VerifyArgs,
};
pub use build::{BuildArgs, PushArgs};
pub use bundle::{BundleArgs, BundleForm};
pub use cache::{CacheAction, CacheArgs, PruneArgs};
pub use cargo::CargoArgs;
pub use format::{MessageFormat, WithFormat};
pub use generate::{CompletionsArgs, ManArgs};
pub use image::{ImageArgs, Prebuilt};
pub use inspect::NamedArgs;
pub use load::{EngineArgs, LoadArgs, RunArgs};
pub use login::{LoginArgs, LogoutArgs, PasswordArg, TalkArgs};
pub use output::{Output, OutputArgs, OutputKind};
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
    use std::path::PathBuf;

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
