//! Writing an image.

pub mod docker_archive;
