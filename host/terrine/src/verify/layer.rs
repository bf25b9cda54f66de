//! One layer, read once.

use std::io::{self, Cursor, Read};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use terrine_compress::{Compression, MAGIC, is_bomb};
use terrine_oci::{Descriptor, Digest};
use terrine_support::chain;
use terrine_tar::{Body, Described, EntryType, Input, MAX_UNPACKED};

use super::{Checks, VerifyReporter};
use crate::source::changes::{Budget, Change};
use crate::source::seekable::Unpacking;
use crate::source::{Fault, Layer};

/// The number of bytes that are read at once of data that is only hashed.
const BUFFER: usize = 256 << 10;

/// The result of checking a layer.
pub(super) struct Looked {
    /// The layer's name in messages.
    pub(super) name: String,
    pub(super) checks: Checks,
    /// The number of bytes that were read.
    pub(super) bytes: u64,
    /// True if the layer is missing because it is not distributed with its image.
    pub(super) is_elsewhere: bool,
    /// Its members; none where not all of them can be listed.
    pub(super) members: Option<Vec<Described>>,
}

/// Looks at a layer; `descriptor` is what the manifest says of it.
pub(super) fn check(
    number: usize,
    layer: &dyn Layer,
    descriptor: Option<&Descriptor>,
    budget: &Mutex<Budget>,
    reporter: &dyn VerifyReporter,
) -> Looked {
    let name = format!("layer {number} (`{}`)", layer.name());
    let mut checks = Checks::default();
    let read = match layer.open() {
        Ok(stored) => read(stored, layer.stored_size(), budget, reporter),
        Err(error) if error.is_foreign_layer() => {
            checks.add(&format!("{name}: not distributed with the image"));
            return Looked {
                name,
                checks,
                bytes: 0,
                is_elsewhere: true,
                members: None,
            };
        }
        Err(error) => {
            checks.add(&name);
            checks.failed(&name, &"a layer that can be read", &chain(&error));
            return Looked {
                name,
                checks,
                bytes: 0,
                is_elsewhere: false,
                members: None,
            };
        }
    };
    stored(&name, layer, descriptor, &read, &mut checks);
    contained(&name, layer, &read, &mut checks);
    Looked {
        name,
        checks,
        bytes: read.size,
        is_elsewhere: false,
        members: read.faults.is_empty().then_some(read.members),
    }
}

/// The facts about a layer that was read.
struct ReadLayer {
    /// The compression of the stored bytes.
    compression: Compression,
    /// The number of stored bytes.
    size: u64,
    /// Their digest.
    digest: Digest,
    /// The digest of what they unpack to; none where they do not.
    diff_id: Option<Digest>,
    /// The faults in reading, unpacking and listing it, each as expected and actual state.
    faults: Vec<(&'static str, String)>,
    /// Its members, as far as they can be listed.
    members: Vec<Described>,
}

/// The blob.
fn stored(
    name: &str,
    layer: &dyn Layer,
    descriptor: Option<&Descriptor>,
    found: &ReadLayer,
    checks: &mut Checks,
) {
    checks.same(&format!("{name}: size"), &layer.stored_size(), &found.size);
    let Some(descriptor) = descriptor else {
        if let Some(digest) = promised(&layer.name()) {
            checks.same(&format!("{name}: digest"), &digest, &found.digest);
        }
        return;
    };
    checks.same(
        &format!("{name}: digest"),
        &descriptor.digest,
        &found.digest,
    );
    if descriptor.size != layer.stored_size() {
        checks.failed(
            &format!("{name}: size"),
            &descriptor.size,
            &layer.stored_size(),
        );
    }
    let what = format!("{name}: media type");
    checks.add(&what);
    let media_type = &descriptor.media_type;
    match Compression::of(media_type) {
        None => checks.failed(&what, &"the type of a layer", media_type),
        Some(compression) if compression != found.compression => {
            checks.failed(
                &what,
                &format!("one for {} bytes", found.compression),
                media_type,
            );
        }
        Some(_) => {}
    }
}

/// Checks the content of the layer.
fn contained(name: &str, layer: &dyn Layer, found: &ReadLayer, checks: &mut Checks) {
    let what = format!("{name}: diff id");
    match found.diff_id {
        Some(diff_id) => checks.same(&what, &layer.diff_id(), &diff_id),
        None => checks.add(&what),
    }
    checks.add(&format!("{name}: content"));
    for (expected, actual) in &found.faults {
        checks.failed(&format!("{name}: content"), expected, actual);
    }
}

/// The digest in a name of newer docker-archives, where they are as in OCI layouts.
fn promised(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_prefix("blobs/sha256/")?).ok()
}

/// Reads a layer to its end, or as far as it goes.
fn read(
    stored: impl Read + Send,
    stored_size: u64,
    budget: &Mutex<Budget>,
    reporter: &dyn VerifyReporter,
) -> ReadLayer {
    let mut raw = Stored {
        inner: stored,
        hash: Sha256::new(),
        size: 0,
        reporter,
    };
    let mut faults = vec![];
    let mut start = Vec::new();
    if let Err(error) = raw.by_ref().take(MAGIC as u64).read_to_end(&mut start) {
        faults.push(("bytes that can be read", io_chain(&error)));
    }
    let compression = Compression::detect(&start);
    let whole = Cursor::new(start).chain(&mut raw);
    let mut members = Members {
        stored: stored_size,
        holes: 0,
        budget,
        listed: vec![],
    };
    let unpacked = if faults.is_empty() {
        unpack(whole, compression, &mut members, &mut faults)
    } else {
        None
    };
    // Whatever follows the compressed bytes belongs to the blob, too.
    if let Err(error) = drain(&mut raw, u64::MAX)
        && faults.is_empty()
    {
        faults.push(("bytes that can be read", io_chain(&error)));
    }
    let (size, digest) = (raw.size, Digest::from(raw.hash));
    let diff_id = match (compression, unpacked) {
        // They are the same bytes, which need not be hashed again.
        (Compression::None, Some(_)) => Some(digest),
        (_, unpacked) => unpacked.flatten(),
    };
    ReadLayer {
        compression,
        size,
        digest,
        diff_id,
        faults,
        members: members.listed,
    }
}

/// The members of a layer, as they come.
struct Members<'b> {
    /// The bytes of the layer as it is stored.
    stored: u64,
    /// The number of bytes of its files that are in holes, so far.
    holes: u64,
    /// The limit on what may be held in memory of all layers.
    budget: &'b Mutex<Budget>,
    listed: Vec<Described>,
}

impl Members<'_> {
    fn add(&mut self, member: Described, body: &mut Body<'_, '_>) -> Result<(), Unpacking> {
        Change::of(&member.name)?;
        // The map of what is stored is looked at, as whoever reads the file has to.
        let holes = match member.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => body.holes()?,
            _ => 0,
        };
        self.holes = self.holes.saturating_add(holes);
        let size = self.holes.saturating_add(body.position());
        if holes > 0 && is_bomb(self.stored, size) {
            return Err(Fault::Holes {
                member: String::from_utf8_lossy(&member.name).into_owned(),
                stored: self.stored,
                size,
            }
            .into());
        }
        let attributes = member.xattrs.iter();
        let text: usize = attributes
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let text = text + member.name.len() + member.link.len();
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(text)?;
        self.listed.push(member);
        Ok(())
    }
}

/// Unpacks a layer and lists its members. None where it cannot be read to its end; within,
/// none where it is plain.
fn unpack(
    whole: impl Read + Send,
    compression: Compression,
    members: &mut Members<'_>,
    faults: &mut Vec<(&'static str, String)>,
) -> Option<Option<Digest>> {
    let decoder = match compression.decoder(whole) {
        Ok(decoder) => decoder,
        Err(error) => {
            faults.push(("bytes that can be unpacked", io_chain(&error)));
            return None;
        }
    };
    let hash = (compression != Compression::None).then(Sha256::new);
    let mut plain = Unpacked {
        inner: decoder,
        hash,
        error: None,
    };
    let listed = terrine_tar::read(Input::Unpacked(Box::new(&mut plain)), |member, body| {
        members.add(member, body)
    });
    // What comes after the end of the archive, or after what is none, is part of the layer.
    let ended = plain.error.is_some() || drain(&mut plain, MAX_UNPACKED).unwrap_or(true);
    let expected = match compression {
        Compression::None => "bytes that can be read",
        _ => "bytes that can be unpacked",
    };
    match (listed, plain.error) {
        (_, Some(error)) => {
            faults.push((expected, error));
            return None;
        }
        (Err(Unpacking::Fault(fault @ Fault::Holes { .. })), None) => faults.push((
            "files in proportion to it, as only `export --sparse` writes these",
            chain(&fault),
        )),
        (Err(error), None) => faults.push(("a readable archive", unpacking(error))),
        (Ok(()), None) => {}
    }
    if !ended {
        faults.push((
            "bytes that unpack to less",
            format!("more than {MAX_UNPACKED} bytes"),
        ));
        return None;
    }
    Some(plain.hash.map(Digest::from))
}

/// Reads to the end; whether that came within a limit.
fn drain(reader: &mut impl Read, limit: u64) -> io::Result<bool> {
    let mut buffer = vec![0; BUFFER];
    let mut total = 0_u64;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => total += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if total > limit {
            return Ok(false);
        }
    }
}

/// Stored bytes.
struct Stored<'a, R> {
    inner: R,
    hash: Sha256,
    size: u64,
    reporter: &'a dyn VerifyReporter,
}

impl<R: Read> Read for Stored<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        self.reporter.read(count as u64);
        Ok(count)
    }
}

/// Unpacked bytes, hashed if they are others than those that are stored.
struct Unpacked<R> {
    inner: R,
    hash: Option<Sha256>,
    /// The error that ended reading. Some decoders report it only once.
    error: Option<String>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.error.get_or_insert_with(|| io_chain(&error));
                }
                return Err(error);
            }
        };
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        Ok(count)
    }
}

fn unpacking(error: Unpacking) -> String {
    match error {
        Unpacking::Fault(fault) => chain(&fault),
        Unpacking::Io(error) => io_chain(&error),
        Unpacking::Spool { source, .. } => io_chain(&source),
    }
}

fn io_chain(error: &io::Error) -> String {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Fault>())
    {
        Some(fault) => chain(fault),
        None => error.to_string(),
    }
}
