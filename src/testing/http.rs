//! What a server in a container answers against what is expected.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use miette::miette;

use super::container_command::{CannotRun, ContainerCommand};
use super::image::TestedImage;
use super::runner::{PlatformRunner, Runner};
use super::suite::HttpTest;
use super::text::shown;
use crate::interrupt;

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest time for one request: what does not answer while the program starts may answer the next one.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The longest status line that is read, in bytes.
const MOST_LINE: usize = 4 << 10;

/// Starts the program, asks until it answers as expected, and ends it. Returns what is different.
///
/// # Errors
/// Returns an error if it cannot be run here.
pub(super) fn run(
    expected: &HttpTest,
    image: &TestedImage,
    runner: &mut PlatformRunner,
    limit: Duration,
) -> Result<Vec<String>, CannotRun> {
    let args = match expected.program.args(image, &[]) {
        Ok(args) => args,
        Err(why) => return Ok(vec![why]),
    };
    let check = &expected.check;
    if runner.is_on_host_network() && TcpStream::connect(("127.0.0.1", check.port)).is_ok() {
        return Ok(vec![format!("port {} of this machine is taken, which the container would use", check.port)]);
    }
    let command = ContainerCommand { args: &args, setup: &[], options: &expected.options, port: Some(check.port) };
    let mut container = runner.start(&command, limit)?;
    let mut last = None;
    loop {
        if let Some(finished) = container.finish(PAUSE)? {
            if let Some(why) = container.wrong_format(&finished) {
                return Err(CannotRun::Here(why));
            }
            let how = match finished.status {
                Ok(status) => format!("ended with status {status}"),
                Err(why) => format!("cannot be started: {why}"),
            };
            return Ok(vec![format!("{} {how} before it answered{}", args[0], shown(&container.output()))]);
        }
        let left = container.limit.left();
        if let Some(address) = container.address(check.port).filter(|_| !left.is_zero()) {
            match status_of(&address, &check.path, left.min(REQUEST_LIMIT)) {
                Ok(status) if status == check.status => return Ok(Vec::new()),
                Ok(status) => last = Some(format!("the last answer had the status {status}")),
                // It may not listen yet.
                Err(error) => last = Some(format!("the last request failed: {error}")),
            }
            interrupt::check().map_err(|error| miette!("{error}"))?;
        }
        if container.limit.left().is_zero() {
            let last = last.unwrap_or_else(|| {
                let title = runner.runner().title().unwrap_or_default();
                format!("it was not asked, as {title} has not published the port")
            });
            let found = format!(
                "port {} did not answer GET {} with {} within {}: {last}",
                check.port, check.path, check.status, container.limit
            );
            return Ok(vec![format!("{found}; the program printed{}", shown(&container.output()))]);
        }
    }
}

impl PlatformRunner<'_> {
    /// Returns whether ports of containers are ports of this machine.
    fn is_on_host_network(&self) -> bool {
        match self.runner() {
            Runner::Engine(engine) => engine.publish_on_loopback(1).is_none(),
            Runner::Runtime(_) => true,
            Runner::None(_) => false,
        }
    }
}

/// Returns the status of the answer to GET. It must come within `limit`.
fn status_of(address: &str, path: &str, limit: Duration) -> io::Result<u16> {
    let end = Instant::now() + limit;
    let socket = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    // Short, as Ctrl-C does not end it; ports of this machine answer at once.
    let mut stream = TcpStream::connect_timeout(&socket, limit.min(Duration::from_secs(1)))?;
    stream.set_read_timeout(Some(PAUSE))?;
    stream.set_write_timeout(Some(limit))?;
    // At once: a server may answer the first part of a request, and close.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut line, mut buffer) = (Vec::new(), [0; 512]);
    while !line.contains(&b'\n') && line.len() < MOST_LINE {
        interrupt::check()?;
        if Instant::now() >= end {
            let why =
                if line.is_empty() { "nothing was answered" } else { "the answer has not come to its second line" };
            return Err(io::Error::other(why));
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => line.extend_from_slice(&buffer[..read]),
            Err(error) if is_pause(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
    let line = String::from_utf8_lossy(&line);
    let line = line.lines().next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = line.and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    status.ok_or_else(|| io::Error::other("it is no answer of an HTTP server"))
}

/// Returns whether nothing came for a moment.
fn is_pause(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Asks a server that sends these parts, with a pause before each.
    fn asked(parts: &'static [&str], pause: Duration, limit: Duration) -> Result<u16, String> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 64];
            let _ = stream.read(&mut request);
            // The client may be gone.
            for part in parts {
                thread::sleep(pause);
                let _ = stream.write_all(part.as_bytes());
            }
            thread::sleep(if parts.is_empty() { pause } else { Duration::ZERO });
        });
        status_of(&address, "/", limit).map_err(|error| error.to_string())
    }

    #[test]
    fn status_is_that_of_the_first_line() {
        let second = Duration::from_secs(1);
        assert_eq!(asked(&["HTTP/1.1 204 No Con", "tent\r\nA: b\r\n"], second / 8, 5 * second), Ok(204));
        assert_eq!(asked(&["HTTP/1.0 200"], Duration::ZERO, 5 * second), Ok(200));
        assert_eq!(asked(&["220 smtp\n"], Duration::ZERO, second), Err("it is no answer of an HTTP server".to_owned()));
    }

    #[test]
    fn request_ends_in_time_whatever_the_server_does() {
        let (begin, limit) = (Instant::now(), Duration::from_millis(500));
        let slow = asked(&["H", "T", "T", "P", "/", "1", ".", "1", " "], Duration::from_millis(200), limit);
        assert_eq!(slow, Err("the answer has not come to its second line".to_owned()));
        let silent = asked(&[], Duration::from_secs(4), limit);
        assert_eq!(silent, Err("nothing was answered".to_owned()));
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    }
}
