//! The arguments of `cargo oci login` and `cargo oci logout`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::{Args, ColorChoice};

use super::Arguments;
use crate::reference::RegistryName;

/// The arguments of `cargo oci login`.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// The registry, as in image names: ghcr.io, docker.io, 127.0.0.1:5000
    #[arg(value_name = "REGISTRY")]
    pub registry: RegistryName,
    /// Log in as this user; some registries need more, such as `tenancy/user`
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,
    /// Use this password or access token; other users of this machine can see it while this runs
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub password: Option<PasswordArg>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci logout`.
#[derive(Args, Clone, Debug)]
pub struct LogoutArgs {
    /// The registry, as given to `cargo oci login`
    #[arg(value_name = "REGISTRY")]
    pub registry: RegistryName,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// How much is printed, and in which colors.
#[derive(Args, Clone, Debug, Default)]
pub struct TalkArgs {
    /// Print only errors and the result
    #[arg(short, long, env = "CARGO_TERM_QUIET", value_parser = quiet)]
    pub quiet: bool,
    /// Print requests, and cargo's verbose output (-vv: very verbose)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Coloring: auto, always, never
    #[arg(long, value_name = "WHEN", env = "CARGO_TERM_COLOR", hide_env = true)]
    pub color: Option<ColorChoice>,
}

/// Parses the variable: the flag has no value.
fn quiet(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "CARGO_TERM_QUIET must be `true` or `false`".to_owned())
}

/// A password argument. Its debug output does not contain it.
#[derive(Clone)]
pub struct PasswordArg(pub String);

impl fmt::Debug for PasswordArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for PasswordArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(PasswordArg(text.to_owned()))
    }
}

impl Arguments for LoginArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }
}

impl Arguments for LogoutArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }
}
