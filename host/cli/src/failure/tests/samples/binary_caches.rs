//! Errors of binary caches, and of store paths that come from them.

use std::collections::BTreeSet;
use std::io;

use terrine::binary_cache::{
    BaseName, CacheInfoError, ClientError, ContentAddress, ContentAddressError, Hashed, KeyError,
    KeyFault, Listing, ListingError, Location, LocationError, LocationFault, NarCompression,
    NarError, NarFault, NarInfoError, NetrcError, NixConfError, OtherPath, ProfilesError,
    PublicKey, S3Profiles, SecretKey, StorePathError, UnsupportedCompression, Untrusted,
};
use terrine::substitute;

use super::{digest, full, name, path};

pub(super) fn key_errors() -> Vec<KeyError> {
    vec![
        PublicKey::parse("name").unwrap_err(),
        SecretKey::parse("name").unwrap_err(),
        KeyError::SecretAsPublic { name: name() },
        KeyError::Secret {
            name: name(),
            fault: KeyFault::Inconsistent,
        },
    ]
}

pub(super) fn compression_error() -> UnsupportedCompression {
    UnsupportedCompression(NarCompression::Lrzip)
}

pub(super) fn store_path_errors() -> Vec<StorePathError> {
    vec![
        BaseName::of_path("/gnu/store/name", "/nix/store").unwrap_err(),
        BaseName::parse("name").unwrap_err(),
    ]
}

pub(super) fn cache_info_errors() -> Vec<CacheInfoError> {
    vec![
        CacheInfoError::TooLarge { limit: 1 },
        CacheInfoError::Priority { value: name() },
    ]
}

/// All but the one that holds an error of the system.
pub(super) fn nix_conf_errors() -> Vec<NixConfError> {
    vec![
        NixConfError::Line {
            path: path(),
            line: 1,
        },
        NixConfError::Missing {
            path: path(),
            by: path(),
        },
        NixConfError::TooDeep { path: path() },
    ]
}

/// An error for each fault with a hint, and for each form of text without a scheme.
pub(super) fn location_errors() -> Vec<LocationError> {
    [
        "/srv/cache",
        "./cache",
        "cache.example.org",
        "ssh://host",
        "https://",
        "file://host/srv",
        "https://host?name=value",
        "s3://a.b?addressing-style=virtual",
        "s3://bucket?endpoint=ftp://host",
    ]
    .map(|text| Location::parse(text).unwrap_err())
    .into()
}

pub(super) fn location_faults() -> Vec<LocationFault> {
    let errors = location_errors().into_iter();
    errors.map(|error| error.fault).collect()
}

pub(super) fn content_address_error() -> ContentAddressError {
    ContentAddress::parse("name").unwrap_err()
}

pub(super) fn nar_info_errors() -> Vec<NarInfoError> {
    let line = 1;
    let mut errors = vec![
        NarInfoError::TooLarge { limit: 1 },
        NarInfoError::Unfinished { line },
        NarInfoError::NotAField { line },
        NarInfoError::Repeated { line, key: name() },
        NarInfoError::Value {
            line,
            key: name(),
            value: name(),
            expected: "a number",
        },
        NarInfoError::ContentAddress {
            line,
            source: content_address_error(),
        },
        NarInfoError::TooManySignatures { limit: 1 },
        NarInfoError::Missing("URL"),
    ];
    errors.extend(
        store_path_errors()
            .into_iter()
            .map(|source| NarInfoError::StorePath {
                line,
                key: name(),
                source,
            }),
    );
    errors
}

pub(super) fn other_path() -> OtherPath {
    OtherPath {
        asked: name(),
        found: name(),
    }
}

pub(super) fn netrc_errors() -> Vec<NetrcError> {
    vec![
        NetrcError::Quote { line: 1 },
        NetrcError::Value { keyword: "machine" },
    ]
}

pub(super) fn profiles_error() -> ProfilesError {
    S3Profiles::parse("name").unwrap_err()
}

pub(super) fn trust_errors() -> Vec<Untrusted> {
    let signers = || BTreeSet::from([name()]);
    vec![
        Untrusted::Unsigned { path: name() },
        Untrusted::NotTrusted {
            path: name(),
            signers: signers(),
        },
        Untrusted::Wrong {
            path: name(),
            signers: signers(),
        },
        Untrusted::OtherContent {
            path: name(),
            address: name(),
        },
    ]
}

pub(super) fn listing_errors() -> Vec<ListingError> {
    vec![
        ListingError::TooLarge { limit: 1 << 20 },
        Listing::parse(b"{").unwrap_err(),
    ]
}

/// All but the one of a reader that failed before.
pub(super) fn nar_faults() -> Vec<NarFault> {
    vec![
        NarFault::NotANar,
        NarFault::Ended,
        NarFault::Word {
            expected: name(),
            found: name(),
        },
        NarFault::LongWord {
            expected: "type",
            length: 1,
        },
        NarFault::Name { name: name() },
        NarFault::LongName { length: 1 },
        NarFault::Order {
            name: name(),
            previous: name(),
        },
        NarFault::Target { target: name() },
        NarFault::LongTarget { length: 1 },
        NarFault::TooDeep,
        NarFault::Padding,
        NarFault::Trailing,
    ]
}

pub(super) fn nar_errors() -> Vec<NarError> {
    let store_path = name;
    let mut errors = vec![
        NarError::Io {
            path: name(),
            source: io::Error::other(super::registries::registry_error()),
        },
        NarError::Unsupported {
            store_path: store_path(),
            source: compression_error(),
        },
        NarError::Hash {
            store_path: store_path(),
            what: Hashed::File,
            expected: digest(),
            found: digest(),
        },
        NarError::Size {
            store_path: store_path(),
            what: Hashed::Nar,
            expected: 1,
            found: 2,
            at_least: true,
        },
        NarError::Content {
            store_path: store_path(),
            address: name(),
        },
        NarError::WeakAddress {
            store_path: store_path(),
            address: name(),
        },
    ];
    errors.extend(nar_faults().into_iter().map(|fault| NarError::Malformed {
        path: name(),
        fault,
    }));
    errors
}

/// All but the one of a file, which has no hint.
pub(super) fn client_errors() -> Vec<ClientError> {
    let cache = name;
    let mut errors = vec![
        ClientError::Web(super::registries::registry_error()),
        ClientError::Profile {
            cache: cache(),
            profile: name(),
        },
        ClientError::StoreDir {
            cache: cache(),
            theirs: name(),
            ours: name(),
        },
        ClientError::OtherPath {
            cache: cache(),
            source: other_path(),
        },
        ClientError::Missing {
            path: name(),
            referrers: vec![],
            others: 0,
            caches: vec![cache()],
        },
        ClientError::NarMissing {
            path: name(),
            cache: cache(),
            url: name(),
        },
        ClientError::TooMany { limit: 1 },
        ClientError::NarUrl {
            cache: cache(),
            url: name(),
        },
        ClientError::Encoding {
            name: name(),
            cache: cache(),
            encoding: name(),
        },
        ClientError::Content {
            name: name(),
            cache: cache(),
            source: io::ErrorKind::InvalidData.into(),
        },
        ClientError::TooLarge {
            name: name(),
            cache: cache(),
            limit: 1,
        },
    ];
    let infos = cache_info_errors().into_iter();
    errors.extend(infos.map(|source| ClientError::Info {
        cache: cache(),
        source,
    }));
    let paths = store_path_errors().into_iter();
    errors.extend(paths.map(ClientError::StorePath));
    let nar_infos = nar_info_errors().into_iter();
    errors.extend(nar_infos.map(|source| ClientError::NarInfo {
        path: name(),
        cache: cache(),
        source: Box::new(source),
    }));
    let untrusted = trust_errors().into_iter();
    errors.extend(untrusted.map(|source| ClientError::Untrusted {
        cache: cache(),
        source: Box::new(source),
    }));
    errors.extend(nar_errors().into_iter().map(ClientError::Nar));
    errors
}

pub(super) fn substitute_errors() -> Vec<substitute::Error> {
    use substitute::Error;
    let mut errors = vec![
        Error::Nowhere {
            path: name(),
            caches: vec![name()],
        },
        Error::ListingSize {
            path: name(),
            cache: name(),
            size: 2,
            nar_size: 1,
        },
        Error::Contradiction {
            path: name(),
            cache: name(),
            entry: name(),
        },
        Error::Scratch {
            path: path(),
            source: full(),
        },
        Error::Write {
            path: path(),
            source: full(),
        },
    ];
    errors.extend(client_errors().into_iter().map(Error::from));
    let listings = listing_errors().into_iter();
    errors.extend(listings.map(|source| Error::Listing {
        path: name(),
        cache: name(),
        source,
    }));
    let nars = nar_errors().into_iter();
    errors.extend(nars.map(|source| Error::Nar {
        path: name(),
        cache: name(),
        source,
    }));
    errors
}
