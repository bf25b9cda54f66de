//! Images that exist, by their references.

use std::fs::File;
use std::os::fd::AsFd;

use anyhow::{Context, bail};
use terrine::image::{Platform, Reference, Selector};
use terrine::source::{DockerArchive, Error, Fault, Image};

/// Opens an image; `platform` is which one is wanted where there are several.
pub(super) fn open(reference: &str, platform: Option<&str>) -> anyhow::Result<Image> {
    let platform = platform.map(str::parse::<Platform>).transpose()?;
    let image = match reference.parse()? {
        Reference::DockerArchive { path, image } => {
            DockerArchive::open(reference, &path)?.image(&image)?
        }
        Reference::Path(path) => DockerArchive::open(reference, &path)?.image(&Selector::Only)?,
        Reference::Stdio => {
            let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("reading stdin")?;
            DockerArchive::read("stdin", File::from(stdin))?.image(&Selector::Only)?
        }
        other => bail!("`{other}` can not be read: only docker-archives can"),
    };
    let own = image.configuration.platform();
    match platform {
        Some(wanted) if !own.satisfies(&wanted) => {
            let fault = Fault::NoPlatform { wanted: wanted.to_string(), available: vec![own.to_string()] };
            Err(Error::Fault { image: image.name, fault }.into())
        }
        _ => Ok(image),
    }
}
