//! The image that a `conf.json` describes, as one that exists: its layers are made whenever somebody reads
//! them, and no archive of it is ever written.
//!
//! So one image is built on another, and several go into an index, without an archive between them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::Deserialize;
use serde::de::IgnoredAny;
use terrine_compress::Compression;
use terrine_oci::{Configuration, Descriptor, Digest, MediaType};
use terrine_planner_host::Planner;
use terrine_support::file;

use super::conf::MAX_SIZE;
use super::{Conf, ConfOptions, Error, prepare_at};
use crate::assemble::{self, Customisation, StoreLayer, Top};
use crate::base::Base;
use crate::cache::{Cache, Plain, agreed};
use crate::layer::{self, LayerOfStore, NewLayer, Ownership, Store, StorePath};
use crate::source::{self, Attributes, FilePart, Image, Layer};
use crate::{parallel, pipe};

/// The number of bytes of a file that tell whether it is a `conf.json`.
const HEAD: u64 = 512;
/// The number of pieces of a layer that wait for the reader.
const AHEAD: usize = 2;

/// Returns whether a path leads to a `conf.json`: to an object with the field that every one has. Archives have
/// bytes in their first block that no text has.
pub fn is_conf(path: &Path) -> bool {
    // Looked at before it is opened: opening a fifo would wait for its other end.
    if !path.is_file() {
        return false;
    }
    let mut head = vec![];
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let is_text = read.is_ok() && !head.contains(&0);
    is_text
        && head.trim_ascii_start().first() == Some(&b'{')
        // One that cannot be read is better told of as what it looks like.
        && file::read(path, MAX_SIZE)
            .map_or(true, |text| serde_json::from_slice(&text).map_or(true, |Probe { field }| field.is_some()))
}

/// The field that tells a `conf.json` from other objects.
#[derive(Deserialize)]
struct Probe {
    #[serde(default, rename = "customisation_layer")]
    field: Option<IgnoredAny>,
}

/// Opens the image that a `conf.json` describes. Layers whose digests the cache does not know are read for
/// them, several at once.
///
/// # Errors
///
/// A `conf.json` that cannot be used, and a layer that cannot be made.
pub fn open(
    path: &Path,
    options: &ConfOptions,
    planner: &Planner<'_>,
    cache: &Cache,
) -> Result<Image, Error> {
    open_at(path, options, planner, cache, 0)
}

/// The same of an image on which so many others are built.
pub(super) fn open_at(
    path: &Path,
    options: &ConfOptions,
    planner: &Planner<'_>,
    cache: &Cache,
    depth: usize,
) -> Result<Image, Error> {
    let conf = Conf::read(path)?;
    let image = prepare_at(&conf, options, planner, cache, depth)?;
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let own = parallel::each(&image.new_layers(), jobs, |_, layer| {
        plain(layer.as_ref(), cache)
    })?;
    let digests: Vec<Digest> = own.iter().map(|plain| plain.diff_id).collect();
    let text = image.configuration(&digests)?;
    let name = path.display().to_string();
    let unusable = |why: String| {
        let member = "configuration".to_owned();
        let fault = source::Fault::Json { member, why };
        assemble::Error::Base(source::Error::fault(&name, fault))
    };
    let configuration =
        Configuration::parse(text.into_bytes()).map_err(|error| unusable(error.to_string()))?;
    let names = vec![image.reference()];
    let base = image.base.iter().flat_map(Base::layers);
    let mut layers: Vec<Arc<dyn Layer>> = base.map(|base| Arc::clone(base.layer())).collect();
    // A conf.json has its uppermost layer as an archive.
    let Top::Archive(top) = image.top else {
        return Err(unusable("its top layer is not an archive".to_owned()).into());
    };
    let content = Arc::new(Content {
        image: name.clone(),
        store: image.store,
        ownership: image.ownership,
        layers: image.layers,
    });
    let mut own = own.into_iter();
    for (number, plain) in own.by_ref().take(content.layers.len()).enumerate() {
        layers.push(Arc::new(Made {
            content: Arc::clone(&content),
            number,
            plain,
        }));
    }
    layers.push(Arc::new(Given {
        mtime: content.ownership.mtime,
        archive: top,
    }));
    Ok(Image {
        name,
        names,
        manifest: None,
        configuration,
        layers,
    })
}

/// Digest and size of a layer: promised, remembered, or found out by making it.
fn plain(layer: &dyn NewLayer, cache: &Cache) -> Result<Plain, assemble::Error> {
    if let Some(promised) = layer.promised() {
        return Ok(promised);
    }
    let key = layer.key(false)?;
    let names = || layer.store_paths().iter().map(StorePath::as_str);
    let known = key
        .as_ref()
        .and_then(|key| agreed::plain(cache, key, names()));
    if let Some(known) = known {
        return Ok(known);
    }
    let entries = layer.entries()?;
    let size = entries.measure().size;
    let digests = pipe::run(io::sink(), &(), |feeder| {
        feeder.begin_hash()?;
        layer::feed(feeder, entries.as_ref())?;
        feeder.end_hash()?;
        Ok::<_, assemble::Error>(feeder.digests()?)
    })?;
    let Some(&diff_id) = digests.first() else {
        return Err(pipe::Closed.into());
    };
    let found = Plain { diff_id, size };
    if let Some(key) = key {
        agreed::remember_plain(cache, &key, names(), &found);
    }
    Ok(found)
}

/// The things that the layers of an image are made of.
#[derive(Debug)]
struct Content {
    image: String,
    store: Store,
    ownership: Ownership,
    layers: Vec<StoreLayer>,
}

/// A layer of store paths, which is made when it is read.
#[derive(Debug)]
struct Made {
    content: Arc<Content>,
    number: usize,
    plain: Plain,
}

impl Layer for Made {
    /// Its member's name where dockerTools writes the archive.
    fn name(&self) -> String {
        member(self.plain.diff_id)
    }

    fn diff_id(&self) -> Digest {
        self.plain.diff_id
    }

    fn descriptor(&self) -> Result<Descriptor, source::Error> {
        Ok(plain_descriptor(self.plain))
    }

    fn stored_size(&self) -> u64 {
        self.plain.size
    }

    fn compression(&self) -> Compression {
        Compression::None
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, source::Error> {
        let (sender, pieces) = sync_channel(AHEAD);
        let (content, number, size) = (Arc::clone(&self.content), self.number, self.plain.size);
        let make = move || {
            let outcome = content.write(number, size, Pieces(sender.clone()));
            // A reader that has stopped does not get it.
            let _ = sender.send(outcome.map(|()| vec![]));
        };
        let started = thread::Builder::new().spawn(make);
        started.map_err(|source| source::Error::Io {
            image: self.content.image.clone(),
            source,
        })?;
        Ok(Box::new(Reading {
            pieces,
            piece: vec![],
            read: 0,
            over: false,
        }))
    }

    fn attributes(&self) -> Attributes {
        Attributes {
            mtime: self.content.ownership.mtime,
            ..Attributes::default()
        }
    }
}

impl Content {
    /// Writes the archive of a layer, which has to have so many bytes.
    fn write(&self, number: usize, size: u64, out: Pieces) -> io::Result<()> {
        let Some(layer) = self.layers.get(number) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let layer = LayerOfStore {
            layer,
            store: &self.store,
            ownership: &self.ownership,
            watches: [None; 2],
        };
        let entries = layer.entries().map_err(io::Error::other)?;
        let now = entries.measure().size;
        if now != size {
            return Err(io::Error::other(format!(
                "layer {} has {now} bytes now, and had {size}",
                number + 1
            )));
        }
        pipe::run(out, &(), |feeder| {
            layer::feed(feeder, entries.as_ref()).map_err(io::Error::other)
        })
    }
}

/// The uppermost layer, whose archive is there.
#[derive(Debug)]
struct Given {
    archive: Customisation,
    mtime: i64,
}

impl Given {
    fn part(&self) -> FilePart<'_> {
        FilePart::new(self.archive.file(), 0, self.archive.size())
    }
}

impl Layer for Given {
    fn name(&self) -> String {
        member(self.archive.digest())
    }

    fn diff_id(&self) -> Digest {
        self.archive.digest()
    }

    fn descriptor(&self) -> Result<Descriptor, source::Error> {
        Ok(plain_descriptor(Plain {
            diff_id: self.archive.digest(),
            size: self.archive.size(),
        }))
    }

    fn stored_size(&self) -> u64 {
        self.archive.size()
    }

    fn compression(&self) -> Compression {
        Compression::None
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, source::Error> {
        Ok(Box::new(self.part()))
    }

    fn content(&self) -> Result<Option<FilePart<'_>>, source::Error> {
        Ok(Some(self.part()))
    }

    fn attributes(&self) -> Attributes {
        Attributes {
            mtime: self.mtime,
            ..Attributes::default()
        }
    }
}

fn member(digest: Digest) -> String {
    format!("{}/layer.tar", digest.hex())
}

fn plain_descriptor(plain: Plain) -> Descriptor {
    Descriptor::new(MediaType::OciLayer, plain.diff_id, plain.size)
}

/// The end of a channel at which a layer is written.
struct Pieces(SyncSender<io::Result<Vec<u8>>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let sent = self.0.send(Ok(bytes.to_vec()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end at which it is read.
struct Reading {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    read: usize,
    /// True if the writer has said that all is written.
    over: bool,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            if self.over {
                return Ok(0);
            }
            // A writer that is gone without a word has not written all.
            let gone = |_| io::Error::from(io::ErrorKind::UnexpectedEof);
            (self.piece, self.read) = (self.pieces.recv().map_err(gone)??, 0);
            // The last piece is empty.
            self.over = self.piece.is_empty();
        }
        let rest = &self.piece[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}
