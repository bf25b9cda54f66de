//! `terrine copy`: an image from one place to another.

use terrine::copy::{self, Named};
use terrine::oci::{Content, Descriptor, Document, Reference, Selector};
use terrine::source::{Image, Opened};

use super::argument;
use super::copy_args::CopyArgs;
use super::failure::{Context, Result};
use super::github::{self, Outputs};
use super::images::{Images, ImagesArgs};
use super::printer::Printer;
use super::progress::Progress;
use super::target::{ArchiveTarget, BlobTarget, Target, TargetReference};

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
    #[arg(value_parser = argument::read::<Reference>)]
    from: Reference,

    /// Where it is to be, in the same notation
    #[arg(value_parser = argument::read::<Reference>)]
    to: Reference,

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
  terrine copy oci:layout:web docker-daemon:web:1.2";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let cannot = || format!("can not copy `{}` to `{}`", args.from, args.to);
    args.copy.check(&args.to)?;
    let images = Images::new(&args.images.registry);
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
    let tag = default_tag(&args.from);
    let target = TargetReference::of(&args.to)
        .open(
            images.client(),
            tag.as_deref(),
            args.copy.encode.lock_wait(printer),
        )
        .with_context(cannot)?;
    match target {
        Target::Blobs(target) => blobs(args, &opened, target, printer),
        Target::Archive(target) => archive(args, opened, target, printer),
    }
    .with_context(cannot)
}

/// Copies to a destination for blobs.
fn blobs(args: &Args, opened: &Opened, target: BlobTarget<'_>, printer: &Printer) -> Result<()> {
    let destination = target.destination();
    let context = args.copy.context(destination, printer)?;
    let layers = match opened {
        Opened::Image(image) => image.layers.len(),
        Opened::Index(_) | Opened::Choice { .. } => 0,
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
    finish(&document, &args.to, target, progress, printer)?;
    if let Opened::Index(index) = opened {
        warn_of_left_out(known(index.children()), &document, printer);
    }
    Ok(())
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
    to: &Reference,
    target: BlobTarget<'_>,
    progress: Progress<'_>,
    printer: &Printer,
) -> Result<()> {
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    let name = target.destination().name();
    target.commit()?;
    let digest = Some(document.digest());
    github::leave(&Outputs::of(to, &name, digest), printer);
    printer.status(&format!("{} {to}, {summary}", document.digest()));
    Ok(())
}

/// Copies to a docker-archive, or to a storage that takes one.
fn archive(args: &Args, opened: Opened, target: ArchiveTarget, printer: &Printer) -> Result<()> {
    let image = terrine::source::pick(opened, None)?;
    let progress = Progress::new(printer, image.layers.len());
    let id = image.configuration.digest();
    let names = match target.name() {
        Some(name) => vec![name.to_owned()],
        None => image_names(&args.from, &image),
    };
    let name = names.first().cloned().unwrap_or_else(|| id.to_string());
    target.write(
        |out| copy::write_archive(vec![Named { image, names }], out, &progress),
        copy::Error::is_closed,
    )?;
    target.commit()?;
    progress.finish();
    let summary = progress.summary();
    drop(progress);
    github::leave(&Outputs::of(&args.to, &name, None), printer);
    printer.status(&format!("{id} {}, {summary}", args.to));
    Ok(())
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
