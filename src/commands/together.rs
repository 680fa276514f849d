//! Work that is done side by side: what fails first stops the rest, and is what the user is told.

use std::sync::Mutex;

use miette::Report;

use crate::error::Result;
use crate::interrupt::SideBySide;
use crate::store::lock;

/// What is done at the same time.
pub struct Together {
    stop: SideBySide,
    failure: Mutex<Option<Report>>,
}

impl Together {
    /// Nothing yet.
    pub fn begin() -> Together {
        Together { stop: SideBySide::begin(), failure: Mutex::default() }
    }

    /// Does some of it; gives nothing where that fails.
    pub fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Option<T> {
        let error = match work() {
            Ok(done) => return Some(done),
            Err(error) => error,
        };
        let mut failure = lock(&self.failure);
        if failure.is_none() {
            *failure = Some(error);
            self.stop.abandon();
        }
        None
    }

    /// Ends it.
    ///
    /// # Errors
    /// What failed first.
    pub fn end(self) -> Result<()> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }
}
