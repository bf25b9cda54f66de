//! Servers that are no registries.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use terrine_support::hint::Hint;

use super::super::testing::{Seen, Server, Step, step};
use super::super::{Access, Cause, ClientOptions, Error, Resource, Web};
use super::{bytes, chain, options};

const PATH: &str = "/a/b.narinfo?token=s3cret";
const GET: &str = "GET /a/b.narinfo?token=s3cret";

fn url(server: &Server) -> String {
    format!("http://{}{PATH}", server.address)
}

/// Reads a resource of at most ten bytes from a server with that script.
fn get(access: &Access, steps: Vec<Step>) -> (Result<Option<Resource>, Error>, Vec<Seen>) {
    let server = Server::bind();
    let url = url(&server);
    let running = server.run(steps);
    let result = Web::new(options()).get(&url, access, 10);
    (result, running.seen())
}

/// Reads a resource through a reader, and says which bytes came before an error.
fn read(size: Option<u64>, steps: Vec<Step>) -> (Vec<u8>, Result<(), String>, Vec<Seen>) {
    let server = Server::bind();
    let url = url(&server);
    let running = server.run(steps);
    let web = Web::new(options());
    let mut came = vec![];
    let result = match web.open(&url, &Access::default(), size) {
        Ok(reader) => reader.unwrap().read_to_end(&mut came).map(drop),
        Err(error) => Err(io::Error::other(error)),
    };
    let result = result.map_err(|error| chain(error.get_ref().unwrap()));
    (came, result, running.seen())
}

#[test]
fn bodies_come_whole_with_their_encoding() {
    let answer = step(GET)
        .header("content-encoding", "br")
        .body("0123456789");
    let (result, seen) = get(&Access::default(), vec![answer]);
    let resource = result.unwrap().unwrap();
    assert_eq!(resource.bytes, b"0123456789");
    assert_eq!(resource.encoding.as_deref(), Some("br"));
    assert_eq!(seen[0].header("authorization"), None);
    assert!(
        seen[0]
            .header("user-agent")
            .unwrap()
            .starts_with("terrine/")
    );
    let (result, _) = get(&Access::default(), vec![step(GET).body("01234567890")]);
    let error = chain(&result.unwrap_err());
    assert!(error.ends_with("it has more than 10 bytes"), "{error}");
}

#[test]
fn what_is_missing_is_no_error() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    for answer in [
        step(GET).status(404),
        step(GET).status(410),
        step(GET).status(403),
        step(GET).status(403).body(denied),
    ] {
        let (result, _) = get(&Access::default(), vec![answer]);
        assert_eq!(result.unwrap(), None);
    }
    let expired = "<Error><Code>InvalidAccessKeyId</Code><Message>No such key</Message></Error>";
    let (result, _) = get(
        &Access::default(),
        vec![
            step(GET)
                .status(403)
                .header("content-type", "application/xml")
                .body(expired),
        ],
    );
    let error = chain(&result.unwrap_err());
    assert!(
        error.ends_with("answers 403 Forbidden: No such key (InvalidAccessKeyId)"),
        "{error}"
    );
}

#[test]
fn errors_name_the_url_without_its_query() {
    let server = Server::bind();
    let (url, address) = (url(&server), server.address);
    let running = server.run(vec![step(GET).status(401).body("no")]);
    let error = Web::new(options())
        .get(&url, &Access::default(), 10)
        .unwrap_err();
    running.seen();
    assert_eq!(
        chain(&error),
        format!("fetching `http://{address}/a/b.narinfo`: `{address}` requires credentials: no")
    );
    assert!(matches!(error.cause(), Cause::Unauthorized { .. }));
    let access = Access::basic("user", "s3cret");
    let (result, seen) = get(&access, vec![step(GET).status(401)]);
    let error = chain(&result.unwrap_err());
    assert!(
        error.ends_with("rejects this user name and password"),
        "{error}"
    );
    let login = Some("Basic dXNlcjpzM2NyZXQ=");
    assert_eq!(seen[0].header("authorization"), login);
    assert!(!format!("{access:?}").contains("dXNlcjpzM2NyZXQ"));
    for text in ["/nix/store", "ftp://a/b", "https://user:s3cret@a/b"] {
        let result = Web::new(options()).get(text, &access, 10);
        let error = chain(&result.unwrap_err());
        assert!(error.contains("is not an HTTP or HTTPS URL"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn failures_that_may_pass_are_retried() {
    for status in [429, 500, 502, 503, 504] {
        let answers = vec![step(GET).status(status), step(GET).body("a")];
        let (result, seen) = get(&Access::default(), answers);
        assert_eq!(result.unwrap().unwrap().bytes, b"a", "{status}");
        assert_eq!(seen.len(), 2);
    }
    let busy = step(GET).status(503).header("retry-after", "1");
    let start = Instant::now();
    let (result, _) = get(&Access::default(), vec![busy, step(GET).body("a")]);
    assert!(result.is_ok() && start.elapsed() >= Duration::from_secs(1));
    let cut = step(GET).body("abc").cut(1);
    let (result, _) = get(&Access::default(), vec![cut, step(GET).body("abc")]);
    assert_eq!(result.unwrap().unwrap().bytes, b"abc");
    for status in [400, 407, 418] {
        let (result, seen) = get(&Access::default(), vec![step(GET).status(status)]);
        assert!(result.is_err() && seen.len() == 1, "{status}");
    }
}

#[test]
fn silence_ends() {
    let server = Server::bind();
    let url = url(&server);
    let running = server.run(vec![step(GET).body("abc").silent(1)]);
    let web = Web::new(ClientOptions {
        retries: 0,
        stall_timeout: Duration::from_secs(1),
        ..options()
    });
    let error = web.get(&url, &Access::default(), 10).unwrap_err();
    running.seen();
    assert!(chain(&error).contains("did not respond for 1 s"));
    assert!(error.hint().unwrap().contains("--timeout"));
}

#[test]
fn credentials_do_not_follow_to_another_origin() {
    for status in [301, 302, 303, 307, 308] {
        let (a, b) = (Server::bind(), Server::bind());
        let url = url(&a);
        let away = format!("http://{}/elsewhere", b.address);
        let back = format!("http://{}/back", a.address);
        let moved = |request: &str, to: &str| step(request).status(status).header("location", to);
        let a = a.run(vec![
            moved(GET, "/here"),
            moved("GET /here", &away),
            step("GET /back").body("a"),
        ]);
        let b = b.run(vec![moved("GET /elsewhere", &back)]);
        let access = Access::basic("user", "s3cret");
        let found = Web::new(options()).get(&url, &access, 10).unwrap().unwrap();
        assert_eq!(found.bytes, b"a");
        let sent = |seen: &[Seen]| -> Vec<bool> {
            let had = |seen: &Seen| seen.header("authorization").is_some();
            seen.iter().map(had).collect()
        };
        // Once they left, they do not return.
        assert_eq!(sent(&a.seen()), [true, true, false], "{status}");
        assert_eq!(sent(&b.seen()), [false]);
    }
}

#[test]
fn bodies_that_break_off_continue() {
    let content = bytes(3000);
    let rest = |from: usize| {
        step(GET)
            .status(206)
            .header("content-range", format!("bytes {from}-2999/3000"))
            .body(&content[from..])
    };
    let first = || step(GET).body(&*content).cut(1000);
    let tagged = |step: Step, tag: &str| step.header("etag", tag);
    // The size is given, and there is no tag.
    let (came, result, seen) = read(Some(3000), vec![first(), rest(1000)]);
    assert_eq!((came == content, result), (true, Ok(())));
    assert_eq!(seen[1].header("range"), Some("bytes=1000-"));
    assert_eq!(seen[1].header("if-range"), None);
    // The size is not given, and a tag says that it is the same.
    let steps = vec![tagged(first(), "\"x\""), tagged(rest(1000), "\"x\"")];
    let (came, result, seen) = read(None, steps);
    assert_eq!((came == content, result), (true, Ok(())));
    assert_eq!(seen[1].header("if-range"), Some("\"x\""));
    // A server that does not know ranges starts again.
    let whole = || step(GET).body(&*content);
    let (came, result, _) = read(Some(3000), vec![first(), whole()]);
    assert_eq!((came == content, result), (true, Ok(())));
}

#[test]
fn bodies_that_may_have_changed_do_not_continue() {
    let content = bytes(3000);
    let first = || step(GET).body(&*content).cut(1000);
    for (size, tag, again, expected) in [
        (None, None, None, "failed"),
        (None, Some("W/\"x\""), None, "failed"),
        (
            None,
            Some("\"x\""),
            Some("\"y\""),
            "the content changed while it was read",
        ),
        (
            Some(3000),
            Some("\"x\""),
            Some("\"y\""),
            "the content changed while it was read",
        ),
    ] {
        let with = |step: Step, tag: Option<&str>| match tag {
            Some(tag) => step.header("etag", tag),
            None => step,
        };
        let mut steps = vec![with(first(), tag)];
        if again.is_some() {
            steps.push(with(step(GET).body(&*content), again));
        }
        let (came, result, _) = read(size, steps);
        let error = result.unwrap_err();
        assert!(error.contains(expected), "{size:?} {tag:?}: {error}");
        assert!(came == content[..1000]);
    }
}

#[test]
fn sizes_are_compared_where_they_are_given() {
    let (_, result, _) = read(Some(4), vec![step(GET).body("abc")]);
    assert!(result.unwrap_err().ends_with("it has 3 bytes, not 4"));
    let chunked = |body: &str| step(GET).header("transfer-encoding", "chunked").body(body);
    let (came, result, _) = read(None, vec![chunked("3\r\nabc\r\n0\r\n\r\n")]);
    assert_eq!((&*came, result), (&b"abc"[..], Ok(())));
    let (_, result, _) = read(Some(2), vec![chunked("3\r\nabc\r\n0\r\n\r\n")]);
    assert!(result.unwrap_err().ends_with("it has 3 bytes, not 2"));
    // The end of the chunks is missing.
    let (_, result, _) = read(None, vec![chunked("3\r\nabc\r\n")]);
    assert!(result.is_err());
    let server = Server::bind();
    let url = url(&server);
    let running = server.run(vec![step(GET).status(404)]);
    let missing = Web::new(options()).open(&url, &Access::default(), Some(1));
    assert!(missing.unwrap().is_none());
    running.seen();
}
