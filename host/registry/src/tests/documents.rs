//! Documents and tags.

use terrine_oci::{Descriptor, Digest, Document, MediaType, Repository};

use super::super::testing::{Server, step};
use super::super::{Cause, Client};
use super::{GET, INDEX, INDEX_TYPE, chain, image, index, options};

#[test]
fn the_own_word_of_a_document_counts_more_than_the_content_type() {
    let docker = MediaType::DockerIndex;
    let manifest = MediaType::OciManifest;
    let server = Server::bind();
    let of = image(&server);
    let answer = |kind: &MediaType| {
        step(GET)
            .header("content-type", kind.as_str())
            .body(INDEX)
            .keep()
    };
    let running = server.run(vec![answer(&docker), answer(&manifest)]);
    let client = Client::new(options());
    let document = client.document(&of).unwrap();
    assert_eq!(document.media_type.as_str(), INDEX_TYPE);
    let error = chain(&client.document(&of).unwrap_err());
    let expected = format!(
        "its media type is `{INDEX_TYPE}`, but the `Content-Type` of the answer is `{manifest}`"
    );
    assert!(error.ends_with(&expected), "{error}");
    running.seen();
}

#[test]
fn documents_are_fetched_and_verified() {
    let digest = Digest::of(INDEX);
    let server = Server::bind();
    let of = image(&server);
    let by_digest = of.at(digest);
    let path = format!("GET /v2/acme/web/manifests/{digest}");
    let running = server.run(vec![
        index(GET)
            .header("docker-content-digest", digest.to_string())
            .keep(),
        index(&path).keep(),
        index(&path).body("{}").keep(),
        index(GET)
            .header("docker-content-digest", Digest::of(b"").to_string())
            .keep(),
        index(GET)
            .header("content-type", "text/html")
            .body("<html>")
            .keep(),
        step(GET).body(vec![b' '; (4 << 20) + 1]),
    ]);
    let client = Client::new(options());
    for of in [&of, &by_digest] {
        assert_eq!(
            client.document(of).unwrap(),
            Document::parse(INDEX.to_vec(), None).unwrap()
        );
    }
    let error = client.document(&by_digest).unwrap_err();
    let expected = format!(
        "fetching the manifest of `{by_digest}`: it has the digest {}, not {digest}",
        Digest::of(b"{}")
    );
    assert_eq!(chain(&error), expected);
    let error = client.document(&of).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Digest { actual, .. } if *actual == digest),
        "{error:?}"
    );
    assert!(matches!(
        client.document(&of).unwrap_err().cause(),
        Cause::Document(_)
    ));
    let error = chain(&client.document(&of).unwrap_err());
    assert!(error.ends_with("it has more than 4194304 bytes"), "{error}");
    let seen = running.seen();
    assert!(
        seen[0].header("accept").unwrap().split(", ").count() == 4,
        "{seen:?}"
    );
    assert!(
        seen[0]
            .header("user-agent")
            .unwrap()
            .starts_with("terrine/")
    );
    // All of them by one connection.
    assert_eq!(seen.last().unwrap().connection, 1);
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

#[test]
fn documents_are_put() {
    let document = Document::parse(INDEX.to_vec(), None).unwrap();
    let digest = document.digest();
    let server = Server::bind();
    let to = image(&server);
    let put = "PUT /v2/acme/web/manifests/1.2";
    let running = server.run(vec![
        step(put).status(500),
        step(put)
            .status(201)
            .header("docker-content-digest", digest.to_string()),
        step(format!("PUT /v2/acme/web/manifests/{digest}")).status(201),
        step(put)
            .status(201)
            .header("docker-content-digest", Digest::of(b"").to_string()),
        step(put)
            .status(400)
            .body(r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}"#),
    ]);
    let client = Client::new(options());
    client.put_document(&to, &document).unwrap();
    client.put_document(&to.at(digest), &document).unwrap();
    let error = client.put_document(&to, &document).unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Digest { expected, .. } if *expected == digest),
        "{error:?}"
    );
    let error = chain(&client.put_document(&to, &document).unwrap_err());
    assert!(
        error.ends_with("answers 400 Bad Request: blob unknown (MANIFEST_BLOB_UNKNOWN)"),
        "{error}"
    );
    // Before anything is sent.
    assert!(
        client
            .put_document(&to.at(Digest::of(b"")), &document)
            .is_err()
    );
    let seen = running.seen();
    assert_eq!(seen[1].header("content-type"), Some(INDEX_TYPE));
    assert_eq!(seen[1].body, INDEX);
}

#[test]
fn names_cannot_lead_elsewhere() {
    for registry in [
        "user@example.com",
        "example.com/x",
        "example.com?",
        "a b",
        "",
    ] {
        let of = Repository {
            registry: registry.to_owned(),
            ..image(&Server::bind())
        };
        let error = Client::new(options()).document(&of).unwrap_err();
        assert!(
            matches!(error.cause(), Cause::Name(_)),
            "{registry}: {error:?}"
        );
    }
}
