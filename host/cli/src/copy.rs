//! `terrine copy`: an image from one place to another.

use terrine::copy::{self, Named};
use terrine::oci::{Content, Descriptor, Digest, Document, Reference, Selector};
use terrine::plan::DestinationFacts;
use terrine::registry::Client;
use terrine::source::{Image, Opened};

use super::copy_args::CopyArgs;
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::images::{Images, ImagesArgs};
use super::landing::{LandingArgs, Landings};
use super::printer::Printer;
use super::progress::Progress;
use super::registry_args::Creds;
use super::target::{ArchiveTarget, BlobTarget, Place, Target, TargetReference};
use super::{argument, exit, stdin, target};

/// Copy an image: pull, push, convert
///
/// The image id and the layers' diff ids stay what they are. Layers and manifests stay as they
/// are, too, unless `--compression` asks for something else or the destination has no form
/// for them; layers without compression are compressed on the way to a registry, unless they come
/// from one. Of an image for several platforms all are copied, unless `--platform` names one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image: see below for how to write it
    #[arg(value_parser = stdin::image)]
    from: Reference,

    /// Where it is to be, in the same notation; may be repeated
    #[arg(required = true, value_parser = argument::read::<Reference>)]
    to: Vec<Reference>,

    /// A tag for destinations that name none [default: the one that it has where it is]; may be
    /// repeated
    #[arg(long, help_heading = "Output")]
    tag: Vec<String>,

    #[command(flatten)]
    landing: LandingArgs,

    /// Log in to the registry that the image is in with this user and password
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = Creds::read, help_heading = "Registries", conflicts_with = "creds")]
    src_creds: Option<Creds>,

    /// Log in to the registry that the image goes to with this user and password
    #[arg(long, value_name = "USER[:PASSWORD]", value_parser = Creds::read, help_heading = "Registries", conflicts_with = "creds")]
    dest_creds: Option<Creds>,

    #[command(flatten)]
    copy: CopyArgs,

    #[command(flatten)]
    images: ImagesArgs,
}

const EXAMPLES: &str = "\
How images are written:
  docker://NAME[:TAG][@DIGEST]           in a registry
  oci:DIRECTORY[:TAG|@DIGEST]            in an OCI layout
  oci-archive:FILE[:TAG|@DIGEST]         in an archive of an OCI layout
  docker-archive:FILE[:NAME:TAG|:@N]     in an archive that `docker load` takes
  docker-daemon:NAME:TAG                 in Docker's storage
  containers-storage:NAME:TAG            in podman's storage
  FILE or DIRECTORY                      whatever it is
  -                                      an archive on stdin, a docker-archive on stdout

Examples:
  terrine copy docker-archive:old.tar docker://localhost:5000/old
  terrine copy docker://debian:12 oci:layout:debian --platform linux/arm64
  terrine copy oci:layout:web docker-daemon:web:1.2
  terrine copy oci:layout:web docker://ghcr.io/acme/web docker://quay.io/acme/web --tag 1 --tag latest";

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
    for to in &args.to {
        args.copy.check(to)?;
    }
    let places = places(args)?;
    let landings = args.landing.open(places.iter())?;
    let cannot = || match &args.to[..] {
        [to] => format!("can not copy `{}` to `{to}`", args.from),
        _ => format!("can not copy `{}`", args.from),
    };
    let images = Images::of(client(args)?);
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
    let alone = places.len() == 1;
    for place in &places {
        let to = format!("can not copy `{}` to `{}`", args.from, place.reference);
        match one(args, &opened, place, &images, printer).with_context(|| to) {
            Ok((landed, id)) => {
                copied.landed.push(landed);
                copied.id = id;
            }
            Err(failure) if alone || failure.is::<Usage>() => return Err(failure),
            Err(failure) => copied.failures.push(failure),
        }
    }
    copied.finish(landings, printer)
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

/// Copies that are done, and why others are not.
#[derive(Default)]
pub(super) struct Copied {
    pub(super) landed: Vec<DestinationFacts>,
    pub(super) id: Option<Digest>,
    pub(super) failures: Vec<Failure>,
}

impl Copied {
    /// Says what is where.
    pub(super) fn finish(self, landings: Landings, printer: &Printer) -> Result<()> {
        landings.tell(&self.landed, printer)?;
        if self.failures.is_empty() {
            landings.write(&self.landed, self.id, None)?;
        }
        exit::several(&self.failures, printer)
    }
}

/// Copies to one place. Returns where the image is then, and its id if it is one.
fn one(
    args: &Args,
    opened: &Opened,
    place: &Place,
    images: &Images,
    printer: &Printer,
) -> Result<(DestinationFacts, Option<Digest>)> {
    let wait = args.copy.encode.lock_wait(printer);
    let target = TargetReference::of(&place.reference).open(images.client(), place, wait)?;
    match target {
        Target::Blobs(target) => blobs(args, opened, place, target, printer),
        Target::Archive(target) => archive(args, opened, place, target, printer),
    }
}

/// Copies to a destination for blobs.
fn blobs(
    args: &Args,
    opened: &Opened,
    place: &Place,
    target: BlobTarget<'_>,
    printer: &Printer,
) -> Result<(DestinationFacts, Option<Digest>)> {
    let destination = target.destination();
    let context = args.copy.context(destination, printer)?;
    let (layers, id) = match opened {
        Opened::Image(image) => (image.layers.len(), Some(image.configuration.digest())),
        Opened::Index(_) | Opened::Choice { .. } => (0, None),
    };
    let progress = Progress::new(printer, layers);
    let copying = context.copying(destination, &progress);
    let document = match opened {
        Opened::Image(image) => copying.image(image)?,
        Opened::Index(index) | Opened::Choice { images: index, .. } => {
            copying.whole_index(index)?
        }
    };
    context.close(printer);
    finish(&document, place, target, progress, printer)?;
    if let Opened::Index(index) = opened {
        warn_of_left_out(known(index.children()), &document, printer);
    }
    Ok((place.landed(Some(&document.descriptor()), &[]), id))
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
fn warn_of_left_out(listed: usize, copy: &Document, printer: &Printer) {
    let Content::Index(index) = &copy.content else {
        return;
    };
    let (what, they) = match listed.saturating_sub(known(&index.manifests)) {
        0 => return,
        1 => ("1 attestation, signature or list".to_owned(), "it speaks"),
        count => (
            format!("{count} attestations, signatures or lists"),
            "they speak",
        ),
    };
    printer.warning(&format!(
        "{what} left out: {they} of images that have other digests here"
    ));
}

/// Ends a copy, and says what is where now.
pub(super) fn finish(
    document: &Document,
    place: &Place,
    target: BlobTarget<'_>,
    progress: Progress<'_>,
    printer: &Printer,
) -> Result<()> {
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    target.commit()?;
    let (title, digest) = (place.title(), document.digest());
    printer.status(&format!("{title}: manifest {digest}, {summary}"));
    Ok(())
}

/// Copies to a docker-archive, or to a storage that takes one.
fn archive(
    args: &Args,
    opened: &Opened,
    place: &Place,
    target: ArchiveTarget,
    printer: &Printer,
) -> Result<(DestinationFacts, Option<Digest>)> {
    let image = match opened {
        Opened::Image(image) => image.clone(),
        Opened::Index(index) | Opened::Choice { images: index, .. } => index.only()?,
    };
    let progress = Progress::new(printer, image.layers.len());
    let id = image.configuration.digest();
    let names = match target.names() {
        Some(names) => names.to_vec(),
        None => image_names(&args.from, &image),
    };
    let landed = place.landed(None, &names);
    target.write(
        |out| copy::write_archive(vec![Named { image, names }], out, &progress),
        copy::Error::is_closed,
    )?;
    target.commit()?;
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    let title = place.title();
    printer.status(&format!("{title}: image id {id}, {summary}"));
    Ok((landed, Some(id)))
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
