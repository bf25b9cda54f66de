//! Blobs that are read.

use std::io::{self, Read};

use terrine_oci::{Descriptor, Repository};

use super::super::testing::{Server, Step, step};
use super::super::{Client, ClientOptions, Error};
use super::{ENTRY, blob, bytes, chain, image, login, options};

/// Reads a blob of 1000 bytes from a server with that script.
fn read_blob(
    script: impl FnOnce(&str, &[u8]) -> Vec<Step>,
) -> (Result<Vec<u8>, String>, Vec<Option<String>>) {
    let content = bytes(1000);
    let blob = blob(&content);
    let server = Server::bind();
    let of = image(&server);
    let running = server.run(script(
        &format!("GET /v2/acme/web/blobs/{}", blob.digest),
        &content,
    ));
    let client = Client::new(options());
    let fetch = || {
        let mut reader = client.blob(&of, &blob).map_err(io::Error::other)?;
        let mut read = vec![];
        reader.read_to_end(&mut read)?;
        assert_eq!(reader.read(&mut [0])?, 0);
        io::Result::Ok(read)
    };
    let result = fetch().map_err(|error| {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        chain(inner.expect("an error of ours"))
    });
    let ranges = running
        .seen()
        .iter()
        .map(|seen| seen.header("range").map(str::to_owned))
        .collect();
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
    let (read, _) = read_blob(|path, content| {
        vec![step(path).body(content).cut(999), step(path).body(content)]
    });
    assert_eq!(read.as_deref(), Ok(&*content));
    // Another part than the one that was asked for.
    let (read, _) = read_blob(|path, content| {
        vec![step(path).body(content).cut(300), part(path, content, 200)]
    });
    assert!(read.unwrap_err().ends_with("it is not the requested range"));
    // The connection breaks again and again.
    let (read, ranges) = read_blob(|path, content| {
        vec![
            step(path).body(content).cut(1),
            part(path, content, 1).cut(1),
            part(path, content, 2).cut(1),
        ]
    });
    assert!(
        read.unwrap_err()
            .contains(": the connection to `127.0.0.1:")
    );
    assert_eq!(ranges.len(), 3);
}

#[test]
fn sizes_that_lie_are_noticed() {
    let (read, _) = read_blob(|path, content| vec![step(path).body(&content[..999])]);
    assert!(read.unwrap_err().ends_with("it has 999 bytes, not 1000"));
    let chunked = |path: &str, content: &[u8]| {
        let body = [
            format!("{:x}\r\n", content.len()).as_bytes(),
            content,
            b"\r\n0\r\n\r\n",
        ]
        .concat();
        step(path).header("transfer-encoding", "chunked").body(body)
    };
    let (read, _) = read_blob(|path, content| vec![chunked(path, &[content, b"x"].concat())]);
    assert!(read.unwrap_err().ends_with("it has 1001 bytes, not 1000"));
    let (read, _) = read_blob(|path, content| vec![chunked(path, content)]);
    assert_eq!(read, Ok(bytes(1000)));
    let (read, _) = read_blob(|path, _| vec![step(path).status(404)]);
    assert!(read.unwrap_err().ends_with("answers 404 Not Found"));
}

/// Reads a blob from URLs, each by itself.
fn read_elsewhere(client: &Client, url: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    read_from(client, &[url], None, content)
}

/// Reads a blob of an image of that repository from the first URL that has it.
fn read_from(
    client: &Client,
    urls: &[&str],
    origin: Option<&str>,
    content: &[u8],
) -> Result<Vec<u8>, String> {
    let failed = |error: &Error| chain(error);
    let blob = Descriptor {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        ..blob(content)
    };
    let origin: Option<Repository> = origin.map(|origin| origin.parse().unwrap());
    let mut reader = client
        .blob_elsewhere(&blob, origin.as_ref())
        .unwrap()
        .map_err(|error| failed(&error))?;
    let mut read = vec![];
    reader.read_to_end(&mut read).map_err(|error| {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        inner.map_or_else(|| error.to_string(), failed)
    })?;
    Ok(read)
}

#[test]
fn urls_of_descriptors_get_no_login() {
    let content = bytes(1000);
    let (server, storage) = (Server::bind(), Server::bind());
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(ClientOptions {
        credentials: login(&server, &folder, ENTRY),
        ..options()
    });
    let url = format!("http://{}/v2/layers/one?key=secret", server.address);
    let path = "GET /v2/layers/one?key=secret";
    let elsewhere = format!("http://{}/moved", storage.address);
    let running = server.run(vec![
        step(path).body(&*content),
        step(path).status(302).header("location", elsewhere),
        step(path)
            .status(401)
            .header("www-authenticate", "Basic realm=\"x\""),
        step(path).status(404),
        step(path).body(&content[..9]),
        step(path).status(503),
        step(path).body(&*content).cut(300),
        step(path).body(&*content),
    ]);
    let moved = storage.run(vec![step("GET /moved").body(&*content)]);
    let read = || read_elsewhere(&client, &url, &content);
    assert_eq!((read(), read()), (Ok(content.clone()), Ok(content.clone())));
    for ends in [
        "answers 401 Unauthorized",
        "answers 404 Not Found",
        "it has 9 bytes, not 1000",
    ] {
        let error = read().unwrap_err();
        assert!(
            error.ends_with(ends) && !error.contains("secret"),
            "{error}"
        );
    }
    // Broken connections are continued here, too.
    assert_eq!(read(), Ok(content.clone()));
    for seen in running.seen().iter().chain(&moved.seen()) {
        assert_eq!(seen.header("authorization"), None);
    }
    for url in ["", "x", "/v2/x", "ftp://a/b", "file:///etc/shadow?word"] {
        let error = read_elsewhere(&client, url, &content).unwrap_err();
        assert!(error.ends_with("is not an HTTP or HTTPS URL"), "{error}");
        assert!(!error.contains("word"), "{error}");
    }
    let error = read_elsewhere(&client, "https://user:word@a/b?word", &content).unwrap_err();
    assert!(
        error.contains("the URL `https://a/b` contains credentials"),
        "{error}"
    );
}

#[test]
fn urls_lead_into_a_network_only_from_there() {
    let content = bytes(10);
    let client = Client::new(options());
    let is_refused = |url: &str, origin: Option<&str>| {
        let read = read_from(&client, &[url], origin, &content);
        read.is_err_and(|error| error.contains("is an address of an internal network"))
    };
    for url in [
        "http://169.254.169.254/x?s",
        "http://[fd00::1]/x",
        "https://10.0.0.1/x",
    ] {
        assert!(is_refused(url, None), "{url}");
        assert!(is_refused(url, Some("registry.example/a:1")), "{url}");
    }
    let server = Server::bind();
    let url = format!("http://{}/x", server.address);
    assert!(is_refused(&url, Some("registry.example/a:1")));
    let running = server.run(vec![
        step("GET /x").body(&*content),
        step("GET /x").body(&*content),
        step("GET /x")
            .status(302)
            .header("location", "http://192.168.0.1/x"),
    ]);
    for origin in [None, Some("localhost:5000/a:1")] {
        let read = read_from(&client, &[&url], origin, &content);
        assert_eq!(read.as_ref(), Ok(&content), "{origin:?}");
    }
    // Redirections are checked, too.
    assert!(is_refused(&url, None));
    assert_eq!(running.seen().len(), 3);
}

#[test]
fn few_urls_are_tried_and_only_the_last_again() {
    let content = bytes(10);
    let client = Client::new(options());
    let server = Server::bind();
    let url = |name: usize| format!("http://{}/{name}", server.address);
    let urls: Vec<String> = (0..20).map(url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let mut steps: Vec<Step> = (0..8)
        .map(|name| step(format!("GET /{name}")).status(503))
        .collect();
    steps.push(step("GET /7").status(404));
    let running = server.run(steps);
    let read = read_from(&client, &urls, None, &content);
    assert!(read.unwrap_err().ends_with("answers 404 Not Found"));
    assert_eq!(running.seen().len(), 9);
}
