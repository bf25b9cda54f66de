//! All tests in one program, so that they share the processors to the end and are linked once.
//!
//! A suite is a module here: `cargo test --release --workspace --test suite media::` runs one.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod base;
mod benchmark;
mod binary_caches;
mod build;
mod build_script;
mod built;
mod cache;
mod closure;
mod commands;
mod commands_places;
mod compression;
mod configuration;
mod consumers;
mod dependencies;
mod described;
mod documents;
mod export;
mod faults;
mod guide;
mod harness;
mod hostile;
mod hosts;
mod inspect;
mod layers;
mod layers_from;
mod layout_faults;
mod layouts;
mod library;
mod machines;
mod media;
mod media_consumers;
mod messages;
mod nix;
mod nix_database;
mod nix_library;
mod past;
mod planner;
mod policies;
mod policy_lists;
mod prefetch;
mod readme;
mod registry;
mod registry_faults;
mod replay;
mod replay_page;
mod replay_properties;
mod root;
mod shipping;
mod specification;
mod startup;
mod stream;
mod strict;
mod structure;
