//! The arguments of `cargo oci login` and `cargo oci logout`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::Args;

use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
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
    /// Send the password to this token service too, although it is in another domain; remembered for this registry
    #[arg(long, value_name = "HOST[:PORT]")]
    pub trust_token_service: Option<RegistryName>,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
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

impl CommandArgs for LoginArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}

impl CommandArgs for LogoutArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }
}
