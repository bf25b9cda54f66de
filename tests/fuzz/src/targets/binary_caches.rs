//! Binary caches: narinfos, NARs and listings of any bytes, and what two of them say of the same tree.

use std::io::{self, Read};
use std::path::Path;

use terrine_binary_cache::{CacheInfo, Listing, NarInfo, NarKind, NarReader, NixConf, PublicKey};

use crate::format::Format;
use crate::{Limit, Target};

pub(super) const TARGET: Target = Target {
    name: "binary_caches",
    format: Format::Bytes,
    seeds,
    run,
    short: 5_000,
    longest: 4096,
    limit: Limit::USUAL,
};

/// The first bytes of inputs, each for one parser.
const KINDS: &[u8] = b"nila";

const NARINFO: &str = "\
StorePath: /nix/store/dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self
URL: nar/0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m.nar.xz
Compression: xz
FileHash: sha256:0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m
FileSize: 904
NarHash: sha256:0yzg415b2x0l2hbvkhf0qs472cnai7jspgihpp6iw9wyv3lpm69m
NarSize: 904
References: dbp0fc9xzdl83z4mv50z42i5kjwqmmrw-self mx3042x8bfzkgh9n6xwhvh2lmihlji7z-dep
Deriver: unknown-deriver
Sig: test-1:h0KpDs7ykly//easyKn/EI4fearDLqQJneBvy44dEaPXL2GVcf61dud7kc79v4AQ9t9LAVSPGtjkLzgpvafDBw==
CA: fixed:r:sha256:1xrqvckpx9v0ifx4lsy8hp7lz9f2bp3njz0m27p0y4sa2sa0sh5j
";

/// Texts, each after its length and padded to eight bytes.
fn texts(texts: &[&str]) -> Vec<u8> {
    let mut bytes = vec![];
    for text in texts {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let file = "nix-archive-1 ( type regular contents hello )";
    let tree = "nix-archive-1 ( type directory entry ( name a node ( type symlink target b ) ) \
        entry ( name b node ( type directory entry ( name c node ( type regular contents x ) ) ) ) )";
    let nars = [file, tree].map(|text| texts(&text.split(' ').collect::<Vec<_>>()));
    let listing = br#"{"version":1,"root":{"type":"directory","entries":{"b":{"type":"regular","size":1,"executable":true,"narOffset":96},"a":{"type":"directory","entries":{"l":{"type":"symlink","target":"x"}}}}}}"#;
    let info = b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\ntrusted-public-keys = a:AAAA\ninclude x\n";
    let mut seeds = vec![
        [b"i", NARINFO.as_bytes()].concat(),
        [b"l", &listing[..]].concat(),
        [b"a", &info[..]].concat(),
    ];
    seeds.extend(nars.map(|nar| [b"n", &nar[..]].concat()));
    seeds
}

fn run(input: &[u8]) -> bool {
    let Some((kind, rest)) = input.split_first() else {
        return false;
    };
    match KINDS.iter().position(|known| known == kind) {
        Some(0) => nar(rest),
        Some(1) => narinfo(rest),
        Some(2) => listing(rest),
        _ => settings(rest),
    }
}

/// A NAR that is read has paths in order, and as many bytes as its entries say.
fn nar(bytes: &[u8]) -> bool {
    let mut reader = NarReader::new(bytes);
    let mut previous: Option<Vec<Vec<u8>>> = None;
    while let Ok(Some(entry)) = reader.next_entry() {
        let names: Vec<Vec<u8>> = entry
            .path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        assert_eq!(names.len(), entry.depth);
        assert!(previous.as_ref().is_none_or(|previous| *previous < names));
        previous = Some(names);
        let size = match entry.kind {
            NarKind::Regular { size, .. } => size,
            _ => 0,
        };
        match io::copy(&mut reader.content(), &mut io::sink()) {
            Ok(count) => assert_eq!(count, size),
            Err(_) => assert!(reader.next_entry().is_err()),
        }
    }
    assert_eq!(reader.content().read(&mut [0; 8]).unwrap_or(0), 0);
    matches!(reader.next_entry(), Ok(None))
}

/// A narinfo that is read says the same when it is written by its fields.
fn narinfo(text: &[u8]) -> bool {
    let Ok(info) = NarInfo::parse(text, "/nix/store") else {
        return false;
    };
    assert!(info.nar_size > 0 && !info.url.is_empty());
    assert!(info.check_path(&info.store_path).is_ok());
    let names: Vec<&str> = info
        .references
        .iter()
        .map(|path| {
            path.strip_prefix("/nix/store/")
                .expect("a path in the store")
        })
        .collect();
    let written = format!(
        "StorePath: {}\nURL: {}\nNarHash: {}\nNarSize: {}\nReferences: {}\n",
        info.store_path,
        info.url,
        info.nar_hash,
        info.nar_size,
        names.join(" ")
    );
    let again = NarInfo::parse(written.as_bytes(), "/nix/store").expect("what was read");
    assert_eq!(again.fingerprint(), info.fingerprint());
    true
}

/// The paths of a listing are in order.
fn listing(text: &[u8]) -> bool {
    let Ok(listing) = Listing::parse(text) else {
        return false;
    };
    let paths: Vec<Vec<Vec<u8>>> = listing
        .entries()
        .map(|entry| {
            let path = entry.path.split(|&byte| byte == b'/');
            path.map(<[u8]>::to_vec).collect()
        })
        .collect();
    assert!(paths.iter().skip(1).is_sorted_by(|one, other| one < other));
    true
}

fn settings(text: &[u8]) -> bool {
    let is_info = CacheInfo::parse(text).is_ok();
    let text = String::from_utf8_lossy(text);
    let mut conf = NixConf::default();
    let _ = conf.add(&text, Path::new("/etc/nix/nix.conf"), &mut |_| Ok(None));
    for word in text.split_whitespace() {
        if let Ok(key) = PublicKey::parse(word) {
            assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
        }
    }
    is_info
}
