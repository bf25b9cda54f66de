//! The part of a blob that comes by one connection.

use std::io::{self, Read};
use std::time::Instant;

use ureq::BodyReader;
use ureq::http::Uri;

use super::answer::Answer;
use super::error::{Cause, Failure};
use super::failure::failure;
use super::location;
use super::pace::{Meter, Pace, Timeouts};

/// The part of a blob that comes by one connection.
pub(super) struct Body {
    reader: BodyReader<'static>,
    /// Its URL, for errors.
    uri: Uri,
    /// With the time for all of it in the place of that for an answer.
    timeouts: Timeouts,
    meter: Meter,
    pace: Pace,
    /// The number of bytes that came.
    count: u64,
}

impl Body {
    /// The body of an answer, for a blob of that size.
    pub(super) fn of(answer: Answer, size: u64, pace: Pace) -> Self {
        let timeouts = answer.timeouts;
        let in_all = match pace {
            Pace::Whole => timeouts.answer,
            Pace::Rate => timeouts.blob(size),
        };
        Self {
            reader: answer.body.into_reader(),
            uri: answer.uri,
            timeouts: Timeouts {
                answer: in_all,
                ..timeouts
            },
            meter: Meter::new(&timeouts, pace),
            pace,
            count: 0,
        }
    }

    /// Reads some of it, unless too little came so far.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        if let Some(slow) = self.meter.slow() {
            let host = location::host(&self.uri);
            let (bytes, time) = (slow.bytes, slow.time);
            return Err(Failure::passing(match self.pace {
                Pace::Whole => Cause::Slow { host, bytes, time },
                Pace::Rate => Cause::Stalled {
                    host,
                    did: "sent",
                    bytes,
                    time,
                    least: self.timeouts.least,
                },
            }));
        }
        let start = Instant::now();
        let done = loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done,
            }
        };
        let count = done.as_ref().map_or(0, |count| *count as u64);
        self.meter.count(count, start.elapsed());
        self.count = self.count.saturating_add(count);
        done.map_err(|error| failure(&self.uri, error.into(), &self.timeouts, self.count))
    }

    /// Reads so many bytes to no end, or fewer if there are no more, and says how many.
    pub(super) fn skip(&mut self, count: u64) -> Result<u64, Failure> {
        let mut buffer = vec![0; 16 << 10];
        let mut skipped = 0;
        while skipped < count {
            let left = usize::try_from(count - skipped).unwrap_or(usize::MAX);
            let room = buffer.len().min(left);
            match self.read(&mut buffer[..room])? {
                0 => break,
                some => skipped += some as u64,
            }
        }
        Ok(skipped)
    }
}
