//! Answers, whole and broken.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long a stalled answer is waited with for the client to hang up.
const STALL: Duration = Duration::from_secs(20);
/// What has no end ends here, so that a client that takes all of it fails and fills no disk.
pub const MOST_ENDLESS: u64 = 256 << 20;

/// How the body of an answer goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// With a Content-Length.
    #[default]
    Sized,
    /// In chunks, the length untold.
    Chunked,
    /// With a Content-Length, and the connection is closed after so many bytes.
    Short(usize),
    /// The same, but the connection is reset.
    Reset(usize),
    /// With a Content-Length, and after so many bytes nothing comes any more.
    Stalled(usize),
    /// With this Content-Length or, without one, in chunks: the body again and again, until the client hangs up, or
    /// has taken far more than it should.
    Endless(Option<u64>),
    /// No answer at all: the connection is reset.
    Nothing,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All but those that tell of body and connection.
    pub headers: Vec<(&'static str, String)>,
    /// The body, of which a HEAD gets the length only.
    pub body: Vec<u8>,
    /// How it goes out.
    pub shape: Shape,
    /// How long the first byte takes.
    pub pause: Duration,
    /// Whether the connection ends with it.
    pub close: bool,
}

impl Answer {
    /// With no body.
    pub fn new(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// The connection is reset without a word.
    pub fn nothing() -> Answer {
        Answer { shape: Shape::Nothing, ..Answer::default() }
    }

    /// A registry's error (distribution-spec, "Error Codes").
    pub fn error(status: u16, code: &str) -> Answer {
        let body = serde_json::json!({ "errors": [{ "code": code, "message": "told by the strict registry" }] });
        Answer::new(status).with("Content-Type", "application/json").body(body.to_string().into_bytes())
    }

    /// The same, in the words of a registry.
    pub fn told(status: u16, code: &str, message: &str, detail: &str) -> Answer {
        let mut error = serde_json::json!({ "code": code, "message": message });
        if !detail.is_empty() {
            error["detail"] = detail.into();
        }
        let body = serde_json::json!({ "errors": [error] });
        Answer::new(status).with("Content-Type", "application/json").body(body.to_string().into_bytes())
    }

    /// With a header more.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: Vec<u8>) -> Answer {
        self.body = body;
        self
    }

    /// With its body in this shape.
    pub fn shape(mut self, shape: Shape) -> Answer {
        self.shape = shape;
        self
    }

    /// Writes it; whether the connection can be used on.
    pub fn write(&self, connection: &TcpStream, method: &str, close: bool) -> io::Result<bool> {
        thread::sleep(self.pause);
        if self.shape == Shape::Nothing {
            reset(connection)?;
            return Ok(false);
        }
        let mut out = self.head(close).into_bytes();
        // These have no body by RFC 9110, and a HEAD's answer has none.
        if method == "HEAD" || matches!(self.status, 100..200 | 204 | 304) {
            (&*connection).write_all(&out)?;
            return Ok(!close);
        }
        let first = |count: usize| &self.body[..count.min(self.body.len())];
        match self.shape {
            Shape::Sized => out.extend(&self.body),
            Shape::Chunked => self.body.chunks(7_001).chain([&[][..]]).for_each(|part| chunk(&mut out, part)),
            Shape::Short(count) | Shape::Reset(count) | Shape::Stalled(count) => out.extend(first(count)),
            Shape::Endless(_) | Shape::Nothing => {}
        }
        (&*connection).write_all(&out)?;
        match self.shape {
            Shape::Short(_) => Ok(false),
            Shape::Reset(_) => {
                // What was sent should arrive before the reset does.
                thread::sleep(Duration::from_millis(2));
                reset(connection)?;
                Ok(false)
            }
            Shape::Stalled(_) => wait_for_end(connection).map(|()| false),
            Shape::Endless(length) => self.repeat(connection, length).map(|()| false),
            _ => Ok(!close),
        }
    }

    fn head(&self, close: bool) -> String {
        let mut head = format!("HTTP/1.1 {} Strict\r\n", self.status);
        let mut header = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        self.headers.iter().for_each(|(name, value)| header(name, value));
        match self.shape {
            _ if matches!(self.status, 100..200 | 204 | 304) => {}
            Shape::Chunked | Shape::Endless(None) => header("Transfer-Encoding", "chunked"),
            Shape::Endless(Some(length)) => header("Content-Length", &length.to_string()),
            _ => header("Content-Length", &self.body.len().to_string()),
        }
        if close {
            header("Connection", "close");
        }
        head.push_str("\r\n");
        head
    }

    fn repeat(&self, mut connection: &TcpStream, length: Option<u64>) -> io::Result<()> {
        let mut part = Vec::new();
        match length {
            Some(_) => part.extend(&self.body),
            None => chunk(&mut part, &self.body),
        }
        let mut left = length.unwrap_or(u64::MAX).min(MOST_ENDLESS);
        while left > 0 {
            let count = usize::try_from(left).map_or(part.len(), |left| left.min(part.len()));
            connection.write_all(&part[..count])?;
            left -= count as u64;
        }
        Ok(())
    }
}

fn chunk(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(format!("{:x}\r\n", part.len()).bytes());
    out.extend(part);
    out.extend(b"\r\n");
}

/// Lets the connection end in a reset as soon as it is closed.
fn reset(connection: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(connection).set_linger(Some(Duration::ZERO))
}

/// Waits until the client hangs up, not for ever.
fn wait_for_end(mut connection: &TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_millis(50)))?;
    let start = Instant::now();
    let mut buffer = [0; 4096];
    while start.elapsed() < STALL {
        match connection.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
