//! `--layers-to`: a repository where machines share the layers that they make.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use terrine::binary_cache::{PublicKey, SecretKey};
use terrine::claims::LayerRepository;
use terrine::destination::{Author, SharedLayers};
use terrine::oci::{Reference, Repository};
use terrine::registry::Client;

use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::layers_from::{LayersFromArgs, is_whole};
use super::printer::Printer;
use super::target::Place;
use super::{argument, headings};

/// The repository where layers are shared, and the keys for its entries.
#[derive(Debug, clap::Args)]
pub(super) struct LayersToArgs {
    /// Share the layers that are built in this repository of a registry
    ///
    /// REPOSITORY is docker://HOST/NAME without a tag. Each layer with a key gets an entry there, which other machines find
    /// with `--layers-from REPOSITORY`. If `--layers-from` names the same repository, machines that build at the same time
    /// wait for each other, and build each layer once.
    #[arg(long, value_name = "REPOSITORY", value_parser = repository, help_heading = headings::LAYERS)]
    layers_to: Option<Repository>,

    /// Name of this machine in the entries of `--layers-to`
    #[arg(long, value_name = "NAME", requires = "layers_to", value_parser = author, help_heading = headings::LAYERS)]
    layers_author: Option<String>,

    /// Secret key file that signs and checks entries of repositories of layers
    ///
    /// A file as `nix-store --generate-binary-cache-key` writes it. Entries of `--layers-to` are signed by
    /// this key, and those of `--layers-from REPOSITORY` are used only if this key or one of
    /// `--trusted-layers-key` has signed them. Manifests of images are not signed.
    #[arg(long, value_name = "FILE", help_heading = headings::LAYERS)]
    layers_key: Option<PathBuf>,

    /// Public key that must have signed entries of repositories of layers; may be repeated
    #[arg(long = "trusted-layers-key", value_name = "NAME:KEY", help_heading = headings::LAYERS)]
    trusted_layers_keys: Vec<String>,
}

/// Reads a reference to a repository of layers.
fn repository(text: &str) -> Result<Repository, String> {
    match argument::read::<Reference>(text)? {
        Reference::Registry(repository) if is_whole(&repository) => Ok(repository),
        Reference::Registry(_) => Err(
            "a repository of layers has no tag and no digest\n  leave them out: terrine makes a tag for each layer"
                .to_owned(),
        ),
        _ => Err("it is not a repository of a registry\n  write docker://HOST/NAME".to_owned()),
    }
}

/// Reads a public key. No message shows what it is if it is a secret one.
fn public_key(text: &str) -> Result<PublicKey> {
    PublicKey::parse(text).context("`--trusted-layers-key` is not a public key")
}

/// Reads the name of an author, which is one line of text.
fn author(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("it is not a line of text\n  write a name such as `ci-7`".to_owned());
    }
    Ok(text.to_owned())
}

/// Repositories of layers that are read and written.
pub(super) struct LayerRepositories {
    /// Those that are read.
    pub(super) from: Vec<Arc<LayerRepository>>,
    /// The one that is written.
    to: Option<Arc<LayerRepository>>,
    author: Author,
}

impl LayersToArgs {
    /// Returns the repository that the arguments name.
    pub(super) fn named(&self) -> Option<Reference> {
        self.layers_to.clone().map(Reference::Registry)
    }

    /// Warns that a docker-archive alone is written as a stream, whose layers are not shared.
    pub(super) fn warn_of_stream(&self, printer: &Printer) {
        if self.layers_to.is_some() {
            printer.warning_with_hint(
                "`--layers-to` has no effect on a docker-archive",
                Some("write to a registry, a layout or an archive of a layout with `--to`"),
            );
        }
    }

    /// Checks that keys can be meant, and can be read.
    pub(super) fn check(&self, from: &LayersFromArgs) -> Result<()> {
        let has_keys = self.layers_key.is_some() || !self.trusted_layers_keys.is_empty();
        if has_keys && self.layers_to.is_none() && from.repositories().next().is_none() {
            return Err(Failure::from(Usage {
                message: "keys are given, but no repository of layers that they are for".to_owned(),
                hint: "name it by `--layers-from` or `--layers-to`, without a tag; images are not signed",
            }));
        }
        self.keys().map(drop)
    }

    /// Reads the key that signs entries, if there is one, and the keys that check them.
    fn keys(&self) -> Result<(Option<SecretKey>, Vec<PublicKey>)> {
        let key = self.layers_key.as_deref().map(secret_key).transpose()?;
        let given = self.trusted_layers_keys.iter();
        let mut trusted = given
            .map(|key| public_key(key))
            .collect::<Result<Vec<_>>>()?;
        trusted.extend(key.as_ref().map(SecretKey::public_key));
        Ok((key, trusted))
    }

    /// Returns the repositories of layers that the arguments name.
    pub(super) fn repositories(
        &self,
        from: &LayersFromArgs,
        client: &Arc<Client>,
    ) -> Result<LayerRepositories> {
        let (key, trusted) = self.keys()?;
        let open = |repository: &Repository| {
            let client = Arc::clone(client);
            Arc::new(LayerRepository::new(client, repository, trusted.clone()))
        };
        let from: Vec<Arc<LayerRepository>> = from.repositories().map(open).collect();
        let to = self.layers_to.as_ref().map(|repository| {
            let is_same = |other: &&Arc<LayerRepository>| other.repository() == repository;
            let known = from.iter().find(is_same).cloned();
            known.unwrap_or_else(|| open(repository))
        });
        let name = self.layers_author.clone();
        let author = Author { name, key };
        Ok(LayerRepositories { from, to, author })
    }
}

impl LayerRepositories {
    /// Opens the repository that is written, if there is one, for an image that goes to some places.
    pub(super) fn shared<'c>(
        &'c mut self,
        client: &'c Client,
        places: &[&Place],
    ) -> Option<SharedLayers<'c>> {
        let author = std::mem::take(&mut self.author);
        let to = self.to.as_deref()?;
        let siblings = places.iter().filter_map(|place| match &place.reference {
            Reference::Registry(repository) => Some(repository.clone()),
            _ => None,
        });
        let shared = SharedLayers::new(client, to, siblings.collect(), author);
        let is_read = self
            .from
            .iter()
            .any(|from| std::ptr::eq(&raw const **from, to));
        Some(if is_read {
            shared.taking_turns()
        } else {
            shared
        })
    }
}

/// Reads a file with a secret key.
fn secret_key(file: &Path) -> Result<SecretKey> {
    let cannot = || format!("cannot read the key in `{}`", file.display());
    let text = fs::read_to_string(file).with_context(cannot)?;
    SecretKey::parse(&text).with_context(cannot)
}
