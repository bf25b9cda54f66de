//! The layer has the same bytes at every level, whoever builds the image.

use serde_json::json;

use super::place::{self, At, Bench};
use super::{With, same_layers, spec, top};

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

#[test]
fn a_static_shell_leaves_the_same_at_each() {
    let Some(bench) = Bench::new() else { return };
    // Without a compiler the corpus has no program that is not busybox.
    bench.compile("owner", include_str!("owner.c"));
    let spec = spec(&bench, "fakeRootCommands", include_str!("corpus.sh"));
    at_each(&bench, &spec, &place::all());
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
