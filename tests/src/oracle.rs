//! The image as Python's own `tarfile` and `json` make it (`oracle/stream.py`).

use std::process::Command;

use super::{Archive, ConfFile, Run, fixture, peer};

/// The oracle's image of a configuration; nothing, said aloud, without Python.
pub fn image(conf: &ConfFile<'_>) -> Option<Archive> {
    let python = peer::find("python3")?;
    let mut command = Command::new(python);
    command
        .arg(fixture("oracle/stream.py"))
        .arg(conf.write())
        .arg("--store-root")
        .arg(conf.root());
    // Names that are not UTF-8 are escaped whatever the locale.
    command.env("PYTHONUTF8", "1").env("TZ", "UTC");
    Some(Archive::read(Run::of(&mut command).ok().stdout))
}

/// Checks that an image has the layers and the id that the oracle gives it.
pub fn agree(conf: &ConfFile<'_>) -> Archive {
    let ours = conf.archive();
    let Some(theirs) = image(conf) else {
        return ours;
    };
    for (number, (ours, theirs)) in ours.layers().iter().zip(theirs.layers()).enumerate() {
        if *ours != theirs {
            panic!("layer {}: {}", number + 1, difference(ours, theirs));
        }
    }
    assert_eq!(ours.configuration, theirs.configuration);
    assert_eq!(ours.id, theirs.id);
    ours
}

/// Describes where two archives part.
fn difference(ours: &[u8], theirs: &[u8]) -> String {
    let at = ours
        .iter()
        .zip(theirs)
        .position(|(a, b)| a != b)
        .unwrap_or(ours.len().min(theirs.len()));
    let block = at / 512 * 512;
    let show = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[block.min(bytes.len())..(block + 512).min(bytes.len())])
            .into_owned()
    };
    format!(
        "{} and {} bytes, first different at {at}, in the block\n{:?}\nwhere the oracle has\n{:?}",
        ours.len(),
        theirs.len(),
        show(ours),
        show(theirs)
    )
}
