//! The purpose of layers: images of one package set have some in common.

use std::collections::BTreeSet;

use terrine_planner::bindings::layering::Request;

use crate::closures::request;
use crate::outcome::plan;

/// A package set.
const PACKAGES: &[(&str, u64, &str)] = &[
    ("glibc", 30_000, "libidn"),
    ("libidn", 350, ""),
    ("gcc-lib", 9_000, "glibc"),
    ("zlib", 130, "glibc"),
    ("openssl", 6_500, "glibc"),
    ("bash", 1_600, "glibc"),
    ("coreutils", 1_800, "glibc openssl"),
    ("ncurses", 3_800, "glibc"),
    ("readline", 480, "glibc ncurses"),
    ("sqlite", 1_700, "glibc zlib"),
    ("python", 110_000, "glibc openssl zlib readline sqlite bash"),
    ("numpy", 40_000, "python gcc-lib"),
    ("service", 900, "numpy coreutils"),
    ("curl", 700, "glibc openssl zlib"),
    ("git", 48_000, "glibc zlib curl bash coreutils"),
    ("fetcher", 60, "python git"),
];

/// The closure of a package, listed in the order of the set.
fn closure(package: &str, limit: u32) -> Request {
    let mut names = BTreeSet::new();
    let mut open = vec![package];
    while let Some(name) = open.pop() {
        if names.insert(name) {
            let (.., references) = PACKAGES.iter().find(|(other, ..)| *other == name).unwrap();
            open.extend(references.split_whitespace());
        }
    }
    let paths: Vec<_> = PACKAGES
        .iter()
        .filter(|(name, ..)| names.contains(name))
        .copied()
        .collect();
    Request {
        max_layers: Some(limit),
        ..request(&paths)
    }
}

#[test]
fn two_images_of_one_package_set_share_layers() {
    let shared = |limit| {
        let service = plan(&closure("service", limit), "auto", "{}").layers;
        let fetcher = plan(&closure("fetcher", limit), "auto", "{}").layers;
        let (service, fetcher) = (service.into_iter().collect(), fetcher.into_iter().collect());
        let shared: BTreeSet<Vec<_>> = BTreeSet::intersection(&service, &fetcher)
            .cloned()
            .collect();
        let names = |layer: Vec<(String, String)>| -> Vec<String> {
            layer.into_iter().map(|(name, _)| name).collect()
        };
        shared
            .into_iter()
            .map(|layer| names(layer).join(" "))
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(shared(1), "");
    assert_eq!(shared(8), "coreutils|glibc libidn|ncurses|openssl");
    assert_eq!(
        shared(30),
        "bash|coreutils|glibc|libidn|ncurses|openssl|python|readline|sqlite|zlib"
    );
}
