//! Commands that fail: what is said of it.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use serde_json::json;
use terrine_tests::{Run, peer};

use super::place::{self, Bench, SINGLE};
use super::{With, spec};

#[test]
fn the_last_lines_the_status_and_the_line_are_told() {
    let Some(bench) = Bench::new() else { return };
    let refusal = |script: &str| bench.refusal(&spec(&bench, "extraCommands", script), SINGLE);
    let text = refusal("i=0\nwhile [ $i -lt 60 ]; do echo line $i; i=$((i+1)); done\nfalse\n");
    assert!(
        text.contains("`extraCommands` failed: exit status 1 at line 3\n    line 20\n"),
        "{text}"
    );
    assert_eq!(text.matches("    line ").count(), 40, "{text}");
    for (script, expected) in [
        ("true\njq . x\n", "exit status 127 at line 2\n"),
        (
            "true\njq . x\n",
            "hint: add the package that has `jq` to `commands.path`",
        ),
        ("true\nexit 7\n", "exit status 7 at line 2\n"),
        ("if true; then\n  echo a b\n  echo (\nfi\n", "at line 4\n"),
        ("kill -9 $$\n", "ended by signal 9"),
        ("true\nfalse | true\n", "exit status 1"),
        ("printf 'a\\033[2Jb'; false", "a\u{fffd}[2Jb"),
        ("chown 5:5 .", "Operation not permitted"),
    ] {
        let text = refusal(script);
        assert!(text.contains(expected), "{script}: {text}");
        assert!(!text.contains('\u{1b}'));
    }
}

#[test]
fn other_shells_tell_the_line_too() {
    let Some(bench) = Bench::new() else { return };
    let Some(root) = bench.dynamic(&["bash", "dash", "cat", "ls"]) else {
        return;
    };
    for (shell, script, expected) in [
        ("bash", "true\n\nls /none\n", "exit status 2 at line 3\n"),
        ("bash", "true\n\njq\n", "exit status 127 at line 3\n"),
        ("bash", "true\n\nx=$(false)\n", "exit status 1 at line 3\n"),
        ("bash", "true\n\nfalse | cat\n", "exit status 1 at line 3\n"),
        ("bash", "true\n\necho (\n", "at line 3\n"),
        // Dash does not know its line; where it complains itself it does.
        ("dash", "true\n\nls /none\n", "exit status 2\n"),
        ("dash", "true\n\njq\n", "exit status 127 at line 3\n"),
        ("dash", "true\n\necho (\n", "at line 4\n"),
    ] {
        let spec = json!({"name": "test:1", "architecture": "amd64", "enableFakechroot": true,
            "copyToRoot": root, "commands": {"shell": format!("/bin/{shell}")}})
        .with("fakeRootCommands", script);
        let text = bench.refusal(&spec, SINGLE);
        assert!(text.contains(expected), "{shell} {script}: {text}");
        let hint = text.contains("hint: add the package that has `jq`");
        assert_eq!(hint, script.contains("jq"), "{text}");
    }
    let none = json!({"name": "test:1", "extraCommands": "true"});
    for at in place::all() {
        let text = bench.refusal(&none, at);
        assert!(
            text.contains("its shell cannot be started") && text.contains("`commands.shell`"),
            "{at:?}: {text}"
        );
    }
}

#[test]
fn time_and_processes_are_bounded() {
    let Some(bench) = Bench::new() else { return };
    for at in place::all() {
        for (script, flags, expected) in [
            (
                "(trap '' TERM INT HUP; sleep 543 &); sleep 543",
                ["--root-time", "1"],
                "it took longer than 1 s",
            ),
            (
                // Nothing but the count bounds it where there are no name spaces.
                if at.level == "record" {
                    "i=0; while [ $i -lt 300 ]; do sleep 543 & i=$((i + 1)); done; wait"
                } else {
                    "f() { f | f & }; f; sleep 543"
                },
                ["--root-processes", "60"],
                "it had more than 60 processes at once",
            ),
        ] {
            let cache = bench.cache();
            let spec = spec(&bench, "fakeRootCommands", script);
            let started = Instant::now();
            let run = Run::of(bench.command("build", &spec, at, &cache).args(flags));
            assert_eq!(run.code, Some(1), "{at:?}: {}", run.stderr);
            assert!(run.stderr.contains(expected), "{at:?}: {}", run.stderr);
            assert!(
                run.stderr
                    .contains(&format!("hint: `{}` allows more", flags[0])),
                "{}",
                run.stderr
            );
            assert!(started.elapsed() < Duration::from_secs(60), "{at:?}");
            super::ends::nothing_is_left(&cache, at);
        }
    }
}

#[test]
fn a_disk_that_is_full_is_told() {
    if !geteuid().is_root() {
        return peer::missing("only root can mount a small disk");
    }
    let Some(bench) = Bench::new() else { return };
    for (script, expected) in [
        (
            "dd if=/dev/zero of=big bs=1M count=30",
            "No space left on device",
        ),
        (
            "head -c 30000000 /dev/zero > big || true; rm big; echo a > a",
            "",
        ),
    ] {
        let cache = bench.cache();
        let trees = cache.join("terrine/trees");
        std::fs::create_dir_all(&trees).unwrap();
        let spec = spec(&bench, "extraCommands", script);
        let build = bench.command("build", &spec, SINGLE, &cache);
        let mount = format!(
            "mount -t tmpfs -o size=8m,mode=700 none {} && exec \"$@\"",
            trees.display()
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &mount, "sh"])
            .arg(build.get_program())
            .args(build.get_args());
        for (name, value) in build.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let run = Run::of(&mut command);
        assert_eq!(
            run.code,
            Some(i32::from(!expected.is_empty())),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

#[test]
fn names_of_whiteouts_are_refused() {
    let Some(bench) = Bench::new() else { return };
    for field in ["extraCommands", "fakeRootCommands", "runAsRoot"] {
        let spec = spec(&bench, field, "mkdir -p d; touch d/.wh.x");
        let text = bench.refusal(&spec, SINGLE);
        for part in [
            "`/d/.wh.x` of commands has the name of a whiteout",
            "hint: leave the file out or give it another name",
        ] {
            assert!(text.contains(part), "{field}: {text}");
        }
    }
}
