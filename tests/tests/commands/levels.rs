//! The layer has the same bytes at every level and for every user who builds the image.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;

use serde_json::json;
use terrine_tests::{Run, SmallDisk, empty_cache, peer};

use super::place::{self, At, Bench};
use super::{With, entries, said, same_layers, spec, top};

/// Programs of this machine that change owners in ways of their own.
const PROGRAMS: &[&str] = &[
    "bash", "cat", "chmod", "chown", "chroot", "cp", "dd", "env", "find", "getcap", "head", "id",
    "install", "ln", "ls", "mkdir", "mkfifo", "mknod", "mv", "perl", "rm", "setcap", "setpriv",
    "sort", "stat", "tar", "touch", "true",
];

fn at_each(bench: &Bench, spec: &serde_json::Value, levels: &[At]) {
    let mut first: Option<(At, Vec<u8>)> = None;
    for at in levels {
        let layer = top(&bench.build(spec, *at).ok());
        match &first {
            Some((one, known)) => same_layers(known, &layer, &format!("{one:?} and {at:?}")),
            None => first = Some((*at, layer)),
        }
    }
}

/// Checks what commands say at each level, on a file system whose clock moves in steps.
fn said_with_steps(bench: &Bench, spec: &serde_json::Value, levels: &[At], expected: &str) {
    for at in levels {
        let cache = bench.cache();
        let Some(disk) = SmallDisk::with_steps(&cache) else {
            return;
        };
        empty_cache(&cache);
        let run = Run::of(&mut bench.command("build", spec, *at, &cache));
        let found = entries(&top(&run.ok()));
        assert_eq!(found["said"].text, expected, "{at:?}");
        disk.unmount();
    }
}

#[test]
fn a_static_shell_leaves_the_same_at_each() {
    let Some(bench) = Bench::new() else { return };
    // Without compilers the corpus has no program that is not busybox.
    bench.compile("owner", include_str!("owner.c"));
    bench.compile_with_musl("owner-musl", include_str!("owner.c"));
    bench.compile_go("owner-go", include_str!("owner.go"));
    let spec = spec(&bench, "fakeRootCommands", include_str!("corpus.sh"));
    at_each(&bench, &spec, &place::all());
}

#[test]
fn a_new_file_has_nothing_of_a_removed_one() {
    let Some(bench) = Bench::new() else { return };
    if !bench.compile("reused", include_str!("reused.c")) {
        return;
    }
    let spec = spec(&bench, "fakeRootCommands", "reused > said");
    let expected = "0 owners, 0 devices, 0 modes\n";
    said_with_steps(&bench, &spec, &place::all(), expected);
}

#[test]
fn a_removed_file_gives_its_space_back() {
    let Some(bench) = Bench::new() else { return };
    if !bench.compile("space", include_str!("space.c")) {
        return;
    }
    let spec = spec(&bench, "fakeRootCommands", "space > said");
    said_with_steps(&bench, &spec, &place::all(), "there is room\n");
}

#[test]
fn what_is_laid_over_a_base_image_has_nothing_of_what_was_there() {
    let Some(bench) = Bench::new() else { return };
    let script = "echo a > a; echo b > b; mkdir d; mknod z c 1 3; chown -R 5:6 *; chmod 4755 b; chmod 2755 d";
    let base = bench.path().join("base.tar");
    let made = bench.build(&spec(&bench, "fakeRootCommands", script), place::SINGLE);
    fs::write(&base, made.ok().stdout).unwrap();
    let site = bench.path().join("site");
    fs::create_dir_all(site.join("d")).unwrap();
    for name in ["a", "b", "z", "d/x"] {
        fs::write(site.join(name), "new").unwrap();
    }
    let script = "cd /; stat -c '%n %F %u:%g %a' a b d d/x z > said";
    let spec = spec(&bench, "runAsRoot", script)
        .with("fromImage", base.to_str().unwrap())
        .with("copyToRoot", site.to_str().unwrap());
    let file = |name: &str| format!("{name} regular file 0:0 644\n");
    let expected = file("a") + &file("b") + "d directory 0:0 755\n" + &file("d/x") + &file("z");
    said_with_steps(&bench, &spec, &place::chroot(), &expected);
}

#[test]
fn the_owners_of_tools_and_store_paths_are_not_shown() {
    let Some(bench) = Bench::new() else { return };
    if !rustix::process::geteuid().is_root() {
        peer::missing("only root has files of several owners");
        return;
    }
    let marker = bench.tools().join("lib/deep/marker");
    fs::create_dir_all(marker.parent().unwrap()).unwrap();
    fs::write(&marker, "").unwrap();
    chown(&marker, Some(1000), Some(1001)).unwrap();
    let script = "tools=${PATH%%/bin*}; cp -a \"$tools\"/lib/deep/marker .
        stat -c '%u:%g %a' \"$tools\"/lib/deep/marker /dev/null /dev/tty > said";
    for at in place::isolated() {
        let layer = top(&bench
            .build(&spec(&bench, "fakeRootCommands", script), at)
            .ok());
        let found = entries(&layer);
        assert_eq!(found["said"].text, "0:0 644\n0:0 666\n0:0 666\n", "{at:?}");
        assert_eq!(found["marker"].owner, (0, 0), "{at:?}");
    }
}

#[test]
fn the_owners_of_a_base_images_store_paths_are_shown() {
    let Some(bench) = Bench::new() else { return };
    let path = bench
        .path()
        .join("store/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-app");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("file"), "x").unwrap();
    let closure = bench.path().join("closure.json");
    let app = "/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-app";
    let known = json!([{"path": app, "narSize": 1, "references": []}]);
    fs::write(&closure, known.to_string()).unwrap();
    let base = json!({"name": "base:1", "architecture": "amd64", "uid": 33, "gid": 44})
        .with("contents", app)
        .with("closure", closure.to_str().unwrap());
    let mut command = bench.command("build", &base, place::SINGLE, &bench.cache());
    command.arg("--store-root").arg(bench.path().join("store"));
    let file = bench.path().join("base.tar");
    fs::write(&file, Run::of(&mut command).ok().stdout).unwrap();
    let script =
        "stat -c '%u:%g' /nix/store/*-app/file > said; ! chown 1 /nix/store/*-app/file 2>> said";
    let spec = spec(&bench, "runAsRoot", script).with("fromImage", file.to_str().unwrap());
    let mut all = BTreeSet::new();
    for at in place::isolated() {
        all.insert(said(&bench, &spec, at, "said"));
    }
    let expected = "33:44\nchown: /nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-app/file: Read-only file system\n";
    assert_eq!(all, BTreeSet::from([expected.to_owned()]));
}

#[test]
fn dynamic_programs_leave_the_same_at_each() {
    let Some(bench) = Bench::new() else { return };
    let Some(root) = bench.dynamic(PROGRAMS) else {
        return;
    };
    let spec = json!({"name": "test:1", "architecture": "amd64"})
        .with("copyToRoot", root.to_str().unwrap())
        .with("enableFakechroot", true)
        .with("fakeRootCommands", include_str!("users.sh"));
    at_each(&bench, &spec, &place::chroot());
    // The same tree, with the tools of `runAsRoot`.
    let mut machine = spec.clone();
    machine["runAsRoot"] = machine["fakeRootCommands"].take();
    machine.as_object_mut().unwrap().remove("fakeRootCommands");
    machine.as_object_mut().unwrap().remove("enableFakechroot");
    at_each(&bench, &machine, &place::chroot());
}

#[test]
fn system_calls_answer_the_same_at_each() {
    let Some(bench) = Bench::new() else { return };
    if !bench.compile("calls", include_str!("calls.c")) {
        return;
    }
    let script = "mkdir -p tmp; chmod 1777 tmp; calls > said; \
                  find py thr -exec stat -c '%n %u:%g %a' {} + | sort >> said";
    at_each(
        &bench,
        &spec(&bench, "fakeRootCommands", script),
        &place::all(),
    );
}

#[test]
fn a_user_without_rights_leaves_the_same_at_each() {
    let Some(bench) = Bench::new() else { return };
    let script =
        "{ id -u; id -g; } > id; mkdir -p a/b; echo x > a/b/c; chmod 500 a/b; chmod 4751 a/b/c; ln -s b a/l
        chmod 000 id; mkdir -p -m 1777 tmp; mkfifo p; ln a/b/c hard
        ! chown 0:0 a 2> /dev/null; ! chown 5 a/b/c 2> /dev/null; ! mknod d c 1 3 2> /dev/null
        ! chroot . true 2> /dev/null; stat -c '%n %u:%g %a' a a/b a/b/c tmp > said";
    at_each(
        &bench,
        &spec(&bench, "extraCommands", script),
        &place::all(),
    );
}
