//! A slow connection to a real registry.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::registry::DockerRegistry;

/// Bytes that go through at a time.
const PIECE: usize = 16 << 10;

/// Listens on a port of its own. Its threads end with the test's process, or when a side of their connection does.
pub struct Slow {
    host: String,
}

impl Slow {
    /// In front of `registry`; so many KiB a second go through each connection, each way.
    pub fn before(registry: &DockerRegistry, rate: usize) -> Slow {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let upstream = registry.host().to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                let ends = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                thread::spawn(move || pass(client, server, rate));
                thread::spawn(move || pass(ends.1, ends.0, rate));
            }
        });
        Slow { host }
    }

    /// `repository:tag` there, in full.
    pub fn reference(&self, repo_tag: &str) -> String {
        format!("{}/{repo_tag}", self.host)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, rate: usize) {
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
        thread::sleep(Duration::from_secs(1).mul_f64(read as f64 / (rate << 10) as f64));
    }
    let _ = to.shutdown(Shutdown::Write);
}
