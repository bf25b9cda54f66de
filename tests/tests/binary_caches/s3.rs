//! Buckets of a server that verifies signatures as Amazon S3 does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use terrine_tests::Run;
use terrine_tests::http::values;

use super::caches::{Caches, digest};
use super::server::{Answer, Request, Server};

/// The key of a user, of the region that it is used in.
#[derive(Debug, Clone, Copy)]
struct User {
    key: &'static str,
    secret: &'static str,
    /// The token of the session, if the key is temporary.
    token: Option<&'static str>,
    region: &'static str,
}

const USER: User = User {
    key: "AKIDTERRINE",
    secret: "s3cret/with+signs=",
    token: None,
    region: "eu-west-1",
};

/// HMAC with SHA-256 (RFC 2104), for keys of at most 64 bytes.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = key.to_vec();
    block.resize(64, 0);
    let pad = |byte: u8| block.iter().map(|part| part ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::digest([&pad(0x36)[..], text].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl User {
    /// The signature of a request (Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters").
    fn signature(&self, host: &str, path: &str, query: &str) -> String {
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.retain(|pair| !pair.starts_with("X-Amz-Signature="));
        pairs.sort_unstable();
        let date = values(query, "X-Amz-Date").remove(0);
        let scope = format!("{}/{}/s3/aws4_request", &date[..8], self.region);
        let canonical = format!(
            "GET\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD",
            pairs.join("&")
        );
        let hash = hex(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let key = format!("AWS4{}", self.secret).into_bytes();
        let parts = scope.split('/');
        let key = parts.fold(key, |key, part| hmac(&key, part.as_bytes()));
        hex(&hmac(&key, text.as_bytes()))
    }

    /// Returns the error of S3 for a request, if it is not signed by this user.
    fn refusal(&self, request: &Request) -> Option<&'static str> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let value = |name: &str| values(query, name).pop().unwrap_or_default();
        let credential = value("X-Amz-Credential");
        let date = value("X-Amz-Date");
        if credential.is_empty() || date.len() != "20130524T000000Z".len() {
            return Some("AccessDenied");
        }
        let scope = format!("{}/{}/s3/aws4_request", &date[..8], self.region);
        if !credential.starts_with(&format!("{}/", self.key)) {
            return Some("InvalidAccessKeyId");
        }
        let host = request.head.get("host").unwrap();
        let is_signed = credential == format!("{}/{scope}", self.key)
            && value("X-Amz-Algorithm") == "AWS4-HMAC-SHA256"
            && value("X-Amz-SignedHeaders") == "host"
            && value("X-Amz-Signature") == self.signature(host, path, query);
        let has_token = value("X-Amz-Security-Token") == self.token.unwrap_or_default();
        match (is_signed, has_token) {
            (false, _) => Some("SignatureDoesNotMatch"),
            (true, false) => Some("InvalidToken"),
            (true, true) => None,
        }
    }
}

/// The example of the reference.
#[test]
fn signatures_are_those_of_the_reference() {
    let user = User {
        key: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        token: None,
        region: "us-east-1",
    };
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host";
    assert_eq!(
        user.signature("examplebucket.s3.amazonaws.com", "/test.txt", query),
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}

/// A bucket with a cache, and the image out of it.
struct Bucket {
    caches: std::sync::Arc<Caches>,
    server: Server,
    spec: Value,
    expected: String,
    /// The home of a user who has no credentials.
    home: PathBuf,
}

/// The start of the keys in the bucket, as a URL and as requests have it.
const PREFIX: &str = "/bucket/pre%20fix/of%2Bnix~1/";

impl Bucket {
    fn of(user: User) -> Option<Self> {
        let caches = Caches::shared()?;
        let spec = caches.spec();
        let place = caches.cache("compression=xz&write-nar-listing=true");
        let layout = format!("oci:{}", caches.directory().display());
        let server = Server::changing(&place.clone(), move |request, _| {
            let path = request.path.split('?').next().unwrap();
            let name = path.strip_prefix(PREFIX);
            match (
                user.refusal(request),
                name.map(|name| fs::read(place.join(name))),
            ) {
                (Some(code), _) => error(403, code),
                (None, Some(Ok(body))) => Answer::status(200).body(body),
                (None, _) => error(404, "NoSuchKey"),
            }
        });
        Some(Self {
            expected: digest(caches.local(&spec, &layout)),
            home: caches.directory(),
            server,
            spec,
            caches,
        })
    }

    /// A build from the bucket, by a user who has no credentials but those of these variables.
    fn build(&self, parameters: &str, variables: &[(&str, &str)]) -> Command {
        let cache = format!(
            "s3:/{}?endpoint={}&scheme=http&{parameters}",
            PREFIX.trim_end_matches('/'),
            self.server.host()
        );
        let layout = format!("oci:{}", self.caches.directory().display());
        let mut command = self.caches.remote(&self.spec, &cache, &layout);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.env("HOME", &self.home).args(["--retries", "0"]);
        command.envs(variables.iter().copied());
        command
    }

    /// Checks that a build makes the image.
    fn succeeds(&self, parameters: &str, variables: &[(&str, &str)]) {
        assert_eq!(digest(self.build(parameters, variables)), self.expected);
        let requests = self.server.requests();
        assert!(requests.len() > 10);
    }

    /// Checks that a build fails, with a reason and a remedy that do not show the secret.
    fn fails(&self, parameters: &str, variables: &[(&str, &str)], told: [&str; 2]) {
        let run = Run::of(&mut self.build(parameters, variables));
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        for text in told {
            assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
        }
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
        assert!(!run.stderr.contains("X-Amz"), "{}", run.stderr);
    }
}

/// The variables that credentials are taken from.
const VARIABLES: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// An error of S3.
fn error(status: u16, code: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>It is refused.</Message></Error>"
    );
    Answer::status(status)
        .with("Content-Type", "application/xml")
        .body(text)
}

/// A profile in the file of credentials.
fn profile(name: &str, user: User) -> String {
    format!(
        "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        user.key, user.secret
    )
}

/// The variables of a user.
fn variables(user: User) -> Vec<(&'static str, &'static str)> {
    let token = user.token.map(|token| ("AWS_SESSION_TOKEN", token));
    let key = [
        ("AWS_ACCESS_KEY_ID", user.key),
        ("AWS_SECRET_ACCESS_KEY", user.secret),
    ];
    key.into_iter().chain(token).collect()
}

const REGION: &str = "region=eu-west-1";

#[test]
fn variables_and_profiles_give_access_to_a_bucket() {
    let Some(bucket) = Bucket::of(USER) else {
        return;
    };
    bucket.succeeds(REGION, &variables(USER));
    let other = User {
        key: "OTHER",
        ..USER
    };
    let text = profile("default", USER) + &profile("ci", other);
    write(&bucket.home.join(".aws/credentials"), &text);
    bucket.succeeds(REGION, &[]);
    let elsewhere = bucket
        .caches
        .file(&(profile("default", other) + &profile("ci", USER)));
    let elsewhere = ("AWS_SHARED_CREDENTIALS_FILE", elsewhere.to_str().unwrap());
    bucket.succeeds(REGION, &[elsewhere, ("AWS_PROFILE", "ci")]);
    bucket.succeeds(&format!("{REGION}&profile=ci"), &[elsewhere]);
    let missing = "there are no credentials for the profile `cd`";
    let remedy = "hint: add a section `[cd]` to `~/.aws/credentials`";
    bucket.fails(&format!("{REGION}&profile=cd"), &[], [missing, remedy]);
}

fn write(place: &Path, text: &str) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
}

#[test]
fn a_temporary_key_needs_its_token() {
    let user = User {
        token: Some("to/ken=="),
        ..USER
    };
    let Some(bucket) = Bucket::of(user) else {
        return;
    };
    bucket.succeeds(REGION, &variables(user));
    bucket.fails(
        REGION,
        &variables(USER),
        ["(InvalidToken)", "hint: check the credentials"],
    );
}

#[test]
fn wrong_credentials_are_told() {
    let Some(bucket) = Bucket::of(USER) else {
        return;
    };
    let secret = User {
        secret: "s3cret",
        ..USER
    };
    let key = User {
        key: "OTHER",
        ..USER
    };
    let remedy = "hint: check the credentials of AWS, and the clock of this machine";
    for (user, parameters, code) in [
        (secret, REGION, "(SignatureDoesNotMatch)"),
        (key, REGION, "(InvalidAccessKeyId)"),
        // The region is part of what is signed.
        (USER, "region=eu-west-2", "(SignatureDoesNotMatch)"),
    ] {
        bucket.fails(parameters, &variables(user), [code, remedy]);
    }
    // S3 says the same of objects that are missing.
    bucket.fails(
        REGION,
        &[],
        [
            "is in none of the binary caches: `s3://bucket/",
            "or have no credentials",
        ],
    );
}
