//! Opening what a reference leads to.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use terrine_oci::{Reference, Selector};

use super::docker_archive::DockerArchive;
use super::image_index::Opened;
use super::oci_archive;
use super::oci_layout::open_layout;
use super::{Error, Opener, seekable};

/// Opens what a reference leads to; `opener` opens what is in no file. A path is looked at for what is there: a directory is an
/// OCI layout, an archive with a `manifest.json` is a docker-archive, and any other one of a
/// layout.
///
/// # Errors
///
/// What is not there, or cannot be used.
pub fn open(reference: &Reference, opener: &dyn Opener) -> Result<Opened, Error> {
    let name = reference.to_string();
    match reference {
        Reference::DockerArchive { path, image } => {
            let archive = if is_stdin(path) {
                DockerArchive::read(&name, stdin(&name)?)?
            } else {
                DockerArchive::open(&name, path)?
            };
            archive.image(image).map(Opened::Image)
        }
        Reference::OciLayout { path, image } => {
            open_layout(&name, path)?.with_urls(opener).open(image)
        }
        Reference::OciArchive { path, image } => {
            let images = if is_stdin(path) {
                oci_archive::read_archive(&name, stdin(&name)?)?
            } else {
                oci_archive::open_archive(&name, path)?
            };
            images.with_urls(opener).open(image)
        }
        Reference::Path(path) => open_path(&name, path, opener),
        Reference::Stdio => open_file(&name, stdin(&name)?, opener),
        Reference::Registry(_) | Reference::DockerDaemon(_) | Reference::ContainersStorage(_) => {
            opener.open(reference)
        }
    }
}

/// Reports whether a path stands for stdin, as it stands for stdout where something is written.
fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn stdin(name: &str) -> Result<File, Error> {
    std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|source| Error::Io {
            image: name.to_owned(),
            source,
        })
}

/// Opens the only image of a file or a directory, whatever it is; `name` is what errors call
/// it.
///
/// # Errors
///
/// As [`open`].
pub fn open_path(name: &str, path: &Path, opener: &dyn Opener) -> Result<Opened, Error> {
    let failed = |source| Error::Io {
        image: name.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(failed)?.is_dir() {
        let images = open_layout(name, path)?.with_urls(opener);
        return images.open(&Selector::Only);
    }
    open_file(name, File::open(path).map_err(failed)?, opener)
}

/// Opens the image of a file or a directory that others are built on: of several in a
/// docker-archive the first, as dockerTools does; `name` is what errors call it.
///
/// # Errors
///
/// As [`open`].
pub fn open_first(name: &str, path: &Path, opener: &dyn Opener) -> Result<Opened, Error> {
    let metadata = fs::metadata(path).map_err(|source| Error::Io {
        image: name.to_owned(),
        source,
    })?;
    if metadata.is_dir() {
        let images = open_layout(name, path)?.with_urls(opener);
        return images.open(&Selector::Only);
    }
    let archive = seekable::open_archive(path).map_err(|error| error.of(name))?;
    if archive.has("index.json") && !archive.has("manifest.json") {
        let images = oci_archive::images(name, archive)?.with_urls(opener);
        return images.open(&Selector::Only);
    }
    DockerArchive::new(name, archive)?
        .first()
        .map(Opened::Image)
}

/// Opens the only image of an archive that is read from a file or a pipe; `name` is what
/// errors call it. What cannot be read at any place comes to a temporary file first.
///
/// # Errors
///
/// As [`open`].
pub fn open_file(name: &str, file: File, opener: &dyn Opener) -> Result<Opened, Error> {
    let archive = seekable::scan(file).map_err(|error| error.of(name))?;
    // Docker's archives have been both since version 25.
    if archive.has("index.json") && !archive.has("manifest.json") {
        let images = oci_archive::images(name, archive)?.with_urls(opener);
        return images.open(&Selector::Only);
    }
    DockerArchive::new(name, archive)?
        .image(&Selector::Only)
        .map(Opened::Image)
}
