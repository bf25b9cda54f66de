//! The closures of images that exist, for a recorded sequence.

use std::collections::{BTreeMap, HashMap};

use terrine_oci::Digest;
use terrine_planner_host::is_hashed;
use terrine_planner_host::layering::HeldImage;

use super::contents;
use crate::closure::{Graph, GraphEntry};
use crate::inspect::{Inspection, inspect};
use crate::source::changes::Change;
use crate::source::seekable::Unpacking;
use crate::source::{self, Fault, Image, Layer};

/// Finds the closures of images. A layer that several of them have is read once.
#[derive(Debug, Default)]
pub struct Closures {
    /// The effects of the layers that are known, by their diff ids.
    layers: HashMap<Digest, LayerEffect>,
}

/// The effect of a layer on the store.
#[derive(Debug, Clone, Default)]
struct LayerEffect {
    /// The paths that it has something of, and how many bytes of files.
    sizes: BTreeMap<String, u64>,
    /// The paths that it takes away from the layers below.
    removed: Vec<String>,
    /// Of paths whose names have no hash, what is at each place in them.
    contents: BTreeMap<String, Content>,
}

/// The content of each place in a store path, in a form that is another one for another content.
type Content = BTreeMap<Vec<u8>, String>;

impl Closures {
    /// The store paths in an image, each with the sum of its files' sizes. What they refer to is
    /// not known.
    ///
    /// If the image names the store paths in its layers, these are its closure as far as they are
    /// there, and only the layers that have some are read; else all that is directly in
    /// `store_dir`.
    ///
    /// # Errors
    ///
    /// A layer that cannot be read. Digests are not looked at.
    pub fn of(&mut self, image: &Image, store_dir: &str) -> Result<Vec<GraphEntry>, source::Error> {
        let inspection = inspect(image)?;
        let named = |number: usize| named_in(&inspection, number);
        let any = (0..image.layers.len()).any(|number| named(number).is_some());
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (number, layer) in image.layers.iter().enumerate() {
            if any && named(number).is_none() {
                continue;
            }
            let content = self.content(&image.name, &**layer, store_dir)?;
            for path in &content.removed {
                sizes.remove(path);
            }
            match named(number) {
                Some(paths) => {
                    // The history of a customisation layer of dockerTools names the store path
                    // that it was copied from, of which it has nothing.
                    sizes.extend(
                        paths
                            .iter()
                            .filter_map(|path| Some((path.clone(), *content.sizes.get(path)?))),
                    );
                }
                None => {
                    for (path, size) in &content.sizes {
                        let sum = sizes.entry(path.clone()).or_default();
                        *sum = sum.saturating_add(*size);
                    }
                }
            }
        }
        Ok(sizes
            .into_iter()
            .map(|(path, size)| GraphEntry {
                path,
                size,
                references: vec![],
            })
            .collect())
    }

    /// Returns what tells the contents of an image's store paths apart, of those whose names have no hash. Only paths that
    /// [`Closures::of`] finds count.
    ///
    /// # Errors
    ///
    /// As [`Closures::of`].
    pub fn contents(
        &mut self,
        image: &Image,
        store_dir: &str,
    ) -> Result<BTreeMap<String, String>, source::Error> {
        let inspection = inspect(image)?;
        let mut all: BTreeMap<String, Content> = BTreeMap::new();
        let any = (0..image.layers.len()).any(|number| named_in(&inspection, number).is_some());
        for (number, layer) in image.layers.iter().enumerate() {
            if any && named_in(&inspection, number).is_none() {
                continue;
            }
            let effect = self.content(&image.name, &**layer, store_dir)?;
            for path in &effect.removed {
                all.remove(path);
            }
            for (path, content) in effect.contents {
                all.entry(path).or_default().extend(content);
            }
        }
        Ok(all
            .into_iter()
            .map(|(path, content)| (path, contents::digest(&content)))
            .collect())
    }

    fn content(
        &mut self,
        image: &str,
        layer: &dyn Layer,
        store_dir: &str,
    ) -> Result<LayerEffect, source::Error> {
        if let Some(content) = self.layers.get(&layer.diff_id()) {
            return Ok(content.clone());
        }
        let content = read(image, layer, store_dir)?;
        self.layers.insert(layer.diff_id(), content.clone());
        Ok(content)
    }
}

fn named_in(image: &Inspection, layer: usize) -> Option<&Vec<String>> {
    image
        .layers
        .get(layer)?
        .store_paths
        .as_ref()
        .filter(|paths| !paths.is_empty())
}

fn read(image: &str, layer: &dyn Layer, store_dir: &str) -> Result<LayerEffect, source::Error> {
    let source = source::input(image, layer)?;
    let mut content = LayerEffect::default();
    terrine_tar::read(source, |member, body| {
        match Change::of(&member.name)? {
            Change::Put(at) => {
                if let Some((path, _)) = store_path(&at, store_dir) {
                    if !is_hashed(&path) {
                        let line = contents::member(&member, body)?;
                        let below = at.get(path.len() - 1..).unwrap_or_default();
                        let content = content.contents.entry(path.clone()).or_default();
                        content.insert(below.to_vec(), line);
                    }
                    let size = content.sizes.entry(path).or_default();
                    *size = size.saturating_add(if member.kind.is_file() {
                        member.size
                    } else {
                        0
                    });
                }
            }
            Change::Remove(path) => match store_path(&path, store_dir) {
                Some((path, true)) => content.removed.push(path),
                Some((at, false)) if !is_hashed(&at) => {
                    let below = path.get(at.len() - 1..).unwrap_or_default().to_vec();
                    let content = content.contents.entry(at).or_default();
                    content.insert(below, contents::GONE.to_owned());
                }
                _ => {}
            },
            Change::Empty(_) | Change::Nothing => {}
        }
        Ok::<_, Unpacking>(())
    })
    .map_err(|error| match error {
        Unpacking::Fault(fault) => source::Error::fault(
            image,
            Fault::Layer {
                name: layer.name(),
                fault: Box::new(fault),
            },
        ),
        Unpacking::Io(error) => source::Error::unpacking(image, layer, error),
        error @ Unpacking::Spool { .. } => error.of(image),
    })?;
    Ok(content)
}

/// The store path that a path of an image, without its first slash, is in; and whether it is the
/// store path itself.
fn store_path(path: &[u8], store_dir: &str) -> Option<(String, bool)> {
    let text = std::str::from_utf8(path).ok()?;
    let rest = text
        .strip_prefix(store_dir.strip_prefix('/')?)?
        .strip_prefix('/')?;
    let (name, whole) = rest
        .split_once('/')
        .map_or((rest, true), |(name, _)| (name, false));
    // What a store keeps for itself is hidden.
    let is_path = !name.is_empty() && !name.starts_with('.');
    is_path.then(|| (format!("{store_dir}/{name}"), whole))
}

/// The store paths of a plan, each once, with their sizes as far as it has them.
pub fn entries(plan: &HeldImage) -> Vec<GraphEntry> {
    let sizes: BTreeMap<&String, u64> = plan
        .layers
        .iter()
        .flat_map(|layer| &layer.paths)
        .map(|path| (&path.path, path.size))
        .collect();
    sizes
        .into_iter()
        .map(|(path, size)| GraphEntry {
            path: path.clone(),
            size,
            references: vec![],
        })
        .collect()
}

/// Adds what a graph knows of some paths: what they refer to, and their sizes.
pub fn complete(entries: &mut [GraphEntry], graph: &Graph) {
    for entry in entries {
        let Some(index) = graph.find(&entry.path) else {
            continue;
        };
        let node = &graph.nodes()[index];
        let references = node
            .references
            .iter()
            .map(|&index| graph.nodes()[index].path.clone());
        entry.references = references.collect();
        if node.size > 0 {
            entry.size = node.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use terrine_oci::annotation;

    use terrine_compress::Compression;

    use super::*;
    use crate::source::testing::{MemoryLayer, archive, image};

    fn layer(members: &[&str], compression: Compression) -> MemoryLayer {
        MemoryLayer::new(&archive(members), compression)
    }

    fn closure(image: &Image) -> Vec<(String, u64)> {
        let entries = Closures::default().of(image, "/nix/store").unwrap();
        entries
            .into_iter()
            .map(|entry| (entry.path, entry.size))
            .collect()
    }

    #[test]
    fn paths_are_found_in_layers_that_name_none() {
        let image = image(
            vec![
                layer(
                    &[
                        "nix/store/a/x=12",
                        "nix/store/a/y=3",
                        "nix/store/.links/z=1",
                        "etc/x=1",
                    ],
                    Compression::Gzip,
                ),
                layer(
                    &["./nix/store/b=12345", "nix/store/c/x=1", "nix/var/d=1"],
                    Compression::None,
                ),
                layer(
                    &["nix/store/.wh.c=", "nix/store/a/.wh.x="],
                    Compression::None,
                ),
            ],
            |_| {},
        );
        let expected = [("/nix/store/a", 3), ("/nix/store/b", 5)];
        assert_eq!(
            closure(&image),
            expected.map(|(path, size)| (path.to_owned(), size))
        );
    }

    #[test]
    fn contents_of_paths_without_a_hash_are_told_apart() {
        let hashed = "nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-lib/x=1";
        let contents = |layers: &[&[&str]], compression| {
            let layers = layers
                .iter()
                .map(|members| layer(members, compression))
                .collect();
            let contents = Closures::default()
                .contents(&image(layers, |_| {}), "/nix/store")
                .unwrap();
            assert_eq!(contents.keys().collect::<Vec<_>>(), ["/nix/store/site"]);
            contents.into_values().next().unwrap()
        };
        let one = contents(&[&[hashed, "nix/store/site/a=one"]], Compression::Gzip);
        for layers in [
            &[&["nix/store/site/a=one"][..]][..],
            &[&["nix/store/site/a=old"], &[hashed, "nix/store/site/a=one"]],
            &[
                &["nix/store/site/b=x", "nix/store/site/a=one"],
                &["nix/store/site/.wh.b="],
            ],
            &[
                &["nix/store/site/b=x"],
                &["nix/store/.wh.site="],
                &["nix/store/site/a=one"],
            ],
        ] {
            assert_eq!(contents(layers, Compression::None), one, "{layers:?}");
        }
        for members in [
            &["nix/store/site/a=two"][..],
            &["nix/store/site/b=one"],
            &["nix/store/site/a=one", "nix/store/site/b="],
            &["nix/store/site/a -> one"],
            &["nix/store/site=one"],
        ] {
            assert_ne!(contents(&[members], Compression::None), one, "{members:?}");
        }
    }

    #[test]
    fn named_paths_are_the_closure_and_other_layers_are_not_read() {
        let members = [
            "nix/store/a/x=12",
            "nix/store/empty/",
            "nix/store/other/x=1",
        ];
        let mut named = layer(&members, Compression::Zstd);
        let paths = annotation::store_paths_value(&[
            "/nix/store/a",
            "/nix/store/empty",
            "/nix/store/not-there",
            "/gnu/store/x",
        ]);
        named.descriptor.annotations = [(annotation::STORE_PATHS.to_owned(), paths)].into();
        let image = image(
            vec![named, layer(&["nix/store/b=1"], Compression::None)],
            |_| {},
        );
        let expected = [("/nix/store/a", 2), ("/nix/store/empty", 0)];
        assert_eq!(
            closure(&image),
            expected.map(|(path, size)| (path.to_owned(), size))
        );
    }

    #[test]
    fn a_layer_is_read_once() {
        let image = image(vec![layer(&["nix/store/a=1"], Compression::None)], |_| {});
        let mut closures = Closures::default();
        let first = closures.of(&image, "/nix/store").unwrap();
        assert_eq!(closures.layers.len(), 1);
        let id = image.layers[0].diff_id();
        closures
            .layers
            .get_mut(&id)
            .unwrap()
            .sizes
            .insert("/nix/store/known".to_owned(), 7);
        assert_eq!(
            closures.of(&image, "/nix/store").unwrap().len(),
            first.len() + 1
        );
        assert!(Arc::strong_count(&image.layers[0]) == 1);
    }

    #[test]
    fn a_graph_tells_what_images_do_not() {
        let entry = |path: &str, size, references: &[&str]| GraphEntry {
            path: path.to_owned(),
            size,
            references: references.iter().map(ToString::to_string).collect(),
        };
        let graph = Graph::build(vec![entry("/s/a", 9, &["/s/b"]), entry("/s/b", 0, &[])]).unwrap();
        let mut entries = vec![
            entry("/s/a", 1, &[]),
            entry("/s/b", 2, &[]),
            entry("/s/c", 3, &[]),
        ];
        complete(&mut entries, &graph);
        assert_eq!(
            entries,
            [
                entry("/s/a", 9, &["/s/b"]),
                entry("/s/b", 2, &[]),
                entry("/s/c", 3, &[])
            ]
        );
    }
}
