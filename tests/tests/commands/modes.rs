//! Commands in each mode of dockerTools: what they see, who they are, and what they leave behind.

use std::fs;
use std::os::fd::AsRawFd;

use serde_json::{Value, json};
use tar::EntryType;
use terrine_tests::Run;

use super::place::{self, Bench, SINGLE};
use super::{With, entries, said, spec, top};

/// All that commands find in their environment, but for their path.
const ENVIRONMENT: &str = "HOME=/homeless-shelter
LC_ALL=C
NIX_BUILD_CORES=1
NIX_BUILD_TOP=[TMP]
PERL_HASH_SEED=0
PWD=[TREE]
PYTHONHASHSEED=0
SHLVL=1
SOURCE_DATE_EPOCH=315532800
TEMP=[TMP]
TEMPDIR=[TMP]
TERM=dumb
TMP=[TMP]
TMPDIR=[TMP]
TZ=UTC
";

/// Tells what commands see.
const LOOK: &str = "{ pwd; id; umask; hostname; nproc; touch new; stat -c %u:%g new; } > seen
ls -A / > root; env | grep -v ^PATH= | sort > env; cat /proc/sys/kernel/hostname >> seen
ls /proc/self/fd | sort > fds";

#[test]
fn each_mode_has_its_place_and_its_user() {
    let Some(bench) = Bench::new() else { return };
    for at in place::isolated() {
        for (field, chroot, tree, tmp, user, owner) in [
            (
                "extraCommands",
                false,
                "/build/root",
                "/build",
                "uid=1000(nixbld) gid=100(nixbld)",
                "1000:100",
            ),
            (
                "fakeRootCommands",
                false,
                "/build/root",
                "/build",
                "uid=0(root) gid=0(root)",
                "0:0",
            ),
            (
                "fakeRootCommands",
                true,
                "/",
                "/.terrine/tmp",
                "uid=0 gid=0",
                "0:0",
            ),
            (
                "runAsRoot",
                false,
                "/",
                "/.terrine/tmp",
                "uid=0 gid=0",
                "0:0",
            ),
        ] {
            let spec = spec(&bench, field, LOOK).with("enableFakechroot", chroot);
            let layer = top(&bench.build(&spec, at).ok());
            let found = entries(&layer);
            let text = |file: &str| found[file].text.as_str();
            let expected = format!("{tree}\n{user}\n0022\nlocalhost\n1\n{owner}\nlocalhost\n");
            assert_eq!(text("seen"), expected, "{field} {at:?}");
            let environment = ENVIRONMENT.replace("[TMP]", tmp).replace("[TREE]", tree);
            assert_eq!(text("env"), environment, "{field} {at:?}");
            // The last one is the directory that is listed.
            assert_eq!(text("fds"), "0\n1\n2\n3\n", "{field} {at:?}");
            let seen: Vec<&str> = text("root").lines().collect();
            let all: &[&str] = match tree {
                "/" if field == "runAsRoot" => &[
                    ".terrine", "dev", "new", "nix", "proc", "root", "seen", "tmp",
                ],
                "/" => &[".terrine", "dev", "new", "nix", "proc", "root", "seen"],
                _ => &[".terrine", "bin", "build", "dev", "etc", "proc", "tmp"],
            };
            assert_eq!(seen, all, "{field} {at:?}");
            // Whoever made it, all that nobody gave away is root's, and nothing else is left.
            assert!(
                found.values().all(|entry| entry.owner == (0, 0)),
                "{found:?}"
            );
            let names: Vec<&str> = found.keys().map(String::as_str).collect();
            let mut expected = vec!["", "env", "fds", "new", "root", "seen"];
            expected.extend((field == "runAsRoot").then_some("tmp"));
            assert_eq!(names, expected, "{field} {at:?}");
        }
    }
}

#[test]
fn nothing_of_this_machine_leaks() {
    let Some(bench) = Bench::new() else { return };
    let folder = fs::File::open(bench.path()).unwrap();
    let script = "env > env; ls /proc/self/fd | wc -l > fds; cat /proc/self/mountinfo > /dev/null";
    let known = said(
        &bench,
        &spec(&bench, "extraCommands", script),
        SINGLE,
        "env",
    );
    for level in ["single", "record"] {
        let at = place::root(level);
        let cache = bench.cache();
        let spec = spec(&bench, "extraCommands", script);
        let command = bench.command("build", &spec, at, &cache);
        // A descriptor that stays open in the programs that a shell starts.
        let mut shell = std::process::Command::new("bash");
        let opened = format!(
            "exec 7< /proc/{}/fd/{}; exec \"$@\"",
            std::process::id(),
            folder.as_raw_fd()
        );
        shell
            .args(["-c", &opened, "bash"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        shell.envs([
            ("USER", "bob"),
            ("NIX_REMOTE", "daemon"),
            ("SECRET", "x"),
            ("BASH_ENV", "/x"),
            ("ENV", "/x"),
        ]);
        let layer = top(&Run::of(&mut shell).ok());
        let found = entries(&layer);
        assert_eq!(found["fds"].text.trim(), "4", "{level}");
        let env = &found["env"].text;
        assert!(
            !["bob", "daemon", "SECRET", "_ENV"]
                .iter()
                .any(|word| env.contains(word)),
            "{env}"
        );
        if level == "single" {
            assert_eq!(*env, known);
        }
    }
}

#[test]
fn what_is_there_for_commands_leaves_nothing_behind() {
    let Some(bench) = Bench::new() else { return };
    bench.compile("socket", "#include <sys/socket.h>\n#include <sys/un.h>\nint main(void) { struct sockaddr_un to = {AF_UNIX, \"socket\"}; return bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, sizeof to); }");
    let script = "echo a > a; command -v socket > /dev/null && socket; echo x > /dev/shm/x; echo x > $TMPDIR/x
        [ ! -w /dev/shm ] || echo x > /dev/new; echo x > /dev/null; mkdir -p /.terrine/tmp/d; ls / > /dev/null; mkdir keep; (sleep 100 &) ; sleep 100 &";
    for at in place::chroot() {
        for (field, chroot) in [
            ("extraCommands", false),
            ("fakeRootCommands", true),
            ("runAsRoot", false),
        ] {
            let spec = spec(&bench, field, script).with("enableFakechroot", chroot);
            let layer = top(&bench.build(&spec, at).ok());
            let names: Vec<String> = entries(&layer).into_keys().collect();
            let mut expected = vec!["", "a", "keep"];
            // The machine of dockerTools has one, and leaves it.
            expected.extend((field == "runAsRoot").then_some("tmp"));
            assert_eq!(names, expected, "{field} {at:?}");
        }
    }
}

/// A base image with a shell, and with files to change.
fn base(bench: &Bench) {
    let spec = json!({"name": "base:1", "architecture": "amd64", "copyToRoot": bench.tools(),
        "commands": {"path": [bench.tools()]}})
    .with("fakeRootCommands", "mkdir -m 1777 tmp; mkdir -p etc old/sub dev proc full; echo 1 > etc/same; echo 2 > etc/changed
        echo 3 > etc/gone; echo 4 > old/a; echo 5 > old/sub/b; chown -R 5:6 old; echo d > dev/base; mknod full/null c 1 3
        echo s > etc/suid; chmod 4755 etc/suid; echo t > tmp/t; ln etc/same etc/linked; echo 6 > full/a");
    let archive = bench.build(&spec, SINGLE).ok().stdout;
    fs::write(bench.path().join("base.tar"), archive).unwrap();
}

fn on_base(bench: &Bench, field: &str, script: &str) -> Value {
    json!({"name": "test:1", "architecture": "amd64"})
        .with("fromImage", bench.path().join("base.tar").to_str().unwrap())
        .with(field, script)
}

#[test]
fn the_machine_of_dockertools_sees_the_base_and_leaves_what_changed() {
    let Some(bench) = Bench::new() else { return };
    base(&bench);
    let script = "stat -c '%n %u:%g %a %F' old old/a full/null etc/suid tmp > /seen; cat /dev/base 2> /dev/null && exit 1
        rm etc/gone; echo new > etc/changed; echo more >> etc/suid; rm -r old; mkdir old; echo n > old/n; echo 1 > etc/same.new; mv etc/same.new etc/same
        rm full/a full/null; touch tmp/x; rm tmp/x; mkdir -p var/lib; cat /etc/linked > var/lib/l; chmod 700 bin; chmod 755 bin";
    let mut first: Option<Vec<u8>> = None;
    for at in place::chroot() {
        let layer = top(&bench.build(&on_base(&bench, "runAsRoot", script), at).ok());
        let found = entries(&layer);
        assert_eq!(
            found["seen"].text,
            "old 5:6 755 directory\nold/a 5:6 644 regular file\nfull/null 0:0 644 character special file\netc/suid 0:0 4755 regular file\ntmp 0:0 1777 directory\n"
        );
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "",
                "etc",
                "etc/.wh.gone",
                "etc/changed",
                "etc/suid",
                "full",
                "full/.wh..wh..opq",
                "old",
                "old/.wh..wh..opq",
                "old/n",
                "seen",
                "var",
                "var/lib",
                "var/lib/l"
            ],
            "{at:?}"
        );
        assert_eq!(found["old"].owner, (0, 0));
        // Root writes to it.
        assert_eq!(found["etc/suid"].mode, 0o4755);
        assert_eq!(found["var/lib/l"].text, "1\n");
        let first = first.get_or_insert_with(|| layer.clone());
        super::same_layers(first, &layer, &format!("{at:?}"));
    }
}

#[test]
fn other_modes_do_not_see_the_base() {
    let Some(bench) = Bench::new() else { return };
    base(&bench);
    for (field, chroot) in [
        ("extraCommands", false),
        ("fakeRootCommands", false),
        ("fakeRootCommands", true),
    ] {
        let script = "[ ! -e etc/same ] && [ ! -e /etc/same ]; echo a > a";
        let spec = on_base(&bench, field, script)
            .with("commands", json!({"path": [bench.tools()]}))
            .with("enableFakechroot", chroot);
        let layer = top(&bench.build(&spec, SINGLE).ok());
        assert_eq!(entries(&layer).into_keys().collect::<Vec<_>>(), ["", "a"]);
    }
}

#[test]
fn devices_fifos_links_and_capabilities_arrive_in_the_layer() {
    let Some(bench) = Bench::new() else { return };
    let script = "mknod null c 1 3; mknod sda b 8 1; mkfifo pipe; echo a > a; ln a b; ln -s a l; chmod 600 sda";
    for at in place::all() {
        let layer = top(&bench
            .build(&spec(&bench, "fakeRootCommands", script), at)
            .ok());
        let found = entries(&layer);
        for (path, kind, mode) in [
            ("null", EntryType::Char, 0o644),
            ("sda", EntryType::Block, 0o600),
            ("pipe", EntryType::Fifo, 0o644),
            // As GNU tar has it that stores hard links whole.
            ("b", EntryType::Regular, 0o644),
            ("l", EntryType::Symlink, 0o777),
        ] {
            assert_eq!(
                (found[path].kind, found[path].mode),
                (kind, mode),
                "{path} {at:?}"
            );
        }
    }
}
