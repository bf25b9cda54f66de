//! Layers on top of each other: what `export` writes of them, and what `verify` says of them.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use terrine::base::Base;
use terrine::compress::Compression;
use terrine::export::{Exported, Holes, export};
use terrine::inspect::inspect;
use terrine::oci::{Configuration, Descriptor, Digest, MediaType};
use terrine::source::{self, FilePart, Image, Layer};
use terrine::verify::{Mismatch, Verification};

use crate::format::{Format, tar};
use crate::{Limit, Target, scratch, strict};

/// The longest archive that is exported, in bytes: holes cost their author nothing.
const LONGEST: usize = 1 << 20;
/// The most layers.
const LAYERS: usize = 4;

pub(super) const TARGET: Target = Target {
    name: "layers",
    format: Format::Tar,
    seeds,
    run,
    short: 6_000,
    longest: 32 << 10,
    // An archive goes through a buffer of 1 MiB, and is kept twice here.
    limit: Limit {
        memory: 12 << 20,
        ..Limit::USUAL
    },
};

fn seeds() -> Vec<Vec<u8>> {
    let below = tar::archive(&[
        tar::member(b"./", b'5', b"", b""),
        tar::member(b"etc/", b'5', b"", b""),
        tar::member(b"etc/passwd", b'0', b"", b"root"),
        tar::member(b"etc/shadow", b'1', b"etc/passwd", b""),
        tar::member(b"lib", b'2', b"usr/lib", b""),
        tar::member(b"usr/lib/", b'5', b"", b""),
        tar::member(b"dev/null", b'3', b"", b""),
    ]);
    let above = tar::archive(&[
        tar::member(b"lib/a.so", b'0', b"", b"library"),
        tar::member(b"etc/.wh.shadow", b'0', b"", b""),
        tar::member(b"dev/.wh..wh..opq", b'0', b"", b""),
        tar::member(b".wh..wh.plnk", b'5', b"", b""),
        tar::extended(&[
            ("path", &b"deep/".repeat(30)),
            ("SCHILY.xattr.user.a", b"b"),
            ("mtime", b"1.5"),
        ]),
        tar::member(b"deep", b'0', b"", b"x"),
        tar::extended(&[("GNU.sparse.map", b"0,2,10,2"), ("GNU.sparse.size", b"20")]),
        tar::member(b"sparse", b'0', b"", b"data"),
    ]);
    let replaced = tar::archive(&[
        tar::member(b"etc", b'0', b"", b"no directory any more"),
        tar::member(b"usr/lib", b'6', b"", b""),
    ]);
    // Findings: directories with the name of a mark, by themselves and behind a link, and a link's target with a NUL.
    let marked = tar::archive(&[
        tar::member(b"a/.wh.b/c", b'0', b"", b""),
        tar::member(b"d", b'0', b"", b""),
    ]);
    let behind = tar::archive(&[
        tar::member(b"a", b'2', b".wh.d", b""),
        tar::member(b"a/b", b'0', b"", b""),
    ]);
    let nul = tar::archive(&[
        tar::extended(&[("linkpath", b"a\0b")]),
        tar::member(b"l", b'2', b"", b""),
    ]);
    vec![
        marked,
        behind,
        nul,
        below.clone(),
        [&below[..], &above].concat(),
        [&below[..], &above, &replaced].concat(),
        [&replaced[..], &below].concat(),
        tar::archive(&[]),
    ]
}

/// A layer in memory, which can be read in place where it has a file.
#[derive(Debug)]
struct Plain {
    bytes: Vec<u8>,
    file: Option<File>,
}

impl Layer for Plain {
    fn name(&self) -> String {
        "layer".to_owned()
    }

    fn diff_id(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    fn descriptor(&self) -> Result<Descriptor, source::Error> {
        Ok(Descriptor::of(MediaType::OciLayer, &self.bytes))
    }

    fn stored_size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn compression(&self) -> Compression {
        Compression::None
    }

    fn open(&self) -> Result<Box<dyn Read + Send + '_>, source::Error> {
        Ok(Box::new(Cursor::new(&self.bytes)))
    }

    fn content(&self) -> Result<Option<FilePart<'_>>, source::Error> {
        Ok(self
            .file
            .as_ref()
            .map(|file| FilePart::new(file, 0, self.stored_size())))
    }
}

/// An image of some layers.
fn image(layers: Vec<Plain>) -> Image {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| layer.diff_id().to_string())
        .collect();
    let text = serde_json::json!({ "os": "linux", "architecture": "amd64", "rootfs": { "diff_ids": diff_ids } });
    Image {
        name: "image".to_owned(),
        names: vec![],
        manifest: None,
        configuration: Configuration::parse(text.to_string().into_bytes())
            .expect("a configuration"),
        layers: layers
            .into_iter()
            .map(|layer| Arc::new(layer) as Arc<dyn Layer>)
            .collect(),
    }
}

/// Splits an input behind the end of each archive.
fn split(data: &[u8]) -> Vec<&[u8]> {
    let (mut layers, mut start) = (vec![], 0);
    for place in (0..data.len().saturating_sub(1023)).step_by(512) {
        if place >= start
            && layers.len() + 1 < LAYERS
            && data[place..place + 1024].iter().all(|&byte| byte == 0)
        {
            layers.push(&data[start..place + 1024]);
            start = place + 1024;
        }
    }
    layers.push(&data[start..]);
    layers.retain(|layer| !layer.is_empty());
    layers
}

/// An output that takes so much and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn exported(image: &Image, holes: Holes) -> Result<(Vec<u8>, Exported), String> {
    let mut out = Bounded(vec![]);
    let exported = export(image, &mut out, holes, &()).map_err(|error| super::chain(&error))?;
    Ok((out.0, exported))
}

fn run(data: &[u8]) -> bool {
    let parts = split(data);
    // What another compression begins with is not what this target is about.
    if parts
        .iter()
        .any(|part| Compression::detect(part) != Compression::None)
    {
        return false;
    }
    let plain = |part: &&[u8], file| Plain {
        bytes: part.to_vec(),
        file,
    };
    let streamed = image(parts.iter().map(|part| plain(part, None)).collect());
    let outcome = exported(&streamed, Holes::Filled);
    let kept = exported(&streamed, Holes::Kept);
    let report = Verification::new(&streamed)
        .threads(NonZeroUsize::MIN)
        .run(&());
    inspect(&streamed).expect("layers in memory");
    // Planners for what is built on it look at it in another way.
    let listing = Base::new(streamed).listing();
    if let [part] = parts[..] {
        let placed = image(vec![plain(&part, Some(scratch::file(part)))]);
        // The two report a size that no archive has in different words.
        assert_eq!(
            exported(&placed, Holes::Filled).ok(),
            outcome.as_ref().ok().cloned(),
            "read in place and as a stream: {:?}",
            outcome.as_ref().err()
        );
    }
    let (archive, said) = match outcome {
        Ok(exported) => exported,
        Err(why) => {
            let is_refused = !why.starts_with("writing the archive");
            assert!(
                !is_refused || !report.is_valid(),
                "refused, and found right: {why}"
            );
            return false;
        }
    };
    // Nobody reads a file that is removed again, but what says where it is stored may be wrong all the same.
    let is_hidden = |wrong: &Mismatch| wrong.actual.contains("no valid header");
    assert!(
        report.mismatches.iter().all(is_hidden),
        "exported, and found wrong: {:?}",
        report.mismatches
    );
    drop(listing);
    check(&archive, said);
    let (kept, _) = kept.expect("what can be filled can be kept");
    let again = image(vec![Plain {
        bytes: kept.clone(),
        file: None,
    }]);
    // What old layers have for themselves is not taken a second time.
    let is_meta = archive.windows(7).any(|part| part == b".wh..wh");
    if !is_meta {
        let (second, _) = exported(&again, Holes::Kept).expect("holes are kept again");
        assert!(second == kept, "holes are kept otherwise");
        let (filled, _) = exported(&again, Holes::Filled).expect("kept holes are filled");
        assert!(filled == archive, "kept holes are filled otherwise");
    }
    true
}

/// Checks an archive that was exported.
fn check(archive: &[u8], said: Exported) {
    let members = strict::members(archive);
    strict::check_order(&members);
    assert_eq!(
        members.len() as u64,
        said.members,
        "as many members as were told of"
    );
    assert_eq!(
        members.iter().map(|member| member.size).sum::<u64>(),
        said.bytes
    );
    // What old layers have for themselves is not taken a second time.
    let is_meta = |member: &strict::Member| member.path.windows(7).any(|part| part == b".wh..wh");
    if members.iter().any(is_meta) {
        return;
    }
    let again = image(vec![Plain {
        bytes: archive.to_vec(),
        file: None,
    }]);
    let (second, told) =
        exported(&again, Holes::Filled).expect("what was exported is exported again");
    assert_eq!(told, said, "exported again");
    assert!(second == archive, "exported again to other bytes");
    let report = Verification::new(&again)
        .threads(NonZeroUsize::MIN)
        .run(&());
    assert!(
        report.is_valid(),
        "what was exported is found wrong: {:?}",
        report.mismatches
    );
}
