//! A proxy for HTTPS, which connects to servers by names that it alone knows.

use std::collections::HashMap;
use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens on a port of 127.0.0.1. Its threads end with the test's process, or when both sides of their connection do.
pub struct ConnectProxy {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Knows where servers are: `HOST:PORT` → `HOST:PORT`.
    pub fn start(servers: &[(&str, &str)]) -> ConnectProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let servers: HashMap<_, _> =
            servers.iter().map(|(name, server)| ((*name).to_owned(), (*server).to_owned())).collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (servers, names) = (servers.clone(), Arc::clone(&names));
                thread::spawn(move || pass(client, &servers, &names));
            }
        });
        ConnectProxy { host, asked }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// What clients wanted to be connected to.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no thread panics").clone()
    }
}

fn pass(mut client: TcpStream, servers: &HashMap<String, String>, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).ok()? == 1 {
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let name = text.strip_prefix("CONNECT ")?.split(' ').next()?;
    asked.lock().expect("no thread panics").push(name.to_owned());
    let Some(server) = servers.get(name) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").ok();
    };
    let server = TcpStream::connect(server).ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut from, mut to) = (server.try_clone().ok()?, client.try_clone().ok()?);
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = copy(&mut &client, &mut &server);
    server.shutdown(Shutdown::Write).ok()
}
