//! Claims of existing images about layers: the layer that a key stands for, and the blob that it is
//! compressed to.
//!
//! The manifest of an image that terrine makes names the key of each layer ([`annotation::LAYER_KEY`]).
//! A user who trusts the writers of an image lets a build believe it: a layer with that key is neither
//! made nor read where a destination has the blob, and else the blob is copied.
//!
//! Machines of a fleet share layers in a [`LayerRepository`], which has an [`Entry`] for each key.
//!
//! Claims are for one run, and never get into the [cache](crate::cache::Cache). What is copied is verified against the
//! claim. A claim that is false is reported with its author, and not used again. Claims that contradict
//! each other, or what this machine found out itself, are not used either.

mod entry;
mod error;
mod lease;
mod look_up;
mod open;
mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use terrine_oci::{Annotations, Content, Descriptor, Digest, annotation};

use crate::cache::{LayerKey, Plain, Stored};
use crate::source::{Image, Layer};
pub use entry::{ENTRY_TYPE, Entry};
pub use error::{EntryError, Error};
pub use lease::{Holder, Leased};
use look_up::LookUp;
pub use look_up::Told;
pub use open::open;
pub use repository::{LayerRepository, Turn};

/// The author of what this machine found out itself, in messages.
const OWN: &str = "the layer cache";

/// A claim about a layer.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The image or the entry that makes it.
    pub author: String,
    /// The layer before it is compressed.
    pub plain: Plain,
    /// The blob: media type, digest and size.
    pub blob: Descriptor,
    /// The setting that it is compressed with, as [`terrine_compress::Setting::describe`] names it.
    pub setting: String,
    /// The layer, as it can be had from its author.
    pub layer: Arc<dyn Layer>,
}

impl Claim {
    /// Returns the author as messages name it.
    fn named(&self) -> String {
        format!("`{}`", self.author)
    }
}

/// The claims that a run may use.
#[derive(Debug, Default)]
pub struct Claims {
    by_key: BTreeMap<Digest, Vec<Arc<Claim>>>,
    /// Repositories of layers, which are asked as soon as a key is wanted.
    sources: Vec<Arc<dyn LookUp>>,
    state: Mutex<State>,
}

/// The part that changes as claims are used.
#[derive(Debug, Default)]
struct State {
    /// False claims, by author and blob.
    rejected: BTreeSet<(String, Digest)>,
    /// Keys whose contradictions are reported.
    reported: BTreeSet<Digest>,
    /// The claims that repositories of layers have made so far, with the numbers of these.
    found: BTreeMap<Digest, Vec<(usize, Arc<Claim>)>>,
    /// Numbers of the repositories of layers that are not asked again, because they do not answer.
    silent: BTreeSet<usize>,
    /// Keys whose entries in a repository of layers cannot be used.
    unusable: BTreeSet<Digest>,
    /// The failures of repositories of layers that are reported.
    told: BTreeSet<String>,
}

impl State {
    /// Returns true if a claim turned out to be false.
    fn has_rejected(&self, claim: &Claim) -> bool {
        let id = (claim.author.clone(), claim.blob.digest);
        self.rejected.contains(&id)
    }
}

/// The facts that this machine knows of a layer itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnFacts {
    /// The layer before it is compressed.
    pub plain: Option<Plain>,
    /// The blob that it is compressed to.
    pub stored: Option<Stored>,
}

/// The claims about a layer that can be used.
#[derive(Debug, Default)]
pub struct Usable {
    /// The claims. All of them agree.
    pub claims: Vec<Arc<Claim>>,
    /// The contradiction to report, if there is one that was not reported before.
    pub contradiction: Option<String>,
}

impl Claims {
    /// No claims.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds what the manifest of an image claims. Returns the number of its claims.
    pub fn add(&mut self, image: &Image) -> usize {
        let claims = of_image(image);
        let count = claims.len();
        for (key, claim) in claims {
            self.by_key.entry(key).or_default().push(Arc::new(claim));
        }
        count
    }

    /// Returns the settings that claimed layers are compressed with.
    pub fn settings(&self) -> BTreeSet<&str> {
        let claims = self.by_key.values().flatten();
        claims.map(|claim| claim.setting.as_str()).collect()
    }

    /// Returns the claims about a layer with a key, compressed with `setting`, that agree with each
    /// other and with what this machine knows.
    pub fn usable(&self, key: &LayerKey, setting: &str, own: OwnFacts) -> Usable {
        let mut state = self.state();
        let mut claims = self.about(key, &state);
        claims.retain(|claim| !state.has_rejected(claim));
        for claim in &claims {
            if own.plain.is_some_and(|own| own != claim.plain) {
                let id = (claim.author.clone(), claim.blob.digest);
                state.rejected.insert(id);
            }
        }
        let mut contradiction = agree(&mut claims, own.plain, |claim| claim.plain);
        claims.retain(|claim| claim.setting == setting);
        let stored = |claim: &Claim| Stored {
            digest: claim.blob.digest,
            size: claim.blob.size,
        };
        contradiction = contradiction.or(agree(&mut claims, own.stored, stored));
        let contradiction = contradiction.filter(|_| state.reported.insert(key.digest()));
        Usable {
            claims,
            contradiction: contradiction.map(|(one, other)| {
                format!(
                    "{one} and {other} contradict each other about the layer with the key `{}`",
                    key.digest()
                )
            }),
        }
    }

    /// Returns true if a usable claim about a layer may still be made by another machine: if all
    /// repositories of layers answer, and none of their claims about it turned out to be unusable.
    pub fn may_come(&self, key: &LayerKey) -> bool {
        let state = self.state();
        let digest = &key.digest();
        let mut found = state.found.get(digest).into_iter().flatten();
        let is_rejected = |(_, claim): &(usize, Arc<Claim>)| state.has_rejected(claim);
        state.silent.is_empty() && !state.unusable.contains(digest) && !found.any(is_rejected)
    }

    /// Makes sure that a false claim is not used again.
    pub fn reject(&self, claim: &Claim) {
        let id = (claim.author.clone(), claim.blob.digest);
        self.state().rejected.insert(id);
    }

    /// Rejects the claims about a layer that turned out to be false, because the layer was made.
    /// Returns their authors, unless they are reported already.
    pub fn refuted(&self, key: &LayerKey, made: Digest) -> Vec<String> {
        let mut state = self.state();
        let mut wrong = self.about(key, &state);
        wrong.retain(|claim| claim.plain.diff_id != made);
        let mut authors = BTreeSet::new();
        for claim in wrong {
            let id = (claim.author.clone(), claim.blob.digest);
            if state.rejected.insert(id) {
                authors.insert(claim.author.clone());
            }
        }
        authors.into_iter().collect()
    }

    /// Returns all claims about the layer with a key, in the order in which their authors are asked.
    fn about(&self, key: &LayerKey, state: &State) -> Vec<Arc<Claim>> {
        let digest = &key.digest();
        let of_images = self.by_key.get(digest).into_iter().flatten();
        let found = state.found.get(digest).into_iter().flatten();
        let found = found.map(|(_, claim)| claim);
        let all = of_images.chain(found).filter(|_| key.is_portable());
        all.cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A set is never left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the claims that contradict each other or `own`, which is right. Returns the authors of two that
/// do.
fn agree<T: PartialEq + Copy>(
    claims: &mut Vec<Arc<Claim>>,
    own: Option<T>,
    of: impl Fn(&Claim) -> T,
) -> Option<(String, String)> {
    let (author, first) = match (own, claims.first()) {
        (Some(own), _) => (OWN.to_owned(), own),
        (None, Some(first)) => (first.named(), of(first)),
        (None, None) => return None,
    };
    let other = claims.iter().find(|claim| of(claim) != first)?;
    let pair = (author, other.named());
    match own {
        Some(own) => claims.retain(|claim| of(claim) == own),
        // Nothing tells which of them is right.
        None => claims.clear(),
    }
    Some(pair)
}

/// Returns the claims that the manifest of an image makes, by their keys. One that contradicts the
/// image's own configuration is none.
fn of_image(image: &Image) -> Vec<(Digest, Claim)> {
    let document = image.manifest.as_ref().map(|document| &document.content);
    let Some(Content::Manifest(manifest)) = document else {
        return vec![];
    };
    let Some(setting) = manifest.annotations.get(annotation::COMPRESSION) else {
        return vec![];
    };
    let layers = manifest.layers.iter().zip(&image.layers);
    let claim = |(listed, layer): (&Descriptor, &Arc<dyn Layer>)| {
        let (key, plain) = claimed(&listed.annotations)?;
        let claim = Claim {
            author: image.name.clone(),
            plain,
            blob: Descriptor::new(listed.media_type.to_oci(), listed.digest, listed.size),
            setting: setting.clone(),
            layer: Arc::clone(layer),
        };
        let is_whole = plain.diff_id == layer.diff_id() && listed.size > 0 && !layer.is_foreign();
        is_whole.then_some((key, claim))
    };
    layers.filter_map(claim).collect()
}

/// Reads the claim that the annotations of a layer make.
fn claimed(annotations: &Annotations) -> Option<(Digest, Plain)> {
    let get = |name: &str| annotations.get(name);
    let key = get(annotation::LAYER_KEY)?.parse().ok()?;
    let diff_id = get(annotation::LAYER_DIFF_ID)?.parse().ok()?;
    let size = get(annotation::LAYER_SIZE)?.parse().ok()?;
    Some((key, Plain { diff_id, size }))
}

#[cfg(test)]
mod tests;
