//! One request and its answer.

use std::io::{self, BufReader, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::super::http::{Body, Framing, Head, write_piece};
use super::answer::{self, Answer};
use super::fault::Fault;
use super::record::Request;
use super::tokens::{self, Reply};
use super::{Shared, lock};

/// The client's side of a connection.
type Client<'s> = BufReader<&'s TcpStream>;

/// The most bytes that are carried at once.
const PIECE: usize = 1 << 16;
/// The interval at which a slow answer goes on.
const TICK: Duration = Duration::from_millis(20);

/// A request that is being answered.
struct Exchange<'p> {
    shared: &'p Shared,
    request: Request,
    number: usize,
    stream: &'p TcpStream,
}

impl Shared {
    /// Answers a request; whether the connection can go on after that.
    pub(super) fn exchange(
        &self,
        client: &mut Client<'_>,
        stream: &TcpStream,
        head: &Head,
        elsewhere: bool,
    ) -> io::Result<bool> {
        let mut request = Request::new(head, elsewhere);
        request.fault = lock(&self.rules).pick(&request);
        if elsewhere && request.fault == Some(Fault::Redirect) {
            request.fault = None;
        }
        let number = self.log.begin(request.clone());
        let fault = request.fault.clone();
        let exchange = Exchange {
            shared: self,
            request,
            number,
            stream,
        };
        if fault == Some(Fault::Reset) {
            return exchange.reset();
        }
        if head.get("expect").is_some() {
            Head::answer(100).write(stream)?;
        }
        if let Some(Fault::CutRequest(most)) = fault {
            exchange.forward(client, most)?;
            return exchange.reset();
        }
        if let Some(Fault::KeepRequest(most)) = fault {
            let bytes = exchange.start(client, most)?;
            lock(&self.kept).add(&exchange.request, &bytes);
            return exchange.reset();
        }
        let Some(answer) = exchange.answer(client, fault.as_ref())? else {
            return Ok(false);
        };
        exchange.send(answer, fault.as_ref())
    }
}

impl Exchange<'_> {
    /// The answer, before anything goes wrong with it. The body of the request has been
    /// read in full.
    fn answer(&self, client: &mut Client<'_>, fault: Option<&Fault>) -> io::Result<Option<Answer>> {
        let other = match fault {
            Some(Fault::Stall) => {
                self.read(client)?;
                // Until the client closes its side, or the proxy does.
                let _ = client.read(&mut [0]);
                return Ok(None);
            }
            Some(Fault::Status {
                status,
                retry_after,
                body,
            }) => {
                let (kind, body) = body.content();
                let mut head = Head::answer(*status);
                if let Some(after) = retry_after {
                    head.set("Retry-After", after);
                }
                Some(Answer::whole(head, kind, body))
            }
            Some(Fault::Redirect) => Some(self.redirect(&self.shared.elsewhere)),
            Some(Fault::RedirectLoop) => Some(self.redirect(&self.shared.host)),
            Some(Fault::HugeHeaders(size)) => Some(Answer::huge(*size)),
            Some(Fault::EndlessBody) => Some(Answer::endless()),
            _ => None,
        };
        if let Some(other) = other {
            self.read(client)?;
            return Ok(Some(other));
        }
        if let Some(reply) = self.guard(client)? {
            let mut head = Head::answer(reply.status);
            if let Some(challenge) = reply.challenge {
                head.set("WWW-Authenticate", challenge);
            }
            return Ok(Some(Answer::whole(head, "application/json", reply.body)));
        }
        let status = lock(&self.shared.kept).status(&self.request);
        if status.is_some() {
            self.read(client)?;
            return Ok(status);
        }
        let kept = lock(&self.shared.kept).take(&self.request);
        let answer = match kept {
            Some(Ok(kept)) => self.complete(client, kept)?,
            Some(Err(refusal)) => {
                self.read(client)?;
                refusal
            }
            None => self.forward(client, u64::MAX)?,
        };
        Ok(Some(answer).filter(|_| fault != Some(&Fault::NoAnswer)))
    }

    /// The answer of the one who hands tokens out and wants to see them, if it is not to
    /// go to the registry.
    fn guard(&self, client: &mut Client<'_>) -> io::Result<Option<Reply>> {
        let Some(guard) = self
            .shared
            .guard
            .as_ref()
            .filter(|_| !self.request.elsewhere)
        else {
            return Ok(None);
        };
        if self.request.path == tokens::PATH {
            let form = String::from_utf8_lossy(&self.read(client)?).into_owned();
            return Ok(Some(lock(guard).issue(&self.request, &form)));
        }
        let reply = lock(guard).check(&self.request, &self.shared.host);
        if reply.is_some() {
            self.read(client)?;
        }
        Ok(reply)
    }

    /// Reads the body of the request; gives its first bytes, which are all that a form has.
    fn read(&self, client: &mut Client<'_>) -> io::Result<Vec<u8>> {
        let mut first = vec![];
        let mut body = Body::new(client, self.request.head.framing());
        carry(&mut body, PIECE, |piece| {
            self.received(piece);
            if first.len() < PIECE {
                first.extend_from_slice(piece);
            }
            Ok(true)
        })?;
        Ok(first)
    }

    /// Reads so much of the body of the request at most, and gives it.
    fn start(&self, client: &mut Client<'_>, most: u64) -> io::Result<Vec<u8>> {
        let mut start = vec![];
        let mut body = Body::new(client, self.request.head.framing()).take(most);
        carry(&mut body, PIECE, |piece| {
            self.received(piece);
            start.extend_from_slice(piece);
            Ok(true)
        })?;
        Ok(start)
    }

    /// Hands an upload on as a whole, of which a part was kept.
    fn complete(&self, client: &mut Client<'_>, kept: Vec<u8>) -> io::Result<Answer> {
        let whole = [kept, self.start(client, u64::MAX)?].concat();
        let upstream = self.shared.upstream(self.request.elsewhere)?;
        let mut head = self.request.head.clone();
        head.remove("Expect");
        head.remove("Content-Range");
        head.set("Content-Length", whole.len());
        head.set("Connection", "close");
        head.write(&*upstream)?;
        write_piece(&*upstream, Framing::Length(whole.len() as u64), &whole)?;
        self.heard(upstream)
    }

    fn received(&self, piece: &[u8]) {
        self.shared.log.note(self.number, |request| {
            request.received += piece.len() as u64;
        });
    }

    fn redirect(&self, host: &str) -> Answer {
        let location = format!("http://{host}{}", self.request.target());
        Answer::whole(
            Head::answer(307).with("Location", location),
            "text/plain",
            String::new(),
        )
    }

    /// Hands the request on to the registry, with so much of its body at most.
    fn forward(&self, client: &mut Client<'_>, most: u64) -> io::Result<Answer> {
        let upstream = self.shared.upstream(self.request.elsewhere)?;
        let mut head = self.request.head.clone();
        // Whoever expects to be told to go on has been told here.
        head.remove("Expect");
        head.set("Connection", "close");
        head.write(&*upstream)?;
        let framing = head.framing();
        let (mut body, mut left, mut lost) = (Body::new(client, framing), most, false);
        carry(&mut body, PIECE, |piece| {
            self.received(piece);
            let part = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            left -= part.len() as u64;
            // A registry that has heard enough has answered, and the client is heard out.
            lost |= !part.is_empty() && write_piece(&*upstream, framing, part).is_err();
            Ok(left > 0)
        })?;
        if framing == Framing::Chunked && left > 0 && !lost {
            write_piece(&*upstream, framing, &[])?;
        }
        if left == 0 {
            Self::end(&upstream)?;
            return Ok(Answer::whole(
                Head::answer(500),
                "text/plain",
                String::new(),
            ));
        }
        self.heard(upstream)
    }

    /// Breaks off towards the registry, and waits until it is done with what it got: so it has
    /// always heard everything by the time that the client knows.
    fn end(upstream: &TcpStream) -> io::Result<()> {
        // A registry that refused what it got has closed the connection already.
        let _ = upstream.shutdown(Shutdown::Write);
        match io::copy(&mut &*upstream, &mut io::sink()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// The answer that the registry gives.
    fn heard(&self, upstream: Arc<TcpStream>) -> io::Result<Answer> {
        let mut reader = BufReader::new(Shared::owned(upstream));
        let mut head = Head::read(&mut reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        head.remove("Connection");
        let framing = head.answer_framing(&self.request.method);
        if let Some(location) = head.get("location").map(str::to_owned) {
            head.set("Location", self.shared.location(&location));
        }
        Ok(Answer {
            head,
            framing,
            body: Box::new(Body::new(reader, framing)),
        })
    }

    /// Sends an answer, with what is to go wrong with it; whether the connection can go on.
    fn send(&self, mut answer: Answer, fault: Option<&Fault>) -> io::Result<bool> {
        answer.alter_head(fault);
        if self.request.method == "HEAD" {
            (answer.framing, answer.body) = (Framing::Length(0), Box::new(io::empty()));
        }
        let Answer {
            head,
            framing,
            mut body,
        } = answer;
        self.shared
            .log
            .note(self.number, |request| request.status = Some(head.status()));
        head.write(self.stream)?;
        let (size, most) = match *fault.unwrap_or(&Fault::NoAnswer) {
            Fault::Slow(rate) => (((rate / 50).max(1) as usize).min(PIECE), u64::MAX),
            Fault::CutAnswer(most) | Fault::Truncate(most) | Fault::Shorten(most) => (PIECE, most),
            _ => (PIECE, u64::MAX),
        };
        let (mut at, mut left) = (0, most);
        carry(&mut body, size, |piece| {
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut piece[..length];
            answer::alter(piece, at, framing, fault);
            if matches!(fault, Some(Fault::Slow(_))) {
                thread::sleep(TICK);
            }
            at += length as u64;
            left -= length as u64;
            self.shared
                .log
                .note(self.number, |request| request.sent = at);
            if !piece.is_empty() {
                write_piece(self.stream, framing, piece)?;
            }
            Ok(left > 0)
        })?;
        match fault {
            Some(Fault::CutAnswer(_)) => return self.reset(),
            Some(Fault::Truncate(_)) => return Ok(false),
            _ => {}
        }
        if framing == Framing::Chunked {
            write_piece(self.stream, framing, &[])?;
        }
        Ok(framing != Framing::Close)
    }

    /// Makes the connection end with a reset, when it is closed.
    fn reset(&self) -> io::Result<bool> {
        set_socket_linger(self.stream, Some(Duration::ZERO))?;
        Ok(false)
    }
}

impl Shared {
    /// A `Location` that leads to the proxy, in the form that is wanted.
    fn location(&self, location: &str) -> String {
        let rest = location
            .split_once("://")
            .map_or(location, |(_, rest)| rest);
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        if self.relative.load(Ordering::Relaxed) {
            path.to_owned()
        } else {
            format!("http://{}{path}", self.host)
        }
    }

    /// A connection that its holder can read.
    fn owned(stream: Arc<TcpStream>) -> impl Read {
        struct Owned(Arc<TcpStream>);
        impl Read for Owned {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*self.0).read(buffer)
            }
        }
        Owned(stream)
    }
}

/// Hands a body on, in pieces of at most this size, until it ends or is enough.
fn carry(
    body: &mut impl Read,
    size: usize,
    mut hand: impl FnMut(&mut [u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        match body.read(&mut buffer)? {
            0 => return Ok(()),
            read if !hand(&mut buffer[..read])? => return Ok(()),
            _ => {}
        }
    }
}
