//! Archives that GNU tar writes in each of its formats.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use terrine_tests::{Run, temporary, terrine};

use super::{available, exported, exported_with, image_of, listing};

/// Runs GNU tar or another tool in a folder.
fn run(folder: &Path, program: &str, arguments: &[&str]) {
    Run::of(Command::new(program).current_dir(folder).args(arguments)).ok();
}

#[test]
fn what_tar_writes_in_each_of_its_formats_comes_out_as_it_was() {
    if !available() {
        return;
    }
    let source = temporary();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
    fs::create_dir(source.path().join("d".repeat(150))).unwrap();
    fs::write(source.path().join(&long), b"long").unwrap();
    fs::hard_link(source.path().join(&long), source.path().join("hard")).unwrap();
    std::os::unix::fs::symlink(&long, source.path().join("soft")).unwrap();
    // Holes at the start, between and at the end; more parts than a header has room for.
    let parts: String = (1..40)
        .map(|i| format!("printf {i} | dd of=sparse bs=1 seek={i}00000 conv=notrunc status=none; "))
        .collect();
    run(
        source.path(),
        "sh",
        &[
            "-c",
            &format!("{parts} truncate -s 5M sparse; truncate -s 1M empty; : > none"),
        ],
    );
    run(
        source.path(),
        "touch",
        &["-d", "2001-02-03 04:05:06.123456789", "none"],
    );
    let named = rustix::fs::setxattr(
        source.path().join("none"),
        "user.test",
        b"1\n2=3",
        rustix::fs::XattrFlags::empty(),
    );
    for (format, sparse) in [
        ("gnu", &["--sparse"][..]),
        ("gnu", &[]),
        ("posix", &["--sparse", "--sparse-version=0.0"]),
        ("posix", &["--sparse", "--sparse-version=0.1"]),
        ("posix", &["--sparse", "--sparse-version=1.0", "--xattrs"]),
    ] {
        let folder = temporary();
        let layer = folder.path().join("layer.tar");
        let mut command = Command::new("tar");
        command
            .arg("-c")
            .arg("-f")
            .arg(&layer)
            .arg("-C")
            .arg(source.path());
        Run::of(
            command
                .arg(format!("--format={format}"))
                .args(sparse)
                .arg("."),
        )
        .ok();
        let image = image_of(&[fs::read(&layer).unwrap()], folder.path());
        let mut expected = listing(source.path());
        let exact = format == "posix";
        let nothing = expected.get_mut(&b"none"[..]).unwrap();
        if !exact || !sparse.contains(&"--xattrs") || named.is_err() {
            *nothing = nothing.replace("Some([49, 10, 50, 61, 51])", "None");
        }
        let mut exported = exported(&image, folder.path());
        // One format has whole seconds.
        for list in [&mut expected, &mut exported] {
            without_fractions(list, exact);
        }
        assert!(
            exported == expected,
            "{format} {sparse:?}: {:?}",
            exported
                .iter()
                .zip(&expected)
                .find(|(a, b)| a != b)
                .map(|(a, b)| (a.1.len(), b.1.len()))
        );
        if sparse.is_empty() {
            continue;
        }
        let archive = folder.path().join("export.tar");
        let filled = fs::metadata(&archive).unwrap().len();
        let mut kept = exported_with(&image, folder.path(), &["--sparse"]);
        without_fractions(&mut kept, exact);
        assert!(kept == expected, "{format} {sparse:?} with holes");
        let bytes = fs::read(&archive).unwrap();
        assert!(bytes.len() as u64 + (5 << 20) < filled, "{}", bytes.len());
        python_reads(&archive, &source.path().join("sparse"));
        // What comes out goes in again, and comes out as it is.
        let again = image_of(std::slice::from_ref(&bytes), folder.path());
        exported_with(&again, folder.path(), &["--sparse"]);
        assert!(fs::read(&archive).unwrap() == bytes, "{format} {sparse:?}");
    }
}

/// Takes fractions of seconds away, where a format has none.
fn without_fractions(list: &mut BTreeMap<Vec<u8>, String>, exact: bool) {
    if exact {
        return;
    }
    list.values_mut()
        .filter(|text| !text.starts_with("directory"))
        .for_each(|text| {
            let (before, after) = text.rsplit_once('.').unwrap();
            *text = format!("{before} {}", after.split_once(' ').unwrap().1);
        });
}

/// Python has the same content for the member `sparse`.
fn python_reads(archive: &Path, file: &Path) {
    let script = "import sys, tarfile
archive = tarfile.open(sys.argv[1])
assert archive.extractfile('sparse').read() == open(sys.argv[2], 'rb').read()";
    let mut command = Command::new("python3");
    Run::of(command.args(["-c", script]).arg(archive).arg(file)).ok();
}

#[test]
fn holes_out_of_all_proportion_are_not_filled() {
    let folder = temporary();
    run(folder.path(), "truncate", &["-s", "60G", "hole"]);
    let layer = folder.path().join("layer.tar");
    let mut command = Command::new("tar");
    command.current_dir(folder.path());
    Run::of(command.args(["-c", "--sparse", "-f", "layer.tar", "hole"])).ok();
    let image = image_of(&[fs::read(&layer).unwrap()], folder.path());
    let archive = folder.path().join("export.tar");
    let mut command = terrine();
    let refused = Run::of(command.arg("export").arg(&image).arg("-o").arg(&archive));
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("nearly all of which are holes")
            && refused.stderr.contains("`terrine export --sparse` keeps"),
        "{}",
        refused.stderr
    );
    assert!(!archive.exists());
    let mut command = terrine();
    command.args(["export", "--sparse"]).arg(&image);
    let kept = Run::of(command.arg("-o").arg(&archive)).ok();
    assert!(kept.stderr.contains("1 members, 0 B"), "{}", kept.stderr);
    assert!(fs::metadata(&archive).unwrap().len() < 20_000);
    let mut command = Command::new("tar");
    let listed = Run::of(command.arg("-tvf").arg(&archive)).ok();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&(60_u64 << 30).to_string()), "{listed}");
}
