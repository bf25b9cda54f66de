//! An image between all media, whatever it is made of.

use terrine_tests::{OciLayout, hello, temporary, verify};

use super::written::{Written, layer};
use super::{MEDIA, Medium, SETTINGS, Seen, Shelf, TAG, copy, run, stream};

#[test]
fn images_stay_what_they_are_between_all_media() {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    let conf = hello::on_base(&store);
    let original = Seen::from(conf.archive());
    for setting in SETTINGS {
        for from in MEDIA {
            let name = format!("{from:?}-{setting}").to_lowercase();
            let options: &[&str] = match from {
                Medium::DockerArchive => &[],
                _ => &["--compression", setting],
            };
            stream(&conf, &shelf.reference(from, &name), options);
            let first = shelf.seen(from, &name);
            assert_eq!(
                (&first.id, &first.diff_ids),
                (&original.id, &original.diff_ids),
                "{name}"
            );
            for to in MEDIA {
                let copied = format!("{name}-{to:?}").to_lowercase();
                copy(&shelf.reference(from, &name), &shelf.reference(to, &copied));
                let second = shelf.seen(to, &copied);
                assert_eq!(
                    (&second.id, &second.diff_ids),
                    (&first.id, &first.diff_ids),
                    "{copied}"
                );
                // Plain layers are compressed on the way to a registry, but not between registries.
                let kept = setting != "none" || to != Medium::Registry || from == Medium::Registry;
                if let (Some(before), Some(after)) = (&first.manifest, &second.manifest)
                    && kept
                {
                    assert_eq!(
                        String::from_utf8_lossy(before),
                        String::from_utf8_lossy(after),
                        "{copied}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_compression_that_is_asked_for_is_the_one_that_comes() {
    let store = hello::store();
    let conf = hello::on_base(&store);
    let at = |name: &str| format!("oci:{}:{TAG}", store.root().join(name).display());
    // The base's compressed layers stay as they are when the image is made.
    for (setting, expected) in [("none", "-gz---"), ("gzip", "ggzggg"), ("zstd", "zgzzzz")] {
        stream(&conf, &at(setting), &["--compression", setting]);
        let image = OciLayout::read(&store.root().join(setting)).image(Some(TAG));
        assert_eq!(image.compressions(), expected, "{setting}");
        let id = image.id();
        for (other, expected) in [("none", "------"), ("gzip", "gggggg"), ("zstd", "zzzzzz")] {
            let copied = format!("{setting}-{other}");
            run(&["copy", &at(setting), &at(&copied), "--compression", other]);
            verify(&at(&copied));
            let image = OciLayout::read(&store.root().join(&copied)).image(Some(TAG));
            assert_eq!(
                (image.compressions().as_str(), image.id()),
                (expected, id.clone()),
                "{copied}"
            );
        }
    }
}

#[test]
fn unusual_images_stay_what_they_are_between_all_media() {
    let Some(shelf) = Shelf::new() else { return };
    let (one, two) = (layer("one"), layer("two"));
    let many: Vec<Vec<u8>> = (0..130)
        .map(|number| layer(&format!("layer-{number}")))
        .collect();
    let empty = vec![0; 1024];
    for (name, layers) in [
        ("scratch", vec![]),
        ("twice", vec![&one, &two, &one]),
        ("same", vec![&one; 8]),
        ("empty", vec![&empty]),
        ("many", many.iter().collect()),
    ] {
        let layers: Vec<&[u8]> = layers.into_iter().map(Vec::as_slice).collect();
        let written = Written::new(shelf.path(name));
        written.list(written.image("amd64", &layers), TAG);
        let first = shelf.seen(Medium::Layout, name);
        for medium in MEDIA {
            let copied = format!("{name}-{medium:?}").to_lowercase();
            copy(
                &shelf.reference(Medium::Layout, name),
                &shelf.reference(medium, &copied),
            );
            let there = shelf.seen(medium, &copied);
            assert_eq!(
                (&there.id, &there.diff_ids),
                (&first.id, &first.diff_ids),
                "{copied}"
            );
            let back = format!("{copied}-back");
            copy(
                &shelf.reference(medium, &copied),
                &shelf.reference(Medium::Layout, &back),
            );
            let again = shelf.seen(Medium::Layout, &back);
            assert_eq!(
                (&again.id, &again.diff_ids),
                (&first.id, &first.diff_ids),
                "{back}"
            );
            if medium == Medium::OciArchive {
                assert_eq!(again.manifest, first.manifest, "{back}");
            }
        }
    }
}

#[test]
fn a_layer_that_is_listed_again_is_brought_once() {
    let folder = temporary();
    let written = Written::new(folder.path().join("written"));
    let (one, two) = (layer("one"), layer("two"));
    written.list(written.image("amd64", &[&one, &two, &one, &one]), TAG);
    let [from, to] =
        ["written", "copy"].map(|name| format!("oci:{}", folder.path().join(name).display()));
    let said = run(&["copy", &from, &to]).stderr;
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("layer "))
            .count(),
        2,
        "{said}"
    );
    verify(&to);
}

#[test]
fn an_image_is_copied_onto_itself() {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    for medium in MEDIA {
        let reference = shelf.reference(medium, "self");
        stream(&hello::on_base(&store), &reference, &[]);
        let before = shelf.seen(medium, "self");
        copy(&reference, &reference);
        assert_eq!(shelf.seen(medium, "self"), before, "{medium:?}");
    }
    // Without its name, too.
    let path = shelf.path("self.tar").display().to_string();
    copy(&path, &path);
    shelf.seen(Medium::DockerArchive, "self");
}
