//! Real consumers pull, load and run what terrine pushed and wrote, with every compression, and
//! terrine puts images into their storage, takes them from there, and reads what they write.

use std::fs;
use std::path::Path;

use rustix::process::geteuid;
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::hello::{self, GREETING};
use terrine_tests::registry::Registry;
use terrine_tests::{
    Archive, Generation, OciLayout, Run, TestStore, binary, peer, terrine, verify,
};

/// The compression of the layers of each image, which is also its tag; one has all kinds.
const SETTINGS: [&str; 4] = ["none", "gzip", "zstd", "mixed"];
/// Those that older consumers know.
const OLD: [&str; 2] = ["none", "gzip"];
/// The first version of Docker that pulls layers by zstd.
const DOCKER_WITH_ZSTD: (u32, u32) = (23, 0);
/// The first version of umoci that unpacks them.
const UMOCI_WITH_ZSTD: (u32, u32) = (0, 5);

/// The example in all media, in the root of a store: a layout `layout`, an archive of a layout
/// for each setting, docker-archives of one and of two images, and in a registry.
struct Images {
    store: TestStore,
    registry: Registry,
    /// The image that all of them are.
    archive: Archive,
    /// The other one of `merged.tar`.
    other: Archive,
}

impl Images {
    fn make() -> Option<Self> {
        let registry = Registry::start()?;
        let store = hello::store();
        let conf = hello::large(&store);
        let archive = conf.archive();
        let path = |name: &str| store.root().join(name);
        fs::write(path("hello.tar"), &archive.bytes).unwrap();
        let (layout, host) = (path("layout").display().to_string(), registry.host());
        let mixed = format!("oci:{layout}:mixed");
        Run::of(
            conf.command()
                .args(["--compression", "gzip", "--to", &mixed]),
        )
        .ok();
        for setting in SETTINGS {
            let file = path(&format!("{setting}.oci.tar"));
            let options: &[&str] = if setting == "mixed" {
                &[]
            } else {
                &["--compression", setting]
            };
            for to in [
                format!("oci:{layout}:{setting}"),
                format!("oci-archive:{}:{setting}", file.display()),
                format!("docker://{host}/hello:{setting}"),
            ] {
                Run::of(terrine().args(["copy", &mixed, &to]).args(options)).ok();
                verify(&to);
            }
        }
        let image = |tag| OciLayout::read(Path::new(&layout)).image(Some(tag));
        assert_eq!(
            SETTINGS.map(|tag| image(tag).compressions()),
            ["-------", "ggggggg", "zzzzzzz", "ggzgggg"]
        );
        let plain = hello::conf(&store).with("repo_tag", "second:1");
        Run::of(plain.command().arg("--output").arg(path("second.tar"))).ok();
        let first = hello::large(&store).with("repo_tag", "first:1");
        Run::of(first.command().arg("--output").arg(path("first.tar"))).ok();
        let mut merge = terrine();
        merge.current_dir(store.root()).args([
            "merge",
            "first.tar",
            "second.tar",
            "-o",
            "merged.tar",
        ]);
        Run::of(&mut merge).ok();
        let mut images = Archive::read_all(fs::read(path("merged.tar")).unwrap());
        let other = images.pop().unwrap();
        assert_eq!(images.pop().unwrap().id, archive.id);
        hello::large(&store).write();
        Some(Self {
            store,
            registry,
            archive,
            other,
        })
    }

    /// Lets a consumer pull and load all of it, but for the settings that it does not know.
    fn consume(&self, generation: Generation, script: &str, settings: &[&str]) -> Consumed {
        // The registry of the script's own has its storage where this one has it.
        let storage = self.registry.storage();
        let storage = storage.ancestors().nth(3).unwrap();
        let mut arguments = vec![
            storage.as_os_str(),
            binary().as_os_str(),
            self.store.root().as_os_str(),
        ];
        arguments.extend(
            settings
                .iter()
                .map(|setting| AsRef::<std::ffi::OsStr>::as_ref(*setting)),
        );
        Consumed::with_generation(generation, script, &arguments)
    }

    /// Checks that what one of them wrote has the layers of the example and this image id, for terrine too.
    fn is_read(&self, reference: &str, id: &str) {
        verify(reference);
        let back = self.store.root().join("read.tar");
        Run::of(terrine().args(["copy", reference]).arg(&back)).ok();
        let archive = Archive::read(fs::read(back).unwrap());
        assert_eq!(
            (archive.id.as_str(), archive.diff_ids()),
            (id, self.archive.diff_ids()),
            "{reference}"
        );
    }
}

fn file(transport: &str, path: &Path) -> String {
    format!("{transport}:{}", path.display())
}

terrine_tests::for_each_generation!(
    docker_pulls_and_loads_and_is_read,
    podman_pulls_and_loads_and_is_read,
    containerd_pulls_and_imports,
    umoci_unpacks_layouts,
);

fn docker_pulls_and_loads_and_is_read(generation: Generation) {
    let tools = ["dockerd", "docker", "containerd", "runc", "ip"];
    let Some(images) = consumer::available_in(generation, &tools)
        .then(Images::make)
        .flatten()
    else {
        return;
    };
    let pulled: &[&str] = if generation.version("dockerd") < Some(DOCKER_WITH_ZSTD) {
        &OLD
    } else {
        &SETTINGS
    };
    let consumed = images.consume(generation, "docker-media", pulled);
    for setting in pulled {
        consumed.check_in(&format!("pulled-{setting}"), &images.archive, GREETING);
    }
    // What terrine brings to the daemon may be compressed in any way.
    for setting in SETTINGS {
        consumed.check_in(&format!("copied-{setting}"), &images.archive, GREETING);
    }
    for way in ["from-registry", "streamed", "merged-first"] {
        consumed.check_in(way, &images.archive, GREETING);
    }
    consumed.check_in("merged-second", &images.other, GREETING);
    images.is_read(
        &file("docker-archive", &consumed.file("saved.tar")),
        &images.archive.id,
    );
    images.is_read(
        &file("oci-archive", &consumed.file("back.tar")),
        &images.archive.id,
    );
    let back = OciLayout::read_archive(&consumed.file("back.tar"));
    assert_eq!(back.image(Some("1")).id(), images.archive.id);
}

fn podman_pulls_and_loads_and_is_read(generation: Generation) {
    let tools = ["podman", "buildah", "runc", "ip"];
    let Some(images) = consumer::available_in(generation, &tools)
        .then(Images::make)
        .flatten()
    else {
        return;
    };
    let consumed = images.consume(generation, "podman-media", &SETTINGS);
    for setting in SETTINGS {
        for way in ["pulled", "layout", "archive", "copied"] {
            consumed.check_in(&format!("{way}-{setting}"), &images.archive, GREETING);
        }
    }
    for way in ["streamed", "merged-first"] {
        consumed.check_in(way, &images.archive, GREETING);
    }
    consumed.check_in("merged-second", &images.other, GREETING);
    // The name came with the archive.
    assert!(
        consumed.text("piped").contains("localhost/first:1"),
        "{}",
        consumed.text("piped")
    );
    images.is_read(
        &file("docker-archive", &consumed.file("saved.tar")),
        &images.archive.id,
    );
    images.is_read(
        &file("oci-archive", &consumed.file("back.tar")),
        &images.archive.id,
    );
    // Podman and buildah write the configuration anew in this format.
    for name in ["saved.oci.tar", "buildah.oci.tar"] {
        let id = OciLayout::read_archive(&consumed.file(name)).only().id();
        images.is_read(&file("oci-archive", &consumed.file(name)), &id);
    }
    let committed = format!("oci:{}:committed", consumed.file("buildah").display());
    verify(&committed);
    let image = OciLayout::read(&consumed.file("buildah")).image(Some("committed"));
    let layers = images.archive.diff_ids();
    assert_eq!(image.diff_ids[..layers.len()], layers);
}

fn containerd_pulls_and_imports(generation: Generation) {
    let tools = ["containerd", "ctr", "runc", "ip"];
    let Some(images) = consumer::available_in(generation, &tools)
        .then(Images::make)
        .flatten()
    else {
        return;
    };
    let consumed = images.consume(generation, "containerd-media", &SETTINGS);
    for setting in SETTINGS {
        for way in ["pulled", "archive"] {
            consumed.check_in(&format!("{way}-{setting}"), &images.archive, GREETING);
        }
    }
    consumed.check_in("archive", &images.archive, GREETING);
}

fn umoci_unpacks_layouts(generation: Generation) {
    let Some(images) = Images::make() else { return };
    if !geteuid().is_root() {
        return peer::missing("umoci sets owners as root only");
    }
    let unpacked: &[&str] = if generation.version("umoci") < Some(UMOCI_WITH_ZSTD) {
        &OLD
    } else {
        &SETTINGS
    };
    let layout = images.store.root().join("layout");
    for setting in unpacked {
        let bundle = images.store.root().join(format!("bundle-{setting}"));
        let image = format!("{}:{setting}", layout.display());
        let Some(_) = generation.umoci(
            images.store.root(),
            &["unpack", "--image", &image, bundle.to_str().unwrap()],
        ) else {
            return;
        };
        assert_eq!(
            fs::metadata(bundle.join("rootfs/nix/store/large/file"))
                .unwrap()
                .len(),
            5 << 20
        );
        for layer in ["plain", "gzip", "zstd"] {
            assert_eq!(
                fs::read(bundle.join("rootfs/base").join(layer)).unwrap(),
                [b'x'; 5000]
            );
        }
        assert!(
            bundle
                .join("rootfs/bin/hello")
                .symlink_metadata()
                .unwrap()
                .is_symlink()
        );
    }
}
