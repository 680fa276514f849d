//! A proxy to a real registry that never answers requests for one digest.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::registry::DockerRegistry;

/// Listens on a port of its own. Its threads end with the test's process, or when both sides of their connection do.
pub struct Stall {
    host: String,
    reached: Receiver<()>,
}

impl Stall {
    /// In front of `registry`; a GET below `path` for `digest` is not answered.
    pub fn before(registry: &DockerRegistry, path: &str, digest: &str) -> Stall {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let (reach, reached) = channel();
        let (upstream, stop) = (registry.host().to_owned(), format!("{path}{digest}"));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, stop, reach) = (upstream.clone(), stop.clone(), reach.clone());
                thread::spawn(move || {
                    let reached = || {
                        let _ = reach.send(());
                    };
                    let _ = pass(client, &upstream, &stop, reached);
                });
            }
        });
        Stall { host, reached }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Until the content was asked for that never comes.
    pub fn wait(&self) {
        self.reached.recv_timeout(Duration::from_secs(120)).expect("the content is asked for");
    }
}

/// One request a connection: the answer ends with it.
fn pass(mut client: TcpStream, upstream: &str, stop: &str, reach: impl Fn()) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? == 1 {
        head.push(byte[0]);
        // The first byte of TLS, which nobody speaks here.
        if head == [0x16] {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if text.starts_with("GET") && text.lines().next().is_some_and(|line| line.contains(stop)) {
        reach();
        // Until the client goes away.
        return client.read_exact(&mut byte);
    }
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(text.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    std::io::copy(&mut server, &mut client)?;
    Ok(())
}
