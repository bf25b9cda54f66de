//! Images that exist, as the arguments name them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use terrine::cache::{Cache, CacheOptions};
use terrine::oci::{Descriptor, Platform, Reference};
use terrine::plan::dockertools::{self, ConfOptions};
use terrine::planner::{Limits, Runtime};
use terrine::registry::Client;
use terrine::source::{self, Image, Opened, RemoteOpener};
use terrine::spec::Time;

use super::copy_args::CopyArgs;
use super::failure::Result;
use super::headings;
use super::registry_args::RegistryArgs;
use super::stdin;
use super::{argument, environment};

/// Opens images, wherever they are.
pub(super) struct Images {
    client: Arc<Client>,
    opener: RemoteOpener,
}

/// The platform of images, and connections to registries.
#[derive(Debug, clap::Args)]
pub(super) struct ImagesArgs {
    /// Platform to select from an image for several platforms, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = argument::read::<Platform>, help_heading = headings::IMAGE)]
    pub(super) platform: Option<Platform>,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

impl ImagesArgs {
    /// Checks that `--creds` can be meant where these images are opened, one after another.
    pub(super) fn check<T: AsRef<str>>(&self, texts: &[T]) -> Result<()> {
        // What is no reference is told when it is opened.
        let references = texts.iter().filter_map(|text| text.as_ref().parse().ok());
        let references: Vec<Reference> = references.collect();
        self.registry.check(&references.iter().collect::<Vec<_>>())
    }

    /// Opens the one image that a text leads to.
    pub(super) fn open(&self, text: &str) -> Result<Image> {
        let reference = text.parse::<Reference>()?;
        Images::one(&self.registry, &reference)?.image(&reference, self.platform.as_ref())
    }

    /// The same for what reads all its layers, wherever they are.
    fn open_for_export(&self, text: &str) -> Result<Image> {
        let reference = text.parse::<Reference>()?;
        let images = Images::one(&self.registry, &reference)?.with_all_layers();
        images.image(&reference, self.platform.as_ref())
    }

    /// Opens all images that a text leads to: several if it is an index and no platform is asked
    /// for.
    pub(super) fn open_all(&self, text: &str) -> Result<Vec<(Option<Descriptor>, Image)>> {
        let reference = text.parse::<Reference>()?;
        Images::one(&self.registry, &reference)?.all(&reference, self.platform.as_ref())
    }
}

/// The one image of a command.
#[derive(Debug, clap::Args)]
pub(super) struct OneImage {
    /// Image: a file, a directory, or a reference such as docker://debian:12; `-` for stdin
    #[arg(value_name = "IMAGE", value_parser = stdin::image_text)]
    pub(super) name: String,

    #[command(flatten)]
    which: ImagesArgs,
}

impl OneImage {
    /// Opens it.
    pub(super) fn open(&self) -> Result<Image> {
        self.which.check(&[&self.name])?;
        self.which.open(&self.name)
    }

    /// Opens it for what reads all its layers, wherever they are.
    pub(super) fn open_for_export(&self) -> Result<Image> {
        self.which.check(&[&self.name])?;
        self.which.open_for_export(&self.name)
    }
}

impl Images {
    /// Opens images with the logins that the arguments give for those that they name.
    pub(super) fn new(args: &RegistryArgs, named: &[&Reference]) -> Result<Self> {
        Ok(Self::of(args.client(named)?))
    }

    /// Opens one of several images that were checked together.
    fn one(args: &RegistryArgs, reference: &Reference) -> Result<Self> {
        Ok(Self::of(args.client_for(reference)?))
    }

    /// Opens images by a client.
    pub(super) fn of(client: Client) -> Self {
        let client = Arc::new(client);
        Self {
            opener: RemoteOpener::new(Arc::clone(&client)),
            client,
        }
    }

    /// Returns the client of registries, to be shared.
    pub(super) fn shared_client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Fetches layers that are not distributed with their images from where these say, for what needs the bytes of
    /// all layers.
    pub(super) fn with_all_layers(self) -> Self {
        Self {
            opener: self.opener.following_urls(),
            ..self
        }
    }

    /// The same where a copy asks for them.
    pub(super) fn with_layers_for(self, copy: &CopyArgs, to: &[Reference]) -> Self {
        if copy.needs_all_layers(to) {
            self.with_all_layers()
        } else {
            self
        }
    }

    /// Returns what speaks to registries.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns what opens images that are in no file.
    pub(super) fn opener(&self) -> &RemoteOpener {
        &self.opener
    }

    /// Opens what a reference leads to: an image, or several.
    pub(super) fn open(&self, reference: &Reference) -> Result<Opened> {
        if let Reference::Path(path) = reference
            && dockertools::is_conf(path)
        {
            return described(path).map(Opened::Image);
        }
        reference.check_source()?;
        Ok(source::open(reference, &self.opener)?)
    }

    /// Opens all images that a reference leads to: those of an index with what that says of
    /// them, unless a platform is asked for.
    pub(super) fn all(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Vec<(Option<Descriptor>, Image)>> {
        match (self.open(reference)?, platform) {
            (Opened::Image(image), None) => Ok(vec![(None, image)]),
            (Opened::Index(index), None) => {
                let images = index.images()?.into_iter();
                Ok(images
                    .map(|(descriptor, image)| (Some(descriptor), image))
                    .collect())
            }
            (opened, platform) => Ok(vec![(None, source::pick(opened, platform)?)]),
        }
    }

    /// Opens the one image that a reference leads to, of a platform where that is asked for.
    pub(super) fn image(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Image> {
        Ok(source::pick(self.open(reference)?, platform)?)
    }
}

/// Reads the platform of an image that is made here.
pub(super) fn linux(text: &str) -> Result<Platform, String> {
    let platform: Platform = argument::read(text)?;
    if platform.os == "linux" {
        return Ok(platform);
    }
    let os = &platform.os;
    Err(format!(
        "images can only be built for Linux, not for `{os}`: write `linux/amd64`, for example"
    ))
}

/// Opens the image that a conf.json describes.
fn described(path: &Path) -> Result<Image> {
    let options = ConfOptions {
        store_root: PathBuf::from("/"),
        repo_tag: None,
        platform: None,
        now: Time::now(),
    };
    let runtime = Runtime::new(
        Limits::default(),
        environment::planner_cache_quietly().as_deref(),
    )?;
    let planner = runtime.embedded()?;
    let cache = environment::cache().map_or_else(Cache::none, |folder| {
        Cache::open_or_none(&folder, CacheOptions::on(environment::today()))
    });
    let image = dockertools::open(path, &options, &planner, &cache)?;
    cache.flush();
    Ok(image)
}
