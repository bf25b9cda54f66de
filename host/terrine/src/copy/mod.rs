//! Images that exist, brought somewhere else.
//!
//! A manifest stays what it is, byte for byte, where the destination can have it and no layer
//! is compressed anew; else it is made anew around the same configuration, so that the image
//! id and the diff ids are always the same.

mod archive;
mod digest;
mod error;
mod image;
mod index;
mod lanes;
mod opaque;
#[cfg(test)]
mod tests;

pub use archive::{Named, write_archive};
pub use digest::manifest;
pub use error::Error;
pub use image::Copying;
