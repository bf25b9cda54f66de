//! References to images, and the other short texts that users and documents have: digests, platforms, media types,
//! times, settings.

use std::str::FromStr;

use terrine::compress::Setting;
use terrine::layout;
use terrine::oci::{Digest, MediaType, Platform, Reference, Repository};
use terrine::prefetch::ImageName;
use terrine::spec::{Time, When};

use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "docker://",
    "docker-archive:",
    "oci:",
    "oci-archive:",
    "docker-daemon:",
    "containers-storage:",
    "docker.io/",
    "index.docker.io/",
    "library/",
    "localhost",
    "localhost:5000/",
    "[::1]:5000/",
    "127.0.0.1:5000/",
    "@sha256:",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ":latest",
    ":@0",
    "./",
    "a/b",
    "linux/",
    "arm/v7",
    "application/vnd.oci.image.index.v1+json",
    "; charset=utf-8",
    "gzip:9",
    "zstd:3",
    "none",
    "now",
    "@1",
    "2024-02-29",
    "T12:34:56.789012",
    "+05:30",
    "Z",
    "[Europe/Berlin]",
    "-0001",
    ":60",
];

pub(super) const TARGET: Target = Target {
    name: "references",
    format: Format::Text(WORDS),
    seeds,
    run,
    short: 80_000,
    longest: 600,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let digests = [
        "docker://localhost:5000/a/b:1@",
        "oci:dir@",
        "oci-archive:f@",
        "",
    ]
    .map(|before| format!("{before}{DIGEST}"));
    let texts = [
        "docker://debian",
        "docker://index.docker.io/debian:12",
        "docker://[::1]:5000/web:a",
        "docker-archive:a.tar:web:1",
        "docker-archive:a.tar:@3",
        "oci:./layout:web",
        "docker-daemon:web:1",
        "containers-storage:localhost/web:1",
        "./a.tar",
        "-",
        "linux/arm/v7",
        "text/html; charset=utf-8",
        "gzip:9",
        "zstd:-3",
        "none",
        "2024-02-29T12:34:56.789012+05:30",
        "2024-02-29",
        "@1700000000",
        "now",
        "-62135596800",
    ];
    digests
        .iter()
        .map(|text| text.clone().into_bytes())
        .chain(texts.map(|text| text.as_bytes().to_vec()))
        .collect()
}

/// Reads a text; one that is accepted and written is read again as the same.
fn round<T: FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else {
        return false;
    };
    let written = value.to_string();
    let Ok(again) = written.parse::<T>() else {
        panic!("`{text}` is written as `{written}`, which is not read");
    };
    assert_eq!(again, value, "`{text}` is written as `{written}`");
    assert_eq!(again.to_string(), written);
    true
}

fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let mut accepted = round::<Reference>(text) | round::<Digest>(text) | round::<Platform>(text);
    accepted |= repository(text);
    accepted |= times(text);
    let media_type = MediaType::parse(text);
    assert_eq!(MediaType::parse(media_type.as_str()), media_type);
    assert_eq!(media_type.to_oci().is_index(), media_type.is_index());
    if let Ok(setting) = text.parse::<Setting>() {
        accepted = true;
        assert_eq!(
            setting.to_string().parse::<Setting>().ok(),
            Some(setting),
            "`{text}`"
        );
    }
    if let Ok(name) = text.parse::<ImageName>() {
        let Reference::Registry(repository) = name.reference() else {
            panic!("`{text}` is not in a registry");
        };
        assert_eq!(repository.to_string().parse(), Ok(repository));
    }
    if layout::check_name(text).is_ok() {
        assert!(
            !text.is_empty() && !text.contains(char::is_control),
            "the name `{text}`"
        );
    }
    accepted
}

/// A repository's name goes into URLs as it is.
fn repository(text: &str) -> bool {
    let Ok(repository) = text.parse::<Repository>() else {
        return false;
    };
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte))
    };
    assert!(
        plain(&repository.name)
            && !repository
                .name
                .split('/')
                .any(|part| matches!(part, "" | "." | ".."))
    );
    assert!(repository.tag.as_deref().is_none_or(plain));
    assert!(plain(&repository.identifier()));
    let latest = repository.or_latest();
    assert!(latest.tag.is_some() || latest.digest.is_some());
    assert_eq!(repository.to_string().parse(), Ok(repository));
    true
}

/// Times are written as Python does, and mean the same when they are read again.
fn times(text: &str) -> bool {
    let read = [Time::parse(text), Time::from_seconds(text)];
    for time in read.iter().flatten() {
        let written = time.to_string();
        let again = Time::parse(&written).unwrap_or_else(|error| panic!("`{text}`: {error}"));
        assert_eq!(again.to_string(), written, "`{text}`");
        assert_eq!(
            again.seconds(),
            time.seconds(),
            "`{text}` is written as `{written}`"
        );
    }
    When::parse(text).is_ok() | read.iter().any(Result::is_ok)
}
