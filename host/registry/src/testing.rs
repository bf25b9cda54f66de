//! A server that does what a script says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// One request that is expected, and what is answered.
#[derive(Clone)]
pub(super) struct Step {
    /// Method and path, or `TLS` for the greeting of that, or `DEAF` for one that is not answered.
    expected: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
    /// The milliseconds before there is an answer.
    late: u64,
}

/// The actions after the head of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The body, and the end of the connection.
    Close,
    /// The body; the next request comes on the same connection.
    Keep,
    /// So many bytes of the body, and the end of the connection.
    Cut(usize),
    /// So many bytes of the body, and nothing until the client gives up.
    Silent(usize),
    /// No answer at all.
    Refuse,
    /// So many bytes of the request's body are read, and the connection ends.
    Stop(u64),
    /// An answer before the body of the request is read, and the end of the connection.
    Early,
    /// The body, a byte at a time with that many milliseconds between them, and more of it.
    Drip(u64),
    /// The head likewise, without an end.
    DripHead(u64),
    /// So many times 100,000 bytes of the request's body are read, that many milliseconds after one
    /// another, then all of it if the connection is not to end.
    Sip(u64, u64, bool),
}

/// Expects a request and answers 200 without a body.
pub(super) fn step(expected: impl Into<String>) -> Step {
    Step {
        expected: expected.into(),
        status: 200,
        headers: vec![],
        body: vec![],
        end: End::Close,
        late: 0,
    }
}

impl Step {
    pub(super) fn expecting(self, expected: &str) -> Self {
        Self {
            expected: expected.to_owned(),
            ..self
        }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    pub(super) fn keep(self) -> Self {
        Self {
            end: End::Keep,
            ..self
        }
    }

    pub(super) fn cut(self, after: usize) -> Self {
        Self {
            end: End::Cut(after),
            ..self
        }
    }

    pub(super) fn silent(self, after: usize) -> Self {
        Self {
            end: End::Silent(after),
            ..self
        }
    }

    pub(super) fn refuse(self) -> Self {
        Self {
            end: End::Refuse,
            ..self
        }
    }

    pub(super) fn stop(self, after: u64) -> Self {
        Self {
            end: End::Stop(after),
            ..self
        }
    }

    pub(super) fn early(self) -> Self {
        Self {
            end: End::Early,
            ..self
        }
    }

    pub(super) fn drip(self, wait: u64) -> Self {
        Self {
            end: End::Drip(wait),
            ..self
        }
    }

    pub(super) fn drip_head(self, wait: u64) -> Self {
        Self {
            end: End::DripHead(wait),
            ..self
        }
    }

    pub(super) fn sip(self, times: u64, wait: u64, ends: bool) -> Self {
        Self {
            end: End::Sip(times, wait, ends),
            ..self
        }
    }

    pub(super) fn late(self, late: u64) -> Self {
        Self { late, ..self }
    }

    /// Writes the answer.
    fn answer(&self, stream: &mut TcpStream, is_head: bool) -> std::io::Result<()> {
        std::thread::sleep(Duration::from_millis(self.late));
        let mut head = format!("HTTP/1.1 {} Some Reason\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let given = |name: &str| {
            self.headers
                .iter()
                .any(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        if !given("content-length") && !given("transfer-encoding") {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        if self.end != End::Keep {
            head += "connection: close\r\n";
        }
        if let End::DripHead(wait) = self.end {
            for byte in format!("{head}x: ").bytes().chain(std::iter::repeat(b'x')) {
                std::thread::sleep(Duration::from_millis(wait));
                stream.write_all(&[byte])?;
            }
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        let sent = match self.end {
            End::Cut(count) | End::Silent(count) => count,
            End::Drip(_) => 0,
            _ if is_head => 0,
            _ => self.body.len(),
        };
        stream.write_all(&self.body[..sent])?;
        if let End::Drip(wait) = self.end {
            for byte in self.body.iter().cycle() {
                std::thread::sleep(Duration::from_millis(wait));
                stream.write_all(&[*byte])?;
            }
        }
        if let End::Silent(_) = self.end {
            // The client closes the connection when it has waited enough.
            let _ = stream.read(&mut [0; 1]);
        }
        Ok(())
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// The number of the connection that it came by, counted from 1.
    pub(super) connection: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A free port.
pub(super) struct Server {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

/// A server at work.
pub(super) struct Running {
    thread: JoinHandle<Vec<Seen>>,
}

impl Server {
    pub(super) fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Serves the script in another thread, and nothing after it.
    pub(super) fn run(self, steps: Vec<Step>) -> Running {
        Running {
            thread: std::thread::spawn(move || serve(&self.listener, steps)),
        }
    }
}

impl Running {
    /// The requests that came: all of the script's.
    pub(super) fn seen(self) -> Vec<Seen> {
        self.thread.join().unwrap()
    }
}

fn serve(listener: &TcpListener, steps: Vec<Step>) -> Vec<Seen> {
    let mut seen = vec![];
    let mut open = None;
    let mut connection = 0;
    for step in steps {
        let mut stream = open.take().unwrap_or_else(|| {
            connection += 1;
            let (stream, _) = accept(listener, &step.expected);
            BufReader::new(stream)
        });
        if step.expected == "TLS" {
            let mut start = [0];
            stream.read_exact(&mut start).unwrap();
            assert_eq!(start, [0x16]);
            let _ = stream
                .get_mut()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            continue;
        }
        if step.expected == "DEAF" {
            // Until the client gives up.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
            continue;
        }
        let request = read(&mut stream, &step, connection);
        assert_eq!(request.line, step.expected, "after {} requests", seen.len());
        let is_head = request.line.starts_with("HEAD");
        seen.push(request);
        if matches!(step.end, End::Refuse | End::Stop(_) | End::Sip(_, _, true)) {
            continue;
        }
        // The client may be gone already, and that may be right.
        let _ = step.answer(stream.get_mut(), is_head);
        if step.end == End::Keep {
            open = Some(stream);
        }
    }
    seen
}

/// Waits for a connection, but not for ever.
fn accept(listener: &TcpListener, expected: &str) -> (TcpStream, SocketAddr) {
    listener.set_nonblocking(true).unwrap();
    for _ in 0..60_000 {
        if let Ok(accepted) = listener.accept() {
            accepted.0.set_nonblocking(false).unwrap();
            accepted
                .0
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            return accepted;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nobody asks for {expected}");
}

/// The first request of a client, which is answered where the script does not say how: the
/// registry wants nothing.
const GREETING: &str = "GET /v2/";

/// Reads the first line of a request, and its headers.
fn read_head(stream: &mut BufReader<TcpStream>) -> (String, BTreeMap<String, String>) {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).unwrap();
        match header.trim().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())
            }
            None => return (line, headers),
        };
    }
}

fn read(stream: &mut BufReader<TcpStream>, step: &Step, connection: usize) -> Seen {
    let (mut line, mut headers) = read_head(stream);
    if line == GREETING && step.expected != GREETING {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.get_mut().write_all(answer).unwrap();
        (line, headers) = read_head(stream);
    }
    let mut body = vec![];
    if !matches!(step.end, End::Refuse | End::Early) {
        if headers.contains_key("expect") {
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .unwrap();
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let most = if let End::Stop(after) = step.end {
            after
        } else {
            u64::MAX
        };
        if let End::Sip(times, wait, ends) = step.end {
            for _ in 0..times {
                std::thread::sleep(Duration::from_millis(wait));
                let left = length - body.len() as u64;
                let sip = stream.take(left.min(100_000)).read_to_end(&mut body);
                // The client may be gone.
                if sip.is_err() {
                    break;
                }
            }
            if ends {
                return Seen {
                    line,
                    headers,
                    body,
                    connection,
                };
            }
        }
        let length = length - body.len() as u64;
        // One that is broken off is seen as far as it came.
        stream
            .take(length.min(most))
            .read_to_end(&mut body)
            .unwrap();
    }
    Seen {
        line,
        headers,
        body,
        connection,
    }
}
