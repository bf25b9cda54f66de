//! A server of a binary cache's files, which notes what it is asked for, and may answer in other ways.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use terrine_tests::http::Head;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The path with its query.
    pub(super) path: String,
    pub(super) head: Head,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
    end: End,
}

/// The end of an answer.
#[derive(Debug, Clone, Copy)]
enum End {
    Whole,
    /// The connection ends in the middle of the body.
    Cut,
    /// Nothing more comes from the middle of the body on.
    Stall,
}

impl Answer {
    /// An answer without a body.
    pub(super) fn status(status: u16) -> Self {
        Self {
            head: Head::answer(status),
            body: vec![],
            end: End::Whole,
        }
    }

    /// An answer that leads to another URL.
    pub(super) fn redirect(to: &str) -> Self {
        Self::status(307).with("Location", to)
    }

    /// The same with a field of its head.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.head.set(name, value);
        self
    }

    /// The same with another body.
    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same, which breaks off in the middle of its body.
    pub(super) fn cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// The same, which is silent from the middle of its body on.
    pub(super) fn stall(mut self) -> Self {
        self.end = End::Stall;
        self
    }

    /// Keeps the part of the body that a request is for, from some byte on.
    fn range(mut self, request: &Request) -> Self {
        let range = request.head.get("range").unwrap_or_default();
        let first = range.strip_prefix("bytes=");
        let first = first.and_then(|range| range.strip_suffix('-')?.parse().ok());
        let size = self.body.len();
        if let Some(first) =
            first.filter(|&first: &usize| first < size && self.head.status() == 200)
        {
            self.body.drain(..first);
            self.head = Head::answer(206);
            self.head.set(
                "Content-Range",
                format!("bytes {first}-{}/{size}", size - 1),
            );
        }
        self
    }

    /// Writes it. An error is the end of the connection.
    fn write(mut self, mut stream: &TcpStream) -> io::Result<()> {
        self.head.set("Content-Length", self.body.len());
        self.head.write(stream)?;
        if matches!(self.end, End::Whole) {
            return stream.write_all(&self.body);
        }
        stream.write_all(&self.body[..self.body.len() / 2])?;
        if matches!(self.end, End::Stall) {
            // The client gives up at some time.
            stream.read_to_end(&mut vec![])?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// Changes the answer to a request.
type Change = dyn Fn(&Request, Answer) -> Answer + Send + Sync;

/// A server on a free port of the loopback interface. It ends with the process.
pub(super) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Serves a directory as it is.
    pub(super) fn of(place: &Path) -> Self {
        Self::changing(place, |_, answer| answer)
    }

    /// Serves a directory with changed answers.
    pub(super) fn changing(
        place: &Path,
        change: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(vec![]));
        let (notes, place) = (Arc::clone(&asked), place.to_owned());
        let change: Arc<Change> = Arc::new(change);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (notes, place, change) =
                    (Arc::clone(&notes), place.clone(), Arc::clone(&change));
                thread::spawn(move || serve(&stream.unwrap(), &place, &notes, &*change));
            }
        });
        Self { port, asked }
    }

    /// The host and the port.
    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The location of the cache.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// The requests since the last time.
    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The paths that were asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        let requests = self.requests().into_iter();
        requests.map(|request| request.path).collect()
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, place: &Path, notes: &Mutex<Vec<Request>>, change: &Change) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(head)) = Head::read(&mut reader) {
        let path = head.start.split(' ').nth(1).unwrap().to_owned();
        let request = Request { path, head };
        notes.lock().unwrap().push(request.clone());
        let name = request.path.split('?').next().unwrap();
        let answer = match fs::read(place.join(&name[1..])) {
            Ok(body) => Answer::status(200).body(body),
            Err(_) => Answer::status(404),
        };
        let answer = change(&request, answer).range(&request);
        if answer.write(stream).is_err() {
            return;
        }
    }
}
