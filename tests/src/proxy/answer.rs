//! Answers, and what goes wrong with them.

use std::io::{self, Read};

use super::super::http::{Framing, Head};
use super::fault::Fault;

/// The length of the lines of huge heads.
const LINE: usize = 4000;

/// An answer that is to be sent to the client.
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) framing: Framing,
    pub(super) body: Box<dyn Read>,
}

impl Answer {
    /// One that is known in full.
    pub(super) fn whole(head: Head, kind: &str, body: String) -> Self {
        let length = body.len() as u64;
        let head = head
            .with("Content-Type", kind)
            .with("Content-Length", length);
        Self {
            head,
            framing: Framing::Length(length),
            body: Box::new(io::Cursor::new(body)),
        }
    }

    /// An answer with fields that nobody wants to keep.
    pub(super) fn huge(size: usize) -> Self {
        let mut head = Head::answer(200);
        for number in 0..size.div_ceil(LINE) {
            head.set(&format!("X-Filler-{number}"), "x".repeat(LINE));
        }
        Self::whole(head, "text/plain", String::new())
    }

    /// An answer without end: spaces are in order before any JSON.
    pub(super) fn endless() -> Self {
        let head = Head::answer(200).with("Transfer-Encoding", "chunked");
        let head = head.with("Content-Type", "application/json");
        Self {
            head,
            framing: Framing::Chunked,
            body: Box::new(io::repeat(b' ')),
        }
    }

    /// Does to the head what a fault does to heads.
    pub(super) fn alter_head(&mut self, fault: Option<&Fault>) {
        let head = &mut self.head;
        match fault {
            Some(Fault::WrongDigest) => {
                head.set(
                    "Docker-Content-Digest",
                    format!("sha256:{}", "0".repeat(64)),
                );
            }
            Some(Fault::WrongLocation) => {
                if let Some((before, _)) = head
                    .get("location")
                    .and_then(|place| place.rsplit_once('/'))
                {
                    head.set(
                        "Location",
                        format!("{before}/00000000-0000-0000-0000-000000000000"),
                    );
                }
            }
            Some(Fault::WrongContentType(kind)) => head.set("Content-Type", kind),
            Some(Fault::Shorten(most)) => {
                if let Framing::Length(length) = &mut self.framing {
                    *length = (*length).min(*most);
                    head.set("Content-Length", *length);
                }
            }
            _ => {}
        }
    }
}

/// Does to a piece of a body what a fault does to bodies.
pub(super) fn alter(piece: &mut [u8], at: u64, framing: Framing, fault: Option<&Fault>) {
    let Some(Fault::Alter(place)) = fault else {
        return;
    };
    let place = match framing {
        Framing::Length(length) => (*place).min(length.saturating_sub(1)),
        _ => *place,
    };
    let place = place
        .checked_sub(at)
        .and_then(|place| usize::try_from(place).ok());
    if let Some(byte) = place.and_then(|place| piece.get_mut(place)) {
        *byte ^= 1;
    }
}
