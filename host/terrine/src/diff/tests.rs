use serde_json::json;
use terrine_compress::Compression;

use super::*;
use crate::source::testing::{MemoryLayer, archive, image};

const A: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// An image whose layers hold these store paths, as dockerTools would have it.
fn of(layers: &[&[String]], compression: Compression) -> Image {
    let blobs = layers.iter().map(|paths| {
        let entries: Vec<&str> = paths.iter().map(|path| &path[1..]).collect();
        MemoryLayer::new(&archive(&entries), compression)
    });
    image(blobs.collect(), |text| {
        text["history"] = layers
            .iter()
            .map(|paths| json!({"comment": format!("store paths: {}", repr(paths))}))
            .collect();
    })
}

fn repr(paths: &[String]) -> String {
    format!("{paths:?}").replace('"', "'")
}

#[test]
fn the_same_image_is_the_same() {
    let one = of(&[&[format!("{A}-a")]], Compression::Gzip);
    let same = diff(&one, &one).unwrap();
    assert!(same.is_same());
    assert_eq!(
        (same.pull_bytes, same.gone.len(), same.config.len()),
        (0, 0, 0)
    );
    assert_eq!(same.paths, Some(Paths::default()));
    // With the layers compressed in another way, the image has the same id.
    let other = of(&[&[format!("{A}-a")]], Compression::Zstd);
    let recompressed = diff(&one, &other).unwrap();
    assert_eq!(recompressed.old.image_id, recompressed.new.image_id);
    assert!(!recompressed.is_same());
    assert_eq!(recompressed.layers[0].status, Status::Recompressed);
    assert_eq!(recompressed.pull_bytes, other.layers[0].stored_size());
    assert_eq!(recompressed.gone, []);
}

#[test]
fn an_image_that_came_in_an_archive_is_not_pulled_again() {
    let published = of(&[&[format!("{A}-a")]], Compression::Gzip);
    for compression in [Compression::None, Compression::Zstd] {
        let mut archived = of(&[&[format!("{A}-a")]], compression);
        archived.manifest = None;
        for (old, new) in [(&archived, &published), (&published, &archived)] {
            let same = diff(old, new).unwrap();
            assert!(same.is_same());
            assert_eq!((same.pull_bytes, same.pull_layers), (0, 0));
            assert_eq!(same.paths, Some(Paths::default()));
        }
    }
}

/// Paths without a hash, by the layers that they are in: what is told of `site` where each layer has other content.
#[test]
fn a_path_without_a_hash_is_known_by_the_content_of_its_layer() {
    let site = || "/nix/store/site".to_owned();
    let (other, hashed) = ("/nix/store/other".to_owned(), format!("{A}-lib"));
    let image = |content: &str, paths: &[String]| {
        let entry = format!("nix/store/site/index.html={content}");
        let mut entries = vec![entry.as_str()];
        entries.extend(paths.iter().skip(1).map(|path| &path[1..]));
        let layer = MemoryLayer::new(&archive(&entries), Compression::Gzip);
        image(vec![layer], |text| {
            text["history"] = json!([{"comment": format!("store paths: {}", repr(paths))}]);
        })
    };
    let told = |old: &Image, new: &Image| {
        let paths = diff(old, new).unwrap().paths.unwrap();
        assert_eq!((paths.moved, paths.carried), (vec![], vec![]));
        match (paths.changed.as_slice(), paths.unknown.as_slice()) {
            ([], []) => "same",
            ([changed], []) if changed.old == changed.new => "changed",
            ([], [unknown]) if unknown.path == site() => "cannot tell",
            other => panic!("{other:?}"),
        }
    };
    let alone = &[site()];
    assert_eq!(told(&image("a", alone), &image("a", alone)), "same");
    assert_eq!(told(&image("a", alone), &image("b", alone)), "changed");
    let with_lib = &[site(), hashed];
    assert_eq!(
        told(&image("a", alone), &image("a", with_lib)),
        "cannot tell"
    );
    let (old, new) = (image("a", with_lib), image("b", with_lib));
    let paths = diff(&old, &new).unwrap().paths.unwrap();
    assert_eq!(
        paths.changed.len() + paths.carried.len(),
        2,
        "the library cannot have changed"
    );
    let with_other = &[site(), other];
    let (old, new) = (image("a", with_other), image("b", with_other));
    assert_eq!(diff(&old, &new).unwrap().paths.unwrap().unknown.len(), 2);
}

#[test]
fn without_digests_sizes_tell() {
    let mut one = of(&[&[format!("{A}-a")]], Compression::Gzip);
    let more = [format!("{A}-b")];
    let mut other = of(&[&[format!("{A}-a")], &more], Compression::Zstd);
    (one.manifest, other.manifest) = (None, None);
    assert_eq!(
        diff(&one, &one.clone()).unwrap().layers[0].status,
        Status::Shared
    );
    assert_eq!(
        diff(&one, &other).unwrap().layers[0].status,
        Status::Recompressed
    );
}

#[test]
fn paths_that_cause_a_pull_are_named() {
    let path = |hash: &str, name: &str| format!("{hash}-{name}");
    let old = of(
        &[
            &[path(A, "libc-2.1"), path(A, "gone")],
            &[path(A, "web-1"), path(A, "conf"), path(A, "data")],
            &[path(A, "same")],
        ],
        Compression::Gzip,
    );
    let new = of(
        &[
            &[path(B, "libc-2.2"), path(A, "data")],
            &[path(B, "web-1"), path(A, "conf"), path(A, "new")],
            &[path(A, "same")],
        ],
        Compression::Gzip,
    );
    let diff = diff(&old, &new).unwrap();
    let statuses: Vec<Status> = diff.layers.iter().map(|layer| layer.status).collect();
    assert_eq!(statuses, [Status::New, Status::New, Status::Shared]);
    assert_eq!(diff.pull_layers, 2);
    assert_eq!(
        diff.pull_bytes,
        new.layers[0].stored_size() + new.layers[1].stored_size()
    );
    assert_eq!(
        diff.gone.iter().map(|gone| gone.number).collect::<Vec<_>>(),
        [1, 2]
    );
    let changed = |name: &str, old: &str, new: &str, layer| ChangedPath {
        name: name.to_owned(),
        old: path(A, old),
        new: path(B, new),
        layer,
    };
    assert_eq!(
        diff.paths.unwrap(),
        Paths {
            added: vec![path(A, "new")],
            removed: vec![path(A, "gone")],
            changed: vec![
                changed("libc", "libc-2.1", "libc-2.2", 1),
                changed("web-1", "web-1", "web-1", 2)
            ],
            moved: vec![MovedPath {
                path: path(A, "data"),
                old_layer: 2,
                layer: 1
            }],
            carried: vec![MovedPath {
                path: path(A, "conf"),
                old_layer: 2,
                layer: 2
            }],
            unknown: vec![],
        }
    );
}

#[test]
fn a_layer_that_is_there_twice_is_pulled_once() {
    let paths = &[format!("{A}-a")][..];
    let diff = diff(
        &of(&[], Compression::Gzip),
        &of(&[paths, paths], Compression::Gzip),
    )
    .unwrap();
    assert_eq!(
        (diff.pull_layers, diff.pull_bytes),
        (1, diff.layers[0].size)
    );
    assert_eq!(diff.paths, None);
}

#[test]
fn configurations_are_compared_by_name() {
    let with = |config: serde_json::Value| image(vec![], |text| text["config"] = config);
    let old = with(json!({"Env": ["A=1", "B=2"], "User": "root", "Labels": {"l": "m"}}));
    let new = with(json!({
        "Env": ["A=0", "A=1", "B=3", "C=4"], "Cmd": ["/a", "b"], "ExposedPorts": {"80/tcp": {}}, "Labels": {"l": "m"},
    }));
    let differences: Vec<String> = diff(&old, &new)
        .unwrap()
        .config
        .iter()
        .map(|Difference { what, old, new }| format!("{what}: {old:?} {new:?}"))
        .collect();
    assert_eq!(
        differences,
        [
            r#"Cmd: None Some("[\"/a\", \"b\"]")"#,
            r#"Env B: Some("2") Some("3")"#,
            r#"Env C: None Some("4")"#,
            r#"ExposedPorts 80/tcp: None Some("yes")"#,
            r#"User: Some("root") None"#,
        ]
    );
}
