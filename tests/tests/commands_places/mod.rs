//! Commands at the root in the places where images are built: builds of Nix, containers, many at
//! once; and what becomes of what they leave, in containers.

mod capabilities;
mod container;
mod crowd;
mod examples;
mod nix;
mod packages;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::consumer::{self, Consumed};
use terrine_tests::{Archive, Generation, Run, binary, peer, programs, temporary, terrine};

/// The name of images.
const NAME: &str = "places:1";
/// The type of a file system in memory, as statfs(2) has it.
const TMPFS: i64 = 0x0102_1994;

/// A folder with a tree, tools, specifications, and a cache that nobody else has.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// In memory where that can be had: trees are made and removed there much faster.
    fn new() -> Self {
        let memory = rustix::fs::statfs("/dev/shm").is_ok_and(|found| found.f_type == TMPFS);
        let mut builder = tempfile::Builder::new();
        builder.prefix("terrine-test-");
        let folder = if memory {
            builder.tempdir_in("/dev/shm").unwrap()
        } else {
            temporary()
        };
        Self { folder }
    }

    /// On a disk, for what a file system in memory may be mounted without.
    fn on_disk() -> Self {
        Self {
            folder: temporary(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// Puts a static busybox and, with their libraries, programs of this machine into the folder
    /// `tools`; nothing, said aloud, where one is missing.
    fn tools(&self, programs: &[&str]) -> Option<&Self> {
        let busybox = peer::find("busybox")?;
        let tools = self.path().join("tools");
        for folder in ["bin", "lib", "programs"] {
            fs::create_dir_all(tools.join(folder)).unwrap();
        }
        programs::copy(&busybox, tools.join("bin/busybox"));
        let run = Run::of(Command::new(busybox).arg("--list")).ok();
        let names = String::from_utf8(run.stdout).unwrap();
        for name in names.lines().filter(|name| *name != "busybox") {
            symlink("busybox", tools.join("bin").join(name)).unwrap();
        }
        for name in programs {
            program(&tools, name)?;
        }
        Some(self)
    }

    /// A tree to start from: `bin/su`, a static busybox.
    fn tree(&self) -> Option<&Self> {
        let busybox = peer::find("busybox")?;
        let bin = self.path().join("tree/bin");
        fs::create_dir_all(&bin).unwrap();
        programs::copy(busybox, bin.join("su"));
        Some(self)
    }

    /// Writes a specification, with the tools and the tree where they are there.
    fn write(&self, name: &str, fields: &Value) -> PathBuf {
        let mut spec = json!({"name": NAME});
        if self.path().join("tools").exists() {
            spec["commands"] = json!({"path": ["./tools"]});
        }
        if self.path().join("tree").exists() {
            spec["copyToRoot"] = json!(["./tree"]);
        }
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let file = self.path().join(format!("{name}.json"));
        fs::write(&file, spec.to_string()).unwrap();
        file
    }

    /// `terrine build`, at a level unless it is empty.
    fn command(&self, spec: &Path, level: &str) -> Command {
        let mut command = terrine();
        command
            .arg("build")
            .arg(spec)
            .args(levels(level))
            .env("XDG_CACHE_HOME", self.cache());
        command
    }

    /// Builds a specification again, whatever was kept.
    fn build(&self, spec: &Path, level: &str) -> Run {
        forget(&self.cache());
        Run::of(&mut self.command(spec, level))
    }

    /// The same at levels that are all to leave the same bytes; those are returned.
    fn at(&self, spec: &Path, levels: &[&str]) -> Vec<u8> {
        let built: Vec<Vec<u8>> = levels
            .iter()
            .map(|level| self.build(spec, level).ok().stdout)
            .collect();
        for (other, level) in built.iter().zip(levels) {
            assert!(*other == built[0], "`{level}` is not `{}`", levels[0]);
        }
        built[0].clone()
    }
}

fn levels(level: &str) -> Vec<&str> {
    match level {
        "" => vec![],
        level => vec!["--root-level", level],
    }
}

/// Removes the trees that commands left.
fn forget(cache: &Path) {
    let trees = cache.join("terrine/trees");
    if trees.exists() {
        fs::remove_dir_all(trees).unwrap();
    }
}

/// Puts a program of this machine and its libraries into a folder of tools, where it runs whatever
/// the root is.
fn program(tools: &Path, name: &str) -> Option<()> {
    let file = peer::find(name)?;
    let run = Run::of(Command::new(peer::find("ldd")?).arg(&file)).ok();
    let text = String::from_utf8(run.stdout).unwrap();
    let mut loader = String::new();
    for library in text
        .split_whitespace()
        .filter(|word| word.starts_with('/') && word.contains(".so"))
    {
        let called = Path::new(library).file_name().unwrap();
        programs::copy(library, tools.join("lib").join(called));
        let called = called.to_str().unwrap();
        if called.starts_with("ld-") {
            called.clone_into(&mut loader);
        }
    }
    programs::copy(&file, tools.join("programs").join(name));
    // Without a first line that names a shell: the one that calls it reads it itself.
    let script = format!(
        "here=${{0%/*}}/..\n\
         exec \"$here/lib/{loader}\" --library-path \"$here/lib\" \"$here/programs/{name}\" \"$@\"\n"
    );
    let at = tools.join("bin").join(name);
    let _ = fs::remove_file(&at);
    programs::write(&at, &script);
    Some(())
}

/// Owners, devices and permissions, and what stat says of them.
fn owners() -> Value {
    json!({
        "extraCommands": "mkdir -m 1777 tmp; mkdir -p var/lib/web etc; id -u > etc/id",
        "fakeRootCommands": "
            chown -R 1000:1000 var/lib/web
            mkdir dev
            mknod dev/null c 1 3
            mkfifo etc/fifo
            install -o 7 -g 8 -m 640 bin/su bin/su2
            chown 33:33 bin/su
            stat -c '%n %u %g %a %t %T' bin/su bin/su2 dev/null var/lib/web > etc/seen
            id -u >> etc/seen
            chmod 000 etc/id var/lib/web",
    })
}

/// The same in a root of their own.
fn in_a_root() -> Value {
    json!({
        // A directory that is mounted upon later is there to be made before.
        "extraCommands": "mkdir dev; mkfifo dev/fifo",
        "enableFakechroot": true,
        "fakeRootCommands": "
            mkdir -m 750 /data
            chown -R 5:6 /data /bin/su
            mknod /data/zero c 1 5
            echo gone > /dev/null
            echo gone > /dev/new
            ls /dev/ /.terrine/tools/0 > /dev/shm/gone
            stat -c '%n %u %g %a %t %T' /data /data/zero /bin/su > /seen",
    })
}

/// The names of the entries of an image's last layer.
fn entries(archive: &[u8]) -> Vec<String> {
    let archive = Archive::read(archive.to_vec());
    Archive::entries(archive.layers().last().unwrap())
}

/// Checks what an image prints when the installed consumers run it.
fn runs(archive: &[u8], expected: &str) {
    // They have another file system in memory.
    let folder = temporary();
    let file = folder.path().join("image.tar");
    fs::write(&file, archive).unwrap();
    let archive = Archive::read(archive.to_vec());
    // Much of their time is spent on waiting for one another's processes.
    std::thread::scope(|scope| {
        for (script, tools) in [
            ("podman", &["podman", "runc"][..]),
            ("docker", &["dockerd", "docker", "containerd", "runc"]),
            ("containerd", &["containerd", "ctr", "runc"]),
        ] {
            for generation in [Generation::Machine, Generation::Newer] {
                if consumer::available_in(generation, tools) {
                    let (file, archive) = (&file, &archive);
                    scope.spawn(move || {
                        Consumed::by_generation(generation, script, file, NAME)
                            .check(archive, expected);
                    });
                }
            }
        }
    });
}

/// The folder of the binary under test.
fn beside_binary() -> &'static Path {
    binary().parent().unwrap()
}
