//! Programs that run before the one that is tested, in its file system.

use miette::IntoDiagnostic;

use super::container_command::{CannotRun, wrong_format};
use super::process::{Countdown, RunningProgram};
use crate::platform::Platform;

/// Waits for the end of a program of `setup`, which has been started with `args`. One that fails is no failure of the test, as
/// in container-structure-test; one that cannot be started is, and `failure` returns why from its status and its stderr.
///
/// # Errors
/// Returns an error if it cannot be started, or does not end in time.
pub(super) fn finish(
    args: &[String],
    process: &mut RunningProgram,
    limit: Countdown,
    platform: &Platform,
    failure: impl FnOnce(i32, &str) -> Option<String>,
) -> Result<(), CannotRun> {
    let program = args.first().map(String::as_str).unwrap_or_default();
    let Some(status) = process.wait(limit.left()).into_diagnostic()? else {
        return Err(CannotRun::Wrong(format!("{program} of `setup` had not ended after {limit}, and was killed")));
    };
    let stderr = process.stderr().text;
    let failure = failure(status, &stderr);
    let said = [failure.as_deref().unwrap_or_default(), &stderr];
    match (wrong_format(platform, said).filter(|_| status != 0), &failure) {
        (Some(why), _) => Err(CannotRun::Here(why)),
        (None, Some(why)) => Err(CannotRun::Wrong(format!("{program} of `setup` cannot be started: {why}"))),
        (None, None) => Ok(()),
    }
}
