//! HTTP/1.1 as far as a registry needs it: listeners, a thread a connection, and requests.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::answer::{Answer, Shape};
use super::lock;

/// A head that is longer is nobody's.
const MOST_HEAD_BYTES: u64 = 64 << 10;
/// How long a connection may be silent before its thread ends.
const IDLE: Duration = Duration::from_secs(30);

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
    /// In the order they came; names in lowercase.
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

    /// The first value of a header, whose name is in lowercase.
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
    /// Returns an error if the client closes the connection before it has sent the whole body.
    pub fn some(&mut self, most: u64) -> io::Result<Vec<u8>> {
        if self.chunked {
            return self.chunks();
        }
        let wanted = self.left.min(most);
        let mut bytes = Vec::new();
        self.left -= self.reader.take(wanted).read_to_end(&mut bytes)? as u64;
        if bytes.len() as u64 == wanted { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// All that is still to come.
    ///
    /// # Errors
    /// Returns an error if the client closes the connection before it has sent the whole body.
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

/// A running server. It and its connections end on drop.
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
