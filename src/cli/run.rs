//! The arguments of `cargo oci run`: those of `cargo oci load`, and those of the container.

use std::ffi::OsString;
use std::str::FromStr;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::load::LoadArgs;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::config::check::{check_line, check_user, check_workdir};

/// The heading of the flags that make another image.
const IMAGE_HEADING: &str = "Image (these make another image)";
/// The heading of the flags that leave the image as it is.
const CONTAINER_HEADING: &str = "Container (these leave the image as it is)";
/// The keys whose flags are about the image elsewhere, and about the container here.
const CONTAINER_KEYS: [&str; 5] = ["env", "user", "workdir", "entrypoint", "cmd"];

/// The arguments of `cargo oci run`.
#[derive(Clone, Debug, Default)]
pub struct RunArgs {
    /// What is built, and which engine runs it.
    pub load: LoadArgs,
    /// The container.
    pub container: Box<ContainerArgs>,
}

/// The container that runs an image.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = CONTAINER_HEADING)]
pub struct ContainerArgs {
    /// Arguments of the program, instead of the image's `cmd`
    #[arg(last = true, value_name = "ARGS", help_heading = None)]
    pub args: Vec<OsString>,
    /// Publish a port of the container, in the engine's syntax: 8080:8080 (repeatable)
    #[arg(long, value_name = "PORTS")]
    pub publish: Vec<String>,
    /// Mount a folder or a volume, in the engine's syntax: /srv/data:/data (repeatable)
    #[arg(long, value_name = "SOURCE:TARGET")]
    pub volume: Vec<String>,
    /// Set a variable in the container, as KEY=VALUE, or pass the one called KEY on (repeatable)
    #[arg(short = 'e', long = "env", value_name = "KEY[=VALUE]", id = "container-env")]
    pub variables: Vec<ContainerVariable>,
    /// Run as this user instead of the image's, by name or number, and this group after a colon
    #[arg(short = 'u', long = "user", value_name = "USER[:GROUP]", id = "container-user", value_parser = user)]
    pub user: Option<String>,
    /// Start in this working directory instead of the image's
    #[arg(short = 'w', long = "workdir", value_name = "PATH", id = "container-workdir", value_parser = workdir)]
    pub workdir: Option<String>,
    /// Start this program with these first arguments, without the image's `cmd` (repeatable)
    #[arg(long = "entrypoint", value_name = "ARG", id = "container-entrypoint", allow_hyphen_values = true)]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub entrypoint: Vec<String>,
    /// Give the container this name
    #[arg(long = "name", value_name = "NAME", id = "container-name")]
    pub name: Option<String>,
    /// Connect the container to this network
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Option<String>,
    /// Run in the background, and print the container's ID; it is removed when the program ends
    #[arg(short, long)]
    pub detach: bool,
    /// Run a shell over the variant of the base that has one, such as `:debug-nonroot` of distroless; arguments are the shell's
    #[arg(long, help_heading = IMAGE_HEADING)]
    pub debug: bool,
    /// Remove the container when the program ends, as is done anyway.
    #[arg(long, hide = true)]
    pub rm: bool,
    /// Pass another argument to the engine's `run`, such as --engine-arg=--memory=1g (repeatable)
    #[arg(long = "engine-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub engine_args: Vec<String>,
}

/// A variable of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerVariable {
    /// The name.
    pub name: String,
    /// The value, or `None` for that of the variable of this name here.
    pub value: Option<String>,
}

impl FromStr for ContainerVariable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        if name.is_empty() {
            return Err("expected KEY=VALUE, or the KEY of a variable that is passed on".to_owned());
        }
        check_line(name)?;
        Ok(ContainerVariable { name: name.to_owned(), value })
    }
}

fn user(text: &str) -> Result<String, String> {
    check_user(text).map(|()| text.to_owned())
}

fn workdir(text: &str) -> Result<String, String> {
    check_workdir(text).map(|()| text.to_owned())
}

impl Args for RunArgs {
    fn augment_args(command: Command) -> Command {
        let of_load = LoadArgs::augment_args(Command::new("load"));
        let kept = of_load.get_arguments().filter(|arg| !CONTAINER_KEYS.contains(&arg.get_id().as_str()));
        let kept: Vec<_> = kept.cloned().map(under_heading).collect();
        ContainerArgs::augment_args(command).args(kept)
    }

    fn augment_args_for_update(command: Command) -> Command {
        RunArgs::augment_args(command)
    }
}

fn under_heading(arg: Arg) -> Arg {
    if arg.get_help_heading() == Some("Image") { arg.help_heading(IMAGE_HEADING) } else { arg }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<RunArgs, Error> {
        let (load, container) = (LoadArgs::from_arg_matches(matches)?, ContainerArgs::from_arg_matches(matches)?);
        Ok(RunArgs { load, container: Box::new(container) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = RunArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl CommandArgs for RunArgs {
    fn talk(&self) -> TalkArgs {
        self.load.build.cargo.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.load.build.cargo.registries.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<RunArgs, Error> {
        let command = RunArgs::augment_args(Command::new("run"));
        RunArgs::from_arg_matches(&command.try_get_matches_from(["run"].iter().chain(args))?)
    }

    #[test]
    fn container_flags_leave_the_table_alone() {
        let args = ["-e", "A=b=c", "--env", "HOME", "--user", "1", "--workdir", "/", "--entrypoint", "/x"];
        let RunArgs { load, container } = run(&args).expect("parses");
        let expected = [("A", Some("b=c")), ("HOME", None)];
        let found: Vec<_> = container.variables.iter().map(|one| (one.name.as_str(), one.value.as_deref())).collect();
        assert_eq!(found, expected);
        assert_eq!(load.build.image.table, crate::config::Table::default());
        assert_eq!(container.entrypoint, ["/x"]);
        for wrong in [["--env", "=a"], ["--env", ""], ["--user", "a:b:c"], ["--workdir", "srv"], ["--entrypoint", ""]] {
            assert!(run(&wrong).is_err(), "{wrong:?}");
        }
    }
}
