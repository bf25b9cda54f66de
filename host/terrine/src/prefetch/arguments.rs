//! Arguments of `pullImage`, as Nix and as JSON.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use terrine_oci::{Digest, Platform};

use super::hash;
use super::name::{FinalName, FinalTag, ImageName};
use super::nix;
use super::platforms::Choice;
use crate::copy::Error;
use crate::destination::Reporter;
use crate::source::Image;

/// Names of an image: where it is, and in the archive that it is pulled to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    image_name: String,
    final_name: String,
    final_tag: String,
}

impl Names {
    /// Takes the names from an image where none are given for the archive.
    pub fn new(image: &ImageName, name: Option<&FinalName>, tag: Option<&FinalTag>) -> Self {
        let image_name = image.name().to_owned();
        Self {
            final_name: name.map_or_else(|| image_name.clone(), |name| name.0.clone()),
            final_tag: tag.map_or_else(|| image.tag().to_owned(), |tag| tag.0.clone()),
            image_name,
        }
    }

    /// Returns the arguments without a hash. Nothing is read.
    pub fn arguments(&self, choice: &Choice<'_>) -> PullArguments {
        PullArguments {
            names: self.clone(),
            image_digest: choice.digest,
            hash: None,
            platform: choice.platform.clone(),
        }
    }

    /// Returns the arguments with the hash of the archive that
    /// [`copy::write_archive`](crate::copy::write_archive) writes of the image. `image` is the
    /// choice, opened.
    ///
    /// # Errors
    ///
    /// A layer that cannot be read or is not the one that its digest names.
    pub fn hashed(
        &self,
        choice: &Choice<'_>,
        image: Image,
        reporter: &dyn Reporter,
    ) -> Result<PullArguments, Error> {
        let platform = choice.own_platform(&image)?;
        let name = format!("{}:{}", self.final_name, self.final_tag);
        let digest = hash::archive(image, name, reporter)?;
        Ok(PullArguments {
            hash: Some(digest),
            platform,
            ..self.arguments(choice)
        })
    }
}

/// Arguments of `pullImage` for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullArguments {
    names: Names,
    image_digest: Digest,
    /// The digest of the archive.
    hash: Option<Digest>,
    platform: Platform,
}

impl PullArguments {
    /// Returns the arguments in order. Those with the value that `pullImage` takes anyway on
    /// every machine are left out; the architecture has none.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let Names {
            image_name,
            final_name,
            final_tag,
        } = &self.names;
        let Platform {
            os, architecture, ..
        } = &self.platform;
        let variant = self.platform.distinct_variant();
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let fields = [
            ("imageName", some(image_name)),
            ("imageDigest", Some(self.image_digest.to_string())),
            ("hash", self.hash.as_ref().map(hash::sri)),
            ("finalImageName", some(final_name)),
            ("finalImageTag", some(final_tag)),
            ("os", some(os).filter(|os| os != "linux")),
            ("arch", some(architecture)),
            ("variant", variant.map(ToOwned::to_owned)),
        ];
        let fields = fields.into_iter();
        fields
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn to_nix(&self) -> String {
        let fields = self.fields().into_iter();
        nix::set(fields.map(|(name, value)| (name, nix::string(&value))))
    }
}

impl Serialize for PullArguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields())
    }
}

/// Arguments of `pullImage` for one platform, or for all of an index by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Prefetched {
    /// One platform.
    One(Box<PullArguments>),
    /// All platforms.
    All(BTreeMap<String, PullArguments>),
}

impl Prefetched {
    /// Returns an attribute set of Nix, or a set of sets.
    pub fn to_nix(&self) -> String {
        let text = match self {
            Self::One(arguments) => arguments.to_nix(),
            Self::All(all) => nix::set(all.iter().map(|(key, one)| (key, one.to_nix()))),
        };
        text + "\n"
    }

    /// Returns the same as JSON.
    pub fn to_json(&self) -> String {
        terrine_oci::to_json_text(self)
    }
}
