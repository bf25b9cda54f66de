//! The questions of NixOS' tests of dockerTools, line by line, to images that the functions here make.
//!
//! The images are in `tests/nix/nixos.nix`, and what is asked of them in `tests/consumers/nixos`. [`LINES`] has
//! all that those tests ask, and where it is seen to hold, or why it does not apply.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use terrine_tests::archive::{digest, unpack};
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::{Archive, NixStore, Run};

use super::{build_all, evaluate};

/// The place where a line is seen to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// In `tests/consumers/nixos`, under this name.
    As(&'static str),
    /// In another test of this crate.
    In(&'static str),
    /// Nowhere, for this reason.
    Not(&'static str),
}

use Seen::{As, In, Not};

/// The lines that NixOS' `docker-tools.nix` and its neighbours ask.
const LINES: &[(&str, Seen)] = &[
    ("an image with its store paths runs", As("1")),
    ("one without them loads, and cannot run", As("2")),
    ("the same with commands in a root of their own", As("3")),
    ("no path of the store is in its export", As("4")),
    ("nor in that of the second", As("5")),
    ("with the store of the host it runs", As("6")),
    ("and so does the second", As("7")),
    ("images are from 1970", As("8")),
    ("`created = \"now\"` makes them from now", As("9")),
    ("the same of layered images", As("10")),
    (
        "`imageTag` is the tag under which an image is loaded",
        In("tags_are_those_of_the_archives"),
    ),
    ("`architecture` is in the configuration", As("12")),
    (
        "an image for another platform loads, and is of that platform",
        As("13"),
    ),
    ("the name may have a registry", As("14")),
    ("in layered images as well", As("15")),
    (
        "archives by zstd and without compression load, as far as the consumer unpacks them",
        As("16"),
    ),
    (
        "`nix-store -qR` works where the image has a database",
        As("17"),
    ),
    (
        "`nix-store --verify --check-contents` finds everything as it was",
        As("18"),
    ),
    (
        "the store is open to users who are not root, and they run",
        As("19"),
    ),
    ("owners that commands give stay", As("20")),
    ("the same in a root of their own", As("21")),
    ("`uid`, `gid`, `uname` and `gname` load", As("22")),
    ("relative links stay", As("23")),
    ("a store path that is a link stays one", As("24")),
    (
        "an image that `pullImage` fetched runs",
        In("an_image_from_a_registry_is_one_to_build_on"),
    ),
    (
        "and one that is built on it",
        In("an_image_from_a_registry_is_one_to_build_on"),
    ),
    ("`buildImage` builds on a layered image", As("27")),
    ("and `buildLayeredImage`", As("28")),
    (
        "a base image may have a layer twice; commands run on it",
        As("29"),
    ),
    ("a server in an image serves", As("30")),
    ("commands may have parentheses", As("31")),
    (
        "`Cmd` may be a path of the store, and brings it along",
        As("32"),
    ),
    ("two images share layers", As("33")),
    ("of three images the uppermost file counts", As("34")),
    ("commands see the layers in their order", As("35")),
    ("two layers are enough", As("36")),
    ("and have everything", As("37")),
    (
        "`maxLayers` counts those of the base image, and is used up",
        As("38"),
    ),
    ("what needs nothing brings nothing", As("39")),
    (
        "variables of the base image are there, and the image's own win",
        As("40"),
    ),
    ("none is there twice", As("41")),
    ("merged images load together", As("42")),
    ("the same without a tag", As("43")),
    ("owners stay when images are merged", As("44")),
    (
        "what commands alone refer to comes along; it is merged in NixOS' test, and not in this one",
        As("45"),
    ),
    ("archives are merged however they are compressed", As("46")),
    (
        "the files of an image are exported; their names have no `./` here",
        As("47"),
    ),
    (
        "commands in a root of their own may write to `/bin`",
        As("48"),
    ),
    ("a directory may be named by its path", As("49")),
    (
        "NixOS' activation of `/etc` works among the commands",
        Not(
            "it needs NixOS' modules; what it does, links and owners below /etc, is in the tests of commands",
        ),
    ),
    (
        "certificates are at the three places where programs look",
        As("51"),
    ),
    (
        "the database of a shell's image can be asked",
        As("shell-database"),
    ),
    ("`buildDerivation` builds the derivation", As("shell-basic")),
    ("the hook of the shell is run", As("shell-hook")),
    ("inputs of the build are on the path", As("shell-inputs")),
    ("`passAsFile` is heeded", As("shell-as-file")),
    ("`run` is not interactive", As("shell-run")),
    ("`command` is interactive", As("shell-command")),
    ("the home is there and can be written to", As("shell-home")),
    ("or is not there, if that is wanted", As("shell-homeless")),
    ("`run` may build", As("shell-builds")),
    (
        "images by both builders run on another platform",
        Not("programs of another platform do not run here; images for one are line 13"),
    ),
    (
        "images run by the storage driver `overlay`, as root and as a user",
        As("overlay"),
    ),
    (
        "`virtualisation.oci-containers` loads a stream",
        Not("it is a module of NixOS; streams are loaded by podman in the tests of consumers"),
    ),
];
/// The questions beyond that.
const BEYOND: &[&str] = &["shadowSetup", "shell-piped", "shell-structured", "examples"];

/// The archives of `tests/nix/nixos.nix` that the consumer is given.
const IMAGES: &[&str] = &[
    "withStore",
    "withoutStore",
    "withoutStoreChroot",
    "timeless",
    "now",
    "nowLayered",
    "untagged",
    "untaggedLayered",
    "untaggedStream",
    "arm",
    "armStream",
    "cross.layered",
    "cross.plain",
    "prefixed",
    "prefixedLayered",
    "zstd",
    "none",
    "zstdLayered",
    "noneLayered",
    "nix",
    "fileInStore",
    "user",
    "owned",
    "ownedChroot",
    "ofUser",
    "links",
    "linksLayered",
    "linked",
    "bulk",
    "onLayered",
    "layeredOnLayered",
    "onRepeated",
    "server",
    "parentheses",
    "byPath",
    "stack",
    "order",
    "noStorePaths",
    "parent",
    "child",
    "childLayered",
    "merged",
    "mergedUntagged",
    "mergedMixed",
    "onlyByCommands",
    "exported",
    "written",
    "bare",
    "bareLayered",
    "certificates",
    "shadow",
    "examples.hello",
    "examples.bash",
    "examples.service",
    "examples.onTop",
    "examples.nix",
    "examples.shell",
    "shells.basic",
    "shells.hook",
    "shells.inputs",
    "shells.asFile",
    "shells.run",
    "shells.command",
    "shells.home",
    "shells.homeless",
    "shells.builds",
    "shells.structured",
    "shells.database",
];

#[test]
fn what_nixos_asks_of_images_holds() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let tools = ["podman", "ldd", "tar", "unshare", "busybox", "python3"];
    if !consumer::available(&tools) {
        return;
    }
    let folder = store.beside().join("images");
    fs::create_dir(&folder).unwrap();
    let built = build_all(&store, "nixos.nix", IMAGES);
    for (name, path) in IMAGES.iter().zip(&built) {
        // Podman 4 takes no compressed archive, whoever compressed it.
        let bytes = fs::read(path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5]) {
            fs::write(folder.join(name), unpack(&bytes)).unwrap();
        } else {
            symlink(path, folder.join(name)).unwrap();
        }
    }
    let nix = store.root().join("nix/store");
    let consumed = Consumed::with("nixos", &[folder.as_os_str(), nix.as_os_str()]);
    let held = consumed.text("held");
    let held: BTreeSet<&str> = held.lines().collect();
    let asked = LINES.iter().filter_map(|(_, seen)| match seen {
        As(name) => Some(*name),
        In(_) | Not(_) => None,
    });
    let asked: BTreeSet<&str> = asked.chain(BEYOND.iter().copied()).collect();
    let missing: Vec<_> = asked.difference(&held).collect();
    assert!(missing.is_empty(), "{missing:?}: {}", consumed.said);
    assert!(held.is_subset(&asked), "{held:?}");
}

#[test]
fn what_dockertools_uses_within_itself_is_there() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let names = ["internals.pure", "internals.root", "internals.script"];
    let built = build_all(&store, "nixos.nix", &names);
    for (path, entry) in built.iter().zip(["./bin/hello", "./made/"]) {
        let layer = fs::read(path.join("layer.tar")).unwrap();
        let checksum = fs::read_to_string(path.join("checksum")).unwrap();
        assert_eq!(checksum.trim(), digest(&layer));
        let entries = Archive::entries(&layer);
        assert!(entries.iter().any(|name| name == entry), "{entries:?}");
    }
    let Some(mut command) = store.inside(&format!("/{}", inside(&store, &built[2]))) else {
        return;
    };
    let run = Run::of(&mut command);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.stdout, b"from a script\n");
}

/// Returns a path on this machine as programs have it that find the store at its place.
fn inside(store: &NixStore, path: &Path) -> String {
    path.strip_prefix(store.root())
        .unwrap()
        .display()
        .to_string()
}

#[test]
fn every_line_says_where_it_is_seen() {
    let folder = terrine_tests::workspace().join("tests/tests/nix_library");
    let code: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for (line, seen) in LINES {
        match seen {
            In(test) => {
                let test = format!("fn {test}() {{");
                assert!(code.iter().any(|code| code.contains(&test)), "{line}");
            }
            Not(reason) => assert!(reason.len() > 20, "{line}"),
            As(name) => assert!(!name.is_empty(), "{line}"),
        }
    }
}

#[test]
fn tags_are_those_of_the_archives() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let names = ["withStore", "untagged", "untaggedLayered", "fileInStore"];
    let built = build_all(&store, "nixos.nix", &names);
    for (name, path) in names.iter().zip(built) {
        let tag = evaluate(&store, "nixos.nix", &format!("{name}.imageTag"));
        let archive = Archive::read(unpack(&fs::read(path).unwrap()));
        let loaded = archive.manifest["RepoTags"][0].as_str().unwrap();
        assert_eq!(loaded.rsplit_once(':').unwrap().1, tag, "{name}");
    }
}
