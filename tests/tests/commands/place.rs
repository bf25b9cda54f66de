//! Places to run commands: with which tools, at which level, and as whom.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;
use serde_json::Value;
use tempfile::TempDir;
use terrine_tests::{Run, binary, empty_cache, peer, programs, terrine};

/// A user without any rights, whom no machine knows.
const USER: u32 = 4242;

/// A level, and who runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) level: &'static str,
    who: Who,
}

/// The user who starts terrine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    /// Root who may make no devices, for whom the kernel does less: as in many containers.
    Bounded,
    User,
}

pub(crate) const fn root(level: &'static str) -> At {
    At {
        level,
        who: Who::Root,
    }
}

const fn user(level: &'static str) -> At {
    At {
        level,
        who: Who::User,
    }
}

/// The level of most tests, which every machine has.
pub(crate) const SINGLE: At = root("single");
/// All but those that isolate nothing.
const ISOLATED: [At; 6] = [
    root("real"),
    At {
        level: "real",
        who: Who::Bounded,
    },
    root("range"),
    SINGLE,
    user("single"),
    user("range"),
];
const RECORD: [At; 2] = [root("record"), user("record")];

/// The levels of this machine that have name spaces.
pub(crate) fn isolated() -> Vec<At> {
    ISOLATED.into_iter().filter(|at| at.is_possible()).collect()
}

/// The levels of this machine at which the tree can be the root.
pub(crate) fn chroot() -> Vec<At> {
    all().into_iter().filter(|at| *at != RECORD[1]).collect()
}

/// All levels of this machine.
pub(crate) fn all() -> Vec<At> {
    let record = RECORD.into_iter().filter(|at| at.is_possible());
    isolated().into_iter().chain(record).collect()
}

impl At {
    fn is_possible(self) -> bool {
        let by_user = self.who == Who::User;
        if geteuid().is_root() {
            let needed = if self.who == Who::Root {
                "sh"
            } else {
                "setpriv"
            };
            let has_ids = self.level != "range" || !by_user || peer::find("newuidmap").is_some();
            return peer::find(needed).is_some() && has_ids && (!by_user || is_reachable());
        }
        let is_possible = self.who == Who::Root && matches!(self.level, "single" | "record");
        if !is_possible {
            peer::missing(&format!("{self:?} needs root"));
        }
        is_possible
    }
}

/// Returns true if a user may start the binary under test.
fn is_reachable() -> bool {
    static REACHABLE: OnceLock<bool> = OnceLock::new();
    *REACHABLE.get_or_init(|| {
        let run = Run::of(as_user().arg(binary()).arg("--version"));
        if run.code != Some(0) {
            peer::missing("the binary under test is where only root can reach it");
        }
        run.code == Some(0)
    })
}

fn as_user() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &USER.to_string(), "--regid", &USER.to_string()]);
    command.arg("--clear-groups");
    command
}

fn bounded() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-mknod", "--inh-caps", "-mknod"]);
    command
}

/// A folder with tools, and with a cache for each build.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: TempDir,
    builds: AtomicU32,
}

impl Bench {
    /// A folder in memory, where that is and may have devices; none without busybox.
    pub(crate) fn new() -> Option<Self> {
        let busybox = busybox()?;
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let in_memory = mounts
            .lines()
            .any(|line| line.starts_with("tmpfs /dev/shm ") && !line.contains("nodev"));
        let parent = if in_memory {
            "/dev/shm".into()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new()
            .prefix("terrine-commands-")
            .tempdir_in(parent)
            .unwrap();
        // Others look for their caches and programs in it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let bench = Self {
            folder,
            builds: AtomicU32::new(0),
        };
        let bin = bench.tools().join("bin");
        fs::create_dir_all(&bin).unwrap();
        programs::copy(&busybox, bin.join("busybox"));
        let listed = Run::of(Command::new(&busybox).arg("--list")).ok().stdout;
        for applet in String::from_utf8(listed).unwrap().lines() {
            if applet != "busybox" {
                symlink("busybox", bin.join(applet)).unwrap();
            }
        }
        Some(bench)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.path().join("tools")
    }

    /// Compiles a static program into the tools. Returns whether that could be done.
    pub(crate) fn compile(&self, name: &str, source: &str) -> bool {
        self.compile_with("gcc", name, source)
    }

    fn compile_with(&self, compiler: &str, name: &str, source: &str) -> bool {
        let Some(gcc) = peer::find(compiler) else {
            return false;
        };
        let file = self.path().join(format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let mut command = Command::new(gcc);
        command.args(["-O1", "-w", "-static", "-pthread", "-o"]);
        command.arg(self.tools().join("bin").join(name)).arg(file);
        Run::of(&mut command).ok();
        true
    }

    /// Compiles what `compile` does with another C library.
    pub(crate) fn compile_with_musl(&self, name: &str, source: &str) -> bool {
        self.compile_with("musl-gcc", name, source)
    }

    /// Compiles a program in Go, whose runtime makes system calls by itself.
    pub(crate) fn compile_go(&self, name: &str, source: &str) -> bool {
        let Some(go) = peer::find("go") else {
            return false;
        };
        let file = self.path().join(format!("{name}.go"));
        fs::write(&file, source).unwrap();
        let mut command = Command::new(go);
        command.args(["build", "-o"]);
        command.arg(self.tools().join("bin").join(name)).arg(file);
        for (name, value) in [
            ("CGO_ENABLED", "0"),
            ("GO111MODULE", "off"),
            ("GOFLAGS", ""),
        ] {
            command.env(name, value);
        }
        command.env("GOCACHE", self.path().join("go-cache"));
        Run::of(&mut command).ok();
        true
    }

    /// A new folder for caches.
    pub(crate) fn cache(&self) -> PathBuf {
        let number = self.builds.fetch_add(1, Ordering::Relaxed);
        let cache = self.path().join(format!("cache-{number}"));
        empty_cache(&cache);
        cache
    }

    /// Gives a cache to the user who is to use it: one that others may write to is not used.
    fn give(cache: &Path, at: At) {
        if !geteuid().is_root() {
            return;
        }
        let user = if at.who == Who::User { USER } else { 0 };
        let owner = format!("{user}:{user}");
        Run::of(Command::new("chown").args(["-R", &owner]).arg(cache)).ok();
        Run::of(Command::new("chmod").args(["-R", "go-w"]).arg(cache)).ok();
    }

    /// `terrine SUBCOMMAND` on a specification, with its caches in a folder.
    pub(crate) fn command(&self, subcommand: &str, spec: &Value, at: At, cache: &Path) -> Command {
        let file = cache.join("image.json");
        fs::write(&file, spec.to_string()).unwrap();
        Self::give(cache, at);
        let words = [subcommand, file.to_str().unwrap(), "--root-level", at.level];
        let mut command = match at.who {
            Who::Root => terrine(),
            Who::Bounded => bounded(),
            Who::User if at.level == "range" => self.with_subordinate_ids(),
            Who::User => as_user(),
        };
        if at.who != Who::Root {
            command.arg(binary());
        }
        command
            .args(words)
            .env("XDG_CACHE_HOME", cache)
            .env("TMPDIR", cache);
        if at.level == "record" {
            command.arg("--unsafe-host");
        }
        command
    }

    /// A user to whom the files of a name space give ids, and no file of this machine.
    fn with_subordinate_ids(&self) -> Command {
        let of = |name: &str, text: &str| {
            let file = self.path().join(name);
            fs::write(&file, text).unwrap();
            format!("mount --bind {} /etc/{name} && ", file.display())
        };
        let user = format!("root:x:0:0::/:/bin/sh\ntester:x:{USER}:{USER}::/:/bin/sh\n");
        let mut script = of("subuid", "tester:100000:65536\n");
        script += &of("subgid", "tester:100000:65536\n");
        script += &of("passwd", &user);
        let user = USER.to_string();
        script += &format!("exec setpriv --reuid {user} --regid {user} --clear-groups \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        command
    }

    /// Builds an image, with nothing known of an earlier build.
    pub(crate) fn build(&self, spec: &Value, at: At) -> Run {
        Run::of(&mut self.command("build", spec, at, &self.cache()))
    }

    /// Returns what a build says that has to fail.
    pub(crate) fn refusal(&self, spec: &Value, at: At) -> String {
        let run = self.build(spec, at);
        assert_eq!(run.code, Some(1), "{at:?}: {}", run.stderr);
        run.stderr
    }

    /// A directory with dynamic programs of this machine, and what they need to run.
    pub(crate) fn dynamic(&self, programs: &[&str]) -> Option<PathBuf> {
        let root = self.path().join("dynamic");
        let put = |from: &Path, to: &Path| {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            programs::copy(from, to);
        };
        for program in programs {
            let file = fs::canonicalize(peer::find(program)?).unwrap();
            put(&file, &root.join("bin").join(program));
            let listed = Run::of(Command::new("ldd").arg(&file)).stdout;
            let listed = String::from_utf8(listed).unwrap();
            for library in listed
                .split_whitespace()
                .filter(|word| word.starts_with('/'))
            {
                put(
                    &fs::canonicalize(library).unwrap(),
                    &root.join(&library[1..]),
                );
            }
        }
        put(&self.tools().join("bin/busybox"), &root.join("bin/busybox"));
        symlink("bash", root.join("bin/sh")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        let users = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:web:/:/bin/sh\n";
        fs::write(root.join("etc/passwd"), users).unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nwww:x:44:\n").unwrap();
        Some(root)
    }
}

/// A static busybox.
fn busybox() -> Option<PathBuf> {
    let file = peer::find("busybox")?;
    let bytes = fs::read(&file).unwrap();
    // A program that is loaded by another names that.
    let is_static = !bytes[..bytes.len().min(4096)]
        .windows(7)
        .any(|part| part == b"ld-linu");
    if !is_static {
        peer::missing("`busybox` is not static");
    }
    is_static.then_some(file)
}
