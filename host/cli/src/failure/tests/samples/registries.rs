//! Errors of registries, logins and references.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use terrine::compress::ParseSettingError;
use terrine::oci::{ParseReferenceError, Reference, Repository};
use terrine::registry;
use terrine::registry::{
    CertificatesError, Client, ClientOptions, CredentialsError, ServerName, ServerNameError,
};

use super::{name, path};

pub(super) fn settings() -> Vec<ParseSettingError> {
    ["xz", "none:1", "gzip:0"]
        .map(|text| text.parse::<terrine::compress::Setting>().unwrap_err())
        .into()
}

pub(super) fn reference() -> ParseReferenceError {
    "dir:x".parse::<Reference>().unwrap_err()
}

pub(super) fn credentials() -> Vec<CredentialsError> {
    vec![
        CredentialsError::Nowhere,
        CredentialsError::Helper {
            program: name(),
            why: name(),
        },
        CredentialsError::Waits {
            program: name(),
            server: name(),
            why: name(),
        },
    ]
}

pub(super) fn server_name() -> ServerNameError {
    "a b".parse::<ServerName>().unwrap_err()
}

pub(super) fn certificates() -> CertificatesError {
    CertificatesError {
        file: path(),
        why: name(),
    }
}

/// Error of a registry that has nothing.
pub(super) fn registry_error() -> registry::Error {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = listener.local_addr().unwrap().to_string();
    // It is asked whether there is a login as well, and answers all in the same way.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream
                .write_all(
                    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                )
                .unwrap();
        }
    });
    let client = Client::new(ClientOptions {
        plain_http: true,
        retries: 0,
        ..ClientOptions::default()
    });
    let image = format!("{registry}/name:tag");
    client
        .document(&image.parse::<Repository>().unwrap())
        .unwrap_err()
}
