//! Stores that Nix itself makes, with paths that it builds.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use super::{Run, debian, fixture, peer, temporary};

/// No server, no users to build as, and nothing but the tools of this machine. Nix builds
/// for a store below another root in name spaces of its own whatever `sandbox` says.
const CONFIGURATION: &str = "\
sandbox = false
sandbox-paths = /bin /lib /lib64? /usr
build-users-group =
substitute = false
experimental-features = nix-command
";

/// The program that is to print what another store path holds.
const PROGRAM: &str = "hello/nix/store/7yc2v2kzs0d8qfw5w1kz7lnp4j6a3r9g-hello-1.0/bin/hello";

/// A store below a folder of its own, with the paths of `tests/nix/closure.nix`. Nix is
/// told nothing of the machine's own store, its configuration or its user.
#[derive(Debug)]
pub struct NixStore {
    folder: tempfile::TempDir,
    /// Store paths by their names without the hash.
    paths: BTreeMap<String, String>,
}

/// Makes a root of what is at `/`, but for `/nix`, which is that of another root.
const INSIDE: &str = r#"
store=$1 root=$2
shift 2
mount --make-rprivate /
mount -t tmpfs none "$root"
for path in /*; do
    name=${path#/}
    if [ "$name" = nix ]; then continue; fi
    if [ -L "$path" ]; then
        cp -P "$path" "$root/"
    elif [ -d "$path" ]; then
        mkdir "$root/$name"
        mount --rbind "$path" "$root/$name"
    fi
done
mkdir "$root/nix"
mount --rbind "$store/nix" "$root/nix"
directory=$PWD
exec chroot "$root" sh -euc 'cd "$0"; exec "$@"' "$directory" "$@"
"#;

impl NixStore {
    /// A store with everything built; nothing, said aloud, where that cannot be had.
    pub fn build() -> Option<Self> {
        if peer::find("nix-store").is_none() || !can_build() {
            return None;
        }
        let mut store = Self {
            folder: temporary(),
            paths: BTreeMap::new(),
        };
        for folder in ["root", "conf", "home", "tmp"] {
            fs::create_dir(store.folder.path().join(folder)).unwrap();
        }
        fs::write(store.folder.path().join("conf/nix.conf"), CONFIGURATION).unwrap();
        store.add("closure.nix");
        Some(store)
    }

    /// Builds all that a file in `tests/nix` describes.
    pub fn add(&mut self, file: &str) {
        let file = fixture("nix").join(file);
        let (file, program) = (file.to_str().unwrap(), fixture(PROGRAM));
        let program = ["--argstr", "program", program.to_str().unwrap()];
        let built = self.run(
            "nix-build",
            &[&["--no-out-link", file], &program[..]].concat(),
        );
        for path in built.lines() {
            let (_, name) = path.split_once('-').unwrap();
            self.paths.insert(name.to_owned(), path.to_owned());
        }
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A folder beside it, for what is not in the store.
    pub fn beside(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Returns the file in which Nix keeps what it knows of the paths.
    pub fn database(&self) -> PathBuf {
        self.root().join("nix/var/nix/db/db.sqlite")
    }

    /// The store path of this name, which is given without the hash.
    pub fn path(&self, name: &str) -> &str {
        &self.paths[name]
    }

    /// Returns its place on this machine.
    pub fn host(&self, name: &str) -> PathBuf {
        self.root().join(&self.path(name)[1..])
    }

    /// Returns what one of Nix's programs prints.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        command.args(arguments);
        String::from_utf8(Run::of(&mut command).ok().stdout).unwrap()
    }

    /// One of Nix's programs, which knows this store alone.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(peer::find(program).unwrap());
        command.env_clear().env("PATH", "/usr/bin:/bin");
        self.settings(&mut command);
        command
    }

    /// The same of the Nix in a root of Debian, which sees these folders of this machine and the store. Nothing,
    /// said aloud, where that cannot be.
    pub fn command_in(&self, root: &Path, folders: &[&Path], program: &str) -> Option<Command> {
        let folders = [&[self.folder.path()], folders].concat();
        let mut command = debian::within(root, &folders, program)?;
        self.settings(&mut command);
        Some(command)
    }

    /// Gives a program of Nix this store, and nothing of the user's.
    fn settings(&self, command: &mut Command) {
        let folder = self.folder.path();
        let store = format!("local?root={}", self.root().display());
        command
            .env("HOME", folder.join("home"))
            .env("TMPDIR", folder.join("tmp"))
            .env("NIX_CONF_DIR", folder.join("conf"))
            .env("NIX_REMOTE", store);
    }

    /// A program that finds this store at `/nix`, and everything else where it is: in name spaces of its own.
    /// Nothing, said aloud, where that cannot be.
    pub fn inside(&self, program: &str) -> Option<Command> {
        if !geteuid().is_root() {
            peer::missing("only root can put a store at its place");
            return None;
        }
        let folder = self.folder.path();
        let mut command = Command::new(peer::find("unshare")?);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", folder.join("home"))
            .env("TMPDIR", folder.join("tmp"))
            .env("NIX_CONF_DIR", folder.join("conf"))
            .args(["--mount", "--fork", "sh", "-euc", INSIDE, "sh"])
            .arg(self.root())
            .arg(folder.join("inside"))
            .arg(program);
        fs::create_dir_all(folder.join("inside")).unwrap();
        Some(command)
    }

    /// Store paths that one of Nix's programs prints, sorted.
    pub fn list(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let mut paths: Vec<String> = self
            .run(program, arguments)
            .lines()
            .map(str::to_owned)
            .collect();
        paths.sort();
        paths
    }
}

impl Drop for NixStore {
    /// Nix leaves directories that their owner may not write to, and so not empty.
    fn drop(&mut self) {
        writable(&self.root());
    }
}

/// Opens a folder and all folders in it to writing, so that their owner can remove them.
pub fn writable(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o755));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            writable(&entry.path());
        }
    }
}

/// Returns true if there are the name spaces that Nix builds in; says aloud if not.
fn can_build() -> bool {
    let Some(unshare) = peer::find("unshare") else {
        return false;
    };
    let mut command = Command::new(unshare);
    if !geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let run = Run::of(command.args(["--mount", "--pid", "--fork", "--mount-proc", "true"]));
    if run.code != Some(0) {
        peer::missing(&format!(
            "Nix has no name spaces to build in: {}",
            run.stderr
        ));
    }
    run.code == Some(0)
}
