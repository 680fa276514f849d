//! Parallel work: the first failure stops the rest, and is returned.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use miette::Report;

use crate::error::Result;
use crate::interrupt::{Cancellation, inherit};

/// The maximum number of parallel requests without content, which take one round trip each.
pub(crate) const MANY: usize = 16;
/// The maximum number of parallel transfers.
pub(crate) const FEW: usize = 4;

/// Locks a mutex, even if a thread has panicked while it held the lock: the values are consistent at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `work` for each item, `width` at a time. Returns the results in the order of the items.
///
/// # Errors
/// Returns the first error. No further items are begun.
pub(crate) fn each<T: Sync, R: Send>(
    items: &[T],
    width: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    each_of(&[(items, width)], work)
}

/// Does the same for several lists in parallel, each with its own width.
///
/// # Errors
/// Returns the first error. No further items are begun.
pub(crate) fn each_of<T: Sync, R: Send>(
    lists: &[(&[T], usize)],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let failure: Mutex<Option<Report>> = Mutex::default();
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let (failure, done, work) = (&failure, &done, &work);
        for (list, (items, width)) in lists.iter().enumerate() {
            let left = Arc::new(Mutex::new(items.iter().enumerate()));
            for _ in 0..(*width).min(items.len()) {
                let left = Arc::clone(&left);
                scope.spawn(inherit(move || {
                    while lock(failure).is_none()
                        && let Some((at, item)) = next(&left)
                    {
                        match work(item) {
                            Ok(result) => lock(done).push(((list, at), result)),
                            Err(error) => drop(lock(failure).get_or_insert(error)),
                        }
                    }
                }));
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

/// Lets a number of threads through at a time.
pub(crate) struct Gate {
    free: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    /// Creates a gate for `width` threads.
    pub(crate) fn new(width: usize) -> Gate {
        Gate { free: Mutex::new(width), left: Condvar::new() }
    }

    /// Waits for a turn, which ends when the result is dropped.
    pub(crate) fn enter(&self) -> Turn<'_> {
        let mut free = lock(&self.free);
        while *free == 0 {
            free = self.left.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

/// A turn of a thread at a [`Gate`].
pub(crate) struct Turn<'a>(&'a Gate);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.left.notify_one();
    }
}

/// Different parts of the work, on threads of a [`std::thread::scope`].
pub(crate) struct Scope {
    cancellation: Cancellation,
    failure: Mutex<Option<Report>>,
}

impl Scope {
    /// Creates a scope, which stops with the work of this thread.
    pub(crate) fn new() -> Scope {
        Scope { cancellation: Cancellation::current().child(), failure: Mutex::default() }
    }

    /// Runs a part on this thread. Returns `None` if it fails, which stops the other parts.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Option<T> {
        let _entered = self.cancellation.enter();
        let error = match work() {
            Ok(done) => return Some(done),
            Err(error) => error,
        };
        let mut failure = lock(&self.failure);
        if failure.is_none() {
            *failure = Some(error);
            self.cancellation.cancel();
        }
        None
    }

    /// Ends the work.
    ///
    /// # Errors
    /// Returns the first failure.
    pub(crate) fn finish(self) -> Result<()> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }
}
