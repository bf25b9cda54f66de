//! Debian of this machine's mirror, in folders below `target/peers` that stay: roots, and packages.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::geteuid;

use super::{Run, peer, workspace};

/// Returns the mirror that this machine's apt uses, and the suite that this machine is.
fn mirror() -> Option<(String, String)> {
    let apt = peer::find("apt-get")?;
    let mut command = Command::new(apt);
    command.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]);
    let run = Run::of(command.arg("Created-By: Packages"));
    let text = String::from_utf8(run.stdout).unwrap();
    // Not that of updates or of security.
    let found = text.lines().find_map(|line| {
        let (uri, suite) = line.split_once(' ')?;
        (!suite.contains('-')).then(|| (uri.to_owned(), suite.to_owned()))
    });
    if found.is_none() {
        peer::missing("apt knows no mirror; `apt-get update` asks for it");
    }
    found
}

/// The attempts to make something of the mirror, which may not answer at times, and the time between them.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// Makes something once, for the first that asks, below `target/peers/debian`; returns its path.
fn made(name: &str, make: impl Fn(&Path) -> Run) -> Option<PathBuf> {
    let folder = workspace().join("target/peers/debian");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let place = folder.join(name);
    if !place.exists() {
        let new = folder.join(format!("new-{name}"));
        let attempt = || {
            // One that failed or was interrupted.
            if new.is_dir() {
                fs::remove_dir_all(&new).unwrap();
            } else if new.exists() {
                fs::remove_file(&new).unwrap();
            }
            make(&new)
        };
        let mut run = attempt();
        for _ in 1..ATTEMPTS {
            if run.code == Some(0) {
                break;
            }
            thread::sleep(PAUSE);
            run = attempt();
        }
        if run.code != Some(0) {
            peer::missing(&format!("`{name}` cannot be made: {}", run.stderr));
            return None;
        }
        fs::rename(&new, &place).unwrap();
    }
    Some(place)
}

/// Makes a root, as a folder or, by a name that ends so, as an archive.
fn bootstrap(name: &str, suite: Option<&str>, packages: &str) -> Option<PathBuf> {
    if !geteuid().is_root() {
        peer::missing("roots of Debian are made as root here");
        return None;
    }
    let program = peer::find("mmdebstrap")?;
    let (mirror, ours) = mirror()?;
    let suite = suite.unwrap_or(&ours);
    // An image is made of an archive: no more than has to be there.
    let is_archive = name.ends_with(".tar");
    let (format, variant) = if is_archive {
        ("tar", "essential")
    } else {
        ("directory", "minbase")
    };
    made(name, |new| {
        let mut command = Command::new(&program);
        command.args(["--quiet", "--variant", variant, "--format", format]);
        if is_archive {
            for folder in ["doc", "i18n", "info", "locale", "man", "zoneinfo"] {
                command.arg(format!("--dpkgopt=path-exclude=/usr/share/{folder}/*"));
            }
        }
        // A mirror may be a snapshot, whose signatures hold and have expired.
        command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
        command.arg(format!("--include={packages}"));
        command.args([suite.as_ref(), new.as_os_str()]);
        Run::of(command.arg(format!("deb {mirror} {suite} main")))
    })
}

/// A root of a suite of Debian with packages, whose names are separated by commas; nothing, said
/// aloud, where it cannot be made.
pub fn root(suite: &str, packages: &str) -> Option<PathBuf> {
    bootstrap(&format!("{suite}-{packages}"), Some(suite), packages)
}

/// A minimal root of this machine's suite as an archive, with packages.
pub fn archive(packages: &str) -> Option<PathBuf> {
    bootstrap(&format!("minimal-{packages}.tar"), None, packages)
}

/// A folder with packages of this machine's suite.
pub fn packages(names: &[&str]) -> Option<PathBuf> {
    let apt = peer::find("apt-get")?;
    made(&names.join("+"), |new| {
        fs::create_dir(new).unwrap();
        let mut command = Command::new(&apt);
        command.args(["--quiet", "--option", "APT::Sandbox::User=root", "download"]);
        Run::of(command.args(names).current_dir(new))
    })
}

/// A command in a root, with folders of this machine at the same places; it is the first process
/// of a name space of its own, with which all that it starts ends.
pub fn within(root: &Path, folders: &[&Path], program: &str) -> Option<Command> {
    // Not chroot(2): the kernel gives no user name spaces to who called it.
    const SCRIPT: &str = "
        root=$1 count=$2
        shift 2
        mount --bind \"$root\" \"$root\"
        mount -t tmpfs tmpfs \"$root/mnt\"
        for folder in /sys /dev; do mount --rbind \"$folder\" \"$root$folder\"; done
        while [ \"$count\" -gt 0 ]; do
            case $1 in
                /tmp | /tmp/*) [ -e \"$root/tmp/.ours\" ] || { mount -t tmpfs tmpfs \"$root/tmp\"; : > \"$root/tmp/.ours\"; } ;;
            esac
            [ -e \"$root$1\" ] || mkdir -p \"$root$1\"
            mount --rbind \"$1\" \"$root$1\"
            shift
            count=$((count - 1))
        done
        mount -t proc proc \"$root/proc\"
        cd \"$root\"
        mkdir mnt/old
        pivot_root . mnt/old
        umount -l /mnt/old
        exec \"$@\"";
    let unshare = peer::find("unshare")?;
    let mut command = Command::new(unshare);
    command.env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
    ]);
    command.args(["sh", "-euc", SCRIPT, "sh"]).arg(root);
    command.arg(folders.len().to_string()).args(folders);
    command.arg(program);
    Some(command)
}
