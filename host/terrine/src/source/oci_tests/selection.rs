//! Selection of the image that is meant.

use terrine_support::hint::Hint;

use super::*;

#[test]
fn images_are_selected() {
    let made = Made::new();
    let image = |layer: &str| made.image("linux/amd64", layer);
    let full = "io.containerd.image.name";
    made.list(vec![
        with(&image("a"), REF_NAME, "a"),
        with(
            &with(&image("web"), REF_NAME, "latest"),
            full,
            "docker.io/library/web:latest",
        ),
        with(
            &with(&image("api"), REF_NAME, "latest"),
            full,
            "ghcr.io/acme/api:latest",
        ),
        with(&image("podman"), REF_NAME, "docker.io/library/alpine:3"),
        image("nameless"),
    ]);
    let by = |name: &str| made.by(&Selector::Name(name.to_owned()));
    assert_eq!(by("a").as_deref(), Ok("a"));
    assert_eq!(by("web:latest").as_deref(), Ok("web"));
    assert_eq!(by("web").as_deref(), Ok("web"));
    assert_eq!(by("ghcr.io/acme/api:latest").as_deref(), Ok("api"));
    assert_eq!(by("alpine:3").as_deref(), Ok("podman"));
    assert_eq!(made.by(&Selector::Number(4)).as_deref(), Ok("nameless"));
    assert_eq!(
        made.by(&Selector::Digest(image("nameless").digest))
            .as_deref(),
        Ok("nameless")
    );
    let names = "`a`, `docker.io/library/web:latest`, `ghcr.io/acme/api:latest`, `docker.io/library/alpine:3`, `@4`";
    for (wanted, text) in [
        (Selector::Name("b".to_owned()), "b"),
        (Selector::Number(5), "@5"),
        (
            Selector::Digest(Digest::of(b"")),
            &*Digest::of(b"").to_string(),
        ),
    ] {
        let error = made.by(&wanted).unwrap_err();
        assert!(
            error.contains(&format!("it has no image `{text}`, only {names}")),
            "{error}"
        );
    }
    let error = made.by(&Selector::Only).unwrap_err();
    assert!(
        error.contains(&format!("it contains 5 images: {names}")),
        "{error}"
    );
    // A tag of two repositories.
    let error = by("latest").unwrap_err();
    assert!(
        error.contains("it contains 2 images: `docker.io/library/web:latest`, `ghcr"),
        "{error}"
    );
}

#[test]
fn the_only_image_is_found_whatever_else_is_listed() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    made.list(vec![]);
    assert!(
        made.pick(None)
            .unwrap_err()
            .contains("its index lists no image")
    );
    // Under two names.
    made.list(vec![
        with(&image, REF_NAME, "a"),
        with(&image, REF_NAME, "b"),
    ]);
    assert_eq!(made.pick(None).as_deref(), Ok("x"));
    // With the images of an index beside it, as skopeo writes them.
    let other = made.image("linux/arm64", "y");
    let parts = vec![on(&image, "linux/amd64"), on(&other, "linux/arm64")];
    let index = made.index(parts.clone());
    made.list(vec![
        image.clone(),
        other.clone(),
        with(&index, REF_NAME, "web"),
    ]);
    assert_eq!(made.pick(Some("linux/arm64")).as_deref(), Ok("y"));
    assert_eq!(made.by(&Selector::Digest(other.digest)).as_deref(), Ok("y"));
    // With nothing but the index in `index.json`.
    made.list(parts);
    assert_eq!(made.pick(Some("linux/arm64")).as_deref(), Ok("y"));
    // An image that is only listed by an index.
    made.list(vec![index]);
    assert_eq!(made.by(&Selector::Digest(other.digest)).as_deref(), Ok("y"));
}

#[test]
fn a_platform_tells_images_apart() {
    let made = Made::new();
    let image = |platform: &str| made.image(platform, platform);
    let named = |platform: &str, name: &str| with(&image(platform), REF_NAME, name);
    let meant = |selector: &Selector, platform: Option<&str>| {
        let platform = platform.map(|text| text.parse().unwrap());
        let opened = made.open(selector);
        let image = opened.and_then(|opened| pick(opened, platform.as_ref()));
        image
            .map(|image| first_layer(&image))
            .map_err(|error| chain(&error))
    };
    let by = |name: &str| Selector::Name(name.to_owned());
    // One name twice, and names, all without a platform that the index tells.
    made.list(vec![
        named("linux/amd64", "web"),
        named("linux/arm64", "web"),
        named("linux/s390x", "other"),
    ]);
    for wanted in ["linux/amd64", "linux/arm64"] {
        assert_eq!(meant(&by("web"), Some(wanted)).as_deref(), Ok(wanted));
    }
    for wanted in ["linux/amd64", "linux/arm64", "linux/s390x"] {
        assert_eq!(meant(&Selector::Only, Some(wanted)).as_deref(), Ok(wanted));
    }
    let error = meant(&by("web"), None).unwrap_err();
    assert!(
        error.contains("2 images: `linux/amd64`, `linux/arm64`"),
        "{error}"
    );
    let error = meant(&by("web"), Some("linux/s390x")).unwrap_err();
    assert!(error.contains("no image for linux/s390x"), "{error}");
    let error = meant(&Selector::Only, None).unwrap_err();
    assert!(error.contains("3 images: `web`, `web`, `other`"), "{error}");
    // What is one image for its name is an index to whoever copies it.
    let Opened::Index(index) = made.open(&by("web")).unwrap() else {
        panic!("no index")
    };
    let text = String::from_utf8(index.document.bytes).unwrap();
    assert!(!text.contains(REF_NAME), "{text}");
    // Others do not read the configurations for the platforms.
    let listed: Vec<_> = index_of(&made, &by("web"));
    assert_eq!(listed, ["linux/amd64", "linux/arm64"]);

    // Two names for one platform: none is meant.
    let other = made.image("linux/amd64", "other");
    made.list(vec![
        named("linux/amd64", "a"),
        with(&other, REF_NAME, "b"),
        named("linux/arm/v6", "c"),
    ]);
    let error = meant(&Selector::Only, Some("linux/amd64")).unwrap_err();
    assert!(error.contains("it contains 3 images: `a`, `b`"), "{error}");
    assert_eq!(
        meant(&Selector::Only, Some("linux/arm/v7")).as_deref(),
        Ok("linux/arm/v6")
    );
    // Without names and platforms.
    made.list(vec![image("linux/amd64"), image("linux/arm64")]);
    assert_eq!(
        meant(&Selector::Only, Some("linux/arm64")).as_deref(),
        Ok("linux/arm64")
    );
    let error = meant(&Selector::Only, None).unwrap_err();
    assert!(
        error.contains("2 images: `linux/amd64`, `linux/arm64`"),
        "{error}"
    );
}

/// The platforms that an index says that it has.
fn index_of(made: &Made, selector: &Selector) -> Vec<String> {
    let Opened::Index(index) = made.open(selector).unwrap() else {
        panic!("no index")
    };
    let platforms = index.children().iter().map(|child| child.platform.as_ref());
    platforms
        .map(|platform| platform.unwrap().to_string())
        .collect()
}

/// Something that is kept like an image.
fn artifact(made: &Made) -> Descriptor {
    let empty = MediaType::parse("application/vnd.oci.empty.v1+json");
    let config = made.put(b"{}", empty);
    made.manifest(config, vec![])
}

#[test]
fn an_artifact_of_the_same_name_is_not_what_is_meant() {
    let made = Made::new();
    let named = |descriptor: &Descriptor| with(descriptor, REF_NAME, "web");
    let (image, artifact) = (made.image("linux/amd64", "x"), artifact(&made));
    let by = Selector::Name("web".to_owned());
    for entries in [[&image, &artifact], [&artifact, &image]] {
        made.list(entries.map(named).to_vec());
        assert_eq!(made.by(&by).as_deref(), Ok("x"));
        assert_eq!(made.pick(None).as_deref(), Ok("x"));
        assert_eq!(described(&made, &by), (image.digest, false));
    }
    // Beside an image for each of several platforms.
    let other = made.image("linux/arm64", "y");
    made.list([&image, &artifact, &other].map(named).to_vec());
    assert_eq!(index_of(&made, &by), ["linux/amd64", "linux/arm64"]);
    // Alone it is what is meant by who does not look into it.
    made.list(vec![named(&artifact)]);
    assert!(made.by(&by).unwrap_err().contains("it is not an image"));
    assert_eq!(described(&made, &by), (artifact.digest, false));
}

/// The digest of what a selector leads to, and whether no blob holds it.
fn described(made: &Made, selector: &Selector) -> (Digest, bool) {
    let images = open_layout("x", made.layout.path()).unwrap();
    let (descriptor, document) = images.described(selector).unwrap();
    assert!(!descriptor.annotations.contains_key(REF_NAME));
    assert!(
        document
            .iter()
            .all(|document| document.digest() == descriptor.digest)
    );
    (descriptor.digest, document.is_some())
}

#[test]
fn what_is_described_is_what_is_opened() {
    let made = Made::new();
    let image = |platform: &str| made.image(platform, platform);
    let (one, other) = (image("linux/amd64"), image("linux/arm64"));
    let digest_of = |selector: &Selector| match made.open(selector).unwrap() {
        Opened::Index(index) => index.document.digest(),
        Opened::Image(image) => image.manifest.unwrap().digest(),
        Opened::Choice { .. } => panic!("a choice"),
    };
    let web = Selector::Name("web".to_owned());
    // One name twice.
    made.list(vec![
        with(&one, REF_NAME, "web"),
        with(&other, REF_NAME, "web"),
    ]);
    assert_eq!(described(&made, &web), (digest_of(&web), true));
    // The list is an index itself.
    made.list(vec![on(&one, "linux/amd64"), on(&other, "linux/arm64")]);
    let only = Selector::Only;
    assert_eq!(described(&made, &only), (digest_of(&only), true));
    // One image, and one that only an index lists.
    let nested = made.index(vec![on(&other, "linux/arm64")]);
    made.list(vec![one.clone(), with(&nested, REF_NAME, "web")]);
    assert_eq!(described(&made, &Selector::Number(0)), (one.digest, false));
    assert_eq!(described(&made, &web), (nested.digest, false));
    let by_digest = Selector::Digest(other.digest);
    assert_eq!(described(&made, &by_digest), (other.digest, false));
}

#[test]
fn images_of_one_name_and_one_platform_are_told_apart_by_their_digests() {
    let made = Made::new();
    let images = ["x", "y"].map(|layer| made.image("linux/amd64", layer));
    made.list(
        images
            .iter()
            .map(|image| with(image, REF_NAME, "web"))
            .collect(),
    );
    let by = Selector::Name("web".to_owned());
    let [x, y] = images.map(|image| image.digest);
    let holds = format!("it contains 2 images: `@{x}`, `@{y}`");
    assert!(made.by(&by).unwrap_err().ends_with(&holds));
    let amd64: Platform = "linux/amd64".parse().unwrap();
    for platform in [None, Some(&amd64)] {
        let opened = open_layout("oci:layout", made.layout.path())
            .unwrap()
            .open(&by);
        let error = pick(opened.unwrap(), platform).unwrap_err();
        let hint = format!("name one of these, as in `oci:layout@{x}`");
        assert_eq!(error.hint().as_deref(), Some(&*hint));
    }
    assert_eq!(made.by(&Selector::Digest(y)).as_deref(), Ok("y"));
    // A platform helps where these are different.
    let other = made.image("linux/arm64", "z");
    let entries = [(&other, "other"), (&other, "again")];
    let x = made.image("linux/amd64", "x");
    let entries = entries.into_iter().chain([(&x, "web")]);
    made.list(
        entries
            .map(|(image, name)| with(image, REF_NAME, name))
            .collect(),
    );
    let opened = open_layout("layout", made.layout.path())
        .unwrap()
        .open(&Selector::Only);
    let error = pick(opened.unwrap(), None).unwrap_err();
    let hint = "name one of these, as in `oci:layout:other`, or a platform by `--platform`";
    assert_eq!(error.hint().as_deref(), Some(hint));
}

fn open_text(text: &str) -> Result<Opened, Error> {
    open(&text.parse::<Reference>().unwrap(), &LocalOpener)
}

#[test]
fn references_lead_to_what_is_there() {
    let made = Made::new();
    let image = made.image("linux/amd64", "x");
    made.list(vec![with(&image, REF_NAME, "web")]);
    let (layout, archive) = (made.layout.path().display(), made.archive());
    let zipped = made.directory.path().join("archive.tar.gz");
    std::fs::write(&zipped, gzip(&std::fs::read(&archive).unwrap())).unwrap();
    let (archive, zipped) = (archive.display(), zipped.display());
    for text in [
        format!("oci:{layout}"),
        format!("oci:{layout}:web"),
        format!("oci:{layout}@{}", image.digest),
        format!("{layout}"),
        format!("oci-archive:{archive}:web"),
        format!("oci-archive:{zipped}"),
        format!("{archive}"),
        format!("{zipped}"),
    ] {
        let image = pick(open_text(&text).unwrap(), None).unwrap();
        assert_eq!((first_layer(&image).as_str(), image.name), ("x", text));
    }
    refused(
        open_text(&format!("oci:{archive}")),
        "it is not a directory",
    );
    refused(
        open_text(&format!("oci-archive:{layout}")),
        "it is a directory",
    );
    refused(
        open_text(&format!("docker-archive:{archive}")),
        "manifest.json",
    );
    refused(open_text("oci:/nonexistent"), "No such file");
    refused(
        open_text("docker://localhost/web"),
        "neither a file nor a directory",
    );
    let directory = made.directory.path().display();
    refused(open_text(&format!("{directory}")), "it has no `oci-layout`");
}

/// An archive of a few members.
fn tarball(path: &Path, members: &[(&str, &[u8])]) {
    let mut archive = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn an_archive_of_both_kinds_is_dockers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tar");
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, Digest::of(b"x"));
    let manifest = br#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["l.tar"]}]"#;
    let members: &[(&str, &[u8])] = &[
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        ("index.json", b"not read"),
        ("manifest.json", manifest),
        ("c.json", config.as_bytes()),
        ("l.tar", b"x"),
    ];
    tarball(&path, members);
    let image = pick(open_path("x", &path, &LocalOpener).unwrap(), None).unwrap();
    assert_eq!(first_layer(&image), "x");
    tarball(&path, &members[..2]);
    refused(
        open_path("x", &path, &LocalOpener),
        "its document `index.json` cannot be used",
    );
    tarball(&path, &members[1..2]);
    refused(
        open_path("x", &path, &LocalOpener),
        "it has no `oci-layout`",
    );
    tarball(&path, &members[3..]);
    refused(
        open_path("x", &path, &LocalOpener),
        "it has no `manifest.json` and no `index.json`",
    );
}
