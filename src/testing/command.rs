//! What a program of an image does against what is expected.

use std::time::Duration;

use super::container_command::{CannotRun, ContainerCommand};
use super::image::TestedImage;
use super::runner::{Ended, PlatformRunner};
use super::suite::{CommandTest, TestedProgram};
use super::text::shown;

/// Runs the program, and returns what is different.
///
/// # Errors
/// Returns an error if it cannot be run here.
pub(super) fn run(
    expected: &CommandTest,
    image: &TestedImage,
    runner: &mut PlatformRunner,
    limit: Duration,
) -> Result<Vec<String>, CannotRun> {
    let global = expected.global_env.iter().map(|(name, value)| (name.clone(), image.expand(value, &[])));
    let global: Vec<_> = global.collect();
    let args = match expected.program.args(image, &global) {
        Ok(args) => args,
        Err(why) => return Ok(vec![why]),
    };
    let mut options = expected.options.clone();
    options.env.splice(0..0, global);
    let command = ContainerCommand { args: &args, setup: &expected.setup, options: &options, port: None };
    let finished = match runner.run(&command, limit)? {
        Ended::InTime(finished) => finished,
        Ended::Not(limit) => return Ok(vec![format!("{} had not ended after {limit}, and was killed", args[0])]),
    };
    let status = match finished.status {
        Ok(status) => status,
        Err(why) => return Ok(vec![format!("{} cannot be started: {why}", args[0])]),
    };
    let mut found = finished.stdout.differences("stdout", &expected.stdout, &expected.stdout_excluded);
    found.extend(finished.stderr.differences("stderr", &expected.stderr, &expected.stderr_excluded));
    if status != expected.status {
        let stderr = &finished.stderr.text;
        let stderr = if stderr.trim().is_empty() { String::new() } else { shown(stderr) };
        found.push(format!("the exit status is {status}, not {}{stderr}", expected.status));
    }
    Ok(found)
}

impl TestedProgram {
    /// Returns the program and its arguments.
    ///
    /// # Errors
    /// Returns a message if the image has no program.
    pub(super) fn args(&self, image: &TestedImage, global: &[(String, String)]) -> Result<Vec<String>, String> {
        let args = match self {
            TestedProgram::Other(args) => args.iter().map(|arg| image.expand(arg, global)).collect(),
            TestedProgram::Entrypoint(args) => {
                let cmd = args.clone().unwrap_or_else(|| image.list("Cmd"));
                [image.list("Entrypoint"), cmd].concat()
            }
        };
        if args.is_empty() { Err("the image has neither an entrypoint nor a command".to_owned()) } else { Ok(args) }
    }
}
