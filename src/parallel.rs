//! Work that is done side by side: what fails first stops the rest, and is what the user is told.

use std::sync::{Arc, Mutex};

use miette::Report;

use crate::error::Result;
use crate::interrupt::SideBySide;

/// The value behind a lock, also after a thread that held it has panicked: the values here are whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How many at a time of what takes no longer than an answer: a far registry is waited for once, and not for each.
pub const MANY: usize = 16;
/// Transfers at a time of what takes longer.
pub const FEW: usize = 4;

/// What `work` makes of each of `items`, `width` at a time, in their order.
///
/// # Errors
/// The first one's. No other is begun then.
pub fn each<T: Sync, R: Send>(items: &[T], width: usize, work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    each_of(&[(items, width)], work)
}

/// The same for several lists side by side, each with its own width.
///
/// # Errors
/// The first one's. No other is begun then.
pub fn each_of<T: Sync, R: Send>(lists: &[(&[T], usize)], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let failure: Mutex<Option<Report>> = Mutex::default();
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let (failure, done, work) = (&failure, &done, &work);
        for (list, (items, width)) in lists.iter().enumerate() {
            let left = Arc::new(Mutex::new(items.iter().enumerate()));
            for _ in 0..(*width).min(items.len()) {
                let left = Arc::clone(&left);
                scope.spawn(move || {
                    while lock(failure).is_none()
                        && let Some((at, item)) = next(&left)
                    {
                        match work(item) {
                            Ok(result) => lock(done).push(((list, at), result)),
                            Err(error) => drop(lock(failure).get_or_insert(error)),
                        }
                    }
                });
            }
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let mut done = std::mem::take(&mut *lock(&done));
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

fn next<T>(items: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    lock(items).next()
}

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
