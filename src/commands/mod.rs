//! The subcommands, one file each: arguments → verbs → [`Outcome`].
//!
//! A new one is a file here, its arguments in [`cli`](crate::cli), and an entry in the list below.

mod attach;
mod base;
mod build;
mod bundle;
mod cache;
mod completions;
mod copy;
mod diff;
mod generate_key;
mod index;
mod init;
mod inspect;
mod load;
mod login;
mod logout;
mod man;
mod outcome;
mod push;
mod rebase;
mod referrers;
mod registry;
mod reproduce;
mod run;
mod sbom;
mod schema;
mod sign;
mod test;
mod validate;
mod verify;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{Parser, Subcommand};

pub use outcome::Outcome;

use crate::cli::{
    AttachArgs, BaseToolArgs, BuildArgs, BundleArgs, CacheArgs, CommandArgs, CompletionsArgs, CopyArgs, DiffArgs,
    GenerateKeyArgs, IndexArgs, InitArgs, InspectArgs, LoadArgs, LoginArgs, LogoutArgs, ManArgs, MessageFormat,
    NamedArgs, PushArgs, RebaseArgs, ReferrersArgs, RegistryArgs, RegistryToolArgs, ReproduceArgs, RunArgs, SbomArgs,
    SchemaArgs, SignArgs, TalkArgs, TestArgs, VerifyArgs, WithFormat,
};
use crate::context::GlobalContext;
use crate::error::Result;

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

/// Defines [`Command`] and [`run`] from entries `Name(Arguments) => function`, whose comments are the help texts.
macro_rules! commands {
    ($($(#[$help:meta])* $name:ident($args:ty) => $run:expr,)*) => {
        /// The subcommands.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $($(#[$help])* $name($args),)*
        }

        impl Command {
            /// Returns how much is printed.
            pub fn talk(&self) -> TalkArgs {
                match self {
                    $(Command::$name(args) => args.talk(),)*
                }
            }

            /// Returns how registries are reached.
            pub fn registries(&self) -> RegistryArgs {
                match self {
                    $(Command::$name(args) => args.registries(),)*
                }
            }

            /// Returns the form of what is printed to stdout.
            pub fn message_format(&self) -> MessageFormat {
                match self {
                    $(Command::$name(args) => args.message_format(),)*
                }
            }
        }

        /// Runs a subcommand.
        ///
        /// # Errors
        /// Returns the error of the subcommand, whose file describes what it has written then.
        pub fn run(command: &Command, context: &GlobalContext) -> Result<Outcome> {
            let _entered = context.cancellation.enter();
            match command {
                $(Command::$name(args) => $run(args, context),)*
            }
        }
    };
}

commands! {
    /// Build an image and write it as an OCI layout
    ///
    /// Compiles the crate for each platform, layers the binaries on the base and writes a multi-arch OCI index to
    /// target/oci/NAME. Prints a line for each image: `oci:target/oci/NAME@sha256:…`.
    Build(WithFormat<BuildArgs>) => build::run,
    /// Build an image and push it to a registry
    ///
    /// Skips blobs that the registry has, and mounts base layers without downloading them if it can. Moves the tags last.
    /// Prints a line for each repository: `REGISTRY/REPOSITORY@sha256:…`.
    Push(Box<WithFormat<PushArgs>>) => push::run,
    /// Make one index of images that were built on several machines
    ///
    /// Each machine pushes its platform with `cargo oci push --by-digest --metadata-file FILE`; then this command makes the
    /// index of all, with the digest that a build on one machine has. Attachments and signatures of the parts come along; the
    /// index gets its own SBOM and provenance. Moves the tags last. Prints `REGISTRY/REPOSITORY@sha256:…` for each index.
    Index(WithFormat<IndexArgs>) => index::run,
    /// Put an image that was built before on a new base, without source and compiler
    ///
    /// The layers of the program stay as they are; config, manifest and index are made anew, as a rebuild on the new base makes
    /// them, and so are SBOM and provenance. Works only for images that cargo oci has built, and that fit the new base. Moves
    /// the tags last, unless they have moved meanwhile. Prints a line for each image: `REGISTRY/REPOSITORY@sha256:…`.
    Rebase(RebaseArgs) => rebase::run,
    /// Copy an image, with all that is attached, to other registries, layouts or archives
    ///
    /// Copies all platforms, signatures, SBOMs and other attachments by digest: mounted within a registry, else streamed without
    /// a file between. What is there is not sent again. Moves the tags last. Prints a line for each image and destination:
    /// `REGISTRY/REPOSITORY@sha256:…`.
    Copy(CopyArgs) => copy::run,
    /// Build an image and load it into Docker, Podman, nerdctl, containerd, kind, minikube or k3d
    ///
    /// Builds for the engine's own platform, or for `--platform`, and sends only what the engine lacks. Prints the name of
    /// the image in the engine: `NAME:TAG`.
    Load(WithFormat<LoadArgs>) => load::run,
    /// Build an image, load it and run it, like `cargo run`
    ///
    /// The program gets the terminal and the signals, and its exit status is the status of this command. Arguments after `--`
    /// replace the image's `cmd`.
    Run(RunArgs) => run::run,
    /// Build an image and unpack it as a bundle for runc, crun and youki
    ///
    /// A bundle is a folder `rootfs` with the files of the image for one platform, and a `config.json` made from the image's
    /// config. `--from` unpacks any other image and needs no crate. Prints the path of the bundle.
    Bundle(WithFormat<BundleArgs>) => bundle::run,
    /// Test an image: what is in it, and what its program does
    ///
    /// The tests are the key `test` and files for container-structure-test. Config and files are checked in the layers, for
    /// every platform; programs are run in the engine of `cargo oci run`, else by runc or crun, also those of other
    /// architectures if QEMU's binfmt handlers are there. Prints a line for each test.
    Test(TestArgs) => test::run,
    /// Inspect an image: platforms, layers, configuration, attachments
    ///
    /// The image is in a registry, a layout or an archive; without a name, all images of a layout are shown. Layers are only
    /// read for `--files`. Prints a tree, or JSON.
    Inspect(InspectArgs) => inspect::run,
    /// Print what differs between two images, down to their files
    ///
    /// Each is in a registry, a layout or an archive. Compares indexes, manifests and configs, the files that the layers make,
    /// and the packages of attached SBOMs, for each platform. Layers that both images begin with are only read if it matters
    /// what is in them. Prints a line for each difference: `+` for what only B has, `-` for what only A has, `~` for what both
    /// have in different ways. Exits with status 1 if the images differ.
    Diff(DiffArgs) => diff::run,
    /// Build an image again from its provenance, and compare digests
    ///
    /// Reads from the provenance which commit, Cargo.lock, toolchain and release of cargo-oci have built the image, and says what
    /// differs here; then nothing is built. Else builds it here with the recorded base, platforms and choices. Prints the image's
    /// name with its digest if that is the same, else the first difference and all others, as `cargo oci diff` does, and exits
    /// with status 1. Checks out nothing. Signatures are for `cargo oci verify`.
    Reproduce(ReproduceArgs) => reproduce::run,
    /// Print the SBOM without building the image
    ///
    /// It is the SBOM that `cargo oci build` attaches, without the digests of binaries and image, which only a build knows.
    /// For one platform, it is the SBOM of that platform's image, else of the index.
    Sbom(SbomArgs) => sbom::run,
    /// Verify every digest, size and diffID of an image
    ///
    /// Reads the whole image; without a name, all images of a layout or archive. Prints a line `DIGEST: what is wrong` for
    /// each problem, and exits with status 1 then. `--json` prints one object, which also lists what was checked.
    Validate(NamedArgs) => validate::run,
    /// Generate a key pair for signing
    ///
    /// Writes PREFIX.key, the private key, readable only by you and encrypted with a password, and PREFIX.pub, the public
    /// key: ECDSA P-256, as `cosign generate-key-pair` writes them. The password comes from COSIGN_PASSWORD or a prompt.
    /// Prints both paths.
    GenerateKey(GenerateKeyArgs) => generate_key::run,
    /// Sign an image in a registry or a layout
    ///
    /// Signs the index, the image for each platform, and their SBOMs and provenance as cosign 3 does with a key: as sigstore
    /// bundles, attached as referrers. Skips what the key has signed already. Verify with `cosign verify --key FILE
    /// --insecure-ignore-tlog`: signatures with a key are not in a transparency log. `--keyless` signs without a key (Fulcio,
    /// Rekor). Prints the image's name with its digest.
    Sign(SignArgs) => sign::run,
    /// Verify the signature of an image and its attachments
    ///
    /// Checks that the index is signed, by `cargo oci sign`, cosign 3 or cosign 2: with a key, or without one by whom the
    /// certificate names. Reports who has signed and what is attached, signed or not. `--policy` checks more rules. Prints the
    /// image's name with the digest that was verified.
    Verify(VerifyArgs) => verify::run,
    /// Attach a file to an image in a registry or a layout
    ///
    /// Does nothing if the same content is attached with the same type. Prints the name of the artifact with its digest.
    Attach(AttachArgs) => attach::run,
    /// List what is attached to an image: signatures, SBOMs, other files
    ///
    /// Reads the referrers of the index and of the image for each platform. Prints a tree, or JSON.
    Referrers(ReferrersArgs) => referrers::run,
    /// Write the table in Cargo.toml, and a file for CI
    ///
    /// Appends a commented `[package.metadata.oci]` with what differs from the defaults, and changes no other byte of the file.
    /// `--ci` also writes a file that builds and pushes the image. Neither replaces what is there. Asks nothing. Prints the
    /// paths of what was written.
    Init(InitArgs) => init::run,
    /// Log in to a registry
    ///
    /// Checks the password with the registry, and stores it in the credential helper that is configured for the registry,
    /// else in the file where Docker and Podman look for it. Prompts for the user and the password unless they are given.
    Login(LoginArgs) => login::run,
    /// Log out of a registry
    Logout(LogoutArgs) => logout::run,
    /// Show how registries are reached
    Registry(RegistryToolArgs) => registry::run,
    /// Pin the bases in Cargo.toml by digest, check and update them
    Base(BaseToolArgs) => base::run,
    /// Manage the cache of pulled bases and built layers
    ///
    /// It is in the user's cache folder, or in CARGO_OCI_CACHE_DIR.
    Cache(CacheArgs) => cache::run,
    /// Print the JSON Schema of the table in Cargo.toml
    ///
    /// Editors with taplo, such as VS Code with Even Better TOML, complete and check [package.metadata.oci] and
    /// [workspace.metadata.oci] with it.
    Schema(SchemaArgs) => schema::run,
    /// Print shell completions for `cargo oci` and `cargo-oci`
    ///
    /// For bash, add `source <(cargo oci completions bash)` to ~/.bashrc. For fish, add `cargo oci completions fish | source`
    /// to ~/.config/fish/config.fish. For zsh, write them to a file `_cargo-oci` in a folder of $fpath. In elvish and
    /// PowerShell, only `cargo-oci` is completed.
    Completions(CompletionsArgs) => completions::run::<Cli>,
    /// Write man pages: cargo-oci.1, and one for each command
    ///
    /// They hold the same text as `cargo oci help`. Prints the path of each.
    Man(ManArgs) => man::run::<Cli>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn cli_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
