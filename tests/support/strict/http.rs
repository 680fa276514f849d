//! HTTP/1.1 as far as a registry needs it: a listener, a thread a connection, and answers that may break off.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::lock;

/// A head that is longer is nobody's.
const MOST_HEAD_BYTES: u64 = 64 << 10;
/// How long a connection may be silent before its thread ends.
const IDLE: Duration = Duration::from_secs(30);
/// How long a stalled answer is waited with for the client to hang up.
const STALL: Duration = Duration::from_secs(20);

/// What has no end ends here, so that a client that takes all of it fails and fills no disk.
pub const MOST_ENDLESS: u64 = 256 << 20;

/// Who answers at an address.
pub trait Origin: Send + Sync + 'static {
    /// The answer to a request, of whose body as much is read as the answer needs.
    fn answer(&self, request: &Request, body: &mut Body<'_>) -> Answer;
}

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// In the order they came; names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Request> {
        // The first byte of TLS, which nobody speaks here.
        if reader.fill_buf().ok()?.first() == Some(&0x16) {
            return None;
        }
        let mut lines = reader.take(MOST_HEAD_BYTES);
        let mut line = || -> Option<String> {
            let mut text = String::new();
            (lines.read_line(&mut text).ok()? > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned())
        };
        let first = line()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let text = line()?;
            if text.is_empty() {
                return Some(Request { method, target, headers });
            }
            let (name, value) = text.split_once(':')?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The first value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a header.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The target without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of `key` in the query, decoded.
    pub fn query(&self, key: &str) -> Option<String> {
        self.queries(key).next()
    }

    /// All values of `key` in the query, decoded.
    pub fn queries<'a>(&'a self, key: &str) -> impl Iterator<Item = String> + 'a {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        pairs(query, key)
    }
}

/// The values of `key` in `a=b&c=d`, decoded.
pub fn pairs<'a>(text: &'a str, key: &str) -> impl Iterator<Item = String> + use<'a> {
    let wanted = key.to_owned();
    let found = text.split('&').filter_map(|pair| pair.split_once('='));
    found.filter(move |(name, _)| *name == wanted).map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                let code = str::from_utf8(&hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                code.unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The body of a request, as it arrives.
pub struct Body<'a> {
    reader: &'a mut dyn BufRead,
    left: u64,
    chunked: bool,
}

impl<'a> Body<'a> {
    fn of(request: &Request, reader: &'a mut dyn BufRead) -> Body<'a> {
        let left = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let chunked = request.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        Body { reader, left, chunked }
    }

    /// How many bytes are still to come, as far as the head tells.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes, no more than `most`.
    ///
    /// # Errors
    /// When the client hangs up before it has sent what it promised.
    pub fn some(&mut self, most: u64) -> io::Result<Vec<u8>> {
        if self.chunked {
            return self.chunks();
        }
        let wanted = self.left.min(most);
        let mut bytes = Vec::new();
        self.left -= self.reader.take(wanted).read_to_end(&mut bytes)? as u64;
        match bytes.len() as u64 == wanted {
            true => Ok(bytes),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// All that is still to come.
    ///
    /// # Errors
    /// When the client hangs up before it has sent what it promised.
    pub fn all(&mut self) -> io::Result<Vec<u8>> {
        self.some(u64::MAX)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).map_err(|_| ErrorKind::UnexpectedEof)?;
            self.reader.take(size).read_to_end(&mut bytes)?;
            self.reader.read_line(&mut line)?;
            if size == 0 {
                self.chunked = false;
                return Ok(bytes);
            }
        }
    }

    fn is_read(&self) -> bool {
        self.left == 0 && !self.chunked
    }
}

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
    fn write(&self, connection: &TcpStream, method: &str, close: bool) -> io::Result<bool> {
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

/// A listener that runs; it and its connections end when this is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    origin: Arc<dyn Origin>,
    stopped: AtomicBool,
    // Weak: a connection is closed, and so reset, by its own thread alone.
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

impl Server {
    /// Answers what comes to `listener`.
    pub fn start(listener: TcpListener, origin: Arc<dyn Origin>) -> Server {
        let address = listener.local_addr().expect("the address of a listener");
        let shared = Arc::new(Shared { origin, stopped: AtomicBool::new(false), connections: Mutex::default() });
        let listening = Arc::clone(&shared);
        let listener = Some(thread::spawn(move || listening.listen(&listener)));
        Server { address, shared, listener }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // The listener looks at that when someone connects.
        let connected = TcpStream::connect(self.address).is_ok();
        if let Some(listener) = self.listener.take().filter(|_| connected) {
            let _ = listener.join();
        }
        for connection in lock(&self.shared.connections).iter().filter_map(Weak::upgrade) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn listen(self: &Arc<Shared>, listener: &TcpListener) {
        for connection in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(connection) = connection.map(Arc::new) else { continue };
            lock(&self.connections).push(Arc::downgrade(&connection));
            let shared = Arc::clone(self);
            thread::spawn(move || shared.serve(&connection));
        }
    }

    /// Answers requests until one side has enough; a client that goes away has no answer to wait for.
    fn serve(&self, connection: &TcpStream) -> Option<()> {
        connection.set_nodelay(true).ok()?;
        connection.set_read_timeout(Some(IDLE)).ok()?;
        connection.set_write_timeout(Some(IDLE)).ok()?;
        let mut reader = BufReader::new(connection);
        loop {
            let request = Request::read(&mut reader)?;
            if request.header("expect").is_some() {
                (&*connection).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
            }
            let mut body = Body::of(&request, &mut reader);
            let answer = self.origin.answer(&request, &mut body);
            let close = answer.close || !body.is_read();
            if !answer.write(connection, &request.method, close).ok()? {
                if close && answer.shape != Shape::Nothing {
                    // A connection that is closed over what was not read yet takes the answer with it.
                    connection.shutdown(Shutdown::Write).ok()?;
                    connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
                    io::copy(&mut reader, &mut io::sink()).ok()?;
                }
                return None;
            }
        }
    }
}
