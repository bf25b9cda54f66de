//! Arguments that `build` and `stream` have in common: the destination of the image, and the form
//! that it has there.

use std::path::PathBuf;
use std::str::FromStr;

use terrine::assemble::{self, NewImage, Outcome, Sharing, Shipping};
use terrine::cache::Cache;
use terrine::claims::Claims;
use terrine::compress::Setting;
use terrine::destination::{Destination, GatheredLayers, Recompress, SharedLayers};
use terrine::oci::{ParseReferenceError, Reference, Selector};
use terrine::plan;
use terrine::registry::Client;
use terrine::spec::ImageSpec;

use super::encode_args::{EncodeArgs, setting};
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::images::Images;
use super::landing::{LandingArgs, Landings};
use super::layers_from::{self, LayersFromArgs, note_compression};
use super::layers_to::LayersToArgs;
use super::output::Output;
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::RegistryArgs;
use super::shipped::Shipped;
use super::target::{ArchiveTarget, Place, Target, TargetReference, is_stdout};
use super::{argument, headings, target};

/// Destinations of an image that is built, and its form there.
#[derive(Debug, clap::Args)]
pub(super) struct ShipArgs {
    /// Write a docker-archive to this file instead of stdout
    ///
    /// The file appears once it is complete. If the command fails, no file is written.
    #[arg(short, long, value_name = "FILE", help_heading = headings::OUTPUT, value_parser = argument::output)]
    output: Option<PathBuf>,

    /// Destination: a registry, a layout, an archive, or the storage of docker or podman; may be
    /// repeated
    ///
    /// A destination is docker://NAME[:TAG], oci:DIRECTORY[:TAG], oci-archive:FILE[:TAG],
    /// docker-archive:FILE[:NAME[:TAG]], docker-daemon:NAME[:TAG], containers-storage:NAME[:TAG],
    /// or `-` for a docker-archive on stdout.
    ///
    /// A destination without a tag gets the tags of the image. If the image has none, the tag is
    /// `latest`, or the generated tag in an archive. Write `:@` instead of a tag for the generated
    /// tag.
    ///
    /// Layers that a destination already has are not built again. If a destination fails, the image
    /// is still written to the others.
    #[arg(long, value_name = "DESTINATION", value_parser = argument::read::<To>, help_heading = headings::OUTPUT, conflicts_with = "output")]
    to: Vec<To>,

    /// Use the generated tag at destinations that name no tag
    ///
    /// The generated tag is made from a digest of everything that goes into the image.
    #[arg(long, help_heading = headings::OUTPUT)]
    generated_tag: bool,

    /// Compression of layers: none, gzip[:LEVEL] or zstd[:LEVEL] [default: gzip for registries,
    /// none elsewhere]
    ///
    /// Compressed layers of a base image stay as they are. Layers in docker-archives and in the
    /// storage of docker or podman are not compressed. Docker supports zstd since version 23.
    #[arg(long, value_name = "COMPRESSION", value_parser = argument::read::<Setting>, help_heading = headings::OUTPUT)]
    compression: Option<Setting>,

    /// Also cache layers of directories, identified by the metadata of their files
    #[arg(long, help_heading = headings::CACHE, conflicts_with = "no_cache")]
    cache_directories: bool,

    /// Build all layers again, and check that they are what the cache says
    ///
    /// Without this flag, layers that a registry or a layout already has are not built. In a
    /// docker-archive, one of 16 layers that the cache knows is checked, and all of them if that
    /// one is not what the cache says.
    #[arg(long, help_heading = headings::CACHE, conflicts_with = "no_cache")]
    verify_cached: bool,

    #[command(flatten)]
    layers_from: LayersFromArgs,

    #[command(flatten)]
    layers_to: LayersToArgs,

    #[command(flatten)]
    landing: LandingArgs,

    #[command(flatten)]
    pub(super) encode: EncodeArgs,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,
}

/// Destination of an image that is made.
#[derive(Debug, Clone)]
struct To {
    reference: Reference,
    /// True if the argument asks for the generated tag, with `:@`.
    generated: bool,
}

impl FromStr for To {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_suffix(":@");
        Ok(Self {
            reference: bare.unwrap_or(text).parse()?,
            generated: bare.is_some(),
        })
    }
}

/// The tags of an image that is made.
struct Tags {
    /// Those that were given.
    given: Vec<String>,
    /// The one that was generated, where none was given.
    generated: Option<String>,
}

impl Tags {
    fn of(image: &NewImage<'_>) -> Self {
        let tag = image.resolved.tag.clone();
        if image.tag_is_generated() {
            return Self {
                given: vec![],
                generated: Some(tag),
            };
        }
        let given = [tag].into_iter().chain(image.tags.iter().cloned());
        Self {
            given: given.collect(),
            generated: None,
        }
    }

    /// Returns the tags that a specification gives. One that is generated is not known yet, but it is
    /// not that of an image to be replaced either: that is `latest`.
    fn given(spec: &ImageSpec) -> Self {
        let given = plan::given_tags(spec);
        let generated = given.is_empty().then(|| "latest".to_owned());
        Self { given, generated }
    }

    /// Returns those of a destination that names none.
    fn pick(&self, generated: bool) -> Vec<String> {
        match &self.generated {
            None => self.given.clone(),
            Some(tag) if generated => vec![tag.clone()],
            Some(_) => vec!["latest".to_owned()],
        }
    }
}

/// The facts about layers that a run begins with.
#[derive(Clone, Copy)]
struct Known<'a> {
    cache: &'a Cache,
    claims: Option<&'a Claims>,
    /// The repository that gets the layers that are made.
    shared: Option<&'a SharedLayers<'a>>,
}

/// The outcomes of an image at its destinations.
type Outcomes<'c> = Vec<(Opened<'c>, Result<Outcome>)>;

/// A place where the image goes, and what it takes to write there.
type Opened<'c> = (Place, Target<'c>);

impl ShipArgs {
    /// Opens the cache of layers.
    pub(super) fn cache(&self, printer: &Printer) -> Cache {
        let cache = self.encode.cache;
        cache.checked_layers(self.verify_cached, printer)
    }

    /// Returns what the arguments name.
    pub(super) fn named(&self) -> Vec<Reference> {
        let mut named = self.layers_from.named();
        named.extend(self.layers_to.named());
        named.extend(self.to.iter().map(|to| to.reference.clone()));
        named
    }

    /// Returns references to the images of `--layers-from`, as far as the tags of a specification are
    /// known before it is planned.
    pub(super) fn existing(&self, spec: &ImageSpec) -> Vec<Reference> {
        // What is wrong with a destination is reported when it is opened.
        let places = self.places(&Tags::given(spec)).unwrap_or_default();
        let previous = plan::previous_images(spec).unwrap_or_default();
        self.layers_from.references(&places, &previous)
    }

    /// Returns the destinations.
    fn to(&self) -> Vec<To> {
        let one = |reference| {
            vec![To {
                reference,
                generated: false,
            }]
        };
        match &self.output {
            Some(path) => one(Reference::DockerArchive {
                path: path.clone(),
                image: Selector::Only,
            }),
            None if self.to.is_empty() => one(Reference::Stdio),
            None => self.to.clone(),
        }
    }

    /// Tells whether the image goes to stdout.
    pub(super) fn is_stdout(&self) -> bool {
        self.to().iter().any(|to| is_stdout(&to.reference))
    }

    /// Tells whether the image goes to docker-archives alone.
    pub(super) fn is_archive(&self) -> bool {
        let is_archive = |to: &To| {
            matches!(
                TargetReference::of(&to.reference),
                TargetReference::Archive(_)
            )
        };
        self.to().iter().all(is_archive)
    }

    /// Checks what cannot be meant.
    pub(super) fn check(&self) -> Result<()> {
        self.layers_to.check(&self.layers_from)?;
        let to = self.to();
        let takes = |to: &&To| {
            matches!(
                TargetReference::of(&to.reference),
                TargetReference::Blobs(_)
            )
        };
        let any_blobs = to.iter().any(|to| takes(&to));
        for to in &to {
            // What a docker-archive has no form for may be meant for the others.
            if !any_blobs || takes(&to) {
                self.encode
                    .check(&to.reference, self.compression.as_ref())?;
            }
            to.reference.check_target()?;
        }
        let named = to.into_iter().map(|To { reference, .. }| {
            let names = target::names(&reference, |_| vec![]);
            Place { reference, names }
        });
        // Whether destinations go together depends on no tag of the image.
        let places = target::places(named.collect())?;
        self.landing.check_places(places.iter())?;
        if self.is_stdout() {
            // A terminal is refused before anything is done.
            Output::open(None)?;
        }
        Ok(())
    }

    /// Returns the places where the image goes, with its tags there.
    fn places(&self, tags: &Tags) -> Result<Vec<Place>> {
        let named = self.to().into_iter().map(
            |To {
                 reference,
                 generated,
             }| {
                let generated = generated || self.generated_tag;
                if generated && let (None, Some(tag)) = (&tags.generated, tags.given.first()) {
                    return Err(Failure::from(Usage {
                        message: format!("the image has the tag `{tag}`, so no tag is generated"),
                        hint: "leave out the tag, or `:@` and `--generated-tag`",
                    }));
                }
                let names =
                    target::names(&reference, |is_archive| tags.pick(generated || is_archive));
                Ok(Place { reference, names })
            },
        );
        target::places(named.collect::<Result<_>>()?)
    }

    /// Brings the image to its destinations. `previous` are images that clients have.
    pub(super) fn ship(
        &self,
        (image, previous): (&NewImage<'_>, &[Reference]),
        images: &Images,
        cache: &Cache,
        progress: &Progress<'_>,
        printer: &Printer,
    ) -> Result<(Landings, Shipped)> {
        let mut layers = self
            .layers_to
            .repositories(&self.layers_from, images.shared_client())?;
        let tags = Tags::of(image);
        let places = self.places(&tags)?;
        let landings = self.landing.open(places.iter())?;
        let mut shipped = Shipped::nowhere(tags.generated.clone());
        let alone = places.len() == 1;
        let mut open = vec![];
        for place in places {
            let cannot = format!("cannot write to `{}`", place.reference);
            match self
                .open(&place, images.client(), printer)
                .with_context(|| cannot)
            {
                Ok(target) => open.push((place, target)),
                // What cannot be meant ends the run before anything is made.
                Err(failure) if alone || failure.is::<Usage>() => return Err(failure),
                Err(failure) => shipped.failures.push(failure),
            }
        }
        if let [(_, Target::Archive(target))] = &open[..] {
            self.layers_from.warn_of_stream(printer);
            self.layers_to.warn_of_stream(printer);
            let own = image.references();
            let names = target.names().unwrap_or(&own);
            let written = target.write(
                |out| image.run_as(names, out, cache, progress),
                assemble::Error::is_closed,
            );
            image.remember(cache);
            shipped.take(open.remove(0), written.map_err(Failure::from), image, alone)?;
            return Ok((landings, shipped));
        }
        let places: Vec<&Place> = open.iter().map(|(place, _)| place).collect();
        let from = layers_from::Known {
            places: &places,
            repositories: &layers.from,
            previous,
        };
        let claims = self.layers_from.claims(image, images, from, printer)?;
        let shared = layers.shared(images.client(), &places);
        let known = Known {
            cache,
            claims: claims.as_ref(),
            shared: shared.as_ref(),
        };
        let (outcomes, sharing) = self.ship_to_all(image, open, known, progress, printer)?;
        for (target, outcome) in outcomes {
            shipped.take(target, outcome, image, alone)?;
        }
        if let (Err(failure), Some(shared)) = (sharing, &shared) {
            let cannot = format!("cannot share layers in `{}`", shared.name());
            let failure = Err::<(), _>(failure).context(cannot);
            shipped.failures.extend(failure.err());
        }
        Ok((landings, shipped))
    }

    fn open<'c>(&self, place: &Place, client: &'c Client, printer: &Printer) -> Result<Target<'c>> {
        let wait = self.encode.lock_wait(printer);
        TargetReference::of(&place.reference).open(client, place, wait)
    }

    /// Makes the layers once, and brings them to several destinations, or to one for blobs.
    fn ship_to_all<'c>(
        &self,
        image: &NewImage<'_>,
        targets: Vec<Opened<'c>>,
        known: Known<'_>,
        progress: &Progress<'_>,
        printer: &Printer,
    ) -> Result<(Outcomes<'c>, Result<()>)> {
        let annotations = self.encode.annotations()?;
        let pool = self.encode.pool();
        let gathered: Vec<Option<GatheredLayers>> = targets
            .iter()
            .map(|(place, target)| match target {
                Target::Blobs(_) => None,
                Target::Archive(_) => Some(GatheredLayers::new(place.title())),
            })
            .collect();
        let destinations =
            targets
                .iter()
                .zip(&gathered)
                .filter_map(|((_, target), gathered)| match (target, gathered) {
                    (Target::Blobs(target), _) => {
                        let destination = target.destination();
                        let setting = setting(self.compression, destination);
                        Some((destination, setting, Recompress::Plain))
                    }
                    (Target::Archive(_), Some(gathered)) => {
                        let destination: &dyn Destination = gathered;
                        Some((destination, Setting::NONE, Recompress::ForArchives))
                    }
                    (Target::Archive(_), None) => None,
                });
        let destinations: Vec<_> = destinations.collect();
        if let Some(claims) = known.claims {
            let settings = destinations.iter().map(|(_, setting, _)| setting);
            note_compression(claims, &settings.collect::<Vec<_>>(), printer);
        }
        let shippings: Vec<Shipping<'_>> = destinations
            .iter()
            .map(|(destination, setting, recompress)| Shipping {
                destination: *destination,
                setting,
                recompress: *recompress,
                pool: &pool,
                jobs: self.encode.jobs(),
                cache: known.cache,
                cache_directories: self.cache_directories,
                claims: known.claims,
                annotations: &annotations,
            })
            .collect();
        let shared_setting = known
            .shared
            .map(|layers| (layers, setting(self.compression, layers)));
        let sharing = shared_setting
            .as_ref()
            .map(|(layers, setting)| Sharing { layers, setting });
        let shared = image.ship_and_share(&shippings, sharing.as_ref(), progress)?;
        let mut all = vec![];
        for ((target, gathered), outcome) in targets.into_iter().zip(&gathered).zip(shared.images) {
            let outcome = match (&target.1, gathered, outcome) {
                (Target::Archive(archive), Some(gathered), Ok(outcome)) => {
                    write_gathered(image, archive, gathered, outcome).map_err(Failure::from)
                }
                (_, _, outcome) => outcome.map_err(Failure::from),
            };
            all.push((target, outcome));
        }
        Ok((all, shared.layers.map_err(Failure::from)))
    }
}

/// Writes a docker-archive of layers that wait for it.
fn write_gathered(
    image: &NewImage<'_>,
    target: &ArchiveTarget,
    gathered: &GatheredLayers,
    outcome: Outcome,
) -> Result<Outcome, assemble::Error> {
    let own = image.references();
    let names = target.names().unwrap_or(&own);
    target.write(
        |out| image.write_gathered(gathered, &outcome, names, out.into_writer()),
        assemble::Error::is_closed,
    )?;
    Ok(Outcome {
        published: None,
        ..outcome
    })
}
