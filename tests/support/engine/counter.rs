//! Counts the bytes that a client sends to an engine.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

/// A socket in front of an engine's, which counts the bytes that go to the engine. All goes through both ways, also
/// where one side has ended and the other goes on. Nobody connects any more once this is dropped.
pub struct Counter {
    folder: TempDir,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Counter {
    /// In front of the socket `engine`.
    pub(super) fn before(engine: &Path) -> Counter {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let counter = Counter { folder, sent: Arc::default(), stop: Arc::default() };
        let listener = UnixListener::bind(counter.socket()).expect("a socket");
        let (engine, sent, stop) = (engine.to_owned(), Arc::clone(&counter.sent), Arc::clone(&counter.stop));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                // Where the engine is gone, the client sees its connection end.
                if let Ok(engine) = UnixStream::connect(&engine) {
                    let _ = join(client, engine, &sent);
                }
            }
        });
        counter
    }

    /// What the option `--host` of `docker` takes.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The environment in which a program reaches the engine through this.
    pub fn env(&self) -> Vec<(String, OsString)> {
        vec![("DOCKER_HOST".to_owned(), self.host().into())]
    }

    /// How many bytes went to the engine so far: contents, and what is said around them.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Counts from 0 again.
    pub fn reset(&self) {
        self.sent.store(0, Ordering::SeqCst);
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The thread waits for somebody to connect.
        let _ = UnixStream::connect(self.socket());
    }
}

/// Passes on what either side says, in two threads that end with the connection.
fn join(client: UnixStream, engine: UnixStream, sent: &Arc<AtomicU64>) -> io::Result<()> {
    let (to_engine, to_client) = (engine.try_clone()?, client.try_clone()?);
    let sent = Arc::clone(sent);
    thread::spawn(move || {
        pass(client, to_engine, |count| {
            sent.fetch_add(count, Ordering::SeqCst);
        });
    });
    thread::spawn(move || pass(engine, to_client, |_| ()));
    Ok(())
}

/// Passes on what one side says until it has said all, and then that it has.
fn pass(mut from: UnixStream, mut to: UnixStream, count: impl Fn(u64)) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(read) if to.write_all(&buffer[..read]).is_ok() => count(read as u64),
            // Nobody is there to hear it: whoever says it should know.
            Ok(_) => {
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}
