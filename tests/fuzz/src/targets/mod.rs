//! The targets, each with seeds, a parser and rules in a module of its own.

mod archives;
mod binary_caches;
mod cache_settings;
mod caches;
mod challenges;
mod claims;
mod closures;
mod components;
mod compressed;
mod confs;
mod credentials;
mod databases;
mod docker_archives;
mod documents;
mod headers;
mod images;
mod layers;
mod layouts;
mod messages;
mod nars;
mod policies;
mod programs;
mod references;
mod specifications;
mod updates;

use crate::Target;

/// All targets.
pub const TARGETS: &[Target] = &[
    archives::TARGET,
    headers::TARGET,
    compressed::TARGET,
    layers::TARGET,
    docker_archives::TARGET,
    images::TARGET,
    documents::TARGET,
    references::TARGET,
    challenges::TARGET,
    credentials::TARGET,
    closures::TARGET,
    databases::TARGET,
    caches::TARGET,
    updates::TARGET,
    specifications::TARGET,
    confs::TARGET,
    policies::TARGET,
    components::TARGET,
    programs::TARGET,
    layouts::TARGET,
    nars::TARGET,
    binary_caches::TARGET,
    cache_settings::TARGET,
    claims::TARGET,
    messages::TARGET,
];

/// An error and its causes, as one text.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Makes a folder for a target that needs one, in memory where the system has a place there: some writers wait for
/// the disk.
fn folder() -> tempfile::TempDir {
    let builder = tempfile::Builder::new();
    builder
        .tempdir_in("/dev/shm")
        .or_else(|_| builder.tempdir())
        .expect("a temporary folder")
}
