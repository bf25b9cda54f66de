//! An image stays what it is on the way from any medium to any other, the same build has the
//! same bytes everywhere, and terrine reads what others write.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use terrine_tests::archive::digest;
use terrine_tests::hello;
use terrine_tests::registry::Registry;
use terrine_tests::skopeo::{skopeo, umoci};
use terrine_tests::{Archive, ConfFile, OciImage, OciLayout, Run, binary, temporary, terrine, verify};

/// The name that every image of a docker-archive has here.
const NAME: &str = "hello:1.0";
/// The tag of every image elsewhere.
const TAG: &str = "1.0";
/// How layers can be compressed.
const SETTINGS: [&str; 3] = ["none", "gzip", "zstd"];

/// Where an image can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    DockerArchive,
    Layout,
    OciArchive,
    Registry,
}

const MEDIA: [Medium; 4] = [Medium::DockerArchive, Medium::Layout, Medium::OciArchive, Medium::Registry];

/// A folder and a registry for images.
struct Shelf {
    folder: tempfile::TempDir,
    registry: Registry,
}

/// What is compared of an image.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    id: String,
    diff_ids: Vec<String>,
    /// The manifest's bytes, where there is one.
    manifest: Option<Vec<u8>>,
}

impl From<OciImage> for Seen {
    fn from(image: OciImage) -> Self {
        Self { id: image.id(), diff_ids: image.diff_ids, manifest: Some(image.manifest) }
    }
}

impl From<Archive> for Seen {
    fn from(archive: Archive) -> Self {
        Self { diff_ids: archive.diff_ids(), id: archive.id, manifest: None }
    }
}

impl Shelf {
    fn new() -> Option<Self> {
        Some(Self { folder: temporary(), registry: Registry::start()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reference(&self, medium: Medium, name: &str) -> String {
        let path = |suffix| self.path(&format!("{name}{suffix}")).display().to_string();
        match medium {
            Medium::DockerArchive => format!("docker-archive:{}:{NAME}", path(".tar")),
            Medium::Layout => format!("oci:{}:{TAG}", path("")),
            Medium::OciArchive => format!("oci-archive:{}:{TAG}", path(".oci.tar")),
            Medium::Registry => format!("docker://{}/{name}:{TAG}", self.registry.host()),
        }
    }

    /// What is where a reference leads, verified by terrine and by hand.
    fn seen(&self, medium: Medium, name: &str) -> Seen {
        verify(&self.reference(medium, name));
        match medium {
            Medium::DockerArchive => {
                let archive = Archive::read(fs::read(self.path(&format!("{name}.tar"))).unwrap());
                assert_eq!(archive.manifest["RepoTags"], json!([NAME]));
                archive.into()
            }
            Medium::Layout => OciLayout::read(&self.path(name)).image(Some(TAG)).into(),
            Medium::OciArchive => {
                let path = self.path(&format!("{name}.oci.tar"));
                OciLayout::read_archive(&path).image(Some(TAG)).into()
            }
            Medium::Registry => OciImage::of_registry(&self.registry, name, TAG).into(),
        }
    }
}

/// Runs terrine, which has to succeed.
fn run(arguments: &[&str]) -> Run {
    Run::of(terrine().args(arguments)).ok()
}

fn copy(from: &str, to: &str) {
    run(&["copy", from, to]);
}

/// Streams to a reference.
fn stream(conf: &ConfFile<'_>, to: &str, options: &[&str]) {
    Run::of(conf.command().args(["--to", to]).args(options)).ok();
}

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
            assert_eq!((&first.id, &first.diff_ids), (&original.id, &original.diff_ids), "{name}");
            for to in MEDIA {
                let copied = format!("{name}-{to:?}").to_lowercase();
                copy(&shelf.reference(from, &name), &shelf.reference(to, &copied));
                let second = shelf.seen(to, &copied);
                assert_eq!((&second.id, &second.diff_ids), (&first.id, &first.diff_ids), "{copied}");
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
            assert_eq!((image.compressions().as_str(), image.id()), (expected, id.clone()), "{copied}");
        }
    }
}

/// A cache folder without anything but the compiled planner.
fn cold() -> tempfile::TempDir {
    let folder = temporary();
    fs::create_dir(folder.path().join("terrine")).unwrap();
    let shared = binary().parent().unwrap().join("test-cache/terrine/planner");
    symlink(shared, folder.path().join("terrine/planner")).unwrap();
    folder
}

#[test]
fn the_same_build_has_the_same_bytes() {
    let store = hello::store();
    let conf = hello::large(&store);
    let cache = cold();
    for setting in SETTINGS {
        let make = |options: &[&str]| {
            let archive = store.root().join("out.tar");
            let layout = store.root().join("out");
            let _ = fs::remove_dir_all(&layout);
            for to in
                [format!("oci-archive:{}:1", archive.display()), format!("oci:{}:1", layout.display())]
            {
                let mut command = conf.command();
                command.env("XDG_CACHE_HOME", cache.path());
                command.args(["--compression", setting, "--to", &to]).args(options);
                Run::of(&mut command).ok();
                verify(&to);
            }
            (fs::read(archive).unwrap(), OciLayout::read(&layout))
        };
        let first = make(&["--jobs", "1"]);
        assert_eq!(first.1, OciLayout::read_archive(&store.root().join("out.tar")), "{setting}");
        for options in [&["--jobs", "4"][..], &[], &["--no-cache"], &["--no-cache", "--jobs", "4"]] {
            let again = make(options);
            assert!(first.0 == again.0, "{setting}, {options:?}: the archives differ");
            assert_eq!(first.1.index, again.1.index, "{setting}, {options:?}");
            assert!(first.1.blobs == again.1.blobs, "{setting}, {options:?}: the blobs differ");
        }
    }
}

/// The digests of the manifests of the example, which only another version of terrine or of a
/// library that compresses may change. What that is recorded in stands in the annotations.
#[test]
fn digests_are_pinned() {
    let store = hello::store();
    let layout = store.root().join("layout");
    let digests = SETTINGS.map(|setting| {
        let to = format!("oci:{}:{setting}", layout.display());
        // The digest of the planner depends on where it is built.
        // So does its name with each version.
        let options = ["--compression", setting, "--annotation", "dev.terrine.plan.component="];
        let options = [&options[..], &["--annotation", "dev.terrine.plan.planner="]].concat();
        stream(&hello::conf(&store), &to, &options);
        verify(&to);
        let image = OciLayout::read(&layout).image(Some(setting));
        format!(
            "{setting} {} {}",
            image.digest(),
            image.json()["annotations"]["dev.terrine.compression"]
        )
    });
    assert_eq!(digests.join("\n"), PINNED);
}

/// What [`digests_are_pinned`] holds the example against.
const PINNED: &str = "\
none sha256:87d24ad07008ed3ad6eb248976bd4bee4865c5026158f889a8d024b0b87c27f1 \"none\"
gzip sha256:56b1877aac1b71a5de44d0f0b7fd46e339003318afc24978a7a61a66f42028c9 \"gzip level 4 by libdeflate 1.26.1 in blocks of 1 MiB\"
zstd sha256:7db67b448a5f032b6420df7cbd127e39e39036e239a89917c232912eb5f3f87f \"zstd level 2 by zstd 1.5.7 in blocks of 4 MiB\"";

/// A configuration of an image with these layers.
fn configuration(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", digest(layer))).collect();
    let json = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    json.to_string().into_bytes()
}

/// A layout that is written by hand.
struct Written {
    path: PathBuf,
}

impl Written {
    fn new(path: PathBuf) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { path }
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let hex = digest(bytes);
        fs::write(self.path.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len()})
    }

    fn manifest(&self, config: &Value, layers: &[Value]) -> Value {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let json = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
        self.put(kind, json.to_string().as_bytes())
    }

    /// The manifest of an image with plain layers.
    fn image(&self, architecture: &str, layers: &[&[u8]]) -> Value {
        let config = configuration(architecture, layers);
        let config = self.put("application/vnd.oci.image.config.v1+json", &config);
        let put = |layer: &&[u8]| self.put("application/vnd.oci.image.layer.v1.tar", layer);
        self.manifest(&config, &layers.iter().map(put).collect::<Vec<_>>())
    }

    fn index(&self, manifests: &[Value]) -> Vec<u8> {
        let kind = "application/vnd.oci.image.index.v1+json";
        // The spaces are nobody's but this writer's.
        let json = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
        serde_json::to_vec_pretty(&json).unwrap()
    }

    /// Lists something by a tag, and nothing else.
    fn list(&self, mut entry: Value, tag: &str) {
        entry["annotations"]["org.opencontainers.image.ref.name"] = json!(tag);
        fs::write(self.path.join("index.json"), self.index(&[entry])).unwrap();
    }
}

fn layer(name: &str) -> Vec<u8> {
    terrine_tests::base::layer(name, name.as_bytes())
}

#[test]
fn unusual_images_stay_what_they_are_between_all_media() {
    let Some(shelf) = Shelf::new() else { return };
    let (one, two) = (layer("one"), layer("two"));
    let many: Vec<Vec<u8>> = (0..130).map(|number| layer(&format!("layer-{number}"))).collect();
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
            copy(&shelf.reference(Medium::Layout, name), &shelf.reference(medium, &copied));
            let there = shelf.seen(medium, &copied);
            assert_eq!((&there.id, &there.diff_ids), (&first.id, &first.diff_ids), "{copied}");
            let back = format!("{copied}-back");
            copy(&shelf.reference(medium, &copied), &shelf.reference(Medium::Layout, &back));
            let again = shelf.seen(Medium::Layout, &back);
            assert_eq!((&again.id, &again.diff_ids), (&first.id, &first.diff_ids), "{back}");
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
    assert_eq!(said.lines().filter(|line| line.starts_with("layer ")).count(), 2, "{said}");
    verify(&to);
}

#[test]
fn indexes_are_copied_whole() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let gzip = |layer: &[u8]| terrine_tests::archive::filter("gzip", &["-nc"], layer);
    let mut entries = vec![];
    for architecture in ["amd64", "arm64"] {
        let plain = layer(architecture);
        let config = configuration(architecture, &[&plain]);
        let config = written.put("application/vnd.oci.image.config.v1+json", &config);
        let blob = written.put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(&plain));
        let mut image = written.manifest(&config, &[blob]);
        image["platform"] = json!({"architecture": architecture, "os": "linux"});
        // As buildkit writes it: an image by its types, with a layer that is none.
        let statement =
            written.put("application/vnd.in-toto+json", format!("{{\"{architecture}\":1}}").as_bytes());
        let config = format!(
            "{{\"architecture\":\"unknown\",\"os\":\"unknown\",\"config\":{{}},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}}}}",
            statement["digest"]
        );
        let config = written.put("application/vnd.oci.image.config.v1+json", config.as_bytes());
        let mut attestation = written.manifest(&config, &[statement]);
        attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        });
        entries.extend([image, attestation]);
    }
    // A list of what is in an image, as the specification has it since version 1.1.
    let nothing = written.put("application/vnd.oci.empty.v1+json", b"{}");
    let list = written.put("text/spdx", b"everything");
    entries.push(written.manifest(&nothing, &[list]));
    let index = written.index(&entries);
    let entry = written.put("application/vnd.oci.image.index.v1+json", &index);
    written.list(entry, TAG);
    let whole = |name: &str| {
        let mut blobs = OciLayout::read(&shelf.path(name)).blobs;
        assert!(blobs.contains_key(&format!("sha256:{}", digest(&index))), "{name}");
        // Configurations and manifests too: nothing is missing, nothing is left over.
        std::mem::take(&mut blobs).into_keys().collect::<Vec<_>>()
    };
    let all = whole("written");
    let at = |medium, name: &str| shelf.reference(medium, name);
    copy(&at(Medium::Layout, "written"), &at(Medium::Registry, "pushed"));
    let pushed = shelf.registry.manifest("pushed", TAG).unwrap();
    assert_eq!(pushed.bytes, index);
    copy(&at(Medium::Registry, "pushed"), &at(Medium::Registry, "again"));
    assert_eq!(shelf.registry.manifest("again", TAG).unwrap().bytes, index);
    copy(&at(Medium::Registry, "again"), &at(Medium::OciArchive, "archive"));
    copy(&at(Medium::OciArchive, "archive"), &at(Medium::Layout, "back"));
    assert_eq!(whole("back"), all);
    for medium in [Medium::Layout, Medium::Registry] {
        let name = if medium == Medium::Layout { "back" } else { "again" };
        verify(&at(medium, name));
        let picked = at(Medium::Layout, &format!("picked-{name}"));
        run(&["copy", &at(medium, name), &picked, "--platform", "linux/arm64"]);
        let image = OciLayout::read(&shelf.path(&format!("picked-{name}"))).image(Some(TAG));
        assert_eq!(image.digest(), entries[2]["digest"].as_str().unwrap());
    }
    // What speaks of images that changed is left out.
    run(&["copy", &at(Medium::Layout, "back"), &at(Medium::Layout, "zstd"), "--compression", "zstd"]);
    verify(&at(Medium::Layout, "zstd"));
    let images = OciLayout::read(&shelf.path("zstd")).images(Some(TAG));
    assert_eq!(images.len(), 2);
    assert!(images.iter().all(|(_, image)| image.compressions() == "z"));
}

#[test]
fn skopeo_reads_an_index_and_picks_its_platforms() {
    let Some(shelf) = Shelf::new() else { return };
    let written = Written::new(shelf.path("written"));
    let mut from = vec![];
    for architecture in ["arm64", "amd64"] {
        written.list(written.image(architecture, &[&layer(architecture)]), TAG);
        let to = format!("oci:{}:{architecture}", shelf.path("images").display());
        copy(&shelf.reference(Medium::Layout, "written"), &to);
        from.push(to);
    }
    for medium in [Medium::Layout, Medium::Registry, Medium::OciArchive] {
        let to = shelf.reference(medium, "index");
        run(&["index", "--to", &to, &from[0], &from[1]]);
        verify(&to);
        let folder = shelf.folder.path();
        let Some(raw) = skopeo(folder, &["inspect", "--tls-verify=false", "--raw", &to]) else { return };
        let raw: Value = serde_json::from_slice(&raw.stdout).unwrap();
        let platforms: Vec<&Value> =
            raw["manifests"].as_array().unwrap().iter().map(|entry| &entry["platform"]).collect();
        let expected = ["amd64", "arm64"].map(|name| json!({"architecture": name, "os": "linux"}));
        assert_eq!(platforms, expected.iter().collect::<Vec<_>>(), "{to}");
        for architecture in ["amd64", "arm64"] {
            let one =
                ["--override-arch", architecture, "inspect", "--tls-verify=false", "--config", &to];
            let config: Value = serde_json::from_slice(&skopeo(folder, &one).unwrap().stdout).unwrap();
            assert_eq!(config["architecture"], architecture, "{to}");
            assert_eq!(
                config["rootfs"]["diff_ids"][0],
                format!("sha256:{}", digest(&layer(architecture)))
            );
        }
    }
}

#[test]
fn what_skopeo_copies_is_read() {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    let archive = hello::on_base(&store).archive();
    fs::write(shelf.path("source.tar"), &archive.bytes).unwrap();
    let source = format!("docker-archive:{}", shelf.path("source.tar").display());
    let host = shelf.registry.host();
    let path = |name: &str| shelf.path(name).display().to_string();
    for (number, (to, options, kind)) in [
        (format!("oci:{}:web", path("layout")), &[][..], "oci"),
        (format!("oci:{}:zstd", path("layout")), &["--dest-compress-format", "zstd"], "oci"),
        (format!("oci-archive:{}:web", path("web.tar")), &[], "oci"),
        (format!("docker://{host}/v2s2:1"), &["--format", "v2s2"], "docker"),
        (format!("docker://{host}/oci:1"), &["--format", "oci"], "oci"),
        (
            format!("docker://{host}/zstd:1"),
            &["--format", "oci", "--dest-compress-format", "zstd"],
            "oci",
        ),
        (format!("docker-archive:{}:web:1", path("again.tar")), &[], "docker"),
    ]
    .into_iter()
    .enumerate()
    {
        let copy_it =
            [&["copy", "--quiet", "--dest-tls-verify=false"], options, &[&source, &to]].concat();
        if skopeo(shelf.folder.path(), &copy_it).is_none() {
            return;
        }
        verify(&to);
        // Of one format it makes another, and the image id is another then.
        let inspect = ["inspect", "--tls-verify=false", "--raw", &to];
        let raw = skopeo(shelf.folder.path(), &inspect).unwrap().stdout;
        let raw: Value = serde_json::from_slice(&raw).unwrap();
        let id = raw["config"]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        for medium in MEDIA {
            let name = format!("copy-{number}-{medium:?}").to_lowercase();
            copy(&to, &shelf.reference(medium, &name));
            let seen = shelf.seen(medium, &name);
            assert_eq!((&seen.id, seen.diff_ids), (&id, archive.diff_ids()), "{to}, {name}");
            if medium == Medium::Registry && to.starts_with("docker://") {
                let own = shelf.registry.manifest(&name, TAG).unwrap();
                let repository = to.rsplit_once('/').unwrap().1.trim_end_matches(":1");
                assert_eq!(own, shelf.registry.manifest(repository, "1").unwrap(), "{to}");
                assert!(own.content_type.contains(kind), "{}", own.content_type);
            }
        }
    }
}

#[test]
fn skopeo_takes_what_is_written_and_pushed() {
    let Some(shelf) = Shelf::new() else { return };
    let store = hello::store();
    let conf = hello::on_base(&store);
    let archive = conf.archive();
    for setting in SETTINGS {
        for medium in MEDIA {
            let name = format!("{setting}-{medium:?}").to_lowercase();
            let options = ["--compression", setting];
            let from = shelf.reference(medium, &name);
            stream(&conf, &from, if medium == Medium::DockerArchive { &[] } else { &options });
            // It makes no docker-archive of layers by zstd.
            let file = shelf.path(&format!("{name}-taken.tar"));
            let to = format!("oci-archive:{}:{NAME}", file.display());
            let arguments = ["copy", "--quiet", "--src-tls-verify=false", &from, &to];
            if skopeo(shelf.folder.path(), &arguments).is_none() {
                return;
            }
            verify(&to);
            let taken = OciLayout::read_archive(&file).image(Some(NAME));
            assert_eq!(taken.diff_ids, archive.diff_ids(), "{name}");
            // Of a docker-archive it makes a configuration of its own.
            if medium != Medium::DockerArchive {
                assert_eq!(taken.id(), archive.id, "{name}");
            }
        }
    }
}

#[test]
fn what_umoci_writes_is_read() {
    let Some(shelf) = Shelf::new() else { return };
    let folder = shelf.folder.path();
    let store = hello::store();
    let layout = shelf.path("layout").display().to_string();
    stream(&hello::conf(&store), &format!("oci:{layout}:{TAG}"), &["--compression", "gzip"]);
    let image = format!("{layout}:{TAG}");
    if umoci(folder, &["config", "--image", &image, "--tag", "configured", "--config.user", "7"])
        .is_none()
    {
        return;
    }
    let from = format!("oci:{layout}:configured");
    verify(&from);
    copy(&from, &shelf.reference(Medium::DockerArchive, "configured"));
    shelf.seen(Medium::DockerArchive, "configured");
    let archive = Archive::read(fs::read(shelf.path("configured.tar")).unwrap());
    assert_eq!(archive.config()["config"]["User"], "7");
}

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
    stream(&hello::conf(&store).with("repo_tag", "other:1"), &layout, &["--compression", "gzip"]);
    let merged = shelf.path("merged.tar").display().to_string();
    run(&["merge", &archive.display().to_string(), &based, &layout, "-o", &merged]);
    let images = Archive::read_all(fs::read(&merged).unwrap());
    let names: Vec<&Value> = images.iter().map(|image| &image.manifest["RepoTags"]).collect();
    // The image of the layout is the first one again, and has no name of its own there.
    let based_name = format!("{}/based:{TAG}", shelf.registry.host());
    assert_eq!(names, [&json!([NAME]), &json!([based_name])]);
    let layers = images.iter().flat_map(Archive::layer_names).collect::<BTreeSet<_>>();
    assert_eq!(layers.len(), images[1].layer_names().len(), "the layers of one are those of both");
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
    let refused =
        Run::of(terrine().arg("merge").arg(&archive).arg(shelf.path("same.tar")).arg("-o").arg(&out));
    assert_eq!((refused.code, out.exists()), (Some(1), false));
    assert!(refused.stderr.contains(&format!("both are named `{NAME}`")), "{}", refused.stderr);
    // Of several, one has to be chosen.
    let ambiguous = Run::of(terrine().args(["copy", &merged]).arg(shelf.path("x.tar")));
    assert_eq!(ambiguous.code, Some(1));
    assert!(ambiguous.stderr.contains(&based_name), "{}", ambiguous.stderr);
}

#[test]
fn pipes_carry_images() {
    let store = hello::store();
    let archive = hello::on_base(&store).archive();
    let file = store.root().join("image.tar");
    fs::write(&file, &archive.bytes).unwrap();
    let path = file.display().to_string();
    let layouts = format!("oci-archive:{}:{TAG}", store.root().join("layout.tar").display());
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
        assert_eq!(OciLayout::read_archive(&out).image(Some(TAG)).id(), archive.id, "{from}");
    }
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
        ("docker-archive:out.tar:a b:1", &[], 2, "not the name of a repository"),
        ("docker-archive:out.tar:web:-1", &[], 2, "not a tag"),
        ("docker-archive:out.tar:@0", &[], 2, "not by its number"),
        ("docker-daemon:Web:1", &[], 2, "upper-case"),
        (&pinned, &[], 2, "a digest is what comes out"),
        (&digest, &[], 2, "a digest is what comes out"),
        (
            "docker-archive:out.tar",
            &["--compression", "zstd"],
            2,
            "takes no layers that are compressed by `zstd",
        ),
        ("out.tar", &["--compression", "gzip"], 2, "takes no layers that are compressed by `gzip"),
        ("docker-daemon:web:1", &["--annotation", "a=b"], 2, "no place for annotations"),
        ("-", &["--annotation", "a=b"], 2, "no place for annotations"),
        ("oci:out:a b", &[], 1, "can not be the name of an image"),
        ("oci:out:@1", &[], 2, "not by its number"),
        ("oci:image.tar:x", &[], 1, "`image.tar` is neither empty nor an OCI layout"),
        ("oci-archive:nix:x", &[], 1, "is a directory"),
        ("nix", &[], 2, "`nix` is a directory"),
        ("out.tar", &["--platform", "linux/arm64"], 1, "but for `linux/amd64`"),
    ] {
        let mut command = terrine();
        command.current_dir(store.root()).args(["copy", "image.tar", to]).args(options);
        let run = Run::of(&mut command);
        assert_eq!((run.code, run.stdout.len()), (Some(code), 0), "{to}: {}", run.stderr);
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
        assert_eq!((&image.manifest["RepoTags"], &image.id), (&json!([expected]), &id));
        verify(&format!("docker-archive:{}:{expected}", out.display()));
    }
}
