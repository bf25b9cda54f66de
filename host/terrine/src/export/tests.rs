use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use terrine_compress::Compression;

use super::*;
use crate::pipe::Observer;
use crate::source::testing::{MemoryLayer, archive, image};

fn run(layers: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let kinds = [Compression::None, Compression::Gzip, Compression::Zstd];
    let layers = layers
        .iter()
        .zip(kinds.iter().cycle())
        .map(|(plain, &compression)| MemoryLayer::new(plain, compression))
        .collect();
    let mut out = vec![];
    let outcome = export(&image(layers, |_| {}), &mut out, Holes::Filled, &());
    outcome.map(|_| out).map_err(|error| {
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        })
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
    })
}

/// Exports an image with these layers and returns the entries, in the notation of [`archive`].
fn entries(layers: &[&[&str]]) -> Result<Vec<String>, String> {
    let layers: Vec<Vec<u8>> = layers.iter().map(|entries| archive(entries)).collect();
    let out = run(&layers)?;
    let mut archive = tar::Archive::new(&out[..]);
    let entries = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let link = entry
                .link_name_bytes()
                .map(|link| String::from_utf8_lossy(&link).into_owned());
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            match entry.header().entry_type() {
                EntryType::Symlink => format!("{name} -> {}", link.unwrap()),
                EntryType::Link => format!("{name} => {}", link.unwrap()),
                EntryType::Fifo => format!("{name}|"),
                EntryType::Directory => name,
                _ => format!("{name}={content}"),
            }
        })
        .collect();
    Ok(entries)
}

#[test]
fn layers_lie_on_each_other() {
    let below: &[&str] = &["./", "a/", "a/b=1", "a/c/", "a/c/d=2", "l -> a", "p|"];
    for (above, expected) in [
        (&[][..], "./ a/ a/b=1 a/c/ a/c/d=2 l -> a p|"),
        (&["a/.wh.b"], "./ a/ a/c/ a/c/d=2 l -> a p|"),
        (&["a/.wh.c"], "./ a/ a/b=1 l -> a p|"),
        (&[".wh.a"], "./ l -> a p|"),
        (&["a/.wh..wh..opq"], "./ l -> a p| a/"),
        (&[".wh..wh..opq"], "./"),
        (
            &[".wh.none", "none/.wh.none", ".wh..wh.plnk"],
            "./ a/ a/b=1 a/c/ a/c/d=2 l -> a p|",
        ),
        (&["a/c"], "./ a/ a/b=1 l -> a p| a/c="),
        (&["a/b=3"], "./ a/ a/c/ a/c/d=2 l -> a p| a/b=3"),
        // Within one layer, a whiteout is only about what is below, wherever it stands.
        (
            &["a/.wh.c", "a/c/e=3"],
            "./ a/ a/b=1 l -> a p| a/c/ a/c/e=3",
        ),
        (
            &["a/c/e=3", "a/.wh.c"],
            "./ a/ a/b=1 l -> a p| a/c/ a/c/e=3",
        ),
        (
            &["a/c/e=3", "a/.wh..wh..opq"],
            "./ l -> a p| a/ a/c/ a/c/e=3",
        ),
        // Links above a name are followed.
        (&["l/b=3"], "./ a/ a/c/ a/c/d=2 l -> a p| a/b=3"),
        (&["l/.wh.b"], "./ a/ a/c/ a/c/d=2 l -> a p|"),
        (&["l/.wh..wh..opq"], "./ l -> a p| a/"),
        (
            &["x -> /l/c/../..", "x/y=3"],
            "./ a/ a/b=1 a/c/ a/c/d=2 l -> a p| x -> /l/c/../.. y=3",
        ),
        (
            &["x -> ../../new", "x/y=3"],
            "./ a/ a/b=1 a/c/ a/c/d=2 l -> a p| x -> ../../new new/ new/y=3",
        ),
        // But not one in the place of a directory.
        (&["l/", "l/b=3"], "./ a/ a/b=1 a/c/ a/c/d=2 p| l/ l/b=3"),
        (&["a -> c"], "./ l -> a p| a -> c"),
    ] {
        let all = entries(&[below, above]).unwrap().join(" ");
        assert_eq!(all, expected, "{above:?}");
    }
}

#[test]
fn hard_links_keep_what_they_were_made_to() {
    let below: &[&str] = &["a=1", "b => a"];
    for (above, expected) in [
        (&[][..], "a=1 b => a"),
        (&["c => b"], "a=1 b => a c => a"),
        (&["a=2"], "b=1 a=2"),
        (&["c => a", "a=2"], "b=1 c => b a=2"),
        (&["a=2", "c => a"], "b=1 a=2 c => a"),
        (&["c => a", ".wh.a", ".wh.b"], "c=1"),
        (&[".wh.b"], "a=1"),
        (&["a => a"], "a=1 b => a"),
        (
            &["d -> .", "d/c => d/a", "e => d"],
            "a=1 b => a c => a d -> . e => d",
        ),
    ] {
        assert_eq!(
            entries(&[below, above]).unwrap().join(" "),
            expected,
            "{above:?}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_an_error() {
    for (layers, expected) in [
        (
            &[&["a=1"][..], &["a/b=1"]][..],
            "it puts `a/b` below something that is not a directory",
        ),
        (
            &[&["a=1", "b => c"]],
            "its hard link `b` leads to `c`, which is not a file of it",
        ),
        (
            &[&["a/", "b => a"]],
            "its hard link `b` leads to `a`, which is not a file of it",
        ),
        (
            &[&["a=1"], &[".wh.a", "b => a"]],
            "its hard link `b` leads to `a`, which is not a file of it",
        ),
        (
            &[&["a -> b", "b -> a", "a/c=1"]],
            "its member `a` is a link that leads nowhere",
        ),
        (
            &[&["a -> .wh.d", "a/b=1"]],
            "it has the name \"a/b\", which is too long or has control characters",
        ),
    ] {
        assert_eq!(entries(layers), Err(expected.to_owned()));
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_mut_bytes()[..4].copy_from_slice(b"../x");
    header.set_cksum();
    let up = [&header.as_bytes()[..], &[0; 1024]].concat();
    assert_eq!(
        run(&[up]),
        Err("it has the member `../x`, which leads out of the archive".to_owned())
    );
    let whole = archive(&["a=1"]);
    assert!(run(&[whole[..600].to_vec()]).is_err());
}

#[test]
fn a_layer_that_is_another_is_an_error() {
    let mut layer = MemoryLayer::new(&archive(&["a=1"]), Compression::None);
    layer.diff_id = Digest::of(b"");
    let error = export(&image(vec![layer], |_| {}), &mut vec![], Holes::Filled, &()).unwrap_err();
    assert!(matches!(
        error,
        Error::Image(source::Error::Fault {
            fault: Fault::Digest { .. },
            ..
        })
    ));
}

#[test]
fn an_output_that_fails_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let layer = MemoryLayer::new(&archive(&["a=1"]), Compression::Zstd);
    let error = export(&image(vec![layer], |_| {}), Full, Holes::Filled, &()).unwrap_err();
    assert!(matches!(error, Error::Output(error) if error.kind() == io::ErrorKind::StorageFull));
}

/// The reports that a reporter gets: the totals, and the rest in order.
#[derive(Default)]
struct Told {
    read: AtomicU64,
    written: AtomicU64,
    layers: Mutex<Vec<String>>,
}

impl Told {
    fn say(&self, text: String) {
        self.layers.lock().unwrap().push(text);
    }
}

impl Observer for Told {
    fn written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Reporter for Told {
    fn read(&self, bytes: u64) {
        assert_eq!(
            *self.layers.lock().unwrap(),
            [""; 0],
            "all is read before anything is written"
        );
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    fn layer(&self, number: usize, source: LayerOrigin<'_>, size: u64) {
        assert!(matches!(source, LayerOrigin::Existing(_)), "{source:?}");
        self.say(format!("{number}: {size}"));
    }

    fn finished(&self, number: usize, outcome: LayerOutcome) {
        self.say(format!("{number} {outcome:?}"));
    }
}

#[test]
fn what_is_read_and_written_is_told() {
    let plain = [archive(&["a=1"]), archive(&["b=2"])];
    for in_registry in [false, true] {
        let mut layers = [Compression::Gzip, Compression::Zstd]
            .iter()
            .zip(&plain)
            .map(|(&compression, plain)| MemoryLayer::new(plain, compression))
            .collect::<Vec<_>>();
        for layer in layers.iter_mut().filter(|_| in_registry) {
            layer.repository = Some("localhost:5000/a".parse().unwrap());
        }
        let sizes = [&layers[0], &layers[1]].map(Layer::stored_size);
        let told = Told::default();
        let mut out = vec![];
        export(&image(layers, |_| {}), &mut out, Holes::Filled, &told).unwrap();
        // Once, whether they are fetched before or not.
        assert_eq!(told.read.into_inner(), sizes[0] + sizes[1], "{in_registry}");
        assert_eq!(told.written.into_inner(), out.len() as u64);
        let [first, second] = sizes.map(|size| size.to_string());
        let expected = [
            format!("1: {first}"),
            "1 Brought".into(),
            format!("2: {second}"),
            "2 Brought".into(),
        ];
        assert_eq!(told.layers.into_inner().unwrap(), expected);
    }
}

#[test]
fn deep_paths_need_no_deep_stack() {
    let deep = ["x/"; 2040].concat() + "y=1";
    let flat = entries(&[&[&deep], &["l -> x/x/x", "l/x/z=2"], &[".wh.x"]]).unwrap();
    assert_eq!(flat, ["l -> x/x/x"]);
    assert_eq!(entries(&[&[&deep]]).unwrap().len(), 2041);
    // Links can make longer ones than systems take.
    let too_long = entries(&[&[
        &deep,
        &format!("l -> {}", ["x/"; 2040].concat()),
        &("l/".to_owned() + &["z/"; 20].concat() + "z=1"),
    ]]);
    assert!(too_long.is_err_and(|error| error.contains("too long")));
}

#[test]
fn what_headers_have_no_room_for_is_in_records() {
    let long = "n".repeat(180);
    let described = Described {
        kind: EntryType::Regular,
        uid: 5_000_000,
        gid: 0o7_777_777,
        mtime: -5,
        nanos: 250_000_000,
        mode: 0o4755,
        xattrs: vec![(b"user.a".to_vec(), b"1\n2".to_vec())],
        ..Described::directory()
    };
    let mut out = vec![];
    let mut writer = Writer::new(&mut out);
    writer
        .header(long.as_bytes(), EntryType::Regular, b"", &described)
        .unwrap();
    writer
        .header(
            b"dev",
            EntryType::Char,
            b"",
            &Described {
                device: (1, 3),
                ..described.clone()
            },
        )
        .unwrap();
    writer
        .header(b"l", EntryType::Symlink, long.as_bytes(), &described)
        .unwrap();
    writer.finish().unwrap();
    let mut seen = vec![];
    let source = Input::Unpacked(Box::new(&out[..]));
    seekable::for_each(source, |member| {
        seen.push(member);
        Ok(())
    })
    .unwrap();
    let named = |name: &str| Described {
        name: name.into(),
        ..described.clone()
    };
    assert_eq!(seen[0], named(&long));
    assert_eq!(
        seen[1],
        Described {
            kind: EntryType::Char,
            device: (1, 3),
            ..named("dev")
        }
    );
    let link = long.as_bytes().to_vec();
    assert_eq!(
        seen[2],
        Described {
            kind: EntryType::Symlink,
            link,
            ..named("l")
        }
    );
}
