//! Tests of the certificates that are accepted, and of the messages about the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::CertificateError as E;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::verifier::Verifier;
use super::{Audience, CertificatePlaces, TlsConnector, Trust, folder, roots};

const SELF_SIGNED: &str = include_str!("fixtures/self-signed.pem");
const KEY: &str = include_str!("fixtures/self-signed.key");
const AUTHORITY: &str = include_str!("fixtures/authority.pem");
const SIGNED: &str = include_str!("fixtures/signed.pem");
const AUTHORITIES: &str = include_str!("fixtures/authorities.pem");

/// In 2030, when the certificates are good.
const NOW: u64 = 1_900_000_000;

fn certificate(text: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
}

/// The fault of a certificate for a name at a time, where these are trusted.
fn fault(trusted: &[&str], text: &str, name: &str, now: u64) -> Option<E> {
    let trusted = trusted.iter().map(|text| certificate(text)).collect();
    let verifier = Verifier::new(trusted, Arc::new(ring::default_provider()));
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    match verifier.verify_server_cert(&certificate(text), &[], &name, &[], now) {
        Ok(_) => None,
        Err(rustls::Error::InvalidCertificate(fault)) => Some(fault),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_server_certificate_that_is_trusted_itself_is_taken() {
    for name in ["localhost", "127.0.0.1"] {
        assert_eq!(fault(&[SELF_SIGNED], SELF_SIGNED, name, NOW), None);
        assert_eq!(
            fault(&[AUTHORITY, SELF_SIGNED], SELF_SIGNED, name, NOW),
            None
        );
    }
    // And one that somebody unknown signed.
    assert_eq!(fault(&[SIGNED], SIGNED, "localhost", NOW), None);
    assert_eq!(fault(&[AUTHORITY], SIGNED, "localhost", NOW), None);
}

#[test]
fn name_and_time_count_for_it_all_the_same() {
    for (trusted, text) in [
        (SELF_SIGNED, SELF_SIGNED),
        (SIGNED, SIGNED),
        (AUTHORITY, SIGNED),
    ] {
        let fault = |name, now| fault(&[trusted], text, name, now);
        assert!(matches!(
            fault("registry.example", NOW),
            Some(E::NotValidForNameContext { .. })
        ));
        assert!(matches!(
            fault("localhost", NOW + (1 << 29)),
            Some(E::ExpiredContext { .. })
        ));
        assert!(matches!(
            fault("localhost", NOW - (1 << 29)),
            Some(E::NotValidYetContext { .. })
        ));
    }
}

#[test]
fn what_nobody_trusts_is_refused() {
    for trusted in [&[][..], &[AUTHORITY]] {
        let found = fault(trusted, SELF_SIGNED, "localhost", NOW);
        assert_eq!(found, Some(E::UnknownIssuer), "{trusted:?}");
    }
    assert_eq!(
        fault(&[SELF_SIGNED], SIGNED, "localhost", NOW),
        Some(E::UnknownIssuer)
    );
}

#[test]
fn an_authority_that_is_a_server_is_taken_where_its_own_authority_is_trusted() {
    let all: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(AUTHORITIES.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let [root, between, server, below, client] = &all[..] else {
        panic!("five certificates");
    };
    let other = certificate(AUTHORITY);
    let year = 1 << 25;
    for (trusted, shown, others, name, now, fault) in [
        (root, server, &[][..], "localhost", NOW, None),
        (root, server, &[], "127.0.0.1", NOW, None),
        (
            root,
            server,
            &[],
            "registry.example",
            NOW,
            Some("not valid for name"),
        ),
        (
            root,
            server,
            &[],
            "localhost",
            NOW + 10 * year,
            Some("expired"),
        ),
        (
            root,
            server,
            &[],
            "localhost",
            NOW - 10 * year,
            Some("not valid yet"),
        ),
        (&other, server, &[], "localhost", NOW, Some("UnknownIssuer")),
        // By another one in the middle, which must be shown or trusted.
        (root, below, &[between], "localhost", NOW, None),
        (between, below, &[], "localhost", NOW, None),
        (root, below, &[], "localhost", NOW, Some("UnknownIssuer")),
        (
            &other,
            below,
            &[between],
            "localhost",
            NOW,
            Some("UnknownIssuer"),
        ),
        // Trusted itself, whoever signed it.
        (server, server, &[], "localhost", NOW, None),
        (
            server,
            below,
            &[between],
            "localhost",
            NOW,
            Some("UnknownIssuer"),
        ),
        // Not for servers.
        (root, client, &[], "localhost", NOW, Some("InvalidPurpose")),
    ] {
        let verifier = Verifier::new(vec![trusted.clone()], Arc::new(ring::default_provider()));
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        let server_name = ServerName::try_from(name).unwrap();
        let others: Vec<_> = others.iter().map(|other| (*other).clone()).collect();
        let verified = verifier.verify_server_cert(shown, &others, &server_name, &[], now);
        let found = verified.err().map(|error| error.to_string());
        let found = found.as_deref();
        assert!(
            found.is_some() == fault.is_some() && found.unwrap_or("").contains(fault.unwrap_or("")),
            "{name} {now:?} {found:?} {fault:?}"
        );
    }
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn folders_hold_roots_and_pairs() {
    let other = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n";
    let both = format!("{SELF_SIGNED}{AUTHORITY}");
    for (files, roots, own, faults) in [
        (&[][..], 0, 0, 0),
        (
            &[("a.crt", AUTHORITY), ("b.crt", &*both), ("README", "x")],
            3,
            0,
            0,
        ),
        (&[("a.cert", SELF_SIGNED), ("a.key", KEY)], 0, 1, 0),
        (
            &[("a.crt", "junk"), ("b.crt", AUTHORITY), ("c.crt", "")],
            1,
            0,
            2,
        ),
    ] {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), files);
        let found = folder::read(place.path(), &ring::default_provider())
            .unwrap()
            .unwrap();
        let counts = (found.roots.len(), found.own.len(), found.faults.len());
        assert_eq!(counts, (roots, own, faults), "{files:?}");
    }
    for (files, why) in [
        (
            &[("a.cert", SELF_SIGNED)][..],
            "its key `a.key` cannot be read: No such file or directory (os error 2)",
        ),
        (
            &[("a.key", KEY)],
            "its key exists, but the certificate does not",
        ),
        (
            &[("a.cert", "junk"), ("a.key", KEY)],
            "it contains no certificate in PEM format",
        ),
        (
            &[("a.cert", AUTHORITY), ("a.key", KEY)],
            "`a.key` does not match the certificate",
        ),
        (
            &[("a.cert", SELF_SIGNED), ("a.key", "junk")],
            "`a.key` contains no private key in PEM format, or one that is protected by a password",
        ),
        (
            &[("a.cert", SELF_SIGNED), ("a.key", other)],
            "`a.key` is of an unsupported kind",
        ),
    ] {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), files);
        let error = folder::read(place.path(), &ring::default_provider()).unwrap_err();
        let text = error
            .to_string()
            .replace(&format!("{}/", place.path().display()), "");
        assert_eq!(
            text,
            format!("the client certificate `a.cert` cannot be used: {why}")
        );
    }
}

#[test]
fn the_first_folder_of_a_registry_counts() {
    let place = tempfile::tempdir().unwrap();
    let pair = [("a.key", KEY), ("a.crt", "junk")];
    let registries = ["one/a.b:5000", "two/a.b:5000", "two/c.d", "two/a.b"];
    for registry in registries {
        write(&place.path().join(registry), &pair[1..]);
    }
    let by_registry = ["none", "one", "two"]
        .map(|name| place.path().join(name))
        .into();
    let places = CertificatePlaces {
        by_registry,
        ..CertificatePlaces::default()
    };
    let trust = Trust::new(places.clone(), true);
    let faults = |trust: &Trust, registry, host| {
        let configuration = trust.configuration(Some(registry), host).unwrap();
        let prefix = format!("{}/", place.path().display());
        configuration
            .faults
            .join(" ")
            .replace(&prefix, "")
            .replace(" contains no certificate in PEM format", "")
    };
    assert_eq!(
        faults(&trust, "a.b:5000", "a.b:5000"),
        "`one/a.b:5000/a.crt`"
    );
    assert_eq!(faults(&trust, "a.b", "a.b"), "`two/a.b/a.crt`");
    assert_eq!(faults(&trust, "x.y", "x.y"), "");
    assert_eq!(faults(&trust, "..", ".."), "");
    // A service of tokens.
    assert_eq!(
        faults(&trust, "c.d", "a.b"),
        "`two/a.b/a.crt` `two/c.d/a.crt`"
    );
    let given = |folder: &str| CertificatePlaces {
        given: Some(place.path().join(folder)),
        ..places.clone()
    };
    let trust = Trust::new(given("two/c.d"), true);
    assert_eq!(faults(&trust, "a.b", "a.b"), "`two/c.d/a.crt`");
    let trust = Trust::new(given("three"), true);
    let said = faults(&trust, "a.b", "a.b");
    assert!(said.starts_with("the directory `"), "{said}");
    // Half a pair is not passed over in silence, whoever is trusted.
    write(&place.path().join("two/c.d"), &pair[..1]);
    assert!(
        Trust::new(places, false)
            .configuration(Some("c.d"), "c.d")
            .is_err()
    );
}

#[test]
fn certificates_of_ours_are_shown_for_registries_alone() {
    let place = tempfile::tempdir().unwrap();
    write(
        place.path(),
        &[("a.b/a.cert", SELF_SIGNED), ("a.b/a.key", KEY)],
    );
    write(place.path(), &[("a.b/a.crt", "junk")]);
    let by_registry = vec![place.path().to_owned()];
    let given = Some(place.path().join("a.b"));
    for places in [
        CertificatePlaces {
            by_registry,
            ..CertificatePlaces::default()
        },
        CertificatePlaces {
            given,
            ..CertificatePlaces::default()
        },
    ] {
        let trust = Trust::new(places, true);
        for (registry, is_shown) in [(Some("a.b"), true), (None, false)] {
            let found = trust.configuration(registry, "a.b").unwrap();
            assert_eq!(found.client.client_auth_cert_resolver.has_certs(), is_shown);
            // What is trusted there is the same.
            assert!(found.faults.iter().any(|fault| fault.contains("a.crt")));
        }
    }
}

#[test]
fn certificates_of_ours_are_shown_to_their_own_host() {
    let place = tempfile::tempdir().unwrap();
    write(
        place.path(),
        &[("a.b/a.cert", SELF_SIGNED), ("a.b/a.key", KEY)],
    );
    let places = CertificatePlaces {
        by_registry: vec![place.path().to_owned()],
        ..CertificatePlaces::default()
    };
    let trust = Arc::new(Trust::new(places, true));
    let shows = |audience: &Audience, url: &str| {
        let (trust, audience) = (Arc::clone(&trust), audience.clone());
        let connector = TlsConnector { trust, audience };
        let found = connector.configuration(&url.parse().unwrap()).unwrap();
        found.client.client_auth_cert_resolver.has_certs()
    };
    let registry = Audience::Registry("a.b".to_owned());
    for (audience, own, other) in [
        (Audience::Host, true, false),
        (Audience::Nobody, false, false),
        (registry, true, true),
    ] {
        assert_eq!(shows(&audience, "https://a.b/x"), own, "{audience:?}");
        assert_eq!(shows(&audience, "https://c.d/x"), other, "{audience:?}");
    }
}

#[test]
fn files_and_folders_of_roots_take_the_place_of_the_systems() {
    let place = tempfile::tempdir().unwrap();
    write(
        place.path(),
        &[
            ("a.pem", AUTHORITY),
            ("more/b.pem", SIGNED),
            ("third/c.pem", SELF_SIGNED),
        ],
    );
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    let found = |file: Option<&str>, folders: Option<&[&str]>| {
        let roots = roots::system(&CertificatePlaces {
            file: file.map(path),
            folders: folders.map(|folders| folders.iter().map(|name| path(name)).collect()),
            ..CertificatePlaces::default()
        });
        let has = [AUTHORITY, SIGNED, SELF_SIGNED]
            .map(|text| roots.certificates.contains(&certificate(text)));
        (has, roots.faults.len())
    };
    assert_eq!(found(None, None), ([false; 3], 0));
    assert_eq!(found(Some("a.pem"), None), ([true, false, false], 0));
    assert_eq!(
        found(None, Some(&["more", "third"])),
        ([false, true, true], 0)
    );
    assert_eq!(
        found(Some("a.pem"), Some(&["more"])),
        ([true, true, false], 0)
    );
    assert_eq!(
        found(Some("none.pem"), Some(&["more"])),
        ([false, true, false], 1)
    );
}
