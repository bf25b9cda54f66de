//! Archives: merged, through pipes, with the names that they need.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use terrine_tests::{Archive, OciLayout, Run, hello, terrine, verify};

use super::{Medium, NAME, Shelf, TAG, copy, run, stream};

#[test]
fn several_images_are_merged() {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    let archive = shelf.path("archive.tar");
    Run::of(hello::conf(&store).command().arg("-o").arg(&archive)).ok();
    let with_base = hello::on_base(&store).with("repo_tag", "based:2");
    let based = shelf.reference(Medium::Registry, "based");
    stream(&with_base, &based, &["--compression", "zstd"]);
    let layout = shelf.reference(Medium::Layout, "layout");
    stream(
        &hello::conf(&store).with("repo_tag", "other:1"),
        &layout,
        &["--compression", "gzip"],
    );
    let merged = shelf.path("merged.tar").display().to_string();
    run(&[
        "merge",
        &archive.display().to_string(),
        &based,
        &layout,
        "-o",
        &merged,
    ]);
    let images = Archive::read_all(fs::read(&merged).unwrap());
    let names: Vec<&Value> = images
        .iter()
        .map(|image| &image.manifest["RepoTags"])
        .collect();
    // The image of the layout is the first one again, and has no name of its own there.
    let based_name = format!("{}/based:{TAG}", shelf.registry.host());
    assert_eq!(names, [&json!([NAME]), &json!([based_name])]);
    let layers = images
        .iter()
        .flat_map(Archive::layer_names)
        .collect::<BTreeSet<_>>();
    assert_eq!(
        layers.len(),
        images[1].layer_names().len(),
        "the layers of one are those of both"
    );
    for (name, image) in [(NAME, &images[0]), (based_name.as_str(), &images[1])] {
        let reference = format!("docker-archive:{merged}:{name}");
        verify(&reference);
        copy(&reference, &shelf.reference(Medium::Layout, "taken"));
        let seen = shelf.seen(Medium::Layout, "taken");
        assert_eq!((&seen.id, &seen.diff_ids), (&image.id, &image.diff_ids()));
    }
    // Merged again, all of them are there again.
    let again = shelf.path("again.tar").display().to_string();
    run(&["merge", &merged, "-o", &again]);
    assert_eq!(fs::read(&merged).unwrap(), fs::read(&again).unwrap());
    // Whoever loads two images of one name has one of them.
    let same = hello::on_base(&store);
    Run::of(same.command().arg("-o").arg(shelf.path("same.tar"))).ok();
    let out = shelf.path("out.tar");
    let refused = Run::of(
        terrine()
            .arg("merge")
            .arg(&archive)
            .arg(shelf.path("same.tar"))
            .arg("-o")
            .arg(&out),
    );
    assert_eq!((refused.code, out.exists()), (Some(1), false));
    assert!(
        refused.stderr.contains(&format!("both are named `{NAME}`")),
        "{}",
        refused.stderr
    );
    // Of several, one has to be chosen.
    let ambiguous = Run::of(terrine().args(["copy", &merged]).arg(shelf.path("x.tar")));
    assert_eq!(ambiguous.code, Some(1));
    assert!(
        ambiguous.stderr.contains(&based_name),
        "{}",
        ambiguous.stderr
    );
}

#[test]
fn pipes_carry_images() {
    let store = hello::store();
    let archive = hello::on_base(&store).archive();
    let file = store.root().join("image.tar");
    fs::write(&file, &archive.bytes).unwrap();
    let path = file.display().to_string();
    let layouts = format!(
        "oci-archive:{}:{TAG}",
        store.root().join("layout.tar").display()
    );
    copy(&path, &layouts);
    let piped = |from: &str, input: &[u8], to: &str| {
        use std::io::Write;
        use std::process::Stdio;
        let mut command = terrine();
        let mut child = command
            .args(["-q", "copy", from, to])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{from}, {to}");
        output.stdout
    };
    let layout = fs::read(store.root().join("layout.tar")).unwrap();
    let name = format!("docker-archive:-:{NAME}");
    let tagged = format!("oci-archive:-:{TAG}");
    for (from, input) in [
        ("-", &archive.bytes),
        ("docker-archive:-", &archive.bytes),
        (&name, &archive.bytes),
        ("-", &layout),
        ("oci-archive:-", &layout),
        (&tagged, &layout),
    ] {
        for to in ["-", "docker-archive:-", &name] {
            let image = Archive::read(piped(from, input, to));
            assert_eq!(image.id, archive.id, "{from}, {to}");
            // A docker-archive keeps the names that it has.
            let named = input == &archive.bytes || to == name;
            let expected = if named { json!([NAME]) } else { json!([]) };
            assert_eq!(image.manifest["RepoTags"], expected, "{from}, {to}");
        }
        let out = store.root().join("out.tar");
        fs::write(&out, piped(from, input, &tagged)).unwrap();
        assert_eq!(
            OciLayout::read_archive(&out).image(Some(TAG)).id(),
            archive.id,
            "{from}"
        );
    }
}

#[test]
fn what_has_no_place_is_refused() {
    let store = hello::store();
    let archive = store.root().join("image.tar");
    Run::of(hello::conf(&store).command().arg("-o").arg(&archive)).ok();
    let id = Archive::read(fs::read(&archive).unwrap()).id;
    let pinned = format!("docker-daemon:sha256:{id}");
    let digest = format!("containers-storage:web@sha256:{id}");
    for (to, options, code, why) in [
        ("docker-archive:out.tar:Web:1", &[][..], 2, "upper-case"),
        (
            "docker-archive:out.tar:a b:1",
            &[],
            2,
            "not the name of a repository",
        ),
        ("docker-archive:out.tar:web:-1", &[], 2, "not a tag"),
        ("docker-archive:out.tar:@0", &[], 2, "not a number"),
        ("docker-daemon:Web:1", &[], 2, "upper-case"),
        (&pinned, &[], 2, "the digest is computed"),
        (&digest, &[], 2, "the digest is computed"),
        (
            "docker-archive:out.tar",
            &["--compression", "zstd"],
            2,
            "does not support layers compressed by `zstd",
        ),
        (
            "out.tar",
            &["--compression", "gzip"],
            2,
            "does not support layers compressed by `gzip",
        ),
        (
            "docker-daemon:web:1",
            &["--annotation", "a=b"],
            2,
            "does not support annotations",
        ),
        (
            "-",
            &["--annotation", "a=b"],
            2,
            "does not support annotations",
        ),
        ("oci:out:a b", &[], 1, "cannot be the name of an image"),
        ("oci:out:@1", &[], 2, "not a number"),
        (
            "oci:image.tar:x",
            &[],
            1,
            "`image.tar` is neither empty nor an OCI layout",
        ),
        ("oci-archive:nix:x", &[], 1, "is a directory"),
        ("nix", &[], 2, "`nix` is a directory"),
        (
            "out.tar",
            &["--platform", "linux/arm64"],
            1,
            "only for `linux/amd64`",
        ),
    ] {
        let mut command = terrine();
        command
            .current_dir(store.root())
            .args(["copy", "image.tar", to])
            .args(options);
        let run = Run::of(&mut command);
        assert_eq!(
            (run.code, run.stdout.len()),
            (Some(code), 0),
            "{to}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(why), "{to}: {}", run.stderr);
        assert!(!store.root().join("out.tar").exists(), "{to}");
    }
}

#[test]
fn names_without_tags_are_completed() {
    let store = hello::store();
    let archive = store.root().join("image.tar");
    Run::of(hello::conf(&store).command().arg("-o").arg(&archive)).ok();
    let id = Archive::read(fs::read(&archive).unwrap()).id;
    for (name, expected) in [
        ("web", "web:latest"),
        ("localhost:5000/web", "localhost:5000/web:latest"),
        ("localhost:5000/web:1", "localhost:5000/web:1"),
    ] {
        let out = store.root().join("out.tar");
        let to = format!("docker-archive:{}:{name}", out.display());
        copy(&archive.display().to_string(), &to);
        let image = Archive::read(fs::read(&out).unwrap());
        assert_eq!(
            (&image.manifest["RepoTags"], &image.id),
            (&json!([expected]), &id)
        );
        verify(&format!("docker-archive:{}:{expected}", out.display()));
    }
}
