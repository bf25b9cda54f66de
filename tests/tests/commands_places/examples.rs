//! The official image of Nix, and the examples of dockerTools that have commands, made with small
//! packages.

use std::fs;
use std::os::unix::fs::symlink;

use terrine_tests::{NixStore, Run};

use super::{Bench, Value, json, runs, terrine};

/// The levels that a user has.
const LEVELS: [&str; 4] = ["", "real", "range", "single"];

/// A bench whose image has a shell.
fn bench(programs: &[&str]) -> Option<Bench> {
    let bench = Bench::new();
    bench.tools(programs)?;
    bench.tree()?;
    let bin = bench.path().join("tree/bin");
    // A busybox is what it is called.
    fs::rename(bin.join("su"), bin.join("busybox")).unwrap();
    for name in ["sh", "cat", "stat", "ls", "id", "touch"] {
        symlink("busybox", bin.join(name)).unwrap();
    }
    fs::create_dir(bench.path().join("tree/etc")).unwrap();
    Some(bench)
}

/// Builds an example at all levels, and runs it.
fn example(bench: &Bench, fields: &Value, tell: &str, expected: &str) {
    let mut fields = fields.clone();
    fields["config"]["Cmd"] = json!(["/bin/sh", "-c", tell]);
    let spec = bench.write("example", &fields);
    let archive = bench.at(&spec, &LEVELS);
    runs(&archive, expected);
}

#[test]
fn layered_with_fake_root_commands() {
    let Some(bench) = bench(&[]) else { return };
    example(
        &bench,
        &json!({
            "fakeRootCommands": "
                mkdir -p ./home/alice
                chown 1000 ./home/alice
                ln -s /bin/busybox ./hello",
        }),
        "stat -c '%n %u %g %a' /home /home/alice; ls /dev/null",
        "/home 0 0 755\n/home/alice 1000 0 755\n/dev/null\n",
    );
}

#[test]
fn layered_with_a_root_of_its_own() {
    let Some(bench) = bench(&[]) else { return };
    fs::rename(bench.path().join("tree/bin"), bench.path().join("tree/app")).unwrap();
    example(
        &bench,
        &json!({
            "enableFakechroot": true,
            "fakeRootCommands": "
                mkdir /bin
                for i in sh stat; do ln -s /app/busybox /bin/$i; done
                test ! -e /app/x && mkdir -p /etc/conf.d && touch /etc/conf.d/a",
        }),
        "stat -c '%n %u %g %a' /etc/conf.d /etc/conf.d/a",
        "/etc/conf.d 0 0 755\n/etc/conf.d/a 0 0 644\n",
    );
}

#[test]
fn users_by_the_tools_of_shadow() {
    let Some(bench) = bench(&["useradd", "groupadd"]) else {
        return;
    };
    // What `shadowSetup` of dockerTools writes.
    let setup = "
        mkdir -p /etc/pam.d
        if [ ! -f /etc/passwd ]; then
            echo 'root:x:0:0::/root:/bin/sh' > /etc/passwd
            echo 'root:!x:::::::' > /etc/shadow
        fi
        if [ ! -f /etc/group ]; then
            echo 'root:x:0:' > /etc/group
            echo 'root:x::' > /etc/gshadow
        fi
        if [ ! -f /etc/pam.d/other ]; then
            echo 'auth sufficient pam_rootok.so' > /etc/pam.d/other
        fi
        if [ ! -f /etc/login.defs ]; then touch /etc/login.defs; fi
        groupadd -r redis
        useradd -r -g redis redis
        useradd -m -u 1000 alice
        mkdir /data
        chown redis:redis /data";
    // Without settings a user has the group 100, which has no name here.
    let tell = "id redis; id alice; stat -c '%n %U %G %a' /data /home/alice /etc/shadow";
    let expected = "uid=999(redis) gid=999(redis) groups=999(redis)\n\
        uid=1000(alice) gid=100 groups=100\n\
        /data redis redis 755\n/home/alice alice UNKNOWN 755\n/etc/shadow root root 644\n";
    let script = json!({"enableFakechroot": true, "fakeRootCommands": setup});
    example(&bench, &script, tell, expected);
    example(&bench, &json!({"runAsRoot": setup}), tell, expected);
}

#[test]
fn as_root_in_a_machine() {
    let Some(bench) = bench(&[]) else { return };
    example(
        &bench,
        &json!({
            "runAsRoot": "mkdir -p /data; chown 33:33 /data",
            "extraCommands": "touch tmp/x; chown 1 tmp/x",
        }),
        "stat -c '%n %u %g %a' /data /tmp /tmp/x",
        "/data 33 33 755\n/tmp 0 0 1777\n/tmp/x 1 0 644\n",
    );
}

#[test]
fn a_temporary_directory() {
    let Some(bench) = bench(&[]) else { return };
    example(
        &bench,
        &json!({"extraCommands": "mkdir -m 1777 tmp; mkdir -m 700 root; id -u > etc/id"}),
        "stat -c '%n %u %g %a' /tmp /root; cat /etc/id",
        "/tmp 0 0 1777\n/root 0 0 700\n1000\n",
    );
}

#[test]
fn the_image_of_nix() {
    let Some(store) = NixStore::build() else {
        return;
    };
    let Some(bench) = bench(&[]) else { return };
    let mut fields = json!({
        "contents": [store.path("app")],
        "includeNixDB": true,
        "nixDatabase": {"uid": 1000, "gid": 1000},
        "extraCommands": "
            rm -rf nix-support
            mkdir tmp
            chmod 1777 tmp
            mkdir -p var/tmp
            chmod 1777 var/tmp",
        "fakeRootCommands": "
            mkdir -p home/nix
            chown -R 1000:1000 home/nix nix",
    });
    let tell = "stat -c '%n %u %g %a' /tmp /var/tmp /home /home/nix /nix /nix/var \
        /nix/var/nix/db/db.sqlite";
    fields["config"]["Cmd"] = json!(["/bin/sh", "-c", tell]);
    let spec = bench.write("nix", &fields);
    let build = |level: &str| {
        super::forget(&bench.cache());
        let mut command = terrine();
        command.arg("build").arg("--store-root").arg(store.root());
        command.args(super::levels(level)).arg(&spec);
        command.env("XDG_CACHE_HOME", bench.cache());
        Run::of(&mut command).ok().stdout
    };
    let archive = build("single");
    assert!(archive == build("real"));
    runs(
        &archive,
        "/tmp 0 0 1777\n/var/tmp 0 0 1777\n/home 0 0 755\n/home/nix 1000 1000 755\n\
         /nix 1000 1000 755\n/nix/var 1000 1000 755\n/nix/var/nix/db/db.sqlite 1000 1000 644\n",
    );
}
