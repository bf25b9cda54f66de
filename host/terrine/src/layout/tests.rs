use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use terrine_support::hint::Hint;

use super::*;

const BYTES: MediaType = MediaType::OciLayer;

fn layout() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::create(&directory.path().join("layout")).unwrap();
    (directory, layout)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn tagged(layout: &Layout) -> Vec<(Option<String>, Digest)> {
    let entries = layout.index().unwrap().manifests;
    entries
        .iter()
        .map(|entry| (entry.annotations.get(REF_NAME).cloned(), entry.digest))
        .collect()
}

#[test]
fn a_layout_is_made_where_nothing_is() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("a/b")] {
        let layout = Layout::create(&path).unwrap();
        assert_eq!(names(&path), ["blobs", INDEX, MARKER]);
        assert_eq!(layout.index().unwrap().manifests, []);
        // And found where one is.
        let blob = layout.put(b"x", BYTES).unwrap();
        layout.tag(blob.clone(), None).unwrap();
        assert_eq!(
            Layout::create(&path).unwrap().index().unwrap().manifests,
            [blob]
        );
        fs::remove_dir_all(path).unwrap();
    }
}

#[test]
fn what_a_killed_maker_left_is_completed() {
    let whole = tempfile::tempdir().unwrap();
    Layout::create(whole.path()).unwrap();
    let states: [&[&str]; 4] = [
        &[".terrine-x.part"],
        &["blobs"],
        &["blobs/sha256"],
        &["blobs/sha256", INDEX],
    ];
    for state in states {
        let directory = tempfile::tempdir().unwrap();
        for name in state {
            let path = directory.path().join(name);
            if name.starts_with("blobs") {
                fs::create_dir_all(path).unwrap();
            } else if *name == INDEX {
                fs::write(path, empty_index()).unwrap();
            } else {
                fs::write(path, b"half").unwrap();
            }
        }
        let layout = Layout::create(directory.path()).unwrap();
        layout.sweep().unwrap();
        assert_eq!(names(directory.path()), names(whole.path()), "{state:?}");
    }
}

#[test]
fn nothing_else_is_written_over() {
    for name in ["README", "blobs/x", "blobs/sha256/x", INDEX, ".terrine-x"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let error = Layout::create(directory.path()).unwrap_err();
        assert!(matches!(error, Error::Occupied { .. }), "{error}");
        assert!(error.hint().is_some());
        assert!(!directory.path().join(MARKER).exists());
        let error = Layout::create(&path).unwrap_err();
        assert!(matches!(error, Error::Occupied { .. }), "{error}");
        let error = Layout::create(&path.join("below")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

#[test]
fn what_is_no_layout_is_refused() {
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let (_directory, layout) = layout();
        change(layout.path());
        let error = Layout::open(layout.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}: {expected}");
    };
    check(
        &|path| fs::remove_file(path.join(MARKER)).unwrap(),
        "it has no `oci-layout`",
    );
    check(
        &|path| fs::remove_file(path.join(INDEX)).unwrap(),
        "it has no `index.json`",
    );
    let version = r#"{"imageLayoutVersion":"2.0.0"}"#;
    check(
        &|path| fs::write(path.join(MARKER), version).unwrap(),
        "version `2.0.0`",
    );
    check(
        &|path| fs::write(path.join(MARKER), "{}").unwrap(),
        "cannot be read",
    );
    let large = vec![b' '; MAX_MARKER as usize + 1];
    check(
        &|path| fs::write(path.join(MARKER), &large).unwrap(),
        "are allowed",
    );
    let replace = |path: &Path, name: &str, by: &dyn Fn(&Path)| {
        fs::rename(path.join(name), path.join("away")).unwrap();
        by(&path.join(name));
    };
    check(
        &|path| replace(path, INDEX, &|path| symlink("away", path).unwrap()),
        "not a regular file",
    );
    check(
        &|path| replace(path, MARKER, &|path| fs::create_dir(path).unwrap()),
        "not a regular file",
    );
    let fifo = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    check(&|path| replace(path, MARKER, &fifo), "not a regular file");
    assert!(Layout::open(Path::new("/nonexistent")).is_err());
}

#[test]
fn an_index_is_bounded() {
    let (_directory, layout) = layout();
    fs::write(
        layout.path().join(INDEX),
        vec![b' '; MAX_DOCUMENT as usize + 1],
    )
    .unwrap();
    assert!(matches!(layout.index(), Err(Error::TooLarge { .. })));
    let blob = layout.put(b"x", BYTES).unwrap();
    assert!(matches!(
        layout.tag(blob, None),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn blobs_have_the_size_that_they_should() {
    let (_directory, layout) = layout();
    let blob = layout.put(b"abc", BYTES).unwrap();
    let path = layout.path().join(blob_name(&blob.digest));
    assert!(layout.holds(&blob));
    let mut content = String::new();
    layout
        .blob(&blob)
        .unwrap()
        .read_to_string(&mut content)
        .unwrap();
    assert_eq!(content, "abc");
    assert_eq!(names(layout.path()), ["blobs", INDEX, MARKER]);

    // A wrong one is written again, a right one stays.
    fs::write(&path, "ab").unwrap();
    assert!(!layout.holds(&blob));
    assert!(matches!(
        layout.blob(&blob),
        Err(Error::Size {
            expected: 3,
            actual: 2,
            ..
        })
    ));
    layout.put(b"abc", BYTES).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    let before = file_number(&path);
    layout.put(b"abc", BYTES).unwrap();
    assert_eq!(file_number(&path), before);

    // One that is damaged has the right size, and is replaced by whoever has the bytes.
    fs::write(&path, "abX").unwrap();
    layout.put(b"abc", BYTES).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    fs::write(&path, "abX").unwrap();
    let mut again = layout.stage().unwrap();
    again.write_all(b"abc").unwrap();
    layout.keep(again, &blob).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");

    // What is staged must be whole.
    fs::remove_file(&path).unwrap();
    let mut half = layout.stage().unwrap();
    half.write_all(b"ab").unwrap();
    assert!(matches!(
        layout.keep(half, &blob),
        Err(Error::Size {
            expected: 3,
            actual: 2,
            ..
        })
    ));
    assert!(matches!(layout.blob(&blob), Err(Error::NoBlob { .. })));
    assert_eq!(names(layout.path()), ["blobs", INDEX, MARKER]);
}

fn file_number(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap())
}

#[test]
fn no_link_is_followed_out_of_it() {
    let (directory, layout) = layout();
    let secret = directory.path().join("secret");
    fs::write(&secret, "abc").unwrap();
    let blob = Descriptor::of(BYTES, b"abc");
    let path = layout.path().join(blob_name(&blob.digest));
    symlink(&secret, &path).unwrap();
    assert!(matches!(layout.blob(&blob), Err(Error::NotAFile { .. })));
    // It is replaced, and not written through.
    fs::write(&secret, "xyz").unwrap();
    layout.put(b"abc", BYTES).unwrap();
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(&secret).unwrap(), b"xyz");

    let blobs = layout.path().join("blobs");
    fs::rename(&blobs, directory.path().join("blobs")).unwrap();
    symlink(directory.path().join("blobs"), &blobs).unwrap();
    assert!(!layout.holds(&blob));
}

#[test]
fn temporary_files_without_an_owner_are_swept() {
    let (_directory, layout) = layout();
    let mut alive = layout.stage().unwrap();
    alive.write_all(b"alive").unwrap();
    for name in [".terrine-dead.part", ".terrine-other", ".umoci-x.part"] {
        fs::write(layout.path().join(name), "x").unwrap();
    }
    symlink("index.json", layout.path().join(".terrine-link.part")).unwrap();
    assert_eq!(layout.sweep().unwrap(), 1);
    assert!(!layout.path().join(".terrine-dead.part").exists());
    assert_eq!(names(layout.path()).len(), 3 + 4);
    let blob = Descriptor::of(BYTES, b"alive");
    layout.keep(alive, &blob).unwrap();
    assert!(layout.holds(&blob));
}

#[test]
fn a_temporary_file_that_is_dropped_is_gone() {
    let (_directory, layout) = layout();
    drop(layout.stage().unwrap());
    assert_eq!(names(layout.path()), ["blobs", INDEX, MARKER]);
}

#[test]
fn other_entries_and_fields_stay_as_they_are() {
    let (_directory, layout) = layout();
    let blob = layout.put(b"one", MediaType::OciManifest).unwrap();
    let index = layout.path().join(INDEX);
    let other = r#"{"size": 3.0e0,"z":1, "digest":"sha512:x", "annotations":{"b":"","a":""}}"#;
    let null = r#"{"digest":"sha256:y","annotations":null}"#;
    let text = format!(
        r#"{{"zzz": [ 1.50 ], "manifests":[ {other} , 7, {null}], "schemaVersion":2, "a":{{ }}}}"#
    );
    fs::write(&index, text).unwrap();
    layout.tag(blob.clone(), Some("web")).unwrap();
    let written = fs::read_to_string(&index).unwrap();
    let ours = serde_json::to_string(&named(&blob, "web")).unwrap();
    let expected = format!(
        r#"{{"zzz":[ 1.50 ],"manifests":[{other},7,{null},{ours}],"schemaVersion":2,"a":{{ }}}}"#
    );
    assert_eq!(written, expected);

    // The same again changes nothing, not even the file.
    let before = file_number(&index);
    layout.tag(blob, Some("web")).unwrap();
    assert_eq!(file_number(&index), before);
    // Another one takes its place.
    let blob = layout.put(b"two", MediaType::OciManifest).unwrap();
    layout.tag(blob.clone(), Some("web")).unwrap();
    let theirs = serde_json::to_string(&named(&blob, "web")).unwrap();
    assert_eq!(
        fs::read_to_string(&index).unwrap(),
        expected.replace(&ours, &theirs)
    );
}

fn named(blob: &Descriptor, name: &str) -> Descriptor {
    let annotations = Annotations::from([(REF_NAME.to_owned(), name.to_owned())]);
    Descriptor {
        annotations,
        ..blob.clone()
    }
}

#[test]
fn a_name_is_that_of_one_image() {
    let (_directory, layout) = layout();
    let one = layout.put(b"one", MediaType::OciManifest).unwrap();
    let two = layout.put(b"two", MediaType::OciManifest).unwrap();
    let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
    layout.tag(one.clone(), Some("a")).unwrap();
    layout.tag(one.clone(), Some("b")).unwrap();
    layout.tag(one.clone(), None).unwrap();
    layout.tag(one.clone(), None).unwrap();
    layout.tag(two.clone(), None).unwrap();
    layout.tag(two.clone(), Some("a")).unwrap();
    let expected = [
        (a, two.digest),
        (b, one.digest),
        (None, one.digest),
        (None, two.digest),
    ];
    assert_eq!(tagged(&layout), expected);
    // An annotation that says something else does not count.
    layout.tag(named(&one, "z"), Some("a")).unwrap();
    assert_eq!(tagged(&layout)[0], (Some("a".to_owned()), one.digest));
}

#[test]
fn an_index_that_others_wrote_is_extended() {
    for (text, expected) in [
        (r#"{"schemaVersion":2}"#, true),
        (r#"{"schemaVersion":2,"manifests":null}"#, true),
        (r#"{"schemaVersion":2,"manifests":{}}"#, false),
        (
            r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#,
            false,
        ),
        (r#"{"schemaVersion":2,"manifests":["#, false),
        ("[]", false),
        ("", false),
    ] {
        let (_directory, layout) = layout();
        fs::write(layout.path().join(INDEX), text).unwrap();
        let blob = layout.put(b"x", MediaType::OciManifest).unwrap();
        let outcome = layout.tag(blob.clone(), None);
        assert_eq!(outcome.is_ok(), expected, "{text}: {outcome:?}");
        if expected {
            assert_eq!(layout.index().unwrap().manifests, [blob]);
        } else {
            assert_eq!(fs::read_to_string(layout.path().join(INDEX)).unwrap(), text);
        }
    }
}

#[test]
fn what_is_not_there_is_not_listed() {
    let (_directory, layout) = layout();
    let blob = Descriptor::of(MediaType::OciManifest, b"x");
    assert!(matches!(
        layout.tag(blob, Some("x")),
        Err(Error::NoBlob { .. })
    ));
    assert_eq!(tagged(&layout), []);
}

#[test]
fn names_are_such_that_others_take() {
    let (_directory, layout) = layout();
    let blob = layout.put(b"x", MediaType::OciManifest).unwrap();
    for name in ["a", "1.2", "localhost:5000/acme/web:1.2", "a--b", "a@b+c_d"] {
        assert!(layout.tag(blob.clone(), Some(name)).is_ok(), "{name}");
    }
    for name in ["", "-a", "a-", "a//b", "a b", "é", "a..b", "a---b", "a\n"] {
        assert!(
            matches!(layout.tag(blob.clone(), Some(name)), Err(Error::Name(_))),
            "{name}"
        );
    }
}

/// The arguments that run one test of this program as another process that writes to a layout.
const WRITER: [&str; 4] = [
    "--exact",
    "layout::tests::writes_as_another_process",
    "--ignored",
    "--nocapture",
];

/// Another process that writes to a layout.
fn writer(layout: &Path, number: usize, count: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(WRITER)
        .env("TERRINE_TEST_LAYOUT", layout)
        .env("TERRINE_TEST_WRITER", format!("{number} {count}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "is run by others, in a process of its own"]
fn writes_as_another_process() {
    let (Some(path), Ok(writer)) = (
        std::env::var_os("TERRINE_TEST_LAYOUT"),
        std::env::var("TERRINE_TEST_WRITER"),
    ) else {
        return;
    };
    let (number, count) = writer.split_once(' ').unwrap();
    for step in 0..count.parse().unwrap() {
        // Making it is part of the race, and so is sweeping it.
        let layout = Layout::create(Path::new(&path)).unwrap();
        layout.sweep().unwrap();
        let blob = layout
            .put(content(number, step).as_bytes(), MediaType::OciManifest)
            .unwrap();
        layout
            .tag(blob, Some(&format!("w{number}.{step}")))
            .unwrap();
        writeln!(io::stdout(), "\nstep {step}").unwrap();
    }
}

/// The same where no file may have more than so many blocks of 512 bytes: writing more fails,
/// as it does on a full disk.
fn limited_writer(layout: &Path, blocks: usize) -> std::process::Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(WRITER)
        .env("TERRINE_TEST_LAYOUT", layout)
        .env("TERRINE_TEST_WRITER", "full 1")
        .output()
        .unwrap()
}

#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let (_directory, layout) = layout();
    let blob = layout.put(b"x", BYTES).unwrap();
    layout.tag(blob, Some("x")).unwrap();
    let index = layout.path().join(INDEX);
    let blobs = names(&blob_directory(layout.path()));
    let unharmed = |text: &str, blocks| {
        let output = limited_writer(layout.path(), blocks);
        assert!(!output.status.success());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains("FileTooLarge"), "{message}");
        assert_eq!(fs::read_to_string(&index).unwrap(), text);
        assert_eq!(names(layout.path()), ["blobs", INDEX, MARKER]);
        check(&layout);
    };
    // Not the blob.
    let text = fs::read_to_string(&index).unwrap();
    unharmed(&text, 64);
    assert_eq!(names(&blob_directory(layout.path())), blobs);
    // The blob, but not the index.
    let text = text.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(1 << 20)), 1);
    fs::write(&index, &text).unwrap();
    unharmed(&text, 1024);
    assert_eq!(names(&blob_directory(layout.path())).len(), blobs.len() + 1);
}

/// Large enough to be found half written.
fn content(number: &str, step: usize) -> String {
    format!("{number} {step} ").repeat(20_000)
}

#[test]
fn several_processes_at_once_lose_nothing() {
    const WRITERS: usize = 5;
    const STEPS: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| writer(&path, number, STEPS))
        .collect();
    for writer in writers {
        assert!(writer.wait_with_output().unwrap().status.success());
    }
    let layout = Layout::open(&path).unwrap();
    let mut found: Vec<_> = tagged(&layout)
        .into_iter()
        .filter_map(|(name, _)| name)
        .collect();
    found.sort();
    let mut expected: Vec<_> = (0..WRITERS)
        .flat_map(|number| (0..STEPS).map(move |step| format!("w{number}.{step}")))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(names(&path), ["blobs", INDEX, MARKER]);
}

#[test]
fn threads_take_turns_as_processes_do() {
    let (_directory, layout) = layout();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let layout = &layout;
            scope.spawn(move || {
                let blob = layout.put(format!("{number}").as_bytes(), BYTES).unwrap();
                layout.tag(blob, Some(&format!("{number}"))).unwrap();
            });
        }
    });
    assert_eq!(tagged(&layout).len(), 8);
}

/// Everything that a layout holds is what its name says, and everything that it lists is there.
fn check(layout: &Layout) {
    for name in names(&blob_directory(layout.path())) {
        let content = fs::read(blob_directory(layout.path()).join(&name)).unwrap();
        assert_eq!(Digest::of(&content).hex(), name);
    }
    for entry in layout.index().unwrap().manifests {
        assert!(layout.holds(&entry));
    }
}

#[test]
fn a_killed_process_leaves_a_valid_layout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let mut survivors = 0;
    for round in 0..12 {
        let mut writer = writer(&path, round, 1_000_000);
        let output = BufReader::new(writer.stdout.take().unwrap());
        // Somewhere after so many steps.
        let steps = output
            .lines()
            .map(Result::unwrap)
            .filter(|line| line.starts_with("step"));
        assert_eq!(steps.take(1 + round % 4).count(), 1 + round % 4);
        writer.kill().unwrap();
        writer.wait().unwrap();
        let layout = Layout::open(&path).unwrap();
        check(&layout);
        let listed = tagged(&layout).len();
        assert!(listed > survivors, "what was listed before is not lost");
        survivors = listed;
    }
    // Nobody waits for the lock of the dead, and what they left is found.
    let layout = Layout::create(&path).unwrap();
    let blob = layout.put(b"x", BYTES).unwrap();
    layout.tag(blob, Some("last")).unwrap();
    layout.sweep().unwrap();
    assert_eq!(names(&path), ["blobs", INDEX, MARKER]);
    assert_eq!(tagged(&layout).len(), survivors + 1);
}
