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
    let statuses: Vec<Status> = diff.layers.iter().map(|layer| layer.status).collect();
    assert_eq!(statuses, [Status::New, Status::Repeated]);
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

/// Images made by chance: of a few paths with and without hashes, in layers with this or that content, compressed in one
/// way or another, with a manifest or out of an archive.
struct Images(u64);

impl Images {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn next(&mut self) -> Image {
        let names = ["a-1", "a-2", "b-1", "c"].map(|name| format!("{A}-{name}"));
        let names = names.into_iter().chain([format!("{B}-b-1")]);
        let names = names.chain(["site", "data"].map(|name| format!("/nix/store/{name}")));
        let mut layers: Vec<Vec<String>> = vec![vec![]; 3];
        for name in names {
            if self.below(3) > 0 {
                layers[self.below(3) as usize].push(name);
            }
        }
        layers.retain(|paths| !paths.is_empty());
        if self.below(4) == 0 && !layers.is_empty() {
            layers.push(layers[0].clone());
        }
        let compression =
            [Compression::None, Compression::Gzip, Compression::Zstd][self.below(3) as usize];
        let content = self.below(2);
        let blobs = layers.iter().map(|paths| {
            let entry = |path: &String| {
                if path.starts_with(A) || path.starts_with(B) {
                    path[1..].to_owned()
                } else {
                    format!("{}={content}", &path[1..])
                }
            };
            let entries: Vec<String> = paths.iter().map(entry).collect();
            let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
            MemoryLayer::new(&archive(&entries), compression)
        });
        let mut image = image(blobs.collect(), |text| {
            let comment =
                |paths: &Vec<String>| json!({"comment": format!("store paths: {}", repr(paths))});
            text["history"] = layers.iter().map(comment).collect();
        });
        if self.below(3) == 0 {
            image.manifest = None;
        }
        image
    }
}

#[test]
fn parts_make_the_whole_for_any_two_images() {
    let mut images = Images(1);
    let mut previous = images.next();
    for round in 0..400 {
        let next = images.next();
        let found = diff(&previous, &next).unwrap();
        check_layers(&found);
        check_paths(
            &found,
            &inspect(&previous).unwrap(),
            &inspect(&next).unwrap(),
        );
        let same = diff(&next, &next).unwrap();
        assert!(same.is_same() && same.gone.is_empty(), "round {round}");
        assert!(same.paths.is_none_or(|paths| paths == Paths::default()));
        previous = next;
    }
}

/// Checks that the facts about layers in the JSON add up.
fn check_layers(diff: &Diff) {
    let json: serde_json::Value = serde_json::from_str(&diff.to_json()).unwrap();
    let layers = json["layers"].as_array().unwrap();
    let sum = |layers: &[&serde_json::Value]| -> u64 {
        let sizes = layers.iter().map(|layer| layer["size"].as_u64().unwrap());
        sizes.sum()
    };
    let is_pulled = |layer: &&serde_json::Value| {
        ["new", "recompressed"].contains(&layer["status"].as_str().unwrap())
    };
    let pulled: Vec<_> = layers.iter().filter(is_pulled).collect();
    assert_eq!(json["pullLayers"], pulled.len());
    assert_eq!(json["pullBytes"], sum(&pulled));
    // All layers make the image, and those that are the same are one.
    assert_eq!(json["new"]["layers"], layers.len());
    let mut seen = BTreeSet::new();
    let once =
        |layer: &&serde_json::Value| seen.insert(format!("{}{}", layer["digest"], layer["diffId"]));
    let distinct: Vec<_> = layers.iter().filter(once).collect();
    assert_eq!(json["new"]["size"], sum(&distinct));
    assert!(pulled.iter().all(|layer| distinct.contains(layer)));
    // Each layer of the old image is gone, or the content of one of the new.
    let contents: BTreeSet<Digest> = diff.layers.iter().map(|layer| layer.diff_id).collect();
    assert!(
        diff.gone
            .iter()
            .all(|gone| !contents.contains(&gone.diff_id))
    );
}

/// Each path is told of once: those that are new, another or pulled all the same, and those that are gone.
fn check_paths(diff: &Diff, old: &Inspection, new: &Inspection) {
    let Some(paths) = &diff.paths else { return };
    let of = |image: &Inspection| -> BTreeSet<String> {
        let layers = image.layers.iter();
        layers
            .flat_map(|layer| layer.store_paths.clone().unwrap_or_default())
            .collect()
    };
    let (before, after) = (of(old), of(new));
    let changed = |path: fn(&ChangedPath) -> &String| paths.changed.iter().map(path);
    let kept = paths
        .moved
        .iter()
        .chain(&paths.carried)
        .chain(&paths.unknown);
    let mut told: Vec<&String> = kept.map(|moved| &moved.path).collect();
    told.extend(paths.added.iter().chain(changed(|path| &path.new)));
    let once: BTreeSet<&String> = told.iter().copied().collect();
    assert_eq!(once.len(), told.len(), "{paths:?}");
    assert!(once.iter().all(|path| after.contains(*path)));
    assert!(
        after.difference(&before).all(|path| once.contains(path)),
        "{paths:?}"
    );
    let gone: Vec<&String> = paths
        .removed
        .iter()
        .chain(changed(|path| &path.old))
        .collect();
    assert!(
        before.difference(&after).all(|path| gone.contains(&path)),
        "{paths:?}"
    );
    // What is pulled is said to be so: all paths of layers of which the client has nothing.
    for (facts, layer) in new.layers.iter().zip(&diff.layers) {
        let own = facts.store_paths.iter().flatten();
        if layer.status == Status::New {
            assert!(own.clone().all(|path| once.contains(path)), "{paths:?}");
        } else if layer.status == Status::Shared {
            assert!(own.clone().all(|path| !once.contains(path)), "{paths:?}");
        }
    }
}

#[test]
fn nothing_is_pulled_for_an_image_of_the_same_id() {
    let paths = [format!("{A}-a")];
    let forms = [Compression::None, Compression::Gzip, Compression::Zstd];
    let images = forms.map(|form| of(&[&paths], form));
    for old in &images {
        for new in &images {
            let diff = diff(old, new).unwrap();
            assert!(diff.is_same());
            assert_eq!((diff.pull_layers, diff.pull_bytes), (0, 0));
            assert_eq!((diff.gone, diff.paths), (vec![], Some(Paths::default())));
        }
    }
}
