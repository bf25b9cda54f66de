//! Messages of a helper process and of the commands in it: requests, answers and lists of kept trees, and the output
//! of commands.

use serde::Serialize;
use serde::de::DeserializeOwned;
use terrine_isolate::{
    Changes, Directory, Ending, Entry, Failure, Identity, Job, Kind, Place, Step, Tail,
};

use crate::format::Format;
use crate::{Limit, Target};

pub(super) const TARGET: Target = Target {
    name: "messages",
    format: Format::Bytes,
    seeds,
    run,
    short: 60_000,
    longest: 4096,
    // A list of entries is made for as many as its length says, up to a limit of serde's.
    limit: Limit {
        memory: 8 << 20,
        ..Limit::USUAL
    },
};

fn entry(path: &str, kind: Kind) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode: 0o755,
        uid: 0,
        gid: 1000,
        xattrs: vec![(b"user.a".to_vec(), b"b".to_vec())],
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let entries = vec![
        entry("", Kind::Directory),
        entry("a", Kind::Symlink(b"b".to_vec())),
        entry("b", Kind::Inline(b"text".to_vec())),
        entry(
            "c",
            Kind::Copy {
                source: "/x".into(),
                size: 7,
            },
        ),
        entry(
            "d",
            Kind::Device {
                block: false,
                major: 1,
                minor: 3,
            },
        ),
        entry("e", Kind::Fifo),
    ];
    let step = Step {
        name: "extraCommands".to_owned(),
        script: b"true".to_vec(),
        shell: Some(Directory::Tool(0, "bin/sh".to_owned())),
        place: Place::Root,
        identity: Identity::User,
        path: vec![
            Directory::Absolute("/bin".to_owned()),
            Directory::Store("a".to_owned()),
            Directory::Tree("b".to_owned()),
        ],
        environment: vec![("A".to_owned(), "b".to_owned())],
        pipefail: true,
    };
    let job = Job {
        work: "/work".into(),
        scratch: "/scratch".into(),
        entries: entries.clone(),
        base: true,
        tmp: false,
        store_dir: "/nix/store".to_owned(),
        store: vec![("a".to_owned(), "/nix/store/a".into())],
        tools: vec!["/usr".into()],
        steps: vec![step],
        max_processes: 100,
        max_seconds: Some(60),
        unsafe_host: false,
    };
    let changes = Changes {
        entries,
        removed: vec![b"x".to_vec()],
        opaque: vec![b"y".to_vec()],
    };
    let failure = Failure {
        step: "x".to_owned(),
        ending: Ending::Signal(9),
        line: Some(4),
    };
    let said =
        "/.terrine/x: line 4: jq: command not found\n\u{1b}[2Jsh: Operation not permitted\r\n";
    [
        written(&job),
        written(&changes),
        written(&failure),
        said.as_bytes().to_vec(),
    ]
    .to_vec()
}

fn written(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("a message in memory")
}

/// Reads a message; what is read and written is read again as the same.
fn round<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) -> bool {
    let Ok(message) = postcard::from_bytes::<T>(data) else {
        return false;
    };
    assert_eq!(
        postcard::from_bytes::<T>(&written(&message)).as_ref(),
        Ok(&message)
    );
    true
}

fn run(data: &[u8]) -> bool {
    let mut tail = Tail::default();
    data.split(|&byte| byte == b'\n')
        .for_each(|line| tail.push(line));
    let text = tail.text();
    assert!(
        text.lines().count() <= 40
            && !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')),
        "{text:?}"
    );
    round::<Job>(data) | round::<Changes>(data) | round::<Failure>(data)
}
