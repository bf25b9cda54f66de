//! Buckets.

use super::server::{Answer, Server, file};
use super::*;
use crate::s3::{S3Access, S3Credentials, S3Profiles};

fn in_bucket(server: &Server, s3: S3Access, query: &str) -> BinaryCaches {
    let url = format!(
        "s3://bucket?endpoint={}&region=eu-west-1{query}",
        server.url()
    );
    let options = CacheOptions { s3, ..options() };
    BinaryCaches::new(vec![source(&url)], STORE, web(), &options).unwrap()
}

fn server() -> Server {
    let files = files(&[(1, &[], &["one"])]);
    Server::start(move |asked| {
        let mut asked = asked.clone();
        asked.path = asked.path.replacen("/bucket/", "/", 1);
        file(&files, &asked)
    })
}

#[test]
fn public_buckets_are_read_without_a_signature() {
    let server = server();
    let caches = in_bucket(&server, S3Access::default(), "");
    let found = find(&caches, 1);
    let mut bytes = vec![];
    std::io::Read::read_to_end(&mut caches.nar_file(&found).unwrap(), &mut bytes).unwrap();
    assert_eq!(bytes, nar(1));
    let narinfo = format!("/bucket/{}", narinfo_name(1));
    assert_eq!(
        server.paths(),
        ["/bucket/nix-cache-info", &narinfo, "/bucket/nar/1.nar"]
    );
}

#[test]
fn credentials_sign_requests_and_are_not_shown() {
    let server = server();
    let environment = Some(S3Credentials::new("AKID", "s3cret", Some("t0ken")));
    let access = S3Access {
        environment,
        ..S3Access::default()
    };
    let caches = in_bucket(&server, access, "");
    find(&caches, 1);
    for path in server.paths() {
        let (_, query) = path.split_once('?').unwrap();
        let scope = "X-Amz-Credential=AKID%2F";
        assert!(
            query.contains(scope) && query.contains("X-Amz-Signature="),
            "{query}"
        );
        assert!(query.contains("X-Amz-Security-Token=t0ken"), "{query}");
    }
    let refusing = Server::start(|_| {
        let why = "<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message></Error>";
        Answer::status(403)
            .header("content-type", "application/xml")
            .body_of(why)
    });
    let text = "[ci]\naws_access_key_id = AKID\naws_secret_access_key = s3cret\n";
    let profiles = S3Profiles::parse(text).unwrap();
    let access = S3Access {
        profiles,
        ..S3Access::default()
    };
    let caches = in_bucket(&refusing, access.clone(), "&profile=ci");
    let error = told(&caches.find(&path(1)).unwrap_err());
    assert!(
        error.contains("nix-cache-info`: ") && error.contains("No. (SignatureDoesNotMatch)"),
        "{error}"
    );
    assert!(error.contains("check the credentials of AWS"), "{error}");
    assert!(
        !error.contains("AKID") && !error.contains("X-Amz"),
        "{error}"
    );
    let location = source("s3://bucket?profile=other");
    let options = CacheOptions {
        s3: access,
        ..options()
    };
    let error = BinaryCaches::new(vec![location], STORE, web(), &options).unwrap_err();
    assert!(told(&error).contains("for the profile `other` of the binary cache `s3://bucket`"));
}
