use super::*;

const STORE: &str = "/nix/store";
const HASH: &str = "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic";
const PATH: &str = "/nix/store/094qif9n4cq4fdg459qzbhg1c6wywaww-a";

/// The lines that every narinfo must have.
fn required() -> String {
    format!("StorePath: {PATH}\nURL: nar/a.nar\nNarHash: {HASH}\nNarSize: 120\n")
}

fn parse(text: &str) -> Result<NarInfo, NarInfoError> {
    NarInfo::parse(text.as_bytes(), STORE)
}

#[test]
fn optional_lines_may_be_missing() {
    let info = parse(&required()).unwrap();
    let expected = NarInfo {
        store_path: PATH.into(),
        url: "nar/a.nar".into(),
        compression: NarCompression::Bzip2,
        file_hash: None,
        file_size: None,
        nar_hash: Digest::of(b"hello"),
        nar_size: 120,
        references: BTreeSet::new(),
        deriver: None,
        signatures: BTreeSet::new(),
        content_address: None,
        system: None,
    };
    assert_eq!(info, expected);
    assert_eq!(info.fingerprint(), format!("1;{PATH};{HASH};120;"));
}

/// Written by `nix copy` of Nix 2.8 with a key.
const REAL: &str = "\
StorePath: /tmp/t1v/st/dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self
URL: nar/0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m.nar
Compression: none
FileHash: sha256:0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m
FileSize: 904
NarHash: sha256:0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m
NarSize: 904
References: dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self mx3042x8bfzkgh9n6xwhvh2lmihlji7z-dep
Sig: test-1:h0KpDs7ykly//easyKn/EI4fearDLqQJneBvy44dEaPXL2GVcf61dud7kc79v4AQ9t9LAVSPGtjkLzgpvafDBw==
CA: fixed:r:sha256:1xrqvckpx9v0ifx4lsy8hp7lz9f2bp3njz0m27p0y4sa2sa0sh5j
";

#[test]
fn a_narinfo_of_nix_has_all_its_fields() {
    let info = NarInfo::parse(REAL.as_bytes(), "/tmp/t1v/st").unwrap();
    let own = "/tmp/t1v/st/dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self";
    let dependency = "/tmp/t1v/st/mx3042x8bfzkgh9n6xwhvh2lmihlji7z-dep";
    assert_eq!(info.store_path, own);
    assert_eq!(info.compression, NarCompression::None);
    assert_eq!((info.file_size, info.nar_size), (Some(904), 904));
    assert_eq!(info.file_hash, Some(info.nar_hash));
    assert_eq!(
        info.references,
        BTreeSet::from([own.into(), dependency.into()])
    );
    assert_eq!(info.signatures.len(), 1);
    assert_eq!(
        info.fingerprint(),
        format!(
            "1;{own};sha256:0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m;904;{own},{dependency}"
        )
    );
    assert!(NarInfo::parse(REAL.as_bytes(), STORE).is_err());
}

/// Lines that are added to the required ones, and what becomes of them.
#[test]
fn lines_that_some_caches_write_are_taken() {
    let with = |lines: &str| parse(&(required() + lines)).unwrap();
    let base16 = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(
        with(&format!("NarHash: {base16}\n")).nar_hash,
        Digest::of(b"hello")
    );
    assert_eq!(with("Deriver: unknown-deriver\n").deriver, None);
    let deriver = "094qif9n4cq4fdg459qzbhg1c6wywaww-a.drv";
    let expected = Some(format!("/nix/store/{deriver}"));
    assert_eq!(with(&format!("Deriver: {deriver}\n")).deriver, expected);
    for lines in [
        "References: \n",
        "References:\n",
        "References:  \n",
        "References: \nReferences: \n",
    ] {
        assert!(with(lines).references.is_empty());
    }
    let name = "094qif9n4cq4fdg459qzbhg1c6wywaww-a";
    assert_eq!(
        with(&format!("References: {name}  {name}\n"))
            .references
            .len(),
        1
    );
    assert_eq!(with("Sig: a:b\nSig: a:c\nSig: a:b\n").signatures.len(), 2);
    assert_eq!(with("Compression: \n").compression, NarCompression::Bzip2);
    assert_eq!(
        with("Compression: br\n").compression,
        NarCompression::Brotli
    );
    assert_eq!(with("FileSize: 0\n").file_size, None);
    assert_eq!(with("CA: \n").content_address, None);
    assert_eq!(
        with("System: x86_64-linux\n").system.as_deref(),
        Some("x86_64-linux")
    );
    assert_eq!(with("System: \n").system, None);
    assert_eq!(
        with("Unknown: \u{1}\nUnknown: x:y\n: z\n"),
        parse(&required()).unwrap()
    );
    assert_eq!(with("URL: nar/b\n").url, "nar/b");
    let bytes = [required().as_bytes(), b"Unknown: \xff\n"].concat();
    assert!(NarInfo::parse(&bytes, STORE).is_ok());
}

#[test]
fn lines_that_nix_refuses_are_refused() {
    let name = "094qif9n4cq4fdg459qzbhg1c6wywaww-a";
    let ca = "CA: fixed:md5:4jqlbi14cxf6wpcajbphm40hax\n";
    for lines in [
        "no colon\n",
        "\n",
        "Key:value\n",
        "FileSize: 1",
        "StorePath: /nix/store/a\n",
        "StorePath: /gnu/store/094qif9n4cq4fdg459qzbhg1c6wywaww-a\n",
        "StorePath: 094qif9n4cq4fdg459qzbhg1c6wywaww-a\n",
        "URL: \n",
        "Compression: rar\n",
        "FileHash: \n",
        "FileHash: 094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic\n",
        "NarHash: sha1:9m1skbnr5i43n3yypvda5s65vhfwdx5a\n",
        "NarSize: 0\n",
        "NarSize: -1\n",
        "NarSize: +1\n",
        "NarSize: 9223372036854775808\n",
        "FileSize: \n",
        "FileSize: 1.0\n",
        "References: x\n",
        &format!("References: /nix/store/{name}\n"),
        &format!("References: {name}\nReferences: {name}\n"),
        "Deriver: \n",
        "CA: x\n",
        &format!("{ca}{ca}"),
    ] {
        assert!(parse(&(required() + lines)).is_err(), "{lines:?}");
    }
    for key in ["StorePath", "URL", "NarHash", "NarSize"] {
        let without: String = required()
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(key))
            .collect();
        assert_eq!(parse(&without), Err(NarInfoError::Missing(key)));
    }
}

#[test]
fn sizes_are_limited() {
    let signatures: String = (0..=MOST_SIGNATURES)
        .map(|n| format!("Sig: a:{n}\n"))
        .collect();
    let limit = MOST_SIGNATURES;
    let error = parse(&(required() + &signatures)).unwrap_err();
    assert_eq!(error, NarInfoError::TooManySignatures { limit });
    let padding = "Unknown: x\n".repeat(LARGEST_NARINFO / 11);
    assert!(matches!(
        parse(&(required() + &padding)),
        Err(NarInfoError::TooLarge { .. })
    ));
}

#[test]
fn another_path_is_not_the_one_that_was_asked_for() {
    let info = parse(&required()).unwrap();
    info.check_path(PATH).unwrap();
    for other in [
        "/nix/store/094qif9n4cq4fdg459qzbhg1c6wywaww-b",
        "/nix/store/194qif9n4cq4fdg459qzbhg1c6wywaww-a",
        "/gnu/store/094qif9n4cq4fdg459qzbhg1c6wywaww-a",
    ] {
        let message = info.check_path(other).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("the narinfo of `{other}` is about `{PATH}`")
        );
    }
}
