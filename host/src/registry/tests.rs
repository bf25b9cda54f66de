//! The client against servers that do what a script says.

use std::error::Error as _;
use std::io::{self, Read};
use std::sync::Mutex;
use std::time::Duration;

use super::testing::{Server, Step, step};
use super::{Cause, Client, Credentials, Error, Options};
use crate::image::{Descriptor, Digest, Document, MediaType, Repository};
use crate::source::Verified;

const INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const GET: &str = "GET /v2/acme/web/manifests/1.2";

fn options() -> Options {
    Options {
        plain_http: true,
        retries: 2,
        back_off: Duration::from_millis(1),
        stall_timeout: Duration::from_secs(5),
        ..Options::default()
    }
}

fn image(server: &Server) -> Repository {
    format!("{}/acme/web:1.2", server.address).parse().unwrap()
}

/// Credentials of `user` for a server.
fn login(server: &Server, folder: &tempfile::TempDir, entry: &str) -> Credentials {
    let file = folder.path().join("auth.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{entry}}}}}"#, server.address)).unwrap();
    Credentials::new(vec![file])
}

/// `user:secret`.
const ENTRY: &str = r#"{"auth":"dXNlcjpzZWNyZXQ="}"#;

/// The chain of an error's causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

fn index(expected: &str) -> Step {
    step(expected).header("content-type", INDEX_TYPE).body(INDEX)
}

fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OciLayer, bytes)
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number * 31 % 251) as u8).collect()
}

#[test]
fn documents_are_fetched_and_verified() {
    let digest = Digest::of(INDEX);
    let server = Server::bind();
    let of = image(&server);
    let by_digest = of.at(digest);
    let path = format!("GET /v2/acme/web/manifests/{digest}");
    let running = server.run(vec![
        index(GET).header("docker-content-digest", digest.to_string()).keep(),
        index(&path).keep(),
        index(&path).body("{}").keep(),
        index(GET).header("docker-content-digest", Digest::of(b"").to_string()).keep(),
        index(GET).header("content-type", "text/html").body("<html>").keep(),
        step(GET).body(vec![b' '; (4 << 20) + 1]),
    ]);
    let client = Client::new(options());
    for of in [&of, &by_digest] {
        assert_eq!(client.document(of).unwrap(), Document::parse(INDEX.to_vec(), None).unwrap());
    }
    let error = client.document(&by_digest).unwrap_err();
    let expected = format!(
        "fetching the manifest of `{by_digest}`: it has the digest {}, not {digest}",
        Digest::of(b"{}")
    );
    assert_eq!(chain(&error), expected);
    let error = client.document(&of).unwrap_err();
    assert!(matches!(error.cause(), Cause::Digest { actual, .. } if *actual == digest), "{error:?}");
    assert!(matches!(client.document(&of).unwrap_err().cause(), Cause::Document(_)));
    let error = chain(&client.document(&of).unwrap_err());
    assert!(error.ends_with("it has more than 4194304 bytes"), "{error}");
    let seen = running.seen();
    assert!(seen[0].header("accept").unwrap().split(", ").count() == 4, "{seen:?}");
    assert!(seen[0].header("user-agent").unwrap().starts_with("terrine/"));
    // All of them by one connection.
    assert_eq!(seen.last().unwrap().connection, 1);
}

#[test]
fn refusals_are_told_with_their_reason() {
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    for (answer, expected, hint) in [
        (
            step(GET).status(404).body(unknown),
            "answers 404 Not Found: manifest unknown (MANIFEST_UNKNOWN)",
            "check the name of the repository and the tag",
        ),
        (
            step(GET).status(403).header("content-type", "text/html").body("<html>"),
            "answers 403 Forbidden",
            "log in with `docker login 127.0.0.1:",
        ),
        (step(GET).status(401), "wants a login", "log in with `docker login 127.0.0.1:"),
        (
            step(GET).status(429).header("retry-after", "3600"),
            "answers 429 Too Many Requests and wants to be asked again in 3600 s",
            "",
        ),
        (step(GET).status(302), "can not be used: it has no `Location`", ""),
        (step(GET).status(204), "answers 204 No Content", ""),
    ] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![answer]);
        let error = Client::new(options()).document(&of).unwrap_err();
        assert!(chain(&error).starts_with(&format!("fetching the manifest of `{of}`: ")), "{error:?}");
        assert!(chain(&error).ends_with(expected), "{}", chain(&error));
        assert!(error.hint().unwrap_or_default().starts_with(hint), "{error:?}");
        assert_eq!(running.seen().len(), 1);
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    for passing in [
        step(GET).refuse(),
        step(GET).status(408),
        step(GET).status(429).header("retry-after", "0"),
        step(GET).status(500),
        step(GET).status(502),
        step(GET).status(503).body("busy"),
        step(GET).status(504),
        index(GET).cut(10),
    ] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![passing, step(GET).status(503), index(GET)]);
        Client::new(options()).document(&of).unwrap();
        assert_eq!(running.seen().len(), 3);
    }
    let server = Server::bind();
    let of = image(&server);
    let running = server.run((0..3).map(|_| step(GET).status(503).body("busy")).collect());
    let error = Client::new(options()).document(&of).unwrap_err();
    assert!(chain(&error).ends_with("answers 503 Service Unavailable: busy"), "{error:?}");
    running.seen();
    // Nobody listens any more.
    let error = Client::new(options()).document(&of).unwrap_err();
    assert!(matches!(error.cause(), Cause::Connection { .. }), "{error:?}");
}

#[test]
fn silence_is_an_error() {
    for answer in [index(GET).silent(10), index(GET).silent(0)] {
        let server = Server::bind();
        let of = image(&server);
        let running = server.run(vec![answer]);
        let options = Options { retries: 0, stall_timeout: Duration::from_millis(50), ..options() };
        let error = Client::new(options).document(&of).unwrap_err();
        assert!(chain(&error).ends_with("was silent for 0.05 s"), "{}", chain(&error));
        running.seen();
    }
}

#[test]
fn a_byte_now_and_then_is_not_enough() {
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(vec![index(GET).header("content-length", "4000000").drip(10)]);
    let options = Options { retries: 0, stall_timeout: Duration::from_millis(200), ..options() };
    let error = Client::new(options).document(&of).unwrap_err();
    assert!(chain(&error).ends_with(": its answer takes too long"), "{}", chain(&error));
    running.seen();
}

#[test]
fn registries_on_this_machine_are_spoken_to_as_they_answer() {
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(vec![step("TLS"), step("GET /v2/").status(401), index(GET)]);
    let client = Client::new(Options { plain_http: false, ..options() });
    client.document(&of).unwrap();
    assert_eq!(running.seen().len(), 2);
}

#[test]
fn tags_are_looked_up() {
    let head = "HEAD /v2/acme/web/manifests/1.2";
    let digest = Digest::of(INDEX);
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(vec![
        index(head).header("docker-content-digest", digest.to_string()),
        // Without a digest the document itself is fetched.
        index(head),
        index(GET),
        step(head).status(404),
        step(format!("HEAD /v2/acme/web/blobs/{digest}")).header("content-length", "123"),
        step(format!("HEAD /v2/acme/web/blobs/{digest}")).status(404),
        step(format!("HEAD /v2/acme/web/blobs/{digest}")).status(400),
    ]);
    let client = Client::new(options());
    let expected = Some(Descriptor::of(MediaType::OciIndex, INDEX));
    assert_eq!(client.head_document(&of).unwrap(), expected);
    assert_eq!(client.head_document(&of).unwrap(), expected);
    assert_eq!(client.head_document(&of).unwrap(), None);
    assert_eq!(client.blob_size(&of, digest).unwrap(), Some(123));
    assert_eq!(client.blob_size(&of, digest).unwrap(), None);
    assert!(client.blob_size(&of, digest).is_err());
    running.seen();
}

fn bearer(server: &Server) -> String {
    format!(r#"Basic realm="x", Bearer realm="http://{}/token?a=b",service="s v""#, server.address)
}

#[test]
fn tokens_are_fetched_once_and_renewed() {
    let (registry, tokens) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let folder = tempfile::tempdir().unwrap();
    let credentials = login(&registry, &folder, ENTRY);
    let challenge = bearer(&tokens);
    let refused = || step(GET).status(401).header("www-authenticate", &*challenge);
    let token = "GET /token?a=b&account=user&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
    let tokens = tokens.run(vec![
        step(token).body(r#"{"token":"one","expires_in":300}"#),
        step(token).body(r#"{"access_token":"two"}"#),
        step(token).body(r#"{"token":"three"}"#),
    ]);
    let registry = registry.run(vec![
        refused(),
        index(GET),
        index(GET),
        refused(),
        index(GET),
        refused(),
        refused(),
    ]);
    let client = Client::new(Options { credentials, ..options() });
    for _ in 0..3 {
        client.document(&of).unwrap();
    }
    let error = client.document(&of).unwrap_err();
    assert!(chain(&error).contains("refuses the login that `"), "{}", chain(&error));
    let (registry, tokens) = (registry.seen(), tokens.seen());
    let sent: Vec<_> = registry.iter().map(|seen| seen.header("authorization")).collect();
    let (one, two, three) = (Some("Bearer one"), Some("Bearer two"), Some("Bearer three"));
    assert_eq!(sent, [None, one, one, one, two, two, three]);
    assert!(tokens.iter().all(|seen| seen.header("authorization") == Some("Basic dXNlcjpzZWNyZXQ=")));
    assert!(!format!("{client:?}").contains("three"), "{client:?}");
}

#[test]
fn threads_share_a_token_and_one_for_pushing_is_good_for_pulling() {
    let (registry, tokens) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull%2Cpush";
    let tokens = tokens.run(vec![step(token).body(r#"{"token":"one","expires_in":300}"#)]);
    let mut script = vec![step(GET).status(401).header("www-authenticate", &*challenge), index(GET)];
    script.extend((0..8).map(|_| index(GET)));
    let registry = registry.run(script);
    let client = Client::new(options());
    client.will_push(&of);
    client.document(&of).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.document(&of).unwrap());
        }
    });
    assert!(
        registry.seen().iter().skip(1).all(|seen| seen.header("authorization") == Some("Bearer one"))
    );
    tokens.seen();
}

#[test]
fn identity_tokens_are_exchanged() {
    let (registry, tokens) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let folder = tempfile::tempdir().unwrap();
    let credentials = login(&registry, &folder, r#"{"identitytoken":"se/cret"}"#);
    let challenge = bearer(&tokens);
    let tokens = tokens.run(vec![
        step("POST /token?a=b").status(503),
        step("POST /token?a=b").body(r#"{"access_token":"one"}"#),
    ]);
    let refused = || step(GET).status(401).header("www-authenticate", &*challenge);
    let registry = registry.run(vec![refused(), refused(), index(GET)]);
    Client::new(Options { credentials, ..options() }).document(&of).unwrap();
    assert_eq!(registry.seen()[2].header("authorization"), Some("Bearer one"));
    let form = "grant_type=refresh_token&service=s%20v&client_id=terrine&scope=repository%3Aacme%2Fweb%3Apull&refresh_token=se%2Fcret";
    assert_eq!(tokens.seen()[1].body, form.as_bytes());
}

#[test]
fn token_services_that_refuse_are_named() {
    for (answer, expected) in [
        (
            step("").status(401).body(r#"{"details":"incorrect username or password"}"#),
            "wants a login: incorrect username or password",
        ),
        (step("").status(404), "answers 404 Not Found"),
        (step("").body(r#"{"token":""}"#), "it holds no token"),
        (step("").body(r#"{"token":["secret"]}"#), "it holds no token"),
        (step("").body(r#"{"token":"a\nb"}"#), "it holds no token"),
    ] {
        let (registry, tokens) = (Server::bind(), Server::bind());
        let of = image(&registry);
        let (challenge, host) = (bearer(&tokens), tokens.address);
        let path = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull";
        let tokens = tokens.run(vec![answer.expecting(path)]);
        let registry = registry.run(vec![step(GET).status(401).header("www-authenticate", &*challenge)]);
        let error = chain(&Client::new(options()).document(&of).unwrap_err());
        assert!(error.contains(expected) && error.contains(&format!("`{host}`")), "{error}");
        registry.seen();
        tokens.seen();
    }
}

#[test]
fn passwords_go_to_who_asks_for_them() {
    let basic = || step(GET).status(401).header("www-authenticate", "Basic realm=\"x\"");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind();
    let of = image(&server);
    let credentials = login(&server, &folder, ENTRY);
    let running = server.run(vec![basic(), index(GET), index(GET), basic()]);
    let client = Client::new(Options { credentials, ..options() });
    client.document(&of).unwrap();
    client.document(&of).unwrap();
    let error = client.document(&of).unwrap_err();
    assert!(matches!(error.cause(), Cause::Unauthorized { login: Some(_), .. }), "{error:?}");
    assert!(!format!("{error:?} {client:?}").contains("c2VjcmV0"));
    let sent: Vec<_> =
        running.seen().iter().map(|seen| seen.headers.contains_key("authorization")).collect();
    assert_eq!(sent, [false, true, true, true]);
    // Somebody else's.
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(vec![basic()]);
    let error = client.document(&of).unwrap_err();
    assert!(matches!(error.cause(), Cause::Unauthorized { login: None, .. }), "{error:?}");
    running.seen();
}

#[test]
fn credentials_do_not_follow_redirections() {
    let content = bytes(1000);
    let blob = blob(&content);
    let path = format!("GET /v2/acme/web/blobs/{}", blob.digest);
    let basic = step(&*path).status(401).header("www-authenticate", "Basic realm=\"x\"");
    let folder = tempfile::tempdir().unwrap();
    let (registry, storage) = (Server::bind(), Server::bind());
    let of = image(&registry);
    let credentials = login(&registry, &folder, ENTRY);
    let elsewhere = format!("http://{}/store?signature=a%2Bb", storage.address);
    let registry = registry.run(vec![
        basic,
        step(&*path).status(308).header("location", "/moved"),
        step("GET /moved").status(307).header("location", elsewhere.clone()),
        step(&*path).status(307).header("location", elsewhere),
    ]);
    let storage = storage.run(vec![
        step("GET /store?signature=a%2Bb").body(&*content),
        // That is not the registry's challenge.
        step("GET /store?signature=a%2Bb").status(401).header("www-authenticate", "Basic realm=\"x\""),
    ]);
    let client = Client::new(Options { credentials, ..options() });
    let mut read = vec![];
    client.blob(&of, &blob).unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, content);
    let error = client.blob(&of, &blob).unwrap_err();
    assert!(matches!(error.cause(), Cause::Status { .. }), "{error:?}");
    let sent: Vec<_> =
        registry.seen().iter().map(|seen| seen.headers.contains_key("authorization")).collect();
    assert_eq!(sent, [false, true, true, true]);
    assert!(storage.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[test]
fn redirections_end() {
    let server = Server::bind();
    let of = image(&server);
    let again = || step(GET).status(302).header("location", "1.2");
    let running = server.run((0..11).map(|_| again()).collect());
    let error = Client::new(options()).document(&of).unwrap_err();
    assert!(matches!(error.cause(), Cause::Redirects { limit: 10, .. }), "{error:?}");
    running.seen();
}

/// Reads a blob of 1000 bytes from a server with that script.
fn read_blob(
    script: impl FnOnce(&str, &[u8]) -> Vec<Step>,
) -> (Result<Vec<u8>, String>, Vec<Option<String>>) {
    let content = bytes(1000);
    let blob = blob(&content);
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(script(&format!("GET /v2/acme/web/blobs/{}", blob.digest), &content));
    let client = Client::new(options());
    let fetch = || {
        let mut reader = client.blob(&of, &blob).map_err(io::Error::other)?;
        let mut read = vec![];
        reader.read_to_end(&mut read)?;
        assert_eq!(reader.read(&mut [0])?, 0);
        io::Result::Ok(read)
    };
    let result = fetch().map_err(|error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        chain(inner.expect("an error of ours"))
    });
    let ranges = running.seen().iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    (result, ranges)
}

#[test]
fn broken_downloads_are_continued() {
    let content = bytes(1000);
    let part = |path: &str, content: &[u8], from: usize| {
        step(path)
            .status(206)
            .header("content-range", format!("bytes {from}-999/1000"))
            .body(&content[from..])
    };
    let (read, ranges) = read_blob(|path, content| {
        vec![
            step(path).body(content).cut(300),
            step(path).status(503),
            part(path, content, 300).cut(200),
            part(path, content, 500),
        ]
    });
    assert_eq!(read.as_deref(), Ok(&*content));
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=300-".to_owned()),
            Some("bytes=300-".to_owned()),
            Some("bytes=500-".to_owned())
        ]
    );
    // A registry that knows no ranges.
    let (read, _) =
        read_blob(|path, content| vec![step(path).body(content).cut(999), step(path).body(content)]);
    assert_eq!(read.as_deref(), Ok(&*content));
    // Another part than the one that was asked for.
    let (read, _) =
        read_blob(|path, content| vec![step(path).body(content).cut(300), part(path, content, 200)]);
    assert!(read.unwrap_err().ends_with("it is another part than was asked for"));
    // The connection breaks again and again.
    let (read, ranges) = read_blob(|path, content| {
        vec![
            step(path).body(content).cut(1),
            part(path, content, 1).cut(1),
            part(path, content, 2).cut(1),
        ]
    });
    assert!(read.unwrap_err().contains(": the connection to `127.0.0.1:"));
    assert_eq!(ranges.len(), 3);
}

#[test]
fn sizes_that_lie_are_noticed() {
    let (read, _) = read_blob(|path, content| vec![step(path).body(&content[..999])]);
    assert!(read.unwrap_err().ends_with("it has 999 bytes, not 1000"));
    let chunked = |path: &str, content: &[u8]| {
        let body = [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n0\r\n\r\n"].concat();
        step(path).header("transfer-encoding", "chunked").body(body)
    };
    let (read, _) = read_blob(|path, content| vec![chunked(path, &[content, b"x"].concat())]);
    assert!(read.unwrap_err().ends_with("it has 1001 bytes, not 1000"));
    let (read, _) = read_blob(|path, content| vec![chunked(path, content)]);
    assert_eq!(read, Ok(bytes(1000)));
    let (read, _) = read_blob(|path, _| vec![step(path).status(404)]);
    assert!(read.unwrap_err().ends_with("answers 404 Not Found"));
}

const START: &str = "POST /v2/acme/web/blobs/uploads/";

fn started(location: impl Into<String>) -> Step {
    step(START).status(202).header("location", location)
}

/// Uploads 300 kB and says what progress was told.
fn upload(client: &Client, to: &Repository, content: &[u8]) -> (Result<(), Error>, Vec<u64>) {
    let told = Mutex::new(vec![]);
    let open = || io::Result::Ok(Box::new(io::Cursor::new(content.to_vec())) as Box<dyn Read + Send>);
    let result = client.upload(to, &blob(content), &open, &|sent| told.lock().unwrap().push(sent));
    (result, told.into_inner().unwrap())
}

#[test]
fn blobs_are_uploaded_from_the_start_until_they_are_there() {
    let content = bytes(300_000);
    let digest = Digest::of(&content);
    let query = format!("digest=sha256%3A{}", digest.hex());
    let server = Server::bind();
    let to = image(&server);
    let absolute = format!("http://{}/u/3?state=x%3D", server.address);
    let put = |path: &str| step(format!("PUT {path}{query}"));
    let running = server.run(vec![
        step(START).status(502),
        started("/u/1"),
        put("/u/1?").refuse(),
        started("2"),
        put("/v2/acme/web/blobs/uploads/2?").status(404),
        started(absolute),
        put("/u/3?state=x%3D&").status(201).header("docker-content-digest", digest.to_string()),
    ]);
    let client = Client::new(Options { retries: 3, ..options() });
    let (result, told) = upload(&client, &to, &content);
    result.unwrap();
    assert_eq!((told[0], *told.last().unwrap()), (0, 300_000));
    assert!(told.iter().filter(|sent| **sent == 0).count() == 3, "{told:?}");
    let seen = running.seen();
    assert!(seen.last().unwrap().body == content);
    assert_eq!(seen.last().unwrap().header("content-length"), Some("300000"));
    let expects: Vec<_> = seen.iter().map(|seen| seen.headers.contains_key("expect")).collect();
    assert_eq!(expects, [false, false, false, false, true, false, true]);
}

#[test]
fn the_reason_of_a_registry_that_does_not_read_all_is_heard() {
    let content = bytes(30_000_000);
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(&content).hex());
    let server = Server::bind();
    let to = image(&server);
    let running = server.run(vec![
        started("/u"),
        step(&*put).refuse(),
        started("/u"),
        step(&*put).status(413).early().body("too much"),
    ]);
    let error = upload(&Client::new(options()), &to, &content).0.unwrap_err();
    assert!(chain(&error).ends_with("answers 413 Payload Too Large: too much"), "{}", chain(&error));
    running.seen();
}

#[test]
fn tokens_that_end_during_an_upload_are_renewed() {
    let content = bytes(300_000);
    let put = format!("PUT /u?digest=sha256%3A{}", Digest::of(&content).hex());
    let (registry, tokens) = (Server::bind(), Server::bind());
    let to = image(&registry);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull%2Cpush";
    let tokens = tokens.run(vec![
        step(token).body(r#"{"token":"one","expires_in":300}"#),
        step(token).body(r#"{"token":"two","expires_in":300}"#),
    ]);
    let refused = |path: &str| step(path).status(401).header("www-authenticate", &*challenge);
    let registry =
        registry.run(vec![refused(START), started("/u"), refused(&put), step(&*put).status(201)]);
    upload(&Client::new(options()), &to, &content).0.unwrap();
    let seen = registry.seen();
    assert!(seen[2].body == content && seen[3].body == content);
    assert_eq!(seen[3].header("authorization"), Some("Bearer two"));
    tokens.seen();
}

#[test]
fn uploads_that_are_refused_are_not_repeated() {
    let server = Server::bind();
    let to = image(&server);
    let empty = format!("PUT /u?digest=sha256%3A{}", Digest::of(b"").hex());
    let running = server.run(vec![
        started("/u"),
        step(&*empty).status(400).body(r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#),
        started("/u"),
        step(&*empty).status(201).header("docker-content-digest", Digest::of(b"x").to_string()),
        step(START).status(202),
        started("/u"),
        step(&*empty).status(201),
    ]);
    let client = Client::new(options());
    for expected in ["400 Bad Request: DIGEST_INVALID", "not sha256:e3b0c4", "it has no `Location`"] {
        let error = chain(&upload(&client, &to, b"").0.unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    upload(&client, &to, b"").0.unwrap();
    running.seen();
}

#[test]
fn a_source_that_fails_is_told_as_such_and_the_registry_has_no_blob() {
    let content = bytes(1000);
    let good = blob(&content);
    let lying = Descriptor { digest: Digest::of(b"another"), ..good.clone() };
    for (blob, data, expected) in [
        (&good, content[..999].to_vec(), "it ends after 999 bytes, and has 1000 by its descriptor"),
        (&good, [&*content, b"x"].concat(), "it has more than the 1000 bytes of its descriptor"),
        (&lying, content.clone(), "its `x` has the digest "),
    ] {
        let server = Server::bind();
        let to = image(&server);
        let put = format!("PUT /u?digest=sha256%3A{}", blob.digest.hex());
        let running = server.run(vec![started("/u"), step(put), step("DELETE /u").status(204)]);
        let open = || {
            let data = io::Cursor::new(data.clone());
            let reader: Box<dyn Read + Send> = match blob.digest == good.digest {
                true => Box::new(data),
                false => Box::new(Verified::new(data, "x".to_owned(), blob.size, blob.digest)),
            };
            io::Result::Ok(reader)
        };
        let error = Client::new(options()).upload(&to, blob, &open, &|_| ()).unwrap_err();
        assert!(
            chain(&error).contains(&format!(": reading what is to be sent: {expected}")),
            "{}",
            chain(&error)
        );
        assert!(running.seen()[1].body.len() < 1000);
    }
}

#[test]
fn uploads_elsewhere_go_without_credentials() {
    let content = bytes(10);
    let query = format!("digest=sha256%3A{}", Digest::of(&content).hex());
    let folder = tempfile::tempdir().unwrap();
    let (registry, storage) = (Server::bind(), Server::bind());
    let to = image(&registry);
    let credentials = login(&registry, &folder, ENTRY);
    let elsewhere = format!("http://{}/u", storage.address);
    let registry = registry.run(vec![
        step(START).status(401).header("www-authenticate", "Basic realm=\"x\""),
        started(elsewhere),
    ]);
    let storage = storage.run(vec![step(format!("PUT /u?{query}")).status(201)]);
    let client = Client::new(Options { credentials, ..options() });
    upload(&client, &to, &content).0.unwrap();
    assert!(registry.seen()[1].headers.contains_key("authorization"));
    assert!(!storage.seen()[0].headers.contains_key("authorization"));
}

#[test]
fn blobs_are_mounted_where_it_can_be_done() {
    let digest = Digest::of(b"");
    let post = format!(
        "POST /v2/acme/web/blobs/uploads/?mount=sha256%3A{}&from=library%2Fdebian",
        digest.hex()
    );
    let (registry, tokens) = (Server::bind(), Server::bind());
    let to = image(&registry);
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&service=s%20v&scope=repository%3Aacme%2Fweb%3Apull%2Cpush&scope=repository%3Alibrary%2Fdebian%3Apull";
    let tokens = tokens.run(vec![step(token).body(r#"{"token":"one","expires_in":300}"#)]);
    let registry = registry.run(vec![
        step(&*post).status(401).header("www-authenticate", &*challenge),
        step(&*post).status(201),
        step(&*post).status(202).header("location", "/u?x"),
        step("DELETE /u?x").status(204),
        step(&*post).status(403),
        step(&*post).status(503),
        step(&*post).status(405),
    ]);
    let client = Client::new(options());
    let results: Vec<bool> =
        (0..4).map(|_| client.mount(&to, digest, "library/debian").unwrap()).collect();
    assert_eq!(results, [true, false, false, false]);
    registry.seen();
    tokens.seen();
}

#[test]
fn documents_are_put() {
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    let digest = document.digest();
    let server = Server::bind();
    let to = image(&server);
    let put = "PUT /v2/acme/web/manifests/1.2";
    let running = server.run(vec![
        step(put).status(500),
        step(put).status(201).header("docker-content-digest", digest.to_string()),
        step(format!("PUT /v2/acme/web/manifests/{digest}")).status(201),
        step(put).status(201).header("docker-content-digest", Digest::of(b"").to_string()),
        step(put)
            .status(400)
            .body(r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}"#),
    ]);
    let client = Client::new(options());
    client.put_document(&to, &document).unwrap();
    client.put_document(&to.at(digest), &document).unwrap();
    let error = client.put_document(&to, &document).unwrap_err();
    assert!(matches!(error.cause(), Cause::Digest { expected, .. } if *expected == digest), "{error:?}");
    let error = chain(&client.put_document(&to, &document).unwrap_err());
    assert!(error.ends_with("answers 400 Bad Request: blob unknown (MANIFEST_BLOB_UNKNOWN)"), "{error}");
    // Before anything is sent.
    assert!(client.put_document(&to.at(Digest::of(b"")), &document).is_err());
    let seen = running.seen();
    assert_eq!(seen[1].header("content-type"), Some(INDEX_TYPE));
    assert_eq!(seen[1].body, INDEX);
}

#[test]
fn names_can_not_lead_elsewhere() {
    for registry in ["user@example.com", "example.com/x", "example.com?", "a b", ""] {
        let of = Repository { registry: registry.to_owned(), ..image(&Server::bind()) };
        let error = Client::new(options()).document(&of).unwrap_err();
        assert!(matches!(error.cause(), Cause::Name(_)), "{registry}: {error:?}");
    }
}
