//! A server on this machine that answers as a test says.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The path with its query.
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The bytes of the body after which the connection breaks.
    cut: Option<usize>,
    late: Duration,
}

impl Answer {
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            status: 200,
            body,
            ..Self::default()
        }
    }

    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body_of(self, body: &str) -> Self {
        let body = body.as_bytes().to_vec();
        Self { body, ..self }
    }

    pub(super) fn cut(self, after: usize) -> Self {
        let cut = Some(after);
        Self { cut, ..self }
    }

    pub(super) fn late(self, milliseconds: u64) -> Self {
        let late = Duration::from_millis(milliseconds);
        Self { late, ..self }
    }

    /// Writes the answer, or the part from a byte on. Returns false if the connection breaks.
    fn write(mut self, stream: &mut TcpStream, asked: &Asked) -> io::Result<bool> {
        thread::sleep(self.late);
        let range = asked.headers.get("range").and_then(|range| {
            let from = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            from.parse::<usize>().ok()
        });
        if let Some(from) = range.filter(|_| self.status == 200) {
            let size = self.body.len();
            let range = format!("bytes {from}-{}/{size}", size - 1);
            self = self.header("content-range", range);
            self.status = 206;
            self.body.drain(..from);
        }
        let mut head = format!("HTTP/1.1 {} Reason\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        stream.write_all(head.as_bytes())?;
        let end = self.cut.unwrap_or(self.body.len());
        stream.write_all(&self.body[..end])?;
        Ok(self.cut.is_none())
    }
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server, which ends when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    handler: Box<Handler>,
    log: Mutex<Vec<Asked>>,
    is_over: AtomicBool,
    /// The requests that are being answered, and the most that there were at once.
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Server {
    pub(super) fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            log: Mutex::default(),
            is_over: AtomicBool::default(),
            now: AtomicUsize::default(),
            most: AtomicUsize::default(),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                // The client may be gone at any time.
                thread::spawn(move || stream.and_then(|stream| shared.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// Returns a server of files.
    pub(super) fn of_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::start(move |asked| file(&files, asked))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests that came up to now.
    pub(super) fn log(&self) -> Vec<Asked> {
        self.shared.log.lock().unwrap().clone()
    }

    /// Returns the paths of the requests.
    pub(super) fn paths(&self) -> Vec<String> {
        self.log().into_iter().map(|asked| asked.path).collect()
    }

    /// Returns the most requests that were answered at once.
    pub(super) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // So that the listener looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers with the file of a path, whatever the query is.
pub(super) fn file(files: &BTreeMap<String, Vec<u8>>, asked: &Asked) -> Answer {
    let name = asked
        .path
        .split('?')
        .next()
        .unwrap()
        .trim_start_matches('/');
    match files.get(name) {
        Some(bytes) => Answer::ok(&**bytes),
        None => Answer::status(404),
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read(&mut reader)? {
            self.log.lock().unwrap().push(asked.clone());
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let goes_on = (self.handler)(&asked).write(&mut writer, &asked);
            self.now.fetch_sub(1, Ordering::SeqCst);
            if !goes_on? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Reads the head of a request; none at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else {
            return Ok(Some(Asked { path, headers }));
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
