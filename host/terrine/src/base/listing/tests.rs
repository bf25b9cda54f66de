use terrine_tar::Input;

use super::*;

/// A layer of entries: `name/` is a directory, `name -> target` a link, `name => target`
/// a hard link, `name=5` a file of five bytes.
fn layer(entries: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        if let Some((name, target)) = entry.split_once(" -> ") {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, name, target).unwrap();
        } else if let Some((name, target)) = entry.split_once(" => ") {
            header.set_entry_type(EntryType::Link);
            builder.append_link(&mut header, name, target).unwrap();
        } else if let Some((name, size)) = entry.split_once('=') {
            let content = vec![b'x'; size.parse().unwrap()];
            header.set_size(content.len() as u64);
            builder
                .append_data(&mut header, name, &content[..])
                .unwrap();
        } else {
            let directory = entry.ends_with('/');
            header.set_entry_type(if directory {
                EntryType::Directory
            } else {
                EntryType::Regular
            });
            builder.append_data(&mut header, entry, &b""[..]).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn read(bytes: &[u8]) -> Result<ListedLayer, Unpacking> {
    let mut budget = Budget::default();
    let mut layer = ListedLayer::default();
    for_each(Input::Unpacked(Box::new(bytes)), |member| {
        add(&mut layer, member, &mut budget)
    })?;
    layer.finish();
    Ok(layer)
}

pub(in super::super) fn listing(layers: &[&[&str]]) -> Listing {
    let mut listing = Listing::default();
    for (number, entries) in (0..).zip(layers) {
        listing
            .entries
            .apply(read(&layer(entries)).unwrap(), number);
    }
    listing
}

fn exists(listing: &Listing, paths: &[&str]) -> String {
    paths
        .iter()
        .map(|path| {
            if listing.exists(path.as_bytes()) {
                '+'
            } else {
                '-'
            }
        })
        .collect()
}

#[test]
fn upper_layers_hide_what_is_below() {
    let below: &[&str] = &["./a/", "a/b=1", "a/c/", "a/c/d=1", "e/f=1"];
    let all = ["/a/b", "/a/c/d", "/e/f"];
    for (above, expected) in [
        (&[][..], "+++"),
        (&["a/.wh.b"], "-++"),
        (&["a/.wh.c"], "+-+"),
        (&[".wh.a"], "--+"),
        (&["a/.wh..wh..opq"], "--+"),
        (&[".wh..wh..opq"], "---"),
        // Within one layer, a whiteout is only about what is below.
        (&["a/.wh.c", "a/c/d=1"], "+++"),
        (&["a/c/d=1", "a/.wh..wh..opq"], "-++"),
        (&["a=1"], "--+"),
        (&["a/c -> /e"], "+-+"),
        (&["a/"], "+++"),
        (&["e/.wh.a"], "+++"),
    ] {
        assert_eq!(
            exists(&listing(&[below, above]), &all),
            expected,
            "{above:?}"
        );
    }
}

#[test]
fn what_is_at_a_path_is_told_without_following_links() {
    let base = &["bin/", "bin/sh=1", "sbin -> bin", "etc/x=1", "opt -> usr"];
    let listing = listing(&[base, &["etc/x=2", "opt/tool=1"]]);
    for (path, expected) in [
        ("/bin", Listed::Directory),
        ("/bin/sh", Listed::File { mode: 0o755 }),
        ("/sbin", Listed::Link(b"bin")),
        ("/sbin/sh", Listed::Nothing),
        ("/etc/x", Listed::File { mode: 0o755 }),
        // Some tools would have followed the link.
        ("/opt", Listed::Unknown),
    ] {
        assert_eq!(listing.look(path.as_bytes()), expected, "{path}");
    }
    let unread = Listing::claimed(BTreeSet::new(), "/nix/store");
    assert_eq!(unread.look(b"/bin"), Listed::Unknown);
}

#[test]
fn links_are_followed_within_the_image() {
    let listing = listing(&[&[
        "usr/bin/sh=1",
        "bin -> usr/bin",
        "etc/up -> ../../usr",
        "etc/absolute -> /bin/sh",
        "loop -> loop",
        "dangling -> nowhere",
    ]]);
    let paths = [
        "/bin/sh",
        "/etc/up/bin/sh",
        "/etc/absolute",
        "/loop",
        "/dangling",
        "/usr",
        "/bin/no",
        "/",
    ];
    assert_eq!(exists(&listing, &paths), "+++--+-+");
    assert_eq!(listing.link_at(b"/bin"), Some(&b"usr/bin"[..]));
    assert_eq!(listing.link_at(b"/bin/"), Some(&b"usr/bin"[..]));
    assert_eq!(listing.link_at(b"/usr"), None);
    assert_eq!(listing.link_at(b"/bin/sh"), None);
    let names = |path: &[u8]| listing.names(path).collect::<Vec<_>>();
    assert_eq!(names(b"/usr/"), [b"bin"]);
    assert_eq!(names(b"/etc"), [&b"absolute"[..], b"up"]);
    assert_eq!(names(b"/").len(), 5);
    assert!(names(b"/bin").is_empty() && names(b"/us").is_empty());
}

#[test]
fn names_that_lead_out_are_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_mut_bytes()[..10].copy_from_slice(b"a/../../up");
    header.set_cksum();
    let archive = [&header.as_bytes()[..], &[0; 1024]].concat();
    assert!(matches!(
        read(&archive),
        Err(Unpacking::Fault(Fault::Archive(
            terrine_tar::Fault::Escapes(_)
        )))
    ));
}

#[test]
fn a_store_path_is_held_only_if_it_is_whole() {
    let x = "nix/store/1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-x";
    let fill = |entries: &[&str]| -> Vec<String> {
        entries.iter().map(|entry| entry.replace("$x", x)).collect()
    };
    let entries = ["$x/", "$x/a=3", "$x/l -> a", "$x/h => $x/a"];
    let mut fingerprint = Fingerprint::default();
    fingerprint.add(b"", EntryKind::Directory, 0, b"");
    fingerprint.add(b"h", EntryKind::File, 3, b"");
    fingerprint.add(b"l", EntryKind::Symlink, 0, b"a");
    fingerprint.add(b"a", EntryKind::File, 3, b"");
    let held = |layers: &[&[&str]]| {
        let layers: Vec<Vec<String>> = layers.iter().map(|layer| fill(layer)).collect();
        let layers: Vec<Vec<&str>> = layers
            .iter()
            .map(|layer| layer.iter().map(String::as_str).collect())
            .collect();
        let layers: Vec<&[&str]> = layers.iter().map(Vec::as_slice).collect();
        listing(&layers).holds(&format!("/{x}"), &fingerprint)
    };
    for (above, expected) in [
        (&[][..], true),
        (&["nix/store/y/a=3"], true),
        (&["nix/store/", "nix/"], true),
        // The same again, as images that are built on each other have it.
        (&entries, true),
        (&["$x/a=4"], false),
        (&["$x/a=3"], false),
        (&["$x/b=0"], false),
        (&["$x/.wh.a"], false),
        (&["$x/.wh.a", "$x/a=3"], false),
        (&["nix/.wh.store"], false),
        (&["$x/l -> b"], false),
    ] {
        assert_eq!(held(&[&entries, above]), expected, "{above:?}");
    }
    assert!(!held(&[&entries, &["$x/.wh.a"], &["$x/a=3"]]));
    assert!(!held(&[&entries[..3]]));
    assert!(!held(&[]));
    // A name without a hash says nothing of the content.
    let mut plain = Fingerprint::default();
    plain.add(b"", EntryKind::File, 3, b"");
    assert!(!listing(&[&["nix/store/plain=3"]]).holds("/nix/store/plain", &plain));
}

#[test]
fn what_is_no_archive_is_refused() {
    assert!(read(&[b'x'; 2048]).is_err());
    let whole = layer(&["a=5000"]);
    for length in [511, 1024, 3000, 5119] {
        assert!(read(&whole[..length]).is_err(), "{length}");
    }
    assert!(read(&[]).is_ok());
}
