//! `terrine tag`: further names of an image where it is.

use std::path::Path;

use terrine::daemon::Loader;
use terrine::layout::Layout;
use terrine::oci::{Descriptor, Document, Reference, Repository, Selector, without_login};
use terrine::registry::Client;
use terrine::source;

use super::argument;
use super::exit::Usage;
use super::failure::{Context, Failure, Result};
use super::images::Images;
use super::landing::LandingArgs;
use super::printer::Printer;
use super::registry_args::RegistryArgs;
use super::target::{self, Place};

/// Add tags to an image in place
///
/// Reads the manifest of the image and writes it under each new tag in the same repository or OCI
/// layout. In the storage of docker or podman, runs `docker tag` or `podman tag`. No layer is
/// transferred, and the digest of the manifest stays the same. Prints the new references, with the
/// digest of the manifest in a registry or a layout.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Image: docker://NAME[:TAG][@DIGEST], oci:DIRECTORY[:TAG|@DIGEST], docker-daemon:NAME:TAG or
    /// containers-storage:NAME:TAG
    #[arg(value_name = "IMAGE", value_parser = argument::read::<Reference>)]
    image: Reference,

    /// New tag, or a full reference in the same repository, layout or storage; may be repeated
    #[arg(value_name = "NEW", required = true)]
    new: Vec<String>,

    #[command(flatten)]
    landing: LandingArgs,

    #[command(flatten)]
    registry: RegistryArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine tag docker://ghcr.io/acme/web:1.2 latest stable
  terrine tag oci:./layout:web web-1.2
  terrine tag docker-daemon:web:1.2 web:latest";

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let place = Place {
        names: new_names(args)?,
        reference: args.image.clone(),
    };
    let landings = args.landing.open([&place].into_iter())?;
    let cannot = || format!("cannot tag `{}`", args.image);
    let manifest = match &args.image {
        Reference::Registry(repository) => {
            let images = Images::new(&args.registry, &[&args.image])?;
            Some(in_registry(images.client(), repository, &place).with_context(cannot)?)
        }
        Reference::OciLayout { path, image } => {
            Some(in_layout(path, image, &place).with_context(cannot)?)
        }
        Reference::DockerDaemon(name) => {
            in_storage(Loader::Docker, name, &place).with_context(cannot)?
        }
        Reference::ContainersStorage(name) => {
            in_storage(Loader::Podman, name, &place).with_context(cannot)?
        }
        _ => return Err(no_place(&args.image)),
    };
    let landed = [place.landed(manifest.as_ref(), &[])];
    landings.tell(&landed, printer)?;
    landings.write(&landed, None, None)?;
    let title = place.title();
    printer.status(&match manifest {
        Some(manifest) => format!("{title}: manifest {}", manifest.digest),
        None => title,
    });
    Ok(())
}

/// Returns the new names: tags in a registry and in a layout, whole names elsewhere.
fn new_names(args: &Args) -> Result<Vec<String>> {
    let mut names: Vec<String> = vec![];
    for text in &args.new {
        let name = new_name(&args.image, text)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn new_name(image: &Reference, text: &str) -> Result<String> {
    let wrong = |why: String, hint| Err(Failure::from(Usage { message: why, hint }));
    let elsewhere = || {
        wrong(
            format!(
                "`{}` is not in the same repository or layout as `{image}`",
                without_login(text)
            ),
            "a tag is in the same repository or layout as its image; `terrine copy` copies images elsewhere",
        )
    };
    match image {
        Reference::Registry(own) => {
            if let Ok(tag) = tag(text) {
                return Ok(tag);
            }
            let bare = text.strip_prefix("docker://").unwrap_or(text);
            match bare.parse::<Repository>() {
                Ok(other) if (&other.registry, &other.name) != (&own.registry, &own.name) => {
                    elsewhere()
                }
                Ok(Repository {
                    tag: Some(tag),
                    digest: None,
                    ..
                }) => Ok(tag),
                _ => wrong(
                    format!("`{}` is not a tag", without_login(text)),
                    "write a tag, such as `latest`, or docker://NAME:TAG",
                ),
            }
        }
        Reference::OciLayout { path, .. } => {
            let name = match text.parse::<Reference>() {
                Ok(Reference::OciLayout {
                    path: other,
                    image: Selector::Name(name),
                }) => {
                    if other != *path {
                        return elsewhere();
                    }
                    name
                }
                Ok(Reference::Path(_)) | Err(_) => text.to_owned(),
                Ok(_) => return elsewhere(),
            };
            terrine::layout::check_name(&name)?;
            Ok(name)
        }
        Reference::DockerDaemon(own) | Reference::ContainersStorage(own) => {
            let transport = match image {
                Reference::DockerDaemon(_) => "docker-daemon:",
                _ => "containers-storage:",
            };
            let bare = text.strip_prefix(transport).unwrap_or(text);
            // A word alone is a tag of the same name, as in a registry.
            if !bare.contains([':', '/']) {
                let name = own.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
                let name = name.map_or(own.as_str(), |(name, _)| name);
                return Ok(format!("{name}:{}", tag(bare)?));
            }
            match bare.parse::<Repository>() {
                Ok(_) => Ok(target::names(image_named(image, bare).as_ref(), |_| vec![]).remove(0)),
                Err(why) => wrong(why, "write a tag, such as `latest`, or NAME:TAG"),
            }
        }
        _ => Err(no_place(image)),
    }
}

/// Returns an image of another name in the same storage.
fn image_named(image: &Reference, name: &str) -> Box<Reference> {
    Box::new(match image {
        Reference::DockerDaemon(_) => Reference::DockerDaemon(name.to_owned()),
        _ => Reference::ContainersStorage(name.to_owned()),
    })
}

/// Reads a tag.
fn tag(text: &str) -> Result<String> {
    match format!("image:{text}").parse::<Repository>() {
        Ok(Repository { tag: Some(tag), digest: None, .. }) if tag == text => Ok(tag),
        _ => Err(Usage {
            message: format!("`{}` is not a tag", without_login(text)),
            hint: "a tag has up to 128 letters, digits, `_`, `.` and `-`, and starts with one of the first three",
        }
        .into()),
    }
}

/// Says why the image at a path gets no names there.
fn no_place(image: &Reference) -> Failure {
    if let Err(missing) = image.check_source() {
        return missing.into();
    }
    if let Reference::Path(path) = image
        && path.join("oci-layout").exists()
    {
        let message = format!("`{image}` names a directory, not an OCI layout");
        let hint = "write `oci:` before it, as in `oci:./layout`";
        return Usage { message, hint }.into();
    }
    Usage {
        message: format!("`{image}` cannot get another tag: an archive is written once"),
        hint: "`terrine copy` writes another archive with other names",
    }
    .into()
}

/// Puts the same manifest under each tag of a place.
fn in_registry(client: &Client, from: &Repository, place: &Place) -> Result<Descriptor> {
    let (first, more) = place.tagged(&Repository {
        digest: None,
        ..from.clone()
    });
    client.will_push(&first);
    let document: Document = client.document(&from.or_latest())?;
    client.put_document(&first, &document)?;
    for tag in more {
        let named = Repository {
            tag: Some(tag),
            ..first.clone()
        };
        client.put_document(&named, &document)?;
    }
    Ok(document.descriptor())
}

/// Lists an image of a layout under each name of a place. An index that is made of what the layout lists becomes a blob.
fn in_layout(path: &Path, image: &Selector, place: &Place) -> Result<Descriptor> {
    let reference = Reference::OciLayout {
        path: path.to_owned(),
        image: image.clone(),
    };
    let images = source::open_layout(&reference.to_string(), path)?;
    let (descriptor, document) = images.described(image)?;
    let layout = Layout::open(path)?;
    if let Some(document) = document {
        layout.put(&document.bytes, document.media_type)?;
    }
    for name in &place.names {
        layout.tag(descriptor.clone(), Some(name))?;
    }
    Ok(descriptor)
}

/// Lets a program give its image each name of a place. It tells no digest.
fn in_storage(loader: Loader, from: &str, place: &Place) -> Result<Option<Descriptor>> {
    for name in &place.names {
        loader.tag(from, name)?;
    }
    Ok(None)
}
