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
