//! `cargo oci base`: the bases in Cargo.toml, pinned by digest.

use super::Outcome;
use crate::cli::{BaseAction, BasePinArgs, BaseToolArgs};
use crate::context::GlobalContext;
use crate::error::Result;
use crate::pins::checker::check;
use crate::pins::pinner::{PinAction, Pinner};

/// Does what was asked for.
///
/// # Errors
/// Returns an error if a table is wrong, a base cannot be read or does not fit, or a Cargo.toml cannot be written.
pub(crate) fn run(args: &BaseToolArgs, context: &GlobalContext) -> Result<Outcome> {
    match &args.action {
        BaseAction::Pin(args) => pin(PinAction::Pin, args, context),
        BaseAction::Update(args) => pin(PinAction::Update, args, context),
        BaseAction::Check(args) => {
            let selection = &args.selection;
            let checked = check(selection.manifest_path.as_deref(), &selection.images, selection.talk.quiet, context)?;
            Ok(Outcome::Bases(checked, args.json))
        }
    }
}

/// Pins or updates bases, or returns what that would change.
fn pin(action: PinAction, args: &BasePinArgs, context: &GlobalContext) -> Result<Outcome> {
    let selection = &args.selection;
    let pinner = Pinner {
        action,
        manifest: selection.manifest_path.as_deref(),
        names: &selection.images,
        quiet: selection.talk.quiet,
        context,
    };
    let planned = pinner.plan()?;
    if args.dry_run {
        return Ok(Outcome::Text(planned.diff()));
    }
    Ok(Outcome::Results(planned.write(context)?))
}
