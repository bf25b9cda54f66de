//! Inside builds of a real Nix, in its sandbox.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use terrine_tests::base::BaseImage;
use terrine_tests::{Run, binary, debian, peer};

use super::{Bench, Value, beside_binary, in_a_root, json, owners};

/// Builds an image at a level, and one at the level that terrine finds.
const EXPRESSION: &str = r#"
{ terrine, work, level, spec }: derivation {
  name = "image";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" ''
    export PATH=/usr/bin:/bin XDG_CACHE_HOME=$TMPDIR
    mkdir $out
    ${terrine} build ${work}/${spec}.json --root-level ${level} > $out/image.tar 2> $out/said
    echo $? > $out/code
    rm -rf $TMPDIR/terrine/trees
    ${terrine} build ${work}/${spec}.json > $out/probed.tar 2> $out/probed
    true
  '' ];
}
"#;

/// The outcome of a build in a build.
struct Built {
    level: Run,
    probed: Run,
}

/// A Nix that builds in its sandbox.
struct Nix {
    /// The root that it is in; none for this machine's.
    root: Option<PathBuf>,
}

impl Nix {
    fn run(&self, bench: &Bench, spec: &str, level: &str) -> Built {
        let store = bench.path().join("store");
        let expression = bench.path().join("x.nix");
        fs::write(&expression, EXPRESSION).unwrap();
        let mut command = match &self.root {
            None => Command::new(peer::find("nix-build").unwrap()),
            Some(root) => {
                let folders = [bench.path(), beside_binary()];
                debian::within(root, &folders, "nix-build").unwrap()
            }
        };
        let paths = format!(
            "/bin /usr /lib /lib64? {} {}",
            beside_binary().display(),
            bench.path().display()
        );
        command
            .arg(&expression)
            .args(["--no-out-link", "--store"])
            .arg(&store);
        for (option, value) in [
            ("sandbox", "true"),
            ("sandbox-paths", &paths),
            ("build-users-group", ""),
            ("substituters", ""),
        ] {
            command.args(["--option", option, value]);
        }
        for (argument, value) in [
            ("terrine", binary().to_str().unwrap()),
            ("work", bench.path().to_str().unwrap()),
            ("level", level),
            ("spec", spec),
        ] {
            command.args(["--argstr", argument, value]);
        }
        let home = bench.path().join("home");
        command.env("HOME", home).env("NIX_CONF_DIR", bench.path());
        let run = Run::of(&mut command).ok();
        let out = String::from_utf8(run.stdout).unwrap();
        let out = store.join(&out.trim()[1..]);
        let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let built = Built {
            level: Run {
                code: text("code").trim().parse().ok(),
                stdout: fs::read(out.join("image.tar")).unwrap(),
                stderr: text("said"),
            },
            probed: Run {
                code: None,
                stdout: fs::read(out.join("probed.tar")).unwrap(),
                stderr: text("probed"),
            },
        };
        writable(&store);
        fs::remove_dir_all(store).unwrap();
        built
    }

    fn check(&self) {
        let bench = Bench::on_disk();
        let Some(bench) = bench.tools(&["install", "stat", "setcap"]) else {
            return;
        };
        bench.tree();
        let outside = |name: &str, spec: &Value| {
            let spec = bench.write(name, spec);
            bench.build(&spec, "single").ok().stdout
        };
        // The same bytes as outside, at whatever level.
        let expected = outside("owners", &owners());
        for level in ["single", "record"] {
            let built = self.run(bench, "owners", level);
            assert!(built.level.ok().stdout == expected, "{level}");
            assert!(built.probed.stdout == expected, "{level}");
        }
        let expected = outside("root", &in_a_root());
        let built = self.run(bench, "root", "single");
        assert!(built.level.ok().stdout == expected);
        assert!(built.probed.stdout == expected);
        // There is no chroot(2) without name spaces.
        let built = self.run(bench, "root", "record").level;
        assert_eq!(built.code, Some(1));
        for part in ["level `record`: changing the root: ", "enableFakechroot"] {
            assert!(built.stderr.contains(part), "{}", built.stderr);
        }
        // What the sandbox forbids.
        for (name, script, said) in [
            ("setuid", "chmod u+s bin/su", "Operation not permitted"),
            (
                "capability",
                "setcap cap_net_bind_service=ep bin/su",
                "Operation not supported",
            ),
        ] {
            bench.write(name, &json!({"fakeRootCommands": script}));
            for level in ["single", "record"] {
                let built = self.run(bench, name, level).level;
                assert_eq!(built.code, Some(1), "{name} {level}");
                let told = [
                    "`fakeRootCommands` failed: exit status 1 at line 1",
                    said,
                    &format!("hint: at level `{level}` the system may refuse permissions"),
                    "set them by `permissions`",
                ];
                for part in told {
                    assert!(built.stderr.contains(part), "{}", built.stderr);
                }
            }
        }
        // What the sandbox forbids commands is there all the same, if it was before.
        fs::write(bench.path().join("base.tar"), base()).unwrap();
        let spec = json!({
            "fromImage": "./base.tar",
            "files": {"/bin/mine": {"text": "x", "mode": "6755"}},
            "runAsRoot": "stat -c '%n %a %u:%g' /usr/bin/* /var/mail > /said; touch /var/mail/new; mkdir /var/mail/box
                stat -c '%n %a %u:%g' /var/mail/* >> /said; chmod 755 /usr/bin/wall; chown 3:4 /usr/bin/write",
        });
        let expected = outside("base", &spec);
        let built = self.run(bench, "base", "single");
        assert!(built.level.ok().stdout == expected);
        // The way out.
        let spec = json!({
            "extraCommands": "mkdir x",
            "permissions": [{"path": "/bin/su", "mode": "4755"}],
        });
        let expected = outside("permissions", &spec);
        let built = self.run(bench, "permissions", "single");
        assert!(built.level.ok().stdout == expected);
    }
}

/// A base image with permissions that the sandbox does not let anyone set, and with an attribute that its
/// file system has no place for.
fn base() -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, attribute: bool| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(if mode & 0o2000 == 0 { 0 } else { 8 });
        header.set_size(if kind == tar::EntryType::Regular {
            1
        } else {
            0
        });
        if attribute {
            let records = [("SCHILY.xattr.user.note", &b"kept"[..])];
            layer.append_pax_extensions(records).unwrap();
        }
        let content: &[u8] = if kind == tar::EntryType::Regular {
            b"x"
        } else {
            b""
        };
        layer.append_data(&mut header, path, content).unwrap();
    };
    for (path, mode, attribute) in [
        ("usr/bin/chage", 0o2755, false),
        ("usr/bin/note", 0o755, true),
        ("usr/bin/passwd", 0o4755, false),
        ("usr/bin/wall", 0o2755, false),
        ("usr/bin/write", 0o6755, true),
    ] {
        add(path, tar::EntryType::Regular, mode, attribute);
    }
    add("var/mail", tar::EntryType::Directory, 0o2775, false);
    BaseImage::old(&[&layer.into_inner().unwrap()], &[]).archive()
}

/// Lets the store be removed: its directories are read-only.
fn writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            writable(&entry.path());
        }
    }
}

/// Returns true if builds of Nix can be had here; says aloud if not.
fn can_build() -> bool {
    if !geteuid().is_root() {
        peer::missing("sandboxes of Nix are made as root here");
        return false;
    }
    true
}

#[test]
fn builds_of_nix_here() {
    if can_build() && peer::find("nix-build").is_some() {
        Nix { root: None }.check();
    }
}

#[test]
fn builds_of_nix_in_the_next_debian() {
    if !can_build() {
        return;
    }
    if let Some(root) = debian::root("trixie", "nix-bin") {
        Nix { root: Some(root) }.check();
    }
}
