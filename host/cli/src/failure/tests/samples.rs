//! One error for each variant with a hint, and all that wrap it.

mod binary_caches;
mod images;
mod inputs;
mod planners;
mod plans;
mod registries;

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use terrine::layer;
use terrine::oci::{Digest, Reference};
use terrine::spec::Time;

use super::Walked;
use crate::exit::Usage;
use crate::failure::JsonError;
use crate::strict_args::Warnings;

/// Brings every error with a hint through a failure.
pub(super) fn walk() -> Walked {
    let mut walked = Walked::default();
    walk_binary_caches(&mut walked);
    walked.walk("cli/src/exit.rs", vec![usage()]);
    walked.walk("cli/src/strict_args.rs", vec![Warnings(1)]);
    let json = serde_json::from_str::<bool>("{").unwrap_err();
    walked.walk("cli/src/failure/mod.rs", vec![JsonError(json)]);
    walked.walk("compress/src/setting.rs", registries::settings());
    walked.walk("isolate/src/error.rs", planners::isolate_errors());
    walked.walk("oci/src/reference.rs", vec![registries::reference()]);
    let name = Reference::Path("localhost/web".into());
    let transport = Reference::Path("docker-deamon:web:1".into());
    walked.walk(
        "terrine/src/plan/dockertools/conf.rs",
        vec![plans::conf_error()],
    );
    walked.walk(
        "oci/src/transport.rs",
        vec![
            name.check_source().unwrap_err(),
            transport.check_source().unwrap_err(),
        ],
    );
    walked.walk("planner/src/author.rs", planners::componentize_errors());
    walked.walk("planner/src/error.rs", planners::planner_errors());
    walked.walk("registry/src/credentials.rs", registries::credentials());
    walked.walk("registry/src/error.rs", vec![registries::registry_error()]);
    walked.walk("registry/src/logins.rs", vec![registries::server_name()]);
    walked.walk(
        "registry/src/tls/folder.rs",
        vec![registries::certificates()],
    );
    walked.walk("terrine/src/assemble/error.rs", plans::assemble_errors());
    walked.walk("terrine/src/cache/error.rs", inputs::cache_errors());
    walked.walk("terrine/src/cache/transfer.rs", inputs::import_errors());
    walked.walk("terrine/src/claims/error.rs", images::claim_errors());
    walked.walk("terrine/src/claims/error.rs", images::entry_errors());
    walked.walk("terrine/src/closure/error.rs", inputs::closure_faults());
    walked.walk("terrine/src/closure/error.rs", inputs::closure_errors());
    walked.walk("terrine/src/copy/error.rs", images::copy_errors());
    walked.walk(
        "terrine/src/destination/carrier/mod.rs",
        images::carry_errors(),
    );
    walked.walk("terrine/src/daemon.rs", images::daemon_errors());
    walked.walk(
        "terrine/src/destination/error.rs",
        images::destination_errors(),
    );
    walked.walk("terrine/src/export/mod.rs", images::export_errors());
    walked.walk("terrine/src/history/error.rs", inputs::history_errors());
    walked.walk("terrine/src/layer/error.rs", plans::layer_errors());
    walked.walk("terrine/src/layer/store.rs", plans::store_path_errors());
    walked.walk(
        "terrine/src/spec/time.rs",
        vec![Time::parse("soon").unwrap_err()],
    );
    let pattern = layer::Exclude::new(["[a"]).unwrap_err();
    walked.walk("terrine/src/layer/exclude.rs", vec![pattern]);
    walked.walk("terrine/src/layout/error.rs", images::layout_errors());
    walked.walk(
        "terrine/src/plan/dockertools/error.rs",
        plans::dockertools_errors(),
    );
    walked.walk("terrine/src/plan/error.rs", plans::plan_errors());
    walked.walk("terrine/src/prefetch/name.rs", images::prefetch_errors());
    walked.walk("terrine/src/replay/error.rs", inputs::replay_errors());
    walked.walk("terrine/src/rootfs/error.rs", plans::rootfs_errors());
    walked.walk("terrine/src/sequence/error.rs", inputs::sequence_faults());
    walked.walk("terrine/src/sequence/error.rs", inputs::sequence_errors());
    walked.walk("terrine/src/source/error.rs", images::source_faults());
    walked.walk("terrine/src/source/error.rs", images::source_errors());
    walked.walk(
        "terrine/src/spec/image/error.rs",
        vec![inputs::spec_error()],
    );
    walked.walk(
        "terrine/src/store_database/error.rs",
        plans::store_database_errors(),
    );
    walked.walk(
        "terrine/src/substitute/error.rs",
        binary_caches::substitute_errors(),
    );
    walked
}

/// Brings the errors of the crate of binary caches through a failure.
fn walk_binary_caches(walked: &mut Walked) {
    use binary_caches as samples;
    walked.walk("binary-cache/src/client/error.rs", samples::client_errors());
    walked.walk(
        "binary-cache/src/compression.rs",
        vec![samples::compression_error()],
    );
    walked.walk(
        "binary-cache/src/content_address.rs",
        vec![samples::content_address_error()],
    );
    walked.walk("binary-cache/src/info.rs", samples::cache_info_errors());
    walked.walk("binary-cache/src/key.rs", samples::key_errors());
    walked.walk("binary-cache/src/listing.rs", samples::listing_errors());
    walked.walk(
        "binary-cache/src/location/error.rs",
        samples::location_errors(),
    );
    walked.walk(
        "binary-cache/src/location/error.rs",
        samples::location_faults(),
    );
    walked.walk("binary-cache/src/nar/error.rs", samples::nar_errors());
    walked.walk("binary-cache/src/nar/error.rs", samples::nar_faults());
    walked.walk(
        "binary-cache/src/narinfo/error.rs",
        samples::nar_info_errors(),
    );
    walked.walk(
        "binary-cache/src/narinfo/error.rs",
        vec![samples::other_path()],
    );
    walked.walk("binary-cache/src/netrc.rs", samples::netrc_errors());
    walked.walk("binary-cache/src/nix_conf.rs", samples::nix_conf_errors());
    walked.walk(
        "binary-cache/src/s3/profiles.rs",
        vec![samples::profiles_error()],
    );
    walked.walk(
        "binary-cache/src/store_path.rs",
        samples::store_path_errors(),
    );
    walked.walk("binary-cache/src/trust.rs", samples::trust_errors());
}

fn name() -> String {
    "name".to_owned()
}

fn path() -> PathBuf {
    "path".into()
}

fn digest() -> Digest {
    Digest::of(b"")
}

fn full() -> io::Error {
    ErrorKind::StorageFull.into()
}

fn usage() -> Usage {
    Usage {
        message: name(),
        hint: "leave it out",
    }
}
