//! As a process in a container of Docker's: its capabilities, its filter of system calls, a process
//! name space, and no right to make others.

use std::process::Command;

use rustix::process::geteuid;
use terrine_tests::{Run, SpecFile, TestStore, fixture, peer};

use super::{Bench, forget, in_a_root, json, owners};

/// The capabilities that Docker gives root.
const CAPABILITIES: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,\
    +setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// Runs a command so, as this user. None, said aloud, where that cannot be.
fn contained(command: &Command, user: Option<u32>) -> Option<Run> {
    if !geteuid().is_root() {
        peer::missing("capabilities are given up as root here");
        return None;
    }
    let mut outer = Command::new(peer::find("unshare")?);
    outer.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    outer.arg(peer::find("python3")?);
    outer.arg(fixture("tests/commands_places/docker.py"));
    outer.arg(peer::find("setpriv")?);
    outer.args(["--inh-caps=-all", "--bounding-set", CAPABILITIES]);
    if let Some(user) = user {
        let user = user.to_string();
        outer.args(["--clear-groups", "--reuid", &user, "--regid", &user]);
    }
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    Some(Run::of(&mut outer))
}

#[test]
fn commands_run_without_name_spaces() {
    let bench = Bench::on_disk();
    if bench.tools(&["install", "stat", "setcap"]).is_none() || bench.tree().is_none() {
        return;
    }
    let capabilities = json!({
        "fakeRootCommands": "
            chmod u+s bin/su
            cp bin/su bin/ping
            setcap cap_net_raw=ep bin/ping
            chmod 0 bin/ping
            chmod g+s bin",
    });
    for (name, spec) in [
        ("owners", owners()),
        ("capabilities", capabilities),
        ("root", in_a_root()),
        (
            "machine",
            json!({"runAsRoot": "mkdir -p /data; chown 7 /data; test -c /dev/null"}),
        ),
    ] {
        let spec = bench.write(name, &spec);
        let expected = bench.build(&spec, "single").ok().stdout;
        // Nothing else can be had.
        forget(&bench.cache());
        let Some(refused) = contained(&bench.command(&spec, "single"), None) else {
            return;
        };
        assert_eq!(refused.code, Some(1));
        let said = "level `single`: creating namespaces: Operation not permitted";
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        for level in ["", "record"] {
            forget(&bench.cache());
            let built = contained(&bench.command(&spec, level), None).unwrap().ok();
            assert!(built.stdout == expected, "{name} at `{level}`");
        }
    }
}

#[test]
fn a_user_has_no_root_to_change() {
    let bench = Bench::on_disk();
    if bench.tools(&["install", "stat"]).is_none() || bench.tree().is_none() {
        return;
    }
    rustix::fs::chmod(bench.path(), 0o777.into()).unwrap();
    let spec = bench.write("owners", &owners());
    let expected = bench.build(&spec, "single").ok().stdout;
    let theirs = bench.path().join("theirs");
    let as_user = |name: &str| {
        let mut command = bench.command(&bench.path().join(format!("{name}.json")), "");
        command.env("XDG_CACHE_HOME", &theirs);
        contained(&command, Some(1000))
    };
    let Some(built) = as_user("owners") else {
        return;
    };
    assert!(built.ok().stdout == expected);

    bench.write("root", &in_a_root());
    let refused = as_user("root").unwrap();
    assert_eq!(refused.code, Some(1));
    for part in [
        "level `record`: changing the root: Operation not permitted",
        "hint: commands whose `/` is the image need namespaces, or the right to call chroot(2)",
    ] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
}

#[test]
fn store_paths_are_lent_to_the_tree() {
    let Some(busybox) = peer::find("busybox") else {
        return;
    };
    let store = TestStore::default();
    let busybox = std::fs::read(busybox).unwrap();
    let tools = "7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-busybox";
    let data = "1qm4lyyajvvvq1xz7b6swmbm9v3s8c5x-data";
    store.file_with_mode(&format!("{tools}/bin/busybox"), &busybox, 0o555);
    for name in ["sh", "ls", "cat", "cp", "mkdir", "chown", "ln", "stat"] {
        store.link(&format!("{tools}/bin/{name}"), "busybox");
    }
    store.file(&format!("{data}/share/data"), b"data");
    let graph = [(tools, 1, ""), (data, 1, "")];
    let spec = SpecFile::new(&store, &[data])
        .graph(&graph)
        .with("architecture", json!(null))
        .with("commands", json!({"path": [store.path(tools)]}))
        .with("enableFakechroot", true);
    let script = format!(
        "ls -l {0} {0}/{data}/share /share > /seen\n\
         cat /share/data > /copy\n\
         mkdir -p /nix/var\n\
         chown 1000 /nix/var\n\
         ln -s {0}/{tools}/bin/sh /sh",
        store.dir()
    );
    // The times of links and directories are those of the moment.
    let script = script.replace("ls -l", "ls");
    let spec = spec.with("fakeRootCommands", script);
    let cache = store.root().join("cache");
    let command = |level: &str| {
        forget(&cache);
        let mut command = spec.command("build");
        command.env("XDG_CACHE_HOME", &cache);
        command.args(super::levels(level));
        command
    };
    let expected = Run::of(&mut command("single")).ok().stdout;
    let Some(built) = contained(&command(""), None) else {
        return;
    };
    assert!(built.ok().stdout == expected);
    let names = super::entries(&expected).join("\n");
    // What is mentioned has joined the image, in a layer of its own.
    assert!(
        names.contains("nix/var") && !names.contains("busybox"),
        "{names}"
    );
    // What was lent is as it was.
    assert_eq!(
        std::fs::read(store.host(tools).join("bin/busybox")).unwrap(),
        busybox
    );
}
