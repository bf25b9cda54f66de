//! The client against servers that do what a script says.

mod answers;
mod credentials;
mod documents;
mod downloads;
mod greetings;
mod helpers;
mod kept;
mod logins;
mod moved;
mod proxies;
mod rates;
mod resumed;
mod slow;
mod statuses;
mod uploads;
mod web;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use terrine_oci::{Descriptor, MediaType, Repository};
use terrine_support::chain;

use super::testing::{Server, Step, step};
use super::{ClientOptions, Credentials, group};

const INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const GET: &str = "GET /v2/acme/web/manifests/1.2";

fn options() -> ClientOptions {
    ClientOptions {
        plain_http: true,
        retries: 2,
        back_off: Duration::from_millis(1),
        stall_timeout: Duration::from_secs(30),
        ..ClientOptions::default()
    }
}

fn image(server: &Server) -> Repository {
    format!("{}/acme/web:1.2", server.address).parse().unwrap()
}

/// Credentials of `user` for a server.
fn login(server: &Server, folder: &tempfile::TempDir, entry: &str) -> Credentials {
    let file = folder.path().join("auth.json");
    std::fs::write(
        &file,
        format!(r#"{{"auths":{{"{}":{entry}}}}}"#, server.address),
    )
    .unwrap();
    Credentials::new(vec![file])
}

/// Makes a program that keeps credentials, of a script for a shell.
fn helper(folder: &Path, name: &str, script: &str) {
    let path = folder.join(format!("docker-credential-{name}"));
    // A program that starts at the same time would have the file open, and so it would be busy.
    let _none_starts = group::lock();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// `user:secret`.
const ENTRY: &str = r#"{"auth":"dXNlcjpzZWNyZXQ="}"#;

fn index(expected: &str) -> Step {
    step(expected)
        .header("content-type", INDEX_TYPE)
        .body(INDEX)
}

fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OciLayer, bytes)
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number * 31 % 251) as u8).collect()
}

fn bearer(server: &Server) -> String {
    format!(
        r#"Basic realm="x", Bearer realm="http://{}/token?a=b",service="s v""#,
        server.address
    )
}
