//! Bytes to send, as they are read.

use std::io::{self, Read};
use std::time::Instant;

use super::pace::{Meter, Slow};

/// Bytes to send. A failure to read them is kept here: it is not the registry's fault.
pub(super) struct Outgoing<'a> {
    inner: Box<dyn Read + 'a>,
    pub(super) size: u64,
    sent: u64,
    progress: &'a dyn Fn(u64),
    /// A look at its speed.
    meter: Option<Meter>,
    /// The number of bytes that are on their way, and since when.
    last: Option<(u64, Instant)>,
    failed: Option<io::Error>,
    slow: Option<Slow>,
}

impl<'a> Outgoing<'a> {
    /// A blob, or a part of one.
    pub(super) fn blob(
        inner: Box<dyn Read + 'a>,
        size: u64,
        progress: &'a dyn Fn(u64),
        meter: Meter,
    ) -> Self {
        Self {
            meter: Some(meter),
            ..Self::new(inner, size, progress)
        }
    }

    fn new(inner: Box<dyn Read + 'a>, size: u64, progress: &'a dyn Fn(u64)) -> Self {
        progress(0);
        Self {
            inner,
            size,
            sent: 0,
            progress,
            meter: None,
            last: None,
            failed: None,
            slow: None,
        }
    }

    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        Self::new(Box::new(bytes), bytes.len() as u64, &|_| ())
    }

    /// Says why it ended before its time, if that is so: the source failed, or it was too slow.
    pub(super) fn fault(self) -> (Option<io::Error>, Option<Slow>) {
        (self.failed, self.slow)
    }

    /// Looks at the speed, whenever there is room for more.
    fn look(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        if let Some((count, since)) = self.last.take() {
            meter.count(count, since.elapsed());
            self.slow = meter.slow();
        }
    }

    /// The end is looked for before the last bytes are sent: readers that verify fail there,
    /// and the registry must not have got the whole by then.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size - self.sent;
        let room = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = read(&mut self.inner, &mut buffer[..room])?;
        if count == 0 && room > 0 {
            let (size, sent) = (self.size, self.sent);
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends after {sent} bytes, but its descriptor says {size}"),
            ));
        }
        if count as u64 == left && read(&mut self.inner, &mut [0])? > 0 {
            let size = self.size;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it has more than the {size} bytes of its descriptor"),
            ));
        }
        Ok(count)
    }
}

fn read(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() || buffer.is_empty() {
            return Ok(0);
        }
        self.look();
        if self.slow.is_some() {
            return Err(io::Error::other("it is too slow"));
        }
        match self.next(buffer) {
            Ok(count) => {
                self.sent += count as u64;
                (self.progress)(self.sent);
                self.last = Some((count as u64, Instant::now()));
                Ok(count)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("the source failed"))
            }
        }
    }
}
