//! `terrine copy`: an image from one place to another.

use anyhow::Context;
use terrine::daemon;
use terrine::image::{Document, Reference, Selector};
use terrine::ship::{Carrier, Recompress};
use terrine::source::{Image, Opened};
use terrine::transfer::{self, Copying, Named};

use super::images::{Images, ImagesArgs};
use super::printer::Printer;
use super::progress::Progress;
use super::ship_args::{HowArgs, reference, tell};
use super::target::Target;

/// Copy an image: pull, push, convert
///
/// The image id and the layers' diff ids stay what they are. Layers and manifests stay as they
/// are, too, unless `--compression` asks for something else or the destination has no form
/// for them. Of an image for several platforms all are copied, unless `--platform` names one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The image
    #[arg(value_parser = reference)]
    from: Reference,

    /// Where it is to be
    #[arg(value_parser = reference)]
    to: Reference,

    #[command(flatten)]
    how: HowArgs,

    #[command(flatten)]
    images: ImagesArgs,
}

const EXAMPLES: &str = "\
Images:
  docker://NAME[:TAG][@DIGEST]           in a registry
  oci:DIRECTORY[:TAG|@DIGEST]            in an OCI layout
  oci-archive:FILE[:TAG|@DIGEST]         in an archive of an OCI layout
  docker-archive:FILE[:NAME:TAG|:@N]     in an archive that `docker load` takes
  docker-daemon:NAME:TAG                 in Docker's storage
  containers-storage:NAME:TAG            in podman's storage
  FILE or DIRECTORY                      whatever it is
  -                                      a docker-archive on stdin or stdout

Examples:
  terrine copy docker-archive:old.tar docker://localhost:5000/old
  terrine copy docker://debian:12 oci:layout:debian --platform linux/arm64
  terrine copy oci:layout:web docker-daemon:web:1.2";

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<()> {
    let cannot = || format!("can not copy `{}` to `{}`", args.from, args.to);
    let images = Images::new(&args.images.registry);
    let opened = images.open(&args.from).with_context(cannot)?;
    let opened = match (opened, &args.images.platform) {
        (opened, Some(_)) => Opened::Image(
            terrine::source::pick(opened, args.images.platform.as_ref()).with_context(cannot)?,
        ),
        (opened, None) => opened,
    };
    let tag = default_tag(&args.from);
    let target = Target::open(&args.to, images.client(), tag.as_deref()).with_context(cannot)?;
    if target.blobs().is_some() {
        return blobs(args, &opened, target, printer).with_context(cannot);
    }
    let image = terrine::source::pick(opened, None).with_context(cannot)?;
    archive(args, image, target, printer).with_context(cannot)
}

/// Copies to a place for blobs.
fn blobs(args: &Args, opened: &Opened, target: Target<'_>, printer: &Printer) -> anyhow::Result<()> {
    let Some(destination) = target.blobs() else { anyhow::bail!("this is no place for blobs") };
    let (setting, pool) = (args.how.setting(destination), args.how.pool());
    let cache = args.how.cache(printer);
    let layers = match opened {
        Opened::Image(image) => image.layers.len(),
        Opened::Index(_) => 0,
    };
    let progress = Progress::new(printer, layers);
    let copying = Copying {
        carrier: Carrier {
            destination,
            setting: &setting,
            pool: &pool,
            cache: &cache,
            recompress: match (&args.how.compression, destination.repository()) {
                (Some(_), _) => Recompress::All,
                // A registry is not the place for plain layers.
                (None, Some(_)) => Recompress::Plain,
                (None, None) => Recompress::Never,
            },
        },
        jobs: args.how.jobs(),
        only_oci: target.only_oci(),
        annotations: &args.how.annotations()?,
        reporter: &progress,
    };
    let document = match opened {
        Opened::Image(image) => copying.image(image)?,
        Opened::Index(index) => copying.whole_index(index)?,
    };
    target.commit()?;
    progress.finish();
    tell(&cache, printer);
    done(&document, &args.to, &progress, printer);
    Ok(())
}

/// Says what is where now.
pub(super) fn done(document: &Document, to: &Reference, progress: &Progress<'_>, printer: &Printer) {
    printer.status(&format!("{} {to}, {}", document.digest(), progress.summary()));
}

/// Copies to a docker-archive, or to a storage that takes one.
fn archive(args: &Args, image: Image, target: Target<'_>, printer: &Printer) -> anyhow::Result<()> {
    let progress = Progress::new(printer, image.layers.len());
    let id = image.configuration.digest();
    let own = image_names(&args.from);
    match &target {
        Target::DockerArchive { output, name } => {
            let names = name.clone().map_or(own, |name| vec![name]);
            transfer::write_archive(vec![Named { image, names }], output, &progress)?;
        }
        Target::Loader { loader, name } => {
            let named = vec![Named { image, names: vec![name.clone()] }];
            let write =
                |stdin: &mut std::process::ChildStdin| transfer::write_archive(named, stdin, &progress);
            daemon::load(*loader, write, transfer::Error::is_closed)?;
        }
        Target::Blobs(_) | Target::OciArchive { .. } => anyhow::bail!("this is a place for blobs"),
    }
    target.commit()?;
    progress.finish();
    printer.status(&format!("{id} {}, {}", args.to, progress.summary()));
    Ok(())
}

/// The names that an image has where it is, for an archive.
pub(super) fn image_names(from: &Reference) -> Vec<String> {
    match from {
        Reference::Registry(repository) => {
            let tag = repository.tag.as_ref();
            tag.map(|tag| format!("{}:{tag}", repository.full_name())).into_iter().collect()
        }
        Reference::DockerArchive { image: Selector::Name(name), .. } => vec![name.clone()],
        Reference::DockerDaemon(name) | Reference::ContainersStorage(name)
            if name.contains(':') && !name.starts_with("sha256:") =>
        {
            vec![name.clone()]
        }
        _ => vec![],
    }
}

/// The tag that an image has where it is, for a layout.
fn default_tag(from: &Reference) -> Option<String> {
    match from {
        Reference::Registry(repository) => repository.tag.clone(),
        Reference::OciLayout { image: Selector::Name(name), .. }
        | Reference::OciArchive { image: Selector::Name(name), .. } => Some(name.clone()),
        Reference::DockerArchive { image: Selector::Name(name), .. }
        | Reference::DockerDaemon(name)
        | Reference::ContainersStorage(name) => {
            name.rsplit_once(':').map(|(_, tag)| tag.to_owned()).filter(|tag| !tag.contains('/'))
        }
        _ => None,
    }
}
