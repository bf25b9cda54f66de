//! `terrine cache` as its users see it, and the cache on disks that are full or may not be
//! written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use terrine::cache::{Cache, CacheOptions, LayerKey, Plain, Stored};
use terrine::oci::Digest;
use terrine_tests::{Run, SmallDisk, SpecFile, TestStore, temporary, terrine};

fn today() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        / 86_400
}

/// Returns the folder of the cache below `$XDG_CACHE_HOME`.
fn folder(home: &Path) -> PathBuf {
    home.join("terrine")
}

fn key(n: u64) -> LayerKey {
    LayerKey::builder("test").number("n", n).finish()
}

fn fill(cache: &Cache, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let digest = Digest::of(&n.to_le_bytes());
        cache.remember_plain(
            &key(n),
            &Plain {
                diff_id: digest,
                size: n,
            },
        );
        cache.remember_blob(digest, "zstd 1.5, level 3", &Stored { digest, size: n });
        cache.remember_location("ghcr.io", "acme/web", digest);
        cache.remember_facts(
            "test",
            &[(digest, "a".to_owned()), (key(n).digest(), "b".to_owned())],
        );
    }
}

fn on(home: &Path, day: u64) -> Cache {
    Cache::open(&folder(home), CacheOptions::on(day)).unwrap()
}

/// Returns what `terrine cache` says.
fn said(home: &Path, arguments: &[&str]) -> String {
    let run = Run::of(
        terrine()
            .env("XDG_CACHE_HOME", home)
            .arg("cache")
            .args(arguments),
    );
    run.snapshot(&[(home, "[HOME]")])
}

/// The output about a cache whose entries were used twelve days ago, and of one with entries of today as well, as a table
/// and as JSON.
fn shown(today: u64) -> [String; 3] {
    let home = temporary();
    fill(&on(home.path(), today - 12), 0..100);
    let table = || said(home.path(), &["info", "--format", "table"]);
    let used_at_once = table();
    fill(&on(home.path(), today), 100..300);
    // JSON where it is not a terminal.
    let json = said(home.path(), &["info"]);
    let json = json.replace(&today.to_string(), "[TODAY]");
    let json = json.replace(&(today - 12).to_string(), "[THEN]");
    [used_at_once, table(), json]
}

#[test]
fn what_the_cache_holds_is_shown() {
    let home = temporary();
    let empty = ["json", "table"].map(|format| said(home.path(), &["info", "--format", format]));
    insta::assert_snapshot!("empty", empty.join("\n"));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let day = today();
    let mut texts = shown(day);
    // Midnight has passed in between.
    if today() != day {
        texts = shown(today());
    }
    let [used_at_once, table, json] = texts;
    insta::assert_snapshot!("used-at-once", used_at_once);
    insta::assert_snapshot!("table", table);
    insta::assert_snapshot!("json", json);
}

#[test]
fn clearing_says_what_it_freed() {
    let home = temporary();
    let nothing = said(home.path(), &["clear"]);
    fill(&on(home.path(), today()), 0..300);
    let used = on(home.path(), today());
    assert!(used.plain(&key(1)).is_some());
    let all = said(home.path(), &["clear"]);
    assert!(used.plain(&key(1)).is_none());
    fill(&used, 0..300);
    used.flush();
    assert_eq!(used.complaint(), None);
    let quiet = said(home.path(), &["-q", "clear"]);
    insta::assert_snapshot!("clear", [nothing, all, quiet].join("\n"));
}

#[test]
fn what_is_wrong_with_it_is_said() {
    let home = temporary();
    let file = folder(home.path()).join("layers.sqlite");
    fs::create_dir_all(&file).unwrap();
    let mut texts = ["info", "clear"]
        .map(|command| said(home.path(), &[command]))
        .to_vec();
    fs::remove_dir(&file).unwrap();
    fs::write(
        &file,
        "something else, and long enough to be looked at".repeat(100),
    )
    .unwrap();
    texts.extend(["info", "clear"].map(|command| said(home.path(), &[command])));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    texts.extend(["info", "clear"].map(|command| said(home.path(), &[command])));
    fs::remove_file(&file).unwrap();
    fill(&on(home.path(), today()), 0..3);
    let mut bytes = fs::read(&file).unwrap();
    bytes[100..].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    texts.extend(["info", "clear", "info"].map(|command| said(home.path(), &[command])));
    let nowhere = terrine()
        .env_remove("XDG_CACHE_HOME")
        .env_remove("HOME")
        .args(["cache", "info"])
        .output();
    texts.push(Run::from(nowhere.unwrap()).snapshot(&[]));
    insta::assert_snapshot!("wrong", texts.join("\n"));
}

#[test]
fn help_is_what_it_was() {
    let help = [&["cache"][..], &["cache", "info"], &["cache", "clear"]]
        .map(|arguments| Run::of(terrine().args(arguments).arg("--help")).snapshot(&[]));
    insta::assert_snapshot!("help", help.join("\n"));
}

#[test]
fn a_full_or_read_only_disk_is_complained_of_and_loses_nothing() {
    let home = temporary();
    let Some(disk) = SmallDisk::at(home.path(), "size=128k") else {
        return;
    };
    let cache = on(home.path(), today());
    fill(&cache, 0..20);
    cache.flush();
    assert_eq!(cache.complaint(), None);
    fill(&cache, 20..1000);
    let full = cache.complaint().unwrap_or_default().to_owned();
    drop(cache);
    let cache = on(home.path(), today());
    let kept = (0..20).filter(|n| cache.plain(&key(*n)).is_some()).count();
    drop(cache);
    let remounted = disk.remount("ro,size=128k");
    let cache = on(home.path(), today() + 1);
    let read = (0..20).filter(|n| cache.plain(&key(*n)).is_some()).count();
    cache.flush();
    let silent = cache.complaint().is_none();
    fill(&cache, 20..100);
    let read_only = cache.complaint().unwrap_or_default().to_owned();
    drop(cache);
    let cleared = said(home.path(), &["clear"]);
    disk.unmount();
    assert!(
        full.contains("layers.sqlite`: ") && full.contains("full"),
        "{full}"
    );
    assert_eq!((kept, remounted, read, silent), (20, true, 20, true));
    assert!(
        read_only.contains("layers.sqlite`: ") && read_only.contains("readonly"),
        "{read_only}"
    );
    insta::assert_snapshot!("read-only", cleared);
}

#[test]
fn a_folder_of_others_is_told_and_done_without() {
    let home = temporary();
    let store = TestStore::default();
    store.file("app/bin/app", b"app");
    let spec = SpecFile::new(&store, &["app"])
        .graph(&[("app", 100, "")])
        .with("config", serde_json::Value::Null);
    fs::create_dir(folder(home.path())).unwrap();
    fs::set_permissions(folder(home.path()), Permissions::from_mode(0o777)).unwrap();
    let build = |more: &[&str]| {
        let mut command = spec.command("build");
        command.env("XDG_CACHE_HOME", home.path()).args(more);
        Run::of(command.arg("-o").arg(store.root().join("out.tar"))).ok()
    };
    let told = build(&[]).stderr;
    for expected in [
        "compiled planners in `",
        "the cache of layers cannot be used",
        "others may write to",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(fs::read_dir(folder(home.path())).unwrap().count(), 0);
    // Who wants no cache has no trouble with one, and leaves none.
    assert!(!build(&["--no-cache"]).stderr.contains("warning"));
    let own = temporary();
    let mut command = spec.command("build");
    command.env("XDG_CACHE_HOME", own.path().join("x"));
    Run::of(command.args(["--no-cache", "-o", "/dev/null"])).ok();
    assert!(!own.path().join("x").exists());
}

#[test]
fn a_mask_that_lets_the_group_write_is_no_trouble() {
    let home = temporary();
    let store = TestStore::default();
    store.file("app/bin/app", b"app");
    let spec = SpecFile::new(&store, &["app"])
        .graph(&[("app", 100, "")])
        .with("config", serde_json::Value::Null);
    let mut build = spec.command("build");
    build.args(["-o", "/dev/null"]);
    let words: Vec<_> = std::iter::once(build.get_program())
        .chain(build.get_args())
        .collect();
    for run in 0..2 {
        let mut command = Command::new("sh");
        command
            .args(["-euc", r#"umask 002; exec "$@""#, "sh"])
            .args(&words);
        let run_of = Run::of(command.env("XDG_CACHE_HOME", home.path().join("cache"))).ok();
        assert!(
            !run_of.stderr.contains("warning"),
            "{run}: {}",
            run_of.stderr
        );
    }
}

#[test]
fn a_store_path_that_was_changed_is_noticed_when_all_is_verified() {
    let store = TestStore::default();
    let name = "6xg259477c90a229xwmb53pdfkn6ig3g-app-1.0";
    store.file(&format!("{name}/etc/file"), b"a");
    let spec = SpecFile::new(&store, &[name])
        .graph(&[(name, 1, "")])
        .with("config", serde_json::Value::Null);
    let layout = store.root().join("layout");
    let build = |more: &[&str]| {
        let mut command = spec.command("build");
        command
            .arg("--to")
            .arg(format!("oci:{}", layout.display()))
            .args(more);
        let told = Run::of(&mut command).ok().stderr;
        let index = fs::read_to_string(layout.join("index.json")).unwrap();
        (told.contains("was not what its entry said"), index)
    };
    let (_, first) = build(&[]);
    fs::write(store.host(&format!("{name}/etc/file")), b"b").unwrap();
    // Nobody may do this to a store path, so nobody looks, unless asked to.
    assert_eq!(build(&[]), (false, first.clone()));
    let (is_noticed, verified) = build(&["--verify-cached"]);
    assert!(is_noticed && verified != first);
    // The entry was replaced.
    assert_eq!(build(&["--verify-cached"]), (false, verified));
}
