//! The command line: subcommands, flags and their help.

mod attachment;
mod attest;
mod base;
mod build;
mod building;
mod bundle;
mod cache;
mod cargo;
mod completing;
mod copy;
mod diff;
mod explain;
mod format;
mod generate;
mod identity;
mod image;
mod index;
mod init;
mod inspect;
mod load;
mod login;
mod output;
mod rebase;
mod registry;
mod registry_show;
mod reproduce;
mod run;
mod sbom;
mod table;
mod talk;
mod test;
mod testing;
pub(crate) mod time;

pub use attachment::{AttachmentKind, AttachmentName};
pub use attest::{
    AttachArgs, Attest, GenerateKeyArgs, ReferrersArgs, Required, SignArgs, SignerArgs, SubjectArgs, VerifyArgs,
};
pub use base::{BaseAction, BaseCheckArgs, BasePinArgs, BaseSelection, BaseToolArgs};
pub use build::{BuildArgs, DebugTwin, PushArgs, PushTarget};
pub use bundle::{BundleArgs, BundleForm};
pub use cache::{CacheAction, CacheArgs, PruneArgs};
pub use cargo::CargoArgs;
pub use copy::CopyArgs;
pub use diff::DiffArgs;
pub use explain::explain;
pub use format::WithFormat;
pub use generate::{CompletionsArgs, ManArgs, SchemaArgs};
pub use identity::IdentityArgs;
pub use image::{ImageArgs, Prebuilt};
pub use index::IndexArgs;
pub use init::{CiService, InitArgs, InstallSource};
pub use inspect::{InspectArgs, NamedArgs};
pub use load::{EngineArgs, LoadArgs};
pub use login::{LoginArgs, LogoutArgs, PasswordArg};
pub use output::{Output, OutputArgs, OutputKind};
pub use rebase::RebaseArgs;
pub use registry::RegistryArgs;
pub use registry_show::{RegistryAction, RegistryPruneArgs, RegistryShowArgs, RegistryToolArgs};
pub use reproduce::ReproduceArgs;
pub use run::{ContainerArgs, ContainerVariable, RunArgs};
pub use sbom::{SbomArgs, SbomView};
pub use talk::{CommandArgs, MessageFormat, TalkArgs};
pub use test::TestArgs;
pub use testing::TestingArgs;

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

    use clap::{Args, FromArgMatches};

    use super::*;

    fn build(args: &[&str]) -> Result<BuildArgs, clap::Error> {
        let command = BuildArgs::augment_args(clap::Command::new("build"));
        let matches = command.try_get_matches_from(["build"].iter().chain(args))?;
        BuildArgs::from_arg_matches(&matches)
    }

    #[test]
    fn arguments_drop_the_oci_of_cargo() {
        let typed = ["cargo-oci", "oci", "build"].map(Into::into);
        assert_eq!(arguments(typed.into_iter()), ["cargo-oci", "build"]);
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
        assert!(!args.output.outputs[0].referrers);
        for wrong in ["tar=x", "oci-dir", "oci-dir=", "oci-dir=,referrers=true"] {
            assert!(build(&["-o", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn output_flag_takes_option_behind_path() {
        for (typed, path, referrers) in [
            ("oci-dir=a,referrers=true", "a", true),
            ("oci-archive=a,b=c.tar,referrers=true", "a,b=c.tar", true),
            ("oci-dir=a,referrers=false", "a", false),
            ("docker-archive=a,b", "a,b", false),
        ] {
            let args = build(&["-o", typed]).expect("parses");
            let output = &args.output.outputs[0];
            assert_eq!((output.path.to_str(), output.referrers), (Some(path), referrers));
        }
        for wrong in ["oci-dir=a,referrers=yes", "oci-dir=a,referers=true", "docker-archive=a,referrers=true"] {
            assert!(build(&["-o", wrong]).is_err(), "{wrong}");
        }
    }
}
