//! What a server in a container answers against what is expected.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::container_command::{CannotRun, ContainerCommand};
use super::files::shown;
use super::image::TestedImage;
use super::runner::{PlatformRunner, Runner};
use super::suite::HttpTest;

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest status line that is read, in bytes.
const MOST_LINE: u64 = 4 << 10;

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
    let mut container = runner.start(&command)?;
    let end = Instant::now() + limit;
    let mut last = "nothing answered".to_owned();
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
        if let Some(address) = container.address(check.port) {
            match status_of(&address, &check.path) {
                Ok(status) if status == check.status => return Ok(Vec::new()),
                Ok(status) => last = format!("the last answer had the status {status}"),
                // It may not listen yet.
                Err(error) => last = format!("the last request failed: {error}"),
            }
        }
        if Instant::now() >= end {
            let found = format!(
                "port {} did not answer GET {} with {} within {} s: {last}",
                check.port,
                check.path,
                check.status,
                limit.as_secs()
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

/// Returns the status of the answer to GET.
fn status_of(address: &str, path: &str) -> std::io::Result<u16> {
    let limit = Duration::from_secs(5);
    let socket = address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&socket, limit)?;
    stream.set_read_timeout(Some(limit))?;
    // At once: a server may answer the first part of a request, and close.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(std::io::Read::take(&stream, MOST_LINE)).read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    status.ok_or_else(|| std::io::Error::other("it is no answer of an HTTP server"))
}
