//! Capabilities of programs arrive where layers are read.

use std::fs;
use std::path::Path;
use std::process::Command;

use terrine_tests::{Archive, Generation, Run, peer};

use super::{Bench, json, runs};

/// The value that `setcap` makes: version 2, effective, permitted 1 << 10.
const VALUE: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The value of the attribute in hexadecimal digits.
fn hex() -> String {
    VALUE.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns what getfattr(1) would say, by Python.
fn attribute(file: &Path) -> Option<String> {
    let mut command = Command::new(peer::find("python3")?);
    command.args([
        "-c",
        "import os, sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())",
    ]);
    let run = Run::of(command.arg(file)).ok();
    Some(String::from_utf8(run.stdout).unwrap().trim().to_owned())
}

#[test]
fn capabilities_arrive_in_containers() {
    let bench = Bench::on_disk();
    if bench.tools(&["setcap", "getcap"]).is_none() || bench.tree().is_none() {
        return;
    }
    // The image brings what asks.
    let show = bench.path().join("tree/show");
    for folder in ["bin", "lib", "programs"] {
        fs::create_dir_all(show.join(folder)).unwrap();
    }
    super::program(&show, "getcap").unwrap();
    let spec = bench.write(
        "capability",
        &json!({
            "fakeRootCommands": "
                cp bin/su bin/server
                setcap cap_net_bind_service=ep bin/server
                getcap bin/server
                ln bin/su bin/sh",
            "config": {"Cmd": ["/bin/sh", "-c", "sh /show/bin/getcap /bin/server"]},
        }),
    );
    let archive = bench.at(&spec, &["single", "real", "range"]);
    runs(&archive, "/bin/server cap_net_bind_service=ep\n");

    // Others that read such a layer.
    let image = Archive::read(archive.clone());
    let layer = bench.path().join("layer.tar");
    fs::write(&layer, image.layers().last().unwrap()).unwrap();
    if let Some(tar) = peer::find("tar") {
        let out = bench.path().join("gnu");
        fs::create_dir(&out).unwrap();
        let mut command = Command::new(tar);
        command.args(["--xattrs", "--xattrs-include=*", "-xpf"]);
        let run = Run::of(command.arg(&layer).arg("-C").arg(&out)).ok();
        assert_eq!(run.stderr, "");
        if let Some(found) = attribute(&out.join("bin/server")) {
            assert_eq!(found, hex());
        }
    }
    if let Some(python) = peer::find("python3") {
        let script = "
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        for name, value in member.pax_headers.items():
            print(member.name, name, value.encode('utf-8', 'surrogateescape').hex())";
        let run = Run::of(Command::new(python).args(["-c", script]).arg(&layer)).ok();
        let expected = format!("./bin/server SCHILY.xattr.security.capability {}\n", hex());
        assert_eq!(String::from_utf8(run.stdout).unwrap(), expected);
    }
    let file = bench.path().join("image.tar");
    fs::write(&file, &archive).unwrap();
    for generation in [Generation::Machine, Generation::Newer] {
        is_unpacked(generation, bench.path(), &file);
    }
}

/// Lets skopeo and umoci of a generation unpack an archive.
fn is_unpacked(generation: Generation, folder: &Path, file: &Path) {
    let name = format!("{generation:?}").to_lowercase();
    let layout = format!("oci:{}:{name}", folder.join("layout").display());
    let from = format!("docker-archive:{}", file.display());
    if generation
        .skopeo(folder, &["copy", "--quiet", &from, &layout])
        .is_none()
    {
        return;
    }
    let bundle = folder.join(name);
    let image = &layout["oci:".len()..];
    let arguments = ["unpack", "--image", image, bundle.to_str().unwrap()];
    if generation.umoci(folder, &arguments).is_some()
        && let Some(found) = attribute(&bundle.join("rootfs/bin/server"))
    {
        assert_eq!(found, hex());
    }
}
