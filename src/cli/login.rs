//! The arguments of `cargo oci login` and `cargo oci logout`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::{Args, ColorChoice};

use crate::reference::RegistryName;

/// The arguments of `cargo oci login`.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// The registry, as image names begin with it: ghcr.io, docker.io, 127.0.0.1:5000
    #[arg(value_name = "REGISTRY")]
    pub registry: RegistryName,
    /// The user there; some registries want more, such as `tenancy/user`
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,
    /// The password or access token; others on this machine can see it while this runs
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub password: Option<Typed>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci logout`.
#[derive(Args, Clone, Debug)]
pub struct LogoutArgs {
    /// The registry, as it was named to `cargo oci login`
    #[arg(value_name = "REGISTRY")]
    pub registry: RegistryName,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// How much is said, and in which colours.
#[derive(Args, Clone, Debug, Default)]
pub struct TalkArgs {
    /// Print nothing but errors and the result
    #[arg(short, long, env = "CARGO_TERM_QUIET", value_parser = quiet)]
    pub quiet: bool,
    /// Use verbose output: the requests that are made, and that of cargo (-vv: more of it)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Coloring: auto, always, never
    #[arg(long, value_name = "WHEN", env = "CARGO_TERM_COLOR", hide_env = true)]
    pub color: Option<ColorChoice>,
}

/// The value of the variable: the flag has none.
fn quiet(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "CARGO_TERM_QUIET is to be `true` or `false`".to_owned())
}

/// A password that was typed as an argument. It does not print itself.
#[derive(Clone)]
pub struct Typed(pub String);

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for Typed {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Typed(text.to_owned()))
    }
}
