//! The subcommands, one file each: arguments → verbs → [`Outcome`].
//!
//! A new one is a file here, its arguments in [`cli`](crate::cli), and a line in [`run`].

pub mod attach;
pub mod build;
pub mod bundle;
pub mod cache;
pub mod completions;
pub mod generate_key;
pub mod inspect;
pub mod load;
pub mod login;
pub mod logout;
pub mod man;
mod outcome;
pub mod push;
pub mod referrers;
pub mod run;
pub mod sbom;
pub mod sign;
pub mod validate;
pub mod verify;

pub use outcome::Outcome;

use crate::cli::Command;
use crate::context::GlobalContext;
use crate::error::Result;

/// Runs a subcommand.
///
/// # Errors
/// Returns an error if it cannot do what it was asked for; what it wrote and where is said in its own file.
pub fn run(command: &Command, context: &GlobalContext) -> Result<Outcome> {
    let _entered = context.cancellation.enter();
    match command {
        Command::Build(typed) => build::run(&typed.args, context),
        Command::Push(typed) => push::run(&typed.args, context),
        Command::Load(typed) => load::run(&typed.args, context),
        Command::Run(args) => run::run(args, context),
        Command::Bundle(typed) => bundle::run(&typed.args, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::Sbom(args) => sbom::run(args, context),
        Command::Validate(args) => validate::run(args, context),
        Command::GenerateKey(args) => generate_key::run(args, context),
        Command::Sign(args) => sign::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Attach(args) => attach::run(args, context),
        Command::Referrers(args) => referrers::run(args, context),
        Command::Login(args) => login::run(args, context),
        Command::Logout(args) => logout::run(args, context),
        Command::Cache(args) => cache::run(args, context),
        Command::Completions(args) => Ok(completions::run(args)),
        Command::Man(args) => man::run(args),
    }
}
