//! Verification of images: everything that is said of an image is computed again and compared.
//!
//! go-containerregistry's `validate` is the model: every fault is reported with both sides, not
//! only the first one. Each blob is read once: its stored bytes and its unpacked bytes are hashed
//! together, and the members of the layer are listed at the same time. Then the layers are put on
//! top of each other, as [`export`](crate::export) does it. What `export` refuses is reported here.

mod layer;
mod store;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use serde::Serialize;
use terrine_oci::{Content, Descriptor, Digest, Document, Manifest, MediaType};
use terrine_support::chain;
use terrine_tar::Described;

use crate::filesystem::Tree;
use crate::source::changes::Budget;
use crate::source::{Fault, Image};
use layer::Looked;
pub use store::{Compared, against_store};

/// The version of the JSON that [`to_json`] writes.
pub const SCHEMA_VERSION: u32 = 1;

/// A receiver of reports on a verification in progress.
pub trait VerifyReporter: Sync {
    /// So many more bytes have been read. Called from several threads.
    fn read(&self, bytes: u64);
}

/// Nobody wants to know.
impl VerifyReporter for () {
    fn read(&self, _: u64) {}
}

/// The result of verifying an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// The image's name.
    pub name: String,
    /// The digest of its configuration.
    pub image_id: Digest,
    /// The digest of its manifest, where it has one.
    pub manifest: Option<Digest>,
    /// The number of its layers.
    pub layers: usize,
    /// The number of them that are not distributed with it, and were not read.
    pub layers_elsewhere: usize,
    /// The properties that were computed again, in order.
    pub checked: Vec<String>,
    /// The mismatches that were found, in order.
    pub mismatches: Vec<Mismatch>,
    /// The number of bytes that were read, as they are stored.
    pub bytes_read: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// The property that is wrong.
    pub what: String,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub actual: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: expected {}, found {}",
            self.what, self.expected, self.actual
        )
    }
}

impl VerifyReport {
    /// Returns true if everything is as it should be.
    pub fn is_valid(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Adds the result of comparing the image with a store.
    pub fn add_store(&mut self, compared: &Compared) {
        let checks = compared.checked.iter().cloned();
        self.checked.extend(checks);
        self.mismatches.extend(compared.mismatches.iter().cloned());
    }
}

/// Reports as JSON text, indented, with a newline at the end; `valid` is whether there is
/// nothing wrong with any image, those among them of which there is no report.
pub fn to_json(reports: &[VerifyReport], valid: bool) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct All<'a> {
        schema_version: u32,
        valid: bool,
        images: &'a [VerifyReport],
    }
    terrine_oci::to_json_text(&All {
        schema_version: SCHEMA_VERSION,
        valid,
        images: reports,
    })
}

/// An image to verify, and the way to verify it.
#[derive(Debug, Clone)]
pub struct Verification<'a> {
    image: &'a Image,
    referrer: Option<&'a Descriptor>,
    threads: NonZeroUsize,
}

/// Verifies an image, two layers at a time. A layer that cannot be read is a mismatch.
pub fn verify(image: &Image, reporter: &dyn VerifyReporter) -> VerifyReport {
    Verification::new(image).run(reporter)
}

impl<'a> Verification<'a> {
    /// An image, two layers at a time.
    pub fn new(image: &'a Image) -> Self {
        Self {
            image,
            referrer: None,
            threads: NonZeroUsize::MIN.saturating_add(1),
        }
    }

    /// So many layers at a time.
    pub fn threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// Sets the descriptor that refers to the image's manifest: the entry of an index, or the
    /// answer of a registry.
    pub fn referrer(self, referrer: &'a Descriptor) -> Self {
        Self {
            referrer: Some(referrer),
            ..self
        }
    }

    /// Reads everything.
    pub fn run(&self, reporter: &dyn VerifyReporter) -> VerifyReport {
        let image = self.image;
        let mut checks = Checks::default();
        let manifest = image
            .manifest
            .as_ref()
            .and_then(|document| match &document.content {
                Content::Manifest(manifest) => Some(manifest),
                Content::Index(_) => None,
            });
        self.manifest(&mut checks);
        if let Some(manifest) = manifest {
            configuration(image, manifest, &mut checks);
        }
        counts(image, manifest, &mut checks);
        let (mut bytes_read, mut layers_elsewhere) = (0, 0);
        let mut files = Files::default();
        self.layers(manifest, reporter, |looked| {
            checks.append(looked.checks);
            bytes_read += looked.bytes;
            layers_elsewhere += usize::from(looked.is_elsewhere);
            files.add(looked.name, looked.members);
        });
        files.tell(&mut checks);
        VerifyReport {
            name: image.name.clone(),
            image_id: image.configuration.digest(),
            manifest: image.manifest.as_ref().map(Document::digest),
            layers: image.layers.len(),
            layers_elsewhere,
            checked: checks.checked,
            mismatches: checks.mismatches,
            bytes_read,
        }
    }

    /// The manifest against what refers to it.
    fn manifest(&self, checks: &mut Checks) {
        let Some(document) = &self.image.manifest else {
            return;
        };
        if !document.media_type.is_manifest() {
            checks.failed("manifest", &"an image manifest", &document.media_type);
        }
        let Some(referrer) = self.referrer else {
            return;
        };
        let actual = document.descriptor();
        checks.same("manifest: digest", &referrer.digest, &actual.digest);
        checks.same("manifest: size", &referrer.size, &actual.size);
        checks.same(
            "manifest: media type",
            &referrer.media_type,
            &actual.media_type,
        );
        if let Some(wanted) = &referrer.platform {
            let actual = self.image.configuration.platform();
            checks.add("configuration: platform");
            if actual.is_whole() && !actual.agrees(wanted) {
                checks.failed("configuration: platform", wanted, &actual);
            }
        }
    }

    /// The layers, on several threads; what they turned out to be is taken in their order.
    fn layers(
        &self,
        manifest: Option<&Manifest>,
        reporter: &dyn VerifyReporter,
        mut take: impl FnMut(Looked),
    ) {
        let layers = &self.image.layers;
        let next = AtomicUsize::new(0);
        let budget = Mutex::new(Budget::default());
        let (sender, done) = channel();
        thread::scope(|scope| {
            for _ in 0..self.threads.get().min(layers.len()) {
                let (sender, next, budget) = (sender.clone(), &next, &budget);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(layer) = layers.get(number) else {
                            return;
                        };
                        let descriptor = manifest.and_then(|manifest| manifest.layers.get(number));
                        let looked =
                            layer::check(number + 1, &**layer, descriptor, budget, reporter);
                        // Whoever takes them is there to the end.
                        let _ = sender.send((number, looked));
                    }
                });
            }
            drop(sender);
            let mut early = BTreeMap::new();
            let mut turn = 0;
            for (number, looked) in done {
                early.insert(number, looked);
                while let Some(looked) = early.remove(&turn) {
                    take(looked);
                    turn += 1;
                }
            }
        });
    }
}

/// The files of the layers, each on top of those below, as `export` and containers have them.
#[derive(Default)]
struct Files {
    tree: Tree,
    layers: u32,
    /// A layer could not be listed, which is told already: what is above it means nothing.
    unknown: bool,
    /// The first layer that does not go on those below it, and why.
    fault: Option<(String, Fault)>,
}

impl Files {
    fn add(&mut self, name: String, members: Option<Vec<Described>>) {
        let Some(members) = members else {
            self.unknown = true;
            return;
        };
        if self.unknown || self.fault.is_some() {
            return;
        }
        let mut members = (0..).zip(members);
        let applied =
            members.try_for_each(|(number, member)| self.tree.apply(self.layers, number, member));
        self.layers += 1;
        self.fault = applied.err().map(|fault| (name, fault));
    }

    fn tell(self, checks: &mut Checks) {
        if let Some((name, fault)) = self.fault {
            let what = format!("{name}: files");
            let found = chain(&fault);
            checks.failed(&what, &"files that an image can have", &found);
        }
        if !self.unknown {
            checks.add("files of the layers, on top of each other");
        }
    }
}

/// The configuration against the manifest.
fn configuration(image: &Image, manifest: &Manifest, checks: &mut Checks) {
    let text = image.configuration.text();
    checks.same(
        "configuration: digest",
        &manifest.config.digest,
        &image.configuration.digest(),
    );
    checks.same(
        "configuration: size",
        &manifest.config.size,
        &(text.len() as u64),
    );
    checks.add("configuration: media type");
    let media_type = &manifest.config.media_type;
    // The type for any bytes is not wrong.
    if !media_type.is_config() && !media_type.is_generic() {
        let expected = MediaType::OciConfig;
        checks.failed(
            "configuration: media type",
            &expected,
            &manifest.config.media_type,
        );
    }
}

/// Checks that the numbers of layers, diff ids and history entries agree, and that the diff ids are
/// those of the configuration, in order.
fn counts(image: &Image, manifest: Option<&Manifest>, checks: &mut Checks) {
    let diff_ids = image.configuration.diff_ids().len();
    let layers = manifest.map_or(image.layers.len(), |manifest| manifest.layers.len());
    checks.same(
        "number of layers, as there are diff ids",
        &diff_ids,
        &layers,
    );
    if manifest.is_some() {
        checks.same(
            "number of layers, as the manifest has them",
            &layers,
            &image.layers.len(),
        );
    }
    let history = image.configuration.history();
    // An image need not tell where it comes from.
    if !history.is_empty() {
        let entries = history.iter().filter(|entry| !entry.empty_layer).count();
        checks.same(
            "number of entries of the history that have a layer",
            &diff_ids,
            &entries,
        );
    }
    let own: Vec<Digest> = image.layers.iter().map(|layer| layer.diff_id()).collect();
    checks.add("diff ids, in order");
    if own != image.configuration.diff_ids() {
        checks.failed(
            "diff ids, in order",
            &"those of the configuration",
            &"others",
        );
    }
}

/// The properties that were checked, and the mismatches that were found.
#[derive(Debug, Default)]
struct Checks {
    checked: Vec<String>,
    mismatches: Vec<Mismatch>,
}

impl Checks {
    fn add(&mut self, what: &str) {
        self.checked.push(what.to_owned());
    }

    fn failed(&mut self, what: &str, expected: &impl ToString, actual: &impl ToString) {
        let (expected, actual) = (expected.to_string(), actual.to_string());
        self.mismatches.push(Mismatch {
            what: what.to_owned(),
            expected,
            actual,
        });
    }

    /// Looks whether two sides are the same.
    fn same<T: PartialEq + ToString>(&mut self, what: &str, expected: &T, actual: &T) {
        self.add(what);
        if expected != actual {
            self.failed(what, expected, actual);
        }
    }

    fn append(&mut self, other: Self) {
        self.checked.extend(other.checked);
        self.mismatches.extend(other.mismatches);
    }
}

#[cfg(test)]
mod tests;
