use super::*;
use crate::testing::{Tree, nar};

/// Returns whether a NAR passes the check, taken in steps of so many bytes.
fn passes(address: &str, hash_part: &str, itself: bool, nar: &[u8], step: usize) -> bool {
    let address = ContentAddress::parse(address).unwrap();
    let mut check = ContentCheck::new(&address, hash_part, itself).unwrap();
    nar.chunks(step).for_each(|chunk| check.update(chunk));
    check.verdict(Digest::of(nar)) == Verdict::Right
}

fn tree() -> Tree {
    Tree::Directory(vec![
        (b"link".to_vec(), Tree::Link(b"sub/file".to_vec())),
        (b"run".to_vec(), Tree::File(true, b"#!/bin/sh\n".to_vec())),
        (
            b"sub".to_vec(),
            Tree::Directory(vec![(b"file".to_vec(), Tree::File(false, b"x".to_vec()))]),
        ),
    ])
}

/// Addresses that `nix-store --add-fixed` and `builtins.toFile` of Nix 2.8 gave to these.
#[test]
fn addresses_of_nix_are_right() {
    let hello = nar(&Tree::File(false, b"hello".to_vec()));
    let plain = nar(&Tree::File(false, b"plain".to_vec()));
    let tree = nar(&tree());
    let table = [
        ("fixed:sha1:9m1skbnr5i43n3yypvda5s65vhfwdx5a", &hello),
        (
            "fixed:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            &hello,
        ),
        (
            "fixed:sha512:11w1pmwfdpz9pisbhp5qiv38q6dmidq2ipcqykw3p0sb6yrqcij79rwcwcjbxyzwbdal349qbxrncbk7pmd6snljrfpiwv2pljd4wcv",
            &hello,
        ),
        (
            "text:sha256:0x84z5jxhhafpx5r0zf36j3aqllgv07x65rklhs7f86n8vnwj5m1",
            &plain,
        ),
        (
            "fixed:r:sha256:0q35kd6l3wkqkx3h79flh1rz4zrf8zc1laxvfci0rx7yz0gdcnwc",
            &tree,
        ),
        ("fixed:r:sha1:cqyhlrjfbgf7zjr9w8csb6a8dys4ccix", &tree),
        (
            "fixed:r:sha512:3i19xgj2rfwlvpi7lkhqcp2w4igs2p89r9qpyhacv60jjh3n9fpibyvlc7h62zc3xyzmmm1szr8cmj1jap010l1q44b2xzh03i8h2y7",
            &tree,
        ),
    ];
    for (address, right) in table {
        for step in [1, 7, 95, 96, 97, 4096] {
            assert!(passes(address, "", false, right, step), "{address} {step}");
        }
        for other in [&hello, &plain, &tree]
            .into_iter()
            .filter(|nar| *nar != right)
        {
            assert!(!passes(address, "", false, other, 4096), "{address}");
        }
    }
}

#[test]
fn a_flat_address_is_one_of_a_file_that_is_not_executable() {
    let address = "fixed:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic";
    let executable = nar(&Tree::File(true, b"hello".to_vec()));
    assert!(!passes(address, "", false, &executable, 4096));
    let file = nar(&Tree::File(false, b"hello".to_vec()));
    assert!(!passes(address, "", false, &file[..100], 4096));
    assert!(!passes(address, "", false, &file[..50], 4096));
}

/// The hash part of a path that refers to itself.
const OWN: &str = "dbp0fc9xzdl83z4mv50z42i5kjwqmmrw";

/// The NAR of a path that refers to itself by a hash part.
fn made(own: &str) -> Vec<u8> {
    let path = format!("/tmp/t1v/st/{own}-self");
    let run = format!(
        "#!/bin/sh\nexec {path}/bin/other /tmp/t1v/st/mx3042x8bfzkgh9n6xwhvh2lmihlji7z-dep {path}\n"
    );
    let bin = vec![(b"run".to_vec(), Tree::File(true, run.into_bytes()))];
    nar(&Tree::Directory(vec![
        (b"bin".to_vec(), Tree::Directory(bin)),
        (
            b"link".to_vec(),
            Tree::Link(format!("{path}/bin/run").into_bytes()),
        ),
    ]))
}

/// The address of Nix 2.8, by `nix store make-content-addressed`.
#[test]
fn references_to_itself_do_not_count() {
    let own = OWN;
    let address = "fixed:r:sha256:1xrqvckpx9v0ifx4lsy8hp7lz9f2bp3njz0m27p0y4sa2sa0sh5j";
    let right = made(own);
    assert_eq!(right.len(), 904);
    for step in [1, 31, 32, 33, 100, 4096] {
        assert!(passes(address, own, true, &right, step), "{step}");
    }
    // With another hash part that is computed out as well, the content is the same.
    let other = "1111111111111111111111111111111b";
    assert!(passes(address, other, true, &made(other), 4096));
    assert!(!passes(address, own, true, &made(other), 4096));
    assert!(!passes(address, own, false, &right, 4096));
    // Zeros in the place of a reference are not a reference.
    let zeros = made(&"\0".repeat(32));
    assert!(!passes(address, own, true, &zeros, 4096));
}

/// The address without positions, which is SHA-256 of the NAR with zeros by Python.
#[test]
fn an_address_without_positions_is_weak() {
    let address = "fixed:r:sha256:172i1m1pnmqgjganqzsphhwfbwmdypisdirmp1vbbryrvhl5w6db";
    let address = ContentAddress::parse(address).unwrap();
    let zeros = "\0".repeat(32);
    for (own, expected) in [
        (OWN, Verdict::Weak),
        (&zeros, Verdict::Weak),
        ("1111111111111111111111111111111b", Verdict::Wrong),
    ] {
        let nar = made(own);
        let mut check = ContentCheck::new(&address, OWN, true).unwrap();
        check.update(&nar);
        assert_eq!(check.verdict(Digest::of(&nar)), expected, "{own:?}");
    }
}

#[test]
fn what_cannot_be_computed_is_no_check() {
    for address in [
        "fixed:md5:4jqlbi14cxf6wpcajbphm40hax",
        "fixed:git:sha1:9m1skbnr5i43n3yypvda5s65vhfwdx5a",
    ] {
        let address = ContentAddress::parse(address).unwrap();
        assert!(!address.is_checkable());
        assert!(ContentCheck::new(&address, "", false).is_none());
    }
}
