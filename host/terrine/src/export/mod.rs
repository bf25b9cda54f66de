//! The files of an image as one archive: its layers on top of each other.
//!
//! Two passes: the first looks at the headers and makes a tree in memory, the second copies
//! contents. Layers come in the order in which they lie and each is read once more from its
//! start to its end, so neither a layer nor a file is ever held; the price is that the archive
//! is not sorted. It is in the order of the layers: of every member of a layer that is still
//! there the directories above it, as far as they are not there yet, the member, and its other
//! names as hard links. Directories with nothing in them come last. The same image gives the
//! same bytes.

mod counted;

use std::borrow::Cow;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use terrine_compress::{Compression, is_bomb};
use terrine_oci::Digest;
use terrine_support::hint::Hint;
use terrine_tar::{Body, Described, EntryType, Input, MAX_UNPACKED, Writer};

use crate::destination::{LayerOutcome, Reporter};
use crate::filesystem::{Id, Leaf, NamedDirectory, ROOT, Tree};
use crate::layer::LayerOrigin;
use crate::source::seekable::{self, Unpacking};
use crate::source::{self, Fault, HashingReader, Image, Layer, Spool, Spooled};
use counted::Counted;

/// The size of the write buffer in bytes.
const BUFFER: usize = 1 << 20;

/// The treatment of holes in files that are stored sparsely.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Holes {
    /// They are filled with zeros, which everyone can read.
    #[default]
    Filled,
    /// They stay holes, as GNU tar writes them with `--sparse`.
    Kept,
}

/// The result of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// The number of members in the archive.
    pub members: u64,
    /// The number of bytes that are written of its files.
    pub bytes: u64,
}

/// Files that cannot be had, or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image cannot be used.
    #[error(transparent)]
    Image(#[from] source::Error),
    /// The archive cannot be written.
    #[error("writing the archive")]
    Output(#[source] io::Error),
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Image(error) => error.hint(),
            Self::Output(_) => None,
        }
    }
}

/// Writes the files of an image as a tar archive. Layers are held against their diff ids.
///
/// `reporter` is told how much is read in the first pass, which for layers in a registry is how
/// much is fetched; and in the second of each layer, and of the bytes that are written.
///
/// # Errors
///
/// A layer that cannot be read, is not the one that it should be, or makes no sense on those
/// below it; holes that are filled and out of all proportion; and an output that fails. What has been written then
/// is of no use.
pub fn export(
    image: &Image,
    out: impl Write,
    holes: Holes,
    reporter: &dyn Reporter,
) -> Result<Exported, Error> {
    let layers = at_hand(image, reporter)?;
    let tree = look(&image.name, &layers, reporter)?;
    let (mut leaves, directories) = tree.list();
    leaves.sort_by_cached_key(|leaf| {
        let inode = tree.inode_of(leaf.inode);
        (inode.layer, inode.member)
    });
    let out = Counted::new(out, |bytes| reporter.written(bytes));
    let mut exporting = Exporting {
        image: &image.name,
        done: vec![false; tree.len()],
        tree: &tree,
        writer: Writer::new(BufWriter::with_capacity(BUFFER, out)),
        exported: Exported::default(),
        holes,
        stored: 0,
        filled: 0,
    };
    if tree.directory(ROOT).is_some() {
        exporting.directory(ROOT, b"").map_err(Error::Output)?;
    }
    let mut rest = &leaves[..];
    for (number, AtHand { layer, .. }) in (0..).zip(&layers) {
        let of_layer = rest.partition_point(|leaf| tree.inode_of(leaf.inode).layer <= number);
        let (leaves, above) = rest.split_at(of_layer);
        let counted = number as usize + 1;
        reporter.layer(
            counted,
            LayerOrigin::Existing(&layer.name()),
            layer.stored_size(),
        );
        exporting.layer(&**layer, leaves)?;
        reporter.finished(counted, LayerOutcome::Brought);
        rest = above;
    }
    exporting.finish(&directories).map_err(Error::Output)
}

/// A layer that can be read twice.
struct AtHand {
    layer: Arc<dyn Layer>,
    /// True if its bytes have already been reported, because they were fetched.
    told: bool,
}

/// The layers: one in a registry is fetched, and kept meanwhile.
fn at_hand(image: &Image, reporter: &dyn Reporter) -> Result<Vec<AtHand>, source::Error> {
    let spool = Arc::new(Spool::default());
    image
        .layers
        .iter()
        .map(|layer| {
            let layer = Arc::clone(layer);
            if layer.repository().is_none() || layer.content()?.is_some() {
                return Ok(AtHand { layer, told: false });
            }
            let spooled = Spooled::new(layer, image.name.clone(), Arc::clone(&spool));
            spooled.fetch(&|bytes| reporter.read(bytes))?;
            Ok(AtHand {
                layer: Arc::new(spooled),
                told: true,
            })
        })
        .collect()
}

/// The first pass.
fn look(image: &str, layers: &[AtHand], reporter: &dyn Reporter) -> Result<Tree, source::Error> {
    let mut tree = Tree::default();
    for (number, AtHand { layer, told }) in (0..).zip(layers) {
        let source = match (layer.content()?, layer.compression()) {
            (Some(content), Compression::None) => Input::Plain(content),
            _ => {
                let stored = Counted::new(layer.open()?, |bytes| {
                    if !told {
                        reporter.read(bytes);
                    }
                });
                let decoder = layer.compression().decoder(stored);
                Input::Unpacked(decoder.map_err(|error| undecoded(image, &**layer, error))?)
            }
        };
        let mut member = 0;
        seekable::for_each(source, |described| {
            member += 1;
            tree.apply(number, member, described)
        })
        .map_err(|error| unreadable(image, &**layer, error))?;
    }
    Ok(tree)
}

fn unreadable(image: &str, layer: &dyn Layer, error: Unpacking) -> source::Error {
    match error {
        Unpacking::Fault(fault) => source::Error::fault(
            image,
            Fault::Layer {
                name: layer.name(),
                fault: Box::new(fault),
            },
        ),
        Unpacking::Io(error) => undecoded(image, layer, error),
        error @ Unpacking::Spool { .. } => error.of(image),
    }
}

fn undecoded(image: &str, layer: &dyn Layer, error: io::Error) -> source::Error {
    let is_fault = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Fault>())
        .is_some();
    match layer.compression() {
        compression if compression != Compression::None && !is_fault => {
            let (what, why) = (format!("its layer `{}`", layer.name()), error.to_string());
            source::Error::fault(
                image,
                Fault::Compression {
                    what,
                    compression,
                    why,
                },
            )
        }
        _ => source::Error::reading(image, error),
    }
}

/// The second pass.
struct Exporting<'a, W: Write> {
    image: &'a str,
    tree: &'a Tree,
    /// The directories of the tree that are written, as one flag for each.
    done: Vec<bool>,
    writer: Writer<W>,
    exported: Exported,
    holes: Holes,
    /// The bytes of the layer as it is stored.
    stored: u64,
    /// The number of bytes of its holes that have been filled.
    filled: u64,
}

/// The reason why the pass over a layer stops.
enum Stopped {
    Input(Unpacking),
    Output(io::Error),
}

impl From<terrine_tar::Error> for Stopped {
    fn from(error: terrine_tar::Error) -> Self {
        Self::Input(error.into())
    }
}

impl From<Unpacking> for Stopped {
    fn from(error: Unpacking) -> Self {
        Self::Input(error)
    }
}

impl<W: Write> Exporting<'_, W> {
    /// Copies what there is of a layer; `leaves` are in the order of its members.
    fn layer(&mut self, layer: &dyn Layer, leaves: &[Leaf]) -> Result<(), Error> {
        let tree = self.tree;
        (self.stored, self.filled) = (layer.stored_size(), 0);
        let mut groups = leaves.chunk_by(|a, b| a.inode == b.inode).peekable();
        let decoder = source::unpacked(self.image, layer)?;
        let mut plain = HashingReader {
            inner: decoder,
            hash: Sha256::new(),
        };
        let mut number = 0;
        let outcome =
            terrine_tar::read(Input::Unpacked(Box::new(&mut plain)), |described, body| {
                number += 1;
                groups
                    .next_if(|group| tree.inode_of(group[0].inode).member == number)
                    .map_or(Ok(()), |group| self.member(group, &described, body))
            });
        match outcome {
            Ok(()) => {}
            Err(Stopped::Output(error)) => return Err(Error::Output(error)),
            Err(Stopped::Input(error)) => return Err(unreadable(self.image, layer, error).into()),
        }
        // Whatever follows the archive's end belongs to the layer, too.
        io::copy(&mut plain.by_ref().take(MAX_UNPACKED), &mut io::sink())
            .map_err(|error| undecoded(self.image, layer, error))?;
        let actual = Digest::from(plain.hash);
        source::check(&layer.name(), layer.diff_id(), actual)
            .map_err(|fault| source::Error::fault(self.image, fault).into())
    }

    /// Writes a member and its other names.
    fn member(
        &mut self,
        group: &[Leaf],
        again: &Described,
        body: &mut Body<'_, '_>,
    ) -> Result<(), Stopped> {
        let tree = self.tree;
        let [first, others @ ..] = group else {
            return Ok(());
        };
        let described = &tree.inode_of(first.inode).described;
        self.parents(&first.path).map_err(Stopped::Output)?;
        let (kind, link) = (described.kind, &*described.link);
        self.exported.members += 1;
        if kind == EntryType::Regular {
            let (expected, actual) = (described.size, again.size);
            if expected != actual {
                return Err(Unpacking::from(Fault::Size {
                    member: String::from_utf8_lossy(&first.path).into_owned(),
                    expected,
                    actual,
                })
                .into());
            }
            self.file(&first.path, described, body)?;
        } else {
            let link = if kind == EntryType::Symlink {
                link
            } else {
                b""
            };
            self.writer
                .header(&first.path, kind, link, described)
                .map_err(Stopped::Output)?;
        }
        for other in others {
            self.parents(&other.path).map_err(Stopped::Output)?;
            self.writer
                .header(&other.path, EntryType::Link, &first.path, described)
                .map_err(Stopped::Output)?;
            self.exported.members += 1;
        }
        Ok(())
    }

    /// Writes a file, with its holes or without.
    fn file(
        &mut self,
        path: &[u8],
        described: &Described,
        body: &mut Body<'_, '_>,
    ) -> Result<(), Stopped> {
        let holes = body.holes()?;
        if self.holes == Holes::Kept && holes > 0 {
            self.count(described.size - holes)?;
            let parts = body.parts()?.unwrap_or_default();
            let size = self
                .writer
                .sparse_header(path, described, parts)
                .map_err(Stopped::Output)?;
            return self.content(size, body, Body::stored_chunk);
        }
        self.filled = self.filled.saturating_add(holes);
        let size = self.filled.saturating_add(body.position());
        if holes > 0 && is_bomb(self.stored, size) {
            return Err(Unpacking::from(Fault::Holes {
                member: String::from_utf8_lossy(path).into_owned(),
                stored: self.stored,
                size,
            })
            .into());
        }
        self.count(described.size)?;
        self.writer
            .header(path, EntryType::Regular, b"", described)
            .map_err(Stopped::Output)?;
        self.content(described.size, body, Body::chunk)
    }

    /// Counts bytes of files.
    fn count(&mut self, bytes: u64) -> Result<(), Stopped> {
        let total = self.exported.bytes.saturating_add(bytes);
        if total > MAX_UNPACKED {
            let what = "what it holds".to_owned();
            let fault = Fault::TooLarge {
                what,
                size: total,
                limit: MAX_UNPACKED,
            };
            return Err(Unpacking::from(fault).into());
        }
        self.exported.bytes = total;
        Ok(())
    }

    /// Copies a content, which takes so many bytes in the archive.
    fn content<'p, 'a>(
        &mut self,
        size: u64,
        body: &mut Body<'p, 'a>,
        chunk: impl for<'b> Fn(&'b mut Body<'p, 'a>) -> Result<&'b [u8], terrine_tar::Error>,
    ) -> Result<(), Stopped> {
        loop {
            let chunk = chunk(body)?;
            if chunk.is_empty() {
                return self.writer.pad(size).map_err(Stopped::Output);
            }
            self.writer.content(chunk).map_err(Stopped::Output)?;
        }
    }

    /// Writes the directories above a path that are not written.
    fn parents(&mut self, path: &[u8]) -> io::Result<()> {
        let tree = self.tree;
        tree.above(path)
            .into_iter()
            .try_for_each(|(id, path)| self.directory(id, path))
    }

    fn directory(&mut self, id: Id, path: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.done[id as usize], true) {
            return Ok(());
        }
        let made = Described::directory();
        let described = self.tree.directory(id).unwrap_or(&made);
        self.exported.members += 1;
        self.writer
            .header(path, EntryType::Directory, b"", described)
    }

    fn finish(mut self, directories: &[NamedDirectory]) -> io::Result<Exported> {
        for (id, path) in directories.iter().filter(|(id, _)| *id != ROOT) {
            self.directory(*id, path)?;
        }
        self.writer.finish()?;
        Ok(self.exported)
    }
}

#[cfg(test)]
mod tests;
