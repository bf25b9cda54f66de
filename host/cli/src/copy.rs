//! `terrine copy`: an image from one place to another.

use std::collections::BTreeMap;
use std::sync::Arc;

use terrine::copy::{self, Copying, Named};
use terrine::destination::{Carrier, GatheredLayers, Reporter};
use terrine::oci::{Content, Descriptor, Digest, Document, Reference, Selector};
use terrine::registry::Client;
use terrine::source::{Image, ImageIndex, Opened};

use super::copied::Copied;
use super::copy_args::{CopyArgs, CopyTarget};
use super::failure::{Context, Failure, Result};
use super::images::{Images, ImagesArgs};
use super::landing::LandingArgs;
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::Creds;
use super::target::{ArchiveTarget, Place, Target, TargetReference};
use super::{argument, headings, stdin, target};

/// Copy an image between registries, layouts, archives and local storage
///
/// Copies the image SOURCE to each DESTINATION. Then prints, for each destination, the reference of
/// the image with its digest. Layers that a destination already has are not copied. All images of
/// an index are copied, unless `--platform` selects one.
///
/// The image id and the diff ids of the layers never change. Layers and manifests stay the same,
/// unless `--compression` or `--annotation` changes them or the destination does not support them.
/// In addition, uncompressed layers are compressed with gzip for a registry, unless they come from
/// a registry.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Image to copy, a reference (see below)
    #[arg(value_name = "SOURCE", value_parser = stdin::image)]
    from: Reference,

    /// Destination, a reference (see below); may be repeated
    #[arg(required = true, value_name = "DESTINATION", value_parser = argument::read::<Reference>)]
    to: Vec<Reference>,

    #[command(flatten)]
    images: ImagesArgs,

    /// Tag at destinations that name none; may be repeated [default: the tag at the source]
    #[arg(long, help_heading = headings::OUTPUT)]
    tag: Vec<String>,

    #[command(flatten)]
    landing: LandingArgs,

    /// Credentials for the registry of the source
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = Creds::read, help_heading = headings::REGISTRY, hide_short_help = true, conflicts_with = "creds")]
    src_creds: Option<Creds>,

    /// Credentials for the registries of the destinations
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = Creds::read, help_heading = headings::REGISTRY, hide_short_help = true, conflicts_with = "creds")]
    dest_creds: Option<Creds>,

    #[command(flatten)]
    copy: CopyArgs,
}

const EXAMPLES: &str = "\
References:
  docker://NAME[:TAG][@DIGEST]           in a registry
  oci:DIRECTORY[:TAG|@DIGEST]            in an OCI layout
  oci-archive:FILE[:TAG|@DIGEST]         in an archive of an OCI layout
  docker-archive:FILE[:NAME:TAG|:@N]     in an archive for `docker load`
  docker-daemon:NAME:TAG                 in Docker's storage
  containers-storage:NAME:TAG            in podman's storage
  FILE or DIRECTORY                      an archive or a directory of any of these formats
  -                                      an archive on stdin, a docker-archive on stdout

Examples:
  terrine copy docker-archive:old.tar docker://localhost:5000/old
  terrine copy docker://debian:12 oci:layout:debian --platform linux/arm64
  terrine copy oci:layout:web docker-daemon:web:1.2
  terrine copy oci:layout:web docker://ghcr.io/acme/web docker://quay.io/acme/web --tag 1.2";

/// Returns a client that has the logins that the arguments give.
fn client(args: &Args) -> Result<Client> {
    let mut own = vec![];
    if let Some(creds) = &args.src_creds {
        own.push((&args.from, creds));
    }
    if let Some(creds) = &args.dest_creds {
        own.extend(args.to.iter().map(|to| (to, creds)));
    }
    let named: Vec<&Reference> = args.to.iter().chain([&args.from]).collect();
    args.images.registry.client_with(&named, &own)
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let takes = |to: &&Reference| matches!(TargetReference::of(to), TargetReference::Blobs(_));
    let any_blobs = args.to.iter().any(|to| takes(&to));
    for to in &args.to {
        // What a docker-archive has no form for may be meant for the others.
        if !any_blobs || takes(&to) {
            args.copy.check(to)?;
        }
        to.check_target()?;
    }
    let places = places(args)?;
    let landings = args.landing.open(places.iter())?;
    let cannot = || match &args.to[..] {
        [to] => format!("cannot copy `{}` to `{to}`", args.from),
        _ => format!("cannot copy `{}`", args.from),
    };
    let images = Images::of(client(args)?).with_layers_for(&args.copy, &args.to);
    let opened = images.open(&args.from).with_context(cannot)?;
    let opened = match (opened, &args.images.platform) {
        (opened, Some(_)) => Opened::Image(
            terrine::source::pick(opened, args.images.platform.as_ref()).with_context(cannot)?,
        ),
        (choice @ Opened::Choice { .. }, None) => {
            Opened::Image(terrine::source::pick(choice, None).with_context(cannot)?)
        }
        (opened, None) => opened,
    };
    let mut copied = Copied::default();
    let cannot_to = |place: &Place| format!("cannot copy `{}` to `{}`", args.from, place.reference);
    let open = |place: &Place| {
        let wait = args.copy.encode.lock_wait(printer);
        TargetReference::of(&place.reference).open(images.client(), place, wait)
    };
    let targets = copied.open(places, open, cannot_to)?;
    let layers = match &opened {
        Opened::Image(image) => image.layers.len(),
        Opened::Index(_) | Opened::Choice { .. } => 0,
    };
    let progress = Progress::new(printer, layers);
    let copies = Copies {
        args,
        opened: &opened,
        progress: &progress,
        printer,
    };
    match <[_; 1]>::try_from(targets) {
        // Alone it is a stream.
        Ok([(place, Target::Archive(target))]) => {
            let image = copies.only();
            let written = image.and_then(|image| copies.archive(target, image, &progress));
            copied.archive(&place, written, cannot_to)?;
        }
        Ok(targets) => copies.all(targets.into(), &mut copied, cannot_to)?,
        Err(targets) => copies.all(targets, &mut copied, cannot_to)?,
    }
    if let Opened::Image(image) = &opened {
        copied.id = Some(image.configuration.digest());
    }
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    copied.finish(landings, &summary, printer)
}

/// Returns the places where the image is to be, with its names there.
fn places(args: &Args) -> Result<Vec<Place>> {
    let tags = match &args.tag[..] {
        [] => default_tag(&args.from).into_iter().collect(),
        given => given.to_vec(),
    };
    let named = args.to.iter().map(|reference| Place {
        reference: reference.clone(),
        names: target::names(reference, |_| tags.clone()),
    });
    target::places(named.collect())
}

/// A destination that is open.
type Open<'c> = (Place, Target<'c>);

/// Layers that wait for a docker-archive, where a destination is one.
type Gathered = Option<Arc<GatheredLayers>>;

/// The outcome of the copy to one destination: the document that it has now, or the error.
type Outcome = Result<Document, copy::Error>;

/// An image or an index on its way to its destinations.
struct Copies<'a> {
    args: &'a Args,
    opened: &'a Opened,
    progress: &'a Progress<'a>,
    printer: &'a Printer,
}

impl Copies<'_> {
    /// Copies to several destinations, or to one for blobs.
    fn all(
        &self,
        targets: Vec<Open<'_>>,
        copied: &mut Copied,
        cannot: impl Fn(&Place) -> String + Copy,
    ) -> Result<()> {
        let (gathered, outcomes) = self.bring(&targets).with_context(|| match &targets[..] {
            [(place, _)] => cannot(place),
            _ => format!("cannot copy `{}`", self.args.from),
        })?;
        for (((place, target), gathered), outcome) in
            targets.into_iter().zip(gathered).zip(outcomes)
        {
            match (target, gathered) {
                (Target::Archive(target), Some(gathered)) => {
                    let image = outcome
                        .map_err(Failure::from)
                        .and_then(|document| Ok(gathered.image(&self.only()?, &document)));
                    let written = image.and_then(|image| self.archive(target, image, &()));
                    copied.archive(&place, written, cannot)?;
                }
                (Target::Blobs(target), _) => {
                    if let (Opened::Index(opened), Ok(document)) = (self.opened, &outcome) {
                        copied.warn(left_out(known(opened.children()), document));
                    }
                    copied.blobs(&place, target, outcome, cannot)?;
                }
                (Target::Archive(_), None) => {}
            }
        }
        Ok(())
    }

    /// Brings everything to the destinations: to docker-archives, which are written in the end, to where it waits for
    /// them.
    fn bring(&self, targets: &[Open<'_>]) -> Result<(Vec<Gathered>, Vec<Outcome>)> {
        let lanes: Vec<CopyTarget<'_>> = targets
            .iter()
            .map(|(place, target)| match target {
                Target::Blobs(target) => CopyTarget::Blobs(target.destination()),
                Target::Archive(_) => {
                    CopyTarget::Archive(Arc::new(GatheredLayers::new(place.title())))
                }
            })
            .collect();
        let context = self.args.copy.context(&lanes, self.printer)?;
        let carriers = context.carriers();
        let all = context.copying(&carriers, self.progress);
        let outcomes = match self.opened {
            Opened::Image(image) => all.image(image)?,
            Opened::Index(index) | Opened::Choice { images: index, .. } => {
                let is_archive = |lane: usize| matches!(lanes[lane], CopyTarget::Archive(_));
                whole(all, index, &is_archive)?
            }
        };
        context.close(self.printer);
        let gathered = lanes.into_iter().map(|lane| match lane {
            CopyTarget::Blobs(_) => None,
            CopyTarget::Archive(gathered) => Some(gathered),
        });
        Ok((gathered.collect(), outcomes))
    }

    /// The image for a docker-archive, which has no place for an index.
    fn only(&self) -> Result<Image> {
        match self.opened {
            Opened::Image(image) => Ok(image.clone()),
            Opened::Index(index) | Opened::Choice { images: index, .. } => Ok(index.only()?),
        }
    }

    /// Writes a docker-archive. Returns the names of the image there, and its id.
    fn archive(
        &self,
        target: ArchiveTarget,
        image: Image,
        reporter: &dyn Reporter,
    ) -> Result<(Vec<String>, Digest)> {
        let id = image.configuration.digest();
        let names = match target.names() {
            Some(names) => names.to_vec(),
            None => image_names(&self.args.from, &image),
        };
        let named = names.clone();
        target.write(
            |out| copy::write_archive(vec![Named { image, names }], out.into_writer(), reporter),
            copy::Error::is_closed,
        )?;
        target.commit()?;
        Ok((named, id))
    }
}

/// Brings an index to destinations. Docker-archives get its only image.
fn whole(
    all: Copying<'_>,
    index: &ImageIndex,
    is_archive: &dyn Fn(usize) -> bool,
) -> Result<Vec<Outcome>, copy::Error> {
    let (archives, blobs): (Vec<usize>, Vec<usize>) =
        (0..all.carriers.len()).partition(|&lane| is_archive(lane));
    let mut outcomes = BTreeMap::new();
    if !archives.is_empty() {
        match index.only() {
            // What the others need of it is there then, when they get the index.
            Ok(image) => outcomes.extend(all.parts(&image)?.into_iter().enumerate()),
            Err(_) => {
                let errors = archives
                    .iter()
                    .filter_map(|&lane| Some((lane, index.only().err()?)));
                outcomes.extend(errors.map(|(lane, error)| (lane, Err(error.into()))));
            }
        }
    }
    let carriers: Vec<Carrier<'_>> = blobs.iter().map(|&lane| all.carriers[lane]).collect();
    let rest = Copying {
        carriers: &carriers,
        ..all
    };
    outcomes.extend(blobs.into_iter().zip(rest.whole_index(index)?));
    Ok(outcomes.into_values().collect())
}

/// Counts what of an index is not left out for its type.
fn known(entries: &[Descriptor]) -> usize {
    let known = |entry: &&Descriptor| {
        let media_type = &entry.media_type;
        media_type.is_index() || media_type.is_manifest() || media_type.is_generic()
    };
    entries.iter().filter(known).count()
}

/// Says how many of what an index listed is not in its copy.
fn left_out(listed: usize, copy: &Document) -> Option<String> {
    let Content::Index(index) = &copy.content else {
        return None;
    };
    let (what, they) = match listed.saturating_sub(known(&index.manifests)) {
        0 => return None,
        1 => (
            "1 attestation, signature or list".to_owned(),
            "it describes",
        ),
        count => (
            format!("{count} attestations, signatures or lists"),
            "they describe",
        ),
    };
    Some(format!(
        "{what} left out: {they} images that have other digests here"
    ))
}

/// The names that an image has where it is, for an archive: the one that it was asked for by, or
/// all.
pub(super) fn image_names(from: &Reference, image: &Image) -> Vec<String> {
    match from {
        Reference::Registry(repository) => {
            let tag = repository.or_latest().tag;
            tag.map(|tag| format!("{}:{tag}", repository.full_name()))
                .into_iter()
                .collect()
        }
        Reference::DockerArchive {
            image: Selector::Name(name),
            ..
        } => vec![name.clone()],
        _ => image.names.clone(),
    }
}

/// The tag that an image has where it is, for a layout.
fn default_tag(from: &Reference) -> Option<String> {
    match from {
        Reference::Registry(repository) => repository.or_latest().tag,
        Reference::OciLayout {
            image: Selector::Name(name),
            ..
        }
        | Reference::OciArchive {
            image: Selector::Name(name),
            ..
        } => Some(name.clone()),
        Reference::DockerArchive {
            image: Selector::Name(name),
            ..
        }
        | Reference::DockerDaemon(name)
        | Reference::ContainersStorage(name) => name
            .rsplit_once(':')
            .map(|(_, tag)| tag.to_owned())
            .filter(|tag| !tag.contains('/')),
        _ => None,
    }
}
