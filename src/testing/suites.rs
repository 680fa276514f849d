//! The tests of an image: the key `test`, and files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use miette::miette;

use super::structure_file;
use super::suite::{Suite, Test};
use crate::config::ImageTest;
use crate::environment::Environment;
use crate::error::Result;

/// Returns the tests of the key `test`, and of these files.
///
/// # Errors
/// Returns an error if a file cannot be read, or is no test file.
pub(crate) fn suites(own: &[ImageTest], files: &[PathBuf], environment: &Environment) -> Result<Vec<Suite>> {
    let read = &|name: &str| environment.get(name).and_then(|value| value.to_str()).map(str::to_owned);
    let mut suites: Vec<Suite> = Vec::new();
    for test in own {
        if test.config.is_empty() {
            let test = Test::of_table(test);
            match suites.iter_mut().find(|suite| suite.name == "Cargo.toml") {
                Some(suite) => suite.tests.push(test),
                None => suites.push(Suite { name: "Cargo.toml".to_owned(), tests: vec![test] }),
            }
        }
        for path in &test.config {
            suites.push(from_file(path, test.time_limit, read)?);
        }
    }
    for path in files {
        suites.push(from_file(path, None, read)?);
    }
    Ok(suites)
}

fn from_file(path: &Path, limit: Option<Duration>, read: &dyn Fn(&str) -> Option<String>) -> Result<Suite> {
    let mut suite = structure_file::read(path, read)?;
    // It would pass, whatever the image is.
    if suite.tests.is_empty() {
        return Err(miette!(
            help = "add one, such as `fileExistenceTests: [{ name: no shell, path: /bin/sh, shouldExist: false }]`",
            "there are no tests in {}",
            path.display()
        ));
    }
    for test in &mut suite.tests {
        test.limit = test.limit.or(limit);
    }
    Ok(suite)
}
