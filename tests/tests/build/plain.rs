//! Directories of this machine: what of them is in an image, and what does not make another one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::{Archive, Run, peer, skopeo, temporary, terrine};

use super::{all, link, root};

/// Writes files below a directory, each with its name as content, and with a mode.
pub(super) fn put(directory: &Path, entries: &[(&str, u32)]) {
    for (name, mode) in entries {
        let place = directory.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, name).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(*mode)).unwrap();
    }
}

/// Builds by flags, and returns the image and what was said.
pub(super) fn build(more: &[&str]) -> (Archive, String) {
    let mut command = terrine();
    command
        .args(["build", "--architecture", "amd64"])
        .args(more);
    let run = Run::of(&mut command).ok();
    let said = run.stderr.clone();
    (Archive::read(run.stdout), said)
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_checkout_makes_the_same_image_wherever_it_lies_and_whatever_the_umask() {
    let (one, two) = (temporary(), temporary());
    let (one, two) = (one.path().join("build-1"), two.path().join("build-2"));
    put(
        &one,
        &[("bin/run", 0o775), ("etc/page", 0o664), ("etc/read", 0o444)],
    );
    put(
        &two,
        &[("bin/run", 0o700), ("etc/page", 0o600), ("etc/read", 0o640)],
    );
    fs::set_permissions(two.join("etc"), Permissions::from_mode(0o2770)).unwrap();
    // Two names of one file are two files, and times mean nothing.
    fs::write(one.join("etc/again"), "etc/page").unwrap();
    fs::hard_link(two.join("etc/page"), two.join("etc/again")).unwrap();
    let page = fs::File::options().write(true).open(two.join("etc/page"));
    page.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    for flag in ["--contents", "--copy-to-root"] {
        // With a generated tag, which covers permissions, too.
        let ids = [&one, &two].map(|place| build(&["--name", "web", flag, text(place)]).0);
        assert_eq!(ids[0].id, ids[1].id, "{flag}");
        assert_eq!(ids[0].manifest, ids[1].manifest);
        let kept = [&one, &two].map(|place| {
            build(&["--name", "web:1", "--keep-modes", flag, text(place)])
                .0
                .id
        });
        assert_ne!(kept[0], kept[1], "{flag}");
        // The bit that git records.
        let other = temporary();
        put(
            other.path(),
            &[("bin/run", 0o664), ("etc/page", 0o664), ("etc/read", 0o444)],
        );
        fs::write(other.path().join("etc/again"), "etc/page").unwrap();
        let (other, _) = build(&["--name", "web", flag, text(other.path())]);
        assert_ne!(other.id, ids[0].id, "{flag}");
    }
    let (archive, _) = build(&["--name", "web:1", "--contents", text(&one)]);
    let all = all(&archive);
    assert_eq!(all["nix/store/contents"].1, 0o755);
    assert_eq!(all["nix/store/contents/bin/run"].1, 0o755);
    assert_eq!(all["nix/store/contents/etc/page"].1, 0o644);
    assert_eq!(
        root(&archive)["bin/run"],
        link("/nix/store/contents/bin/run")
    );
}

#[test]
fn directories_have_names_that_are_given() {
    let folder = temporary();
    put(
        folder.path(),
        &[("a/x", 0o644), ("b/y", 0o644), ("c=d/z", 0o644)],
    );
    let named = |name: &str, path: &str| format!("{name}{}", folder.path().join(path).display());
    let (archive, _) = build(&[
        "--name",
        "web:1",
        "--contents",
        &named("site=", "a"),
        "--contents",
        &named("", "b"),
        "--contents",
        &named("", "c=d"),
    ]);
    let root = root(&archive);
    assert_eq!(root["x"], link("/nix/store/site/x"));
    assert_eq!(root["y"], link("/nix/store/contents/y"));
    assert_eq!(root["z"], link("/nix/store/contents-2/z"));
    let spec = json!({"name": "web:1", "architecture": "amd64",
        "contents": [{"name": "site", "path": "a"}, "b", {"path": "c=d"}]});
    fs::write(folder.path().join("image.json"), spec.to_string()).unwrap();
    let file = folder.path().join("image.json");
    assert_eq!(build_file(&file).id, archive.id);
    for (contents, message) in [
        (
            json!([{"name": "s", "path": "a"}, {"name": "s", "path": "b"}]),
            "two of them have the name `s`",
        ),
        (
            json!([{"name": "a/b", "path": "a"}]),
            "`contents[0].name`: `a/b` is not the name of a store path",
        ),
        (
            json!([{"name": ".a", "path": "a"}]),
            "`contents[0].name`: `.a` is not the name of a store path",
        ),
    ] {
        let mut spec: Value = spec.clone();
        spec["contents"] = contents;
        fs::write(&file, spec.to_string()).unwrap();
        let run = Run::of(terrine().arg("build").arg(&file));
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains(message), "{}", run.stderr);
    }
}

fn build_file(file: &Path) -> Archive {
    Archive::read(Run::of(terrine().arg("build").arg(file)).ok().stdout)
}

#[test]
fn patterns_leave_files_out_and_version_control_is_left_out_aloud() {
    let folder = temporary();
    let entries = [
        ".git/config",
        "node_modules/x/index.js",
        "src/a.log",
        "src/keep.log",
        "src/.git",
        "README.md",
    ];
    let entries = entries.map(|name| (name, 0o644));
    put(folder.path(), &entries);
    let without = temporary();
    put(
        without.path(),
        &[("src/keep.log", 0o644), ("README.md", 0o644)],
    );
    for flag in ["--contents", "--copy-to-root"] {
        let patterns = [
            "--exclude",
            "**/*.log",
            "--exclude",
            "/node_modules/",
            "--exclude",
            "!src/keep.log",
        ];
        let base = ["--name", "web", flag, text(folder.path())];
        let (archive, said) = build(&[&base[..], &patterns].concat());
        assert!(
            said.contains("note: `.git` and 1 more of its kind in"),
            "{said}"
        );
        // The generated tag as well.
        let (expected, said) = build(&["--name", "web", flag, text(without.path())]);
        assert!(!said.contains("is left out"), "{said}");
        assert_eq!(
            (&archive.id, &archive.manifest),
            (&expected.id, &expected.manifest)
        );
        let asked = ["--exclude", "!.git", "--exclude", "src"];
        let (archive, said) = build(&[&base[..], &asked].concat());
        assert!(!said.contains("is left out"), "{said}");
        let names: Vec<String> = root(&archive).into_keys().collect();
        let expected = [
            ".git",
            ".git/config",
            "README.md",
            "node_modules",
            "node_modules/x",
            "node_modules/x/index.js",
        ];
        assert_eq!(names, expected);
    }
    let wrong = [
        "build",
        "--name",
        "web",
        "--contents",
        text(folder.path()),
        "--exclude",
        "[a",
    ];
    let run = Run::of(terrine().args(wrong));
    assert_eq!(run.code, Some(1));
    let message = "`--exclude`: `[a` is not a pattern of files to leave out: it has a bracket that is not closed";
    assert!(run.stderr.contains(message), "{}", run.stderr);
}

#[test]
fn what_meets_a_link_or_another_file_is_there_or_told() {
    let folder = temporary();
    put(
        &folder.path().join("a"),
        &[("bin/x", 0o755), ("etc/both", 0o644)],
    );
    symlink("bin", folder.path().join("a/sbin")).unwrap();
    put(
        &folder.path().join("b"),
        &[("sbin/visudo", 0o755), ("etc/both", 0o644)],
    );
    // What both have with the same content is not lost.
    let equal = ["a", "b"].map(|name| text(&folder.path().join(name)).to_owned());
    for flag in ["--contents", "--copy-to-root"] {
        let (_, said) = build(&["--name", "web:1", flag, &equal[0], flag, &equal[1]]);
        assert!(!said.contains("warning"), "{said}");
    }
    fs::write(folder.path().join("b/etc/both"), "other").unwrap();
    let place = |name: &str| text(&folder.path().join(name)).to_owned();
    let (archive, said) = build(&[
        "--name",
        "web:1",
        "--contents",
        &place("a"),
        "--contents",
        &place("b"),
    ]);
    assert_eq!(
        root(&archive)["bin/visudo"],
        link("/nix/store/contents-2/sbin/visudo")
    );
    let remark = format!(
        "warning: `/etc/both` is in contents `{}` and in contents `{}`: the image has that of contents `{}`",
        place("a"),
        place("b"),
        place("a"),
    );
    assert!(said.contains(&remark), "{said}");
    let (_, said) = build(&[
        "--name",
        "web:1",
        "--copy-to-root",
        &place("a"),
        "--copy-to-root",
        &place("b"),
    ]);
    let remark = format!(
        "`/etc/both` is in copyToRoot `{}` and in copyToRoot `{}`",
        place("b"),
        place("a")
    );
    assert!(said.contains(&remark), "{said}");
}

#[test]
fn what_no_layer_holds_is_refused_by_its_name_unless_it_is_left_out() {
    let folder = temporary();
    put(folder.path(), &[("run/file", 0o644)]);
    let fifo = folder.path().join("run/pipe");
    let socket = folder.path().join("run/socket");
    for flag in ["--contents", "--copy-to-root"] {
        let arguments = ["--name", "web:1", flag, text(folder.path())];
        let (expected, _) = build(&arguments);
        let mode = rustix::fs::Mode::from(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (excluded, place, kind) in [
            ("run/socket", &fifo, "fifo"),
            ("**/pipe", &socket, "socket"),
        ] {
            let command = ["build", "--exclude", excluded];
            let run = Run::of(terrine().args(command).args(arguments));
            assert_eq!(run.code, Some(1));
            let said = format!("`{}` is a {kind}, which a layer cannot hold", text(place));
            assert!(run.stderr.contains(&said), "{}", run.stderr);
            assert!(
                run.stderr.contains("`--exclude` leaves this one out"),
                "{}",
                run.stderr
            );
        }
        let without = ["--exclude", "run/pipe", "--exclude", "run/socket"];
        let (archive, _) = build(&[&arguments[..], &without].concat());
        assert_eq!(archive.id, expected.id);
        drop(listener);
        fs::remove_file(&fifo).unwrap();
        fs::remove_file(&socket).unwrap();
    }
}

/// The extended attributes in an archive, by the paths of their entries.
fn attributes(layer: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let mut archive = tar::Archive::new(layer);
    let mut found = vec![];
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let records = entry.pax_extensions().unwrap();
        for record in records.into_iter().flatten().map(Result::unwrap) {
            if let Some(name) = record.key().unwrap().strip_prefix("SCHILY.xattr.") {
                found.push((path.clone(), name.to_owned(), record.value_bytes().to_vec()));
            }
        }
    }
    found
}

/// Sets an attribute to a value in hexadecimal digits, where this user and the file system can.
fn set(place: &Path, name: &str, value: &str) -> bool {
    const PROGRAM: &str = "import os, sys; os.setxattr(*sys.argv[1:3], bytes.fromhex(sys.argv[3]))";
    let Some(python) = peer::find("python3") else {
        return false;
    };
    let run = Run::of(Command::new(python).args(["-c", PROGRAM, text(place), name, value]));
    if run.code != Some(0) {
        peer::skipped(&format!("`{name}` cannot be set here: {}", run.stderr));
    }
    run.code == Some(0)
}

/// Returns the attributes of a file as umoci restores them when it unpacks an image; nothing where it cannot.
fn restored(archive: &Archive, path: &str) -> Option<Vec<(String, Vec<u8>)>> {
    const PROGRAM: &str = "import os, sys
for name in sorted(os.listxattr(sys.argv[1])):
    print(name, os.getxattr(sys.argv[1], name).hex())";
    if !rustix::process::geteuid().is_root() {
        peer::missing("layers are unpacked as root here");
        return None;
    }
    let folder = temporary();
    let file = folder.path().join("image.tar");
    fs::write(&file, &archive.bytes).unwrap();
    let from = format!("docker-archive:{}", file.display());
    let layout = format!("{}:x", folder.path().join("layout").display());
    skopeo::skopeo(folder.path(), &["copy", &from, &format!("oci:{layout}")])?;
    let bundle = folder.path().join("bundle");
    skopeo::umoci(
        folder.path(),
        &["unpack", "--image", &layout, text(&bundle)],
    )?;
    let path = path.trim_start_matches(['.', '/']);
    let place = bundle.join("rootfs").join(path);
    let listed = Run::of(Command::new("python3").args(["-c", PROGRAM, text(&place)])).ok();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let pair = |line: &str| {
        let (name, hex) = line.split_once(' ').unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let value = (0..hex.len()).step_by(2).map(byte).collect();
        (name.to_owned(), value)
    };
    Some(listed.lines().map(pair).collect())
}

#[test]
fn capabilities_and_attributes_of_users_are_in_the_image_and_lists_are_told() {
    let folder = temporary();
    put(folder.path(), &[("bin/ping", 0o755), ("etc/plain", 0o644)]);
    // `setcap cap_net_raw=ep`.
    let value = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let ping = folder.path().join("bin/ping");
    if !set(&ping, "security.capability", &hex) {
        return;
    }
    let mut expected = vec![("security.capability".to_owned(), value.to_vec())];
    if set(&ping, "user.note", "61ff623d63") {
        expected.push(("user.note".to_owned(), b"a\xffb=c".to_vec()));
    }
    // `setfacl -m u:7:r`.
    let list = "02000000 01000600ffffffff 0200040007000000 04000400ffffffff 10000400ffffffff 20000400ffffffff";
    let list = list.replace(' ', "");
    let lists = set(
        &folder.path().join("etc/plain"),
        "system.posix_acl_access",
        &list,
    );
    for flag in ["--contents", "--copy-to-root"] {
        let (archive, said) = build(&["--name", "web:1", flag, text(folder.path())]);
        let layers = archive.layers();
        let layer = if flag == "--contents" {
            layers[0]
        } else {
            layers[layers.len() - 1]
        };
        let found = attributes(layer);
        let pairs: Vec<_> = found
            .iter()
            .map(|(_, name, value)| (name.clone(), value.clone()))
            .collect();
        assert_eq!(pairs, expected, "{flag}");
        assert!(found[0].0.ends_with("bin/ping"));
        if let Some(restored) = restored(&archive, &found[0].0) {
            assert_eq!(restored, expected, "{flag}");
        }
        let told = "warning: the attribute `system.posix_acl_access` of `etc/plain` in";
        assert_eq!(said.contains(told), lists, "{said}");
        // Together with what a rule says of the same file.
        let spec = json!({"name": "web:1", "architecture": "amd64",
            (if flag == "--contents" { "contents" } else { "copyToRoot" }): ".",
            "exclude": "image.json",
            "permissions": [{"path": "**/bin/ping", "capabilities": "cap_chown=p"}]});
        fs::write(folder.path().join("image.json"), spec.to_string()).unwrap();
        let ruled = build_file(&folder.path().join("image.json"));
        let layers = ruled.layers();
        let layer = if flag == "--contents" {
            layers[0]
        } else {
            layers[layers.len() - 1]
        };
        let names: Vec<String> = attributes(layer)
            .into_iter()
            .map(|(_, name, _)| name)
            .collect();
        assert_eq!(names.len(), expected.len());
        fs::remove_file(folder.path().join("image.json")).unwrap();
        // An export has them, too.
        let elsewhere = temporary();
        let file = elsewhere.path().join("web.tar");
        fs::write(&file, &archive.bytes).unwrap();
        let export = Run::of(terrine().arg("export").arg(&file).args(["-o", "-"])).ok();
        let exported = attributes(&export.stdout);
        let pairs: Vec<_> = exported
            .iter()
            .map(|(_, name, value)| (name.clone(), value.clone()))
            .collect();
        assert_eq!(pairs, expected, "{flag}");
    }
}
