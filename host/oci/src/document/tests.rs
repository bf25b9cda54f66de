//! Documents as they are read and written.

use super::*;

const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#;

fn parse(text: &str, given: Option<&MediaType>) -> Result<MediaType, DocumentError> {
    Document::parse(text.as_bytes().to_vec(), given).map(|document| document.media_type)
}

#[test]
fn what_is_written_is_read() {
    let config = Descriptor::of(MediaType::OciConfig, b"{}");
    let document = Manifest::new(config, vec![], Annotations::new()).to_document();
    assert_eq!(
        Document::parse(document.bytes.clone(), Some(&MediaType::OciManifest)),
        Ok(document)
    );
    let document = Index::new(vec![], Annotations::new()).to_document();
    assert_eq!(Document::parse(document.bytes.clone(), None), Ok(document));
}

#[test]
fn null_is_empty_and_a_missing_type_is_the_given_one() {
    let manifest = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":null}}"#);
    assert_eq!(parse(&manifest, None), Ok(MediaType::OciManifest));
    assert_eq!(
        parse(&manifest, Some(&MediaType::DockerManifest)),
        Ok(MediaType::DockerManifest)
    );
}

#[test]
fn what_is_written_loosely_costs_itself() {
    // Skopeo takes most of them, too.
    for fields in [
        "",
        r#","schemaVersion":null"#,
        r#","schemaVersion":1"#,
        r#","schemaVersion":"2""#,
        r#","schemaVersion":2.0"#,
        r#","mediaType":"""#,
        r#","mediaType":5"#,
        r#","artifactType":5"#,
        r#","annotations":[]"#,
        r#","annotations":{"a":null,"b":1}"#,
        r#","subject":{}"#,
        r#","subject":"x""#,
    ] {
        for (text, expected) in [
            (
                format!(r#"{{"config":{CONFIG},"layers":[]{fields}}}"#),
                MediaType::OciManifest,
            ),
            (
                format!(r#"{{"manifests":[]{fields}}}"#),
                MediaType::OciIndex,
            ),
        ] {
            assert_eq!(
                parse(&text, Some(&expected)),
                Ok(expected.clone()),
                "{text}"
            );
            assert_eq!(parse(&text, None), Ok(expected), "{text}");
        }
    }
}

#[test]
fn what_is_not_known_is_kept() {
    let subject = format!(r#""subject":{CONFIG}"#);
    for text in [
        format!(
            r#"{{"schemaVersion":2,"artifactType":"a/b","config":{CONFIG},"layers":[{CONFIG}],{subject},"annotations":{{"a":"b"}},"x":[1.0]}}"#
        ),
        format!(
            r#"{{"schemaVersion":2,"artifactType":"a/b","manifests":[{CONFIG}],{subject},"annotations":{{"a":"b"}},"x":{{}}}}"#
        ),
    ] {
        let written = match Document::parse(text.clone().into_bytes(), None)
            .unwrap()
            .content
        {
            Content::Manifest(manifest) => manifest.to_document().bytes,
            Content::Index(index) => index.to_document().bytes,
        };
        assert_eq!(String::from_utf8(written).unwrap(), text);
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let both = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"manifests":[]}}"#);
    assert_eq!(parse(&both, None), Err(DocumentError::Ambiguous));
    assert_eq!(
        parse(r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#, None),
        Err(DocumentError::Ambiguous)
    );
    let manifest = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[]}}"#);
    assert!(matches!(
        parse(&manifest, Some(&MediaType::OciIndex)),
        Err(DocumentError::Fields { .. })
    ));
    let named = manifest.replacen(
        '{',
        r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        1,
    );
    assert!(matches!(
        parse(&named, Some(&MediaType::DockerManifest)),
        Err(DocumentError::MediaType { .. })
    ));
}

#[test]
fn null_is_an_empty_list_of_manifests() {
    for text in [
        r#"{"schemaVersion":2,"manifests":null}"#,
        r#"{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}"#,
        r#"{"schemaVersion":1,"manifests":null}"#,
    ] {
        assert_eq!(parse(text, None), Ok(MediaType::OciIndex), "{text}");
    }
    let manifest = format!(r#"{{"config":{CONFIG},"layers":[],"manifests":null}}"#);
    assert_eq!(parse(&manifest, None), Ok(MediaType::OciManifest));
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let unlike = "it is neither an image manifest nor an index: ";
    for (text, expected) in [
        ("[]", "it must be an object, but is a list"),
        ("\n<!DOCTYPE html>", "it is a web page or XML, and not JSON"),
        ("", "it is empty"),
        (
            r#"{"config":"#,
            "the text is empty or ends where a value must be at line",
        ),
        (
            r#"{"config":{},"layers":[]}"#,
            "`config`: the field `digest` is missing",
        ),
        (
            &format!(r#"{{"config":{CONFIG},"layers":{{}}}}"#),
            "`layers`: it must be a list, but is an object",
        ),
        (
            &format!(r#"{{"config":{CONFIG},"layers":[{{"digest":"x"}}]}}"#),
            "`layers[0]`: `digest`: ",
        ),
        (
            &format!(r#"{{"config":{CONFIG},"config":{CONFIG}}}"#),
            "the field `config` is given twice",
        ),
        (r#"{"schemaVersion":2}"#, "the field `config` is missing"),
    ] {
        let error = parse(text, None).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{unlike}{expected}")),
            "{text}: {error}"
        );
    }
    let error = parse("{}", Some(&MediaType::OciIndex)).unwrap_err();
    let expected = "its media type is `application/vnd.oci.image.index.v1+json`, but it has no field `manifests`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn other_documents_are_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"schemaVersion":1}"#,
        r#"{"mediaType":"text/html"}"#,
    ] {
        assert!(parse(text, None).is_err(), "{text}");
    }
    let large = vec![b' '; MAX_DOCUMENT as usize + 1];
    assert!(matches!(
        Document::parse(large, None),
        Err(DocumentError::TooLarge(_))
    ));
}
