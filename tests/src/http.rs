//! As much HTTP/1.1 as registries and their clients speak, over plain TCP.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The time that the harness waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The lines before a body.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The request line or the status line.
    pub start: String,
    /// The fields, in order.
    pub fields: Vec<(String, String)>,
}

/// The way in which it is said where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

impl Head {
    /// The head of an answer.
    pub fn answer(status: u16) -> Self {
        Self {
            start: format!("HTTP/1.1 {status} Status"),
            fields: vec![],
        }
    }

    /// The same with one more field.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.set(name, value);
        self
    }

    /// Reads one; nothing where the connection ends before it.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(start) = line(reader)? else {
            return Ok(None);
        };
        let mut head = Self {
            start,
            fields: vec![],
        };
        while let Some(line) = line(reader)?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(ErrorKind::InvalidData)?;
            head.fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Some(head))
    }

    /// Writes it at once.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            text.extend([name, ": ", value, "\r\n"]);
        }
        writer.write_all(format!("{text}\r\n").as_bytes())
    }

    /// The value of a field, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.0.eq_ignore_ascii_case(name))
            .map(|field| field.1.as_str())
    }

    /// Sets a field, in the place of those of that name.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "texts and numbers are given as they are"
    )]
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.remove(name);
        self.fields.push((name.to_owned(), value.to_string()));
    }

    /// Takes all fields of a name away.
    pub fn remove(&mut self, name: &str) {
        self.fields
            .retain(|field| !field.0.eq_ignore_ascii_case(name));
    }

    /// The status of an answer; 0 where there is none.
    pub fn status(&self) -> u16 {
        self.start
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// Returns the framing of the body after this head of a request.
    pub fn framing(&self) -> Framing {
        match (self.get("transfer-encoding"), self.get("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, length) => {
                Framing::Length(length.and_then(|text| text.parse().ok()).unwrap_or(0))
            }
        }
    }

    /// Returns the framing of the body after this head of the answer to a method.
    pub fn answer_framing(&self, method: &str) -> Framing {
        let none = method == "HEAD" || matches!(self.status(), 100..200 | 204 | 304);
        let said = self
            .get("transfer-encoding")
            .or(self.get("content-length"))
            .is_some();
        match (none, said) {
            (true, _) => Framing::Length(0),
            (false, true) => self.framing(),
            (false, false) => Framing::Close,
        }
    }
}

/// A line without its end; nothing where the connection ends before it.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    match reader.read_line(&mut line)? {
        0 => Ok(None),
        _ => Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned())),
    }
}

/// A body that is being read.
#[derive(Debug)]
pub struct Body<R> {
    reader: R,
    framing: Framing,
    /// The number of bytes that are left of the body, or of the chunk.
    left: u64,
    over: bool,
}

impl<R: BufRead> Body<R> {
    /// The body that comes next from a reader.
    pub fn new(reader: R, framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing {
            length
        } else {
            0
        };
        Self {
            reader,
            framing,
            left,
            over: framing == Framing::Length(0),
        }
    }

    /// Reads the size of the next chunk, and the lines after the last one.
    fn next_chunk(&mut self) -> io::Result<()> {
        let size = line(&mut self.reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        self.left =
            u64::from_str_radix(size, 16).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        self.over = self.left == 0;
        while self.over && line(&mut self.reader)?.is_some_and(|line| !line.is_empty()) {}
        Ok(())
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.framing == Framing::Close {
            return self.reader.read(buffer);
        }
        if !self.over && self.left == 0 {
            self.next_chunk()?;
        }
        if self.over || buffer.is_empty() {
            return Ok(0);
        }
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        if self.left == 0 {
            match self.framing {
                Framing::Chunked => line(&mut self.reader).map(drop)?,
                _ => self.over = true,
            }
        }
        Ok(read)
    }
}

/// Writes a piece of a body in its framing; the empty piece ends it.
pub fn write_piece(mut writer: impl Write, framing: Framing, piece: &[u8]) -> io::Result<()> {
    if framing != Framing::Chunked {
        return writer.write_all(piece);
    }
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    writer.write_all(&chunk)
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// The lines before the body.
    pub head: Head,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// A field that has to be there.
    pub fn field(&self, name: &str) -> String {
        self.head
            .get(name)
            .unwrap_or_else(|| panic!("no `{name}` in {:?}", self.head))
            .to_owned()
    }
}

/// Asks a server one thing, over a connection of its own. Nothing is followed.
pub fn ask(
    host: &str,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = Head {
        start: format!("{method} {target} HTTP/1.1"),
        fields: vec![],
    };
    head = head
        .with("Host", host)
        .with("Connection", "close")
        .with("Content-Length", body.len());
    for (name, value) in fields {
        head.set(name, value);
    }
    head.write(&stream)?;
    // One who has heard enough may have answered already.
    let written = (&stream).write_all(body);
    let mut reader = BufReader::new(&stream);
    let Some(head) = Head::read(&mut reader)? else {
        written?;
        return Err(ErrorKind::UnexpectedEof.into());
    };
    let framing = head.answer_framing(method);
    let mut body = vec![];
    Body::new(reader, framing).read_to_end(&mut body)?;
    Ok(Answer { head, body })
}

/// The values of a name in a query or a form, in order.
pub fn values(query: &str, name: &str) -> Vec<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| decoded(value))
        .collect()
}

/// A text without its percent signs.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (vec![], text.as_bytes());
    while let [first, others @ ..] = rest {
        let hex = others
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (byte, length) = match (first, escaped) {
            (b'%', Some(byte)) => (byte, 3),
            (b'+', _) => (b' ', 1),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
