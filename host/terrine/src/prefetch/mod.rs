//! Arguments of `dockerTools.pullImage` for an image in a registry.
//!
//! Nix pulls an image by the digest of its manifest, and checks the archive that it is pulled to
//! by a hash. [`one`] and [`all`] find the manifests, [`Names::hashed`] computes the hash, and
//! [`Prefetched`] is the output.

mod arguments;
mod hash;
mod name;
mod nix;
mod platforms;
#[cfg(test)]
mod tests;

pub use arguments::{Names, Prefetched, PullArguments};
pub use name::{FinalName, FinalTag, ImageName, ParseNameError};
pub use platforms::{Choice, all, one};
