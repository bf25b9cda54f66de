//! The layers of an image against the store of this machine: what a manifest claims of their keys is
//! computed again.
//!
//! A key stands for the content of store paths and for their owners, permissions and times. The content
//! is read from the local store. The owners and the times are those of the layer, or those that images have by
//! default; the key tells whether they are the right ones.

use std::error::Error;
use std::io::{self, Read};
use std::path::Path;

use terrine_oci::{Annotations, Content, Digest, annotation};
use terrine_planner_host::is_hashed;
use terrine_support::chain;
use terrine_tar::Owner;

use super::Mismatch;
use crate::cache::Cache;
use crate::layer::{
    self, LayerOfStore, NewLayer, Ownership, Permissions, Store, StoreLayer, StorePath, content_key,
};
use crate::source::{self, Image, Layer};
use crate::{nar, pipe};

/// The time of files that images have by default, in seconds since 1970, which is that of Nix.
const DEFAULT_MTIME: i64 = 1;

/// The result of comparing an image with a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// The number of layers that are what their keys stand for.
    pub same: usize,
    /// The layers that were compared, or should have been.
    pub checked: Vec<String>,
    /// The number of layers that were not compared: those without a key or store paths, and those of
    /// directories, which no store has.
    pub skipped: usize,
    /// The layers that are something else, or that cannot be compared.
    pub mismatches: Vec<Mismatch>,
}

/// Makes the layers of an image that have keys from a store whose root is `root`, and compares them.
/// Keys of layers are in the image's manifest.
pub fn against_store(image: &Image, root: &Path) -> Compared {
    let mut compared = Compared::default();
    let listed = match image.manifest.as_ref().map(|document| &document.content) {
        Some(Content::Manifest(manifest)) => &manifest.layers[..],
        _ => &[],
    };
    for (index, layer) in image.layers.iter().enumerate() {
        let annotations = listed.get(index).map(|listed| &listed.annotations);
        let Some((key, paths)) = annotations.and_then(claimed) else {
            compared.skipped += 1;
            continue;
        };
        let what = format!(
            "layer {} (`{}`), built again from the store",
            index + 1,
            layer.name()
        );
        compared.checked.push(what.clone());
        match made(image, layer.as_ref(), (key, &paths), root) {
            Ok(made) if made == layer.diff_id() => compared.same += 1,
            Ok(made) => compared.mismatches.push(Mismatch {
                what,
                expected: made.to_string(),
                actual: layer.diff_id().to_string(),
            }),
            Err(unknown) => compared.mismatches.push(Mismatch {
                what,
                expected: "the same layer".to_owned(),
                actual: format!("no layer to compare with, because {unknown}"),
            }),
        }
    }
    compared
}

/// Returns the key that annotations give to a layer, and the store paths that it is of; none of one
/// that no store has.
fn claimed(annotations: &Annotations) -> Option<(Digest, Vec<String>)> {
    let key = annotations.get(annotation::LAYER_KEY)?.parse().ok()?;
    let paths = annotation::store_paths(annotations)?;
    let is_of_store = !paths.is_empty() && paths.iter().all(|path| is_hashed(path));
    is_of_store.then_some((key, paths))
}

/// The reason why a layer cannot be made again, as text.
type Unknown = String;

/// Returns a failure as the reason.
fn why<E: Error>(error: E) -> Unknown {
    chain(&error)
}

/// Makes a layer again, and returns its digest.
fn made(
    image: &Image,
    existing: &dyn Layer,
    (key, named): (Digest, &[String]),
    root: &Path,
) -> Result<Digest, Unknown> {
    let parent = Path::new(&named[0]).parent().and_then(Path::to_str);
    let store = Store::open(parent.unwrap_or_default(), root).map_err(why)?;
    let paths: Vec<StorePath> = named
        .iter()
        .map(|path| store.path(path).map_err(why))
        .collect::<Result<_, _>>()?;
    for path in &paths {
        if !layer::is_canonical(&store, path).map_err(why)? {
            let path = path.as_str();
            return Err(format!(
                "`{path}` does not have the permissions of a path that Nix made"
            ));
        }
    }
    let nars = nar::hash(&store, &paths, &Cache::none()).map_err(why)?;
    let is_of = |ownership: &Ownership| {
        let contents = paths.iter().zip(&nars);
        let contents = contents.map(|(path, nar)| (path.as_str(), nar.hash));
        content_key(store.dir(), ownership, contents).digest() == key
    };
    let candidates = [of_layer(image, existing)?, Some(default_ownership())];
    let ownership = candidates.into_iter().flatten().find(is_of);
    let ownership = ownership.ok_or(
        "its key is of other content, or of other owners, permissions or times than the layer has",
    )?;
    let layer = StoreLayer {
        paths,
        ..StoreLayer::default()
    };
    let layer = LayerOfStore {
        layer: &layer,
        store: &store,
        ownership: &ownership,
        watches: [None; 2],
    };
    digest(&layer)
}

/// Returns the owners and the time of the first entry of a layer.
fn of_layer(image: &Image, layer: &dyn Layer) -> Result<Option<Ownership>, Unknown> {
    let mut block = [0; 512];
    let mut plain = source::unpacked(&image.name, layer).map_err(why)?;
    if plain.read_exact(&mut block).is_err() {
        // Whatever it is, it is not what its key stands for.
        return Ok(None);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
    let ownership = |owner: Owner| {
        Some(Ownership {
            uid: owner.uid,
            gid: owner.gid,
            uname: text(owner.uname)?,
            gname: text(owner.gname)?,
            mtime: owner.mtime,
            permissions: Permissions::default(),
        })
    };
    Ok(Owner::of_header(&block).and_then(ownership))
}

fn default_ownership() -> Ownership {
    Ownership {
        uid: 0,
        gid: 0,
        uname: "root".to_owned(),
        gname: "root".to_owned(),
        mtime: DEFAULT_MTIME,
        permissions: Permissions::default(),
    }
}

/// Makes a layer for its digest.
fn digest(layer: &dyn NewLayer) -> Result<Digest, Unknown> {
    let made = pipe::run::<_, Failed>(io::sink(), &(), |feeder| {
        feeder.begin_hash().map_err(layer::Error::from)?;
        layer.feed(feeder, &|_| {})?;
        feeder.end_hash().map_err(layer::Error::from)?;
        Ok(feeder.digests().map_err(layer::Error::from)?)
    });
    match made {
        Ok(digests) => digests.first().copied().ok_or_else(Unknown::new),
        Err(Failed::Layer(error)) => Err(why(error)),
        Err(Failed::Output(error)) => Err(why(error)),
    }
}

/// The failure to make a layer.
enum Failed {
    Layer(layer::Error),
    Output(io::Error),
}

impl From<layer::Error> for Failed {
    fn from(error: layer::Error) -> Self {
        Self::Layer(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
