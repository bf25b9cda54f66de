//! The store of an image as Nix finds it in a container: at its own place, with the tools of this
//! machine beside it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use super::{Run, peer, temporary, terrine};

/// No daemon, no servers, no other users.
const CONFIGURATION: &str = "\
build-users-group =
sandbox = false
substitute = false
experimental-features = nix-command
";

/// Nix asks for the names of users.
const PASSWD: &str = "\
root:x:0:0:root:/home:/bin/sh
user:x:1000:1000:user:/home:/bin/sh
";

/// Enters a root: in name spaces of its own, so that nothing of it outlives the command.
const ENTER: &str = r#"
root=$1; usr=$2; id=$3; shift 3
mount --make-rprivate /
mount --rbind "$usr" "$root/usr"
for name in proc dev; do mount --rbind "/$name" "$root/$name"; done
exec chroot "$root" setpriv "--reuid=$id" "--regid=$id" --clear-groups env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/home TMPDIR=/tmp NIX_CONF_DIR=/conf "$@"
"#;

/// An image that is unpacked, and its store where Nix looks for it.
#[derive(Debug)]
pub struct NixImage {
    folder: tempfile::TempDir,
    /// The folder of its tools: those of this machine, or of another root.
    usr: PathBuf,
}

impl NixImage {
    /// Unpacks an archive; nothing, said aloud, where that cannot be.
    pub fn unpack(archive: &[u8]) -> Option<Self> {
        if !geteuid().is_root() {
            peer::missing("only root can unpack an image with its owners, and be another user");
            return None;
        }
        for program in ["nix-store", "unshare", "setpriv", "tar"] {
            peer::find(program)?;
        }
        let image = Self {
            folder: temporary(),
            usr: "/usr".into(),
        };
        let (folder, root) = (image.folder.path(), image.root());
        // Others have to reach it.
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        let names = ["usr", "proc", "dev", "tmp", "conf", "home", "etc"];
        for name in ["files", "root"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        for name in names {
            fs::create_dir(root.join(name)).unwrap();
        }
        for name in ["tmp", "home"] {
            fs::set_permissions(root.join(name), Permissions::from_mode(0o1777)).unwrap();
        }
        for name in ["bin", "lib", "lib64", "sbin"] {
            symlink(format!("usr/{name}"), root.join(name)).unwrap();
        }
        fs::write(root.join("conf/nix.conf"), CONFIGURATION).unwrap();
        fs::write(root.join("etc/passwd"), PASSWD).unwrap();
        fs::write(folder.join("image.tar"), archive).unwrap();
        let reference = format!("docker-archive:{}", folder.join("image.tar").display());
        let files = Run::of(terrine().args(["export", &reference])).ok().stdout;
        fs::write(folder.join("files.tar"), files).unwrap();
        let mut tar = Command::new(peer::find("tar")?);
        tar.args(["--numeric-owner", "--preserve-permissions", "-xf"])
            .arg(folder.join("files.tar"))
            .arg("-C")
            .arg(folder.join("files"));
        Run::of(&mut tar).ok();
        fs::rename(folder.join("files/nix"), root.join("nix")).unwrap();
        Some(image)
    }

    /// The same with the tools of another root, its Nix among them.
    pub fn with_tools_of(self, root: &Path) -> Self {
        Self {
            usr: root.join("usr"),
            ..self
        }
    }

    /// The folder that is `/` for Nix.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Returns the place that a path of the image has on this machine.
    pub fn host(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Writes a file that everyone may read.
    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.host(path);
        fs::write(&path, content).unwrap();
        chown(&path, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    /// Runs a command in it as the user and group of a number.
    pub fn run(&self, user: u32, command: &[&str]) -> Run {
        let mut unshare = Command::new(peer::find("unshare").unwrap());
        unshare
            .args(["--mount", "--fork", "sh", "-euc", ENTER, "sh"])
            .arg(self.root())
            .arg(&self.usr)
            .arg(user.to_string())
            .args(command)
            .current_dir(Path::new("/"))
            .stdin(Stdio::null());
        Run::of(&mut unshare)
    }

    /// Lines that a command prints, sorted.
    pub fn list(&self, user: u32, command: &[&str]) -> Vec<String> {
        let run = self.run(user, command).ok();
        let text = String::from_utf8(run.stdout).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
