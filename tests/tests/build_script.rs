//! `host/planner/build.rs` builds the planner in every way that people build: the pitfalls of
//! running cargo from a build script, each of them once reproduced.
//!
//! The script is run in a workspace of its own, with the real planner and without what
//! the host needs beside it, which would take minutes each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use terrine_tests::{Run, programs, workspace};

/// One at a time: they share the workspace, so that the second is quick.
static ONE: Mutex<()> = Mutex::new(());

/// The time that a build may take before it counts as hung.
const PATIENCE: &str = "600";

struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Lays the workspace, or brings it up to date.
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-script");
        let workspace = Self { root };
        for directory in ["host/planner/src", ".cargo"] {
            fs::create_dir_all(workspace.root.join(directory)).unwrap();
        }
        for file in [
            "Cargo.lock",
            "rust-toolchain.toml",
            "host/planner/build.rs",
            "planner-wasm",
            "wit",
        ] {
            workspace.copy(file);
        }
        let read = |name: &str| fs::read_to_string(super_path(name)).unwrap();
        workspace.write("Cargo.toml", &workspace.manifest());
        // The manifest without the dependencies of the crate, but with those of the script.
        let manifest = read("host/planner/Cargo.toml");
        let (package, rest) = manifest.split_once("[dependencies]").unwrap();
        let (_, rest) = rest.split_once("[build-dependencies]").unwrap();
        workspace.write(
            "host/planner/Cargo.toml",
            &format!("{package}[build-dependencies]{rest}"),
        );
        let code = "//! x\n/// x\npub static PLANNER: &[u8] = \
                    include_bytes!(concat!(env!(\"OUT_DIR\"), \"/planner.wasm\"));\n";
        workspace.write("host/planner/src/lib.rs", code);
        workspace.write(".cargo/config.toml", "");
        // Takes what is not needed out of the lock file.
        Run::of(workspace.cargo(&["update", "--offline", "--workspace"])).ok();
        workspace
    }

    /// The manifest of the workspace.
    fn manifest(&self) -> String {
        fs::read_to_string(super_path("Cargo.toml"))
            .unwrap()
            .replace(", \"tests\", \"tests/fuzz\"]", "]")
            .replace("[\"host/cli\"]", "[\"host/planner\"]")
            // Scripts that are not optimised are built faster.
            .replace("[profile.release.build-override]\nopt-level = 3", "")
    }

    /// Optimises the planner less from now on: flags that reach it change its bytes all the same, and each build takes
    /// a few seconds.
    fn optimise_less(&self) {
        let profile = "opt-level = 3\nlto = true\n";
        let manifest = self.manifest();
        assert_eq!(manifest.matches(profile).count(), 1);
        self.write(
            "Cargo.toml",
            &manifest.replace(profile, "opt-level = 1\nlto = false\n"),
        );
    }

    fn copy(&self, name: &str) {
        let mut copy = Command::new("cp");
        copy.args(["-r", "--preserve=timestamps", "--no-target-directory"]);
        assert!(
            copy.arg(super_path(name))
                .arg(self.root.join(name))
                .status()
                .unwrap()
                .success()
        );
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.root.join(name);
        // An unchanged file is left alone, so that nothing is built for nothing.
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            return;
        }
        fs::write(path, content).unwrap();
    }

    /// Cargo, without what the outer one left in the environment.
    fn cargo(&self, arguments: &[&str]) -> &mut Command {
        // Leaked, so that the caller can chain; a test makes a dozen.
        let command = Box::leak(Box::new(Command::new("timeout")));
        command
            .args([PATIENCE, "cargo"])
            .args(arguments)
            .current_dir(&self.root);
        for (name, _) in std::env::vars() {
            if name.starts_with("CARGO_") && name != "CARGO_HOME" || name == "RUSTFLAGS" {
                command.env_remove(name);
            }
        }
        command
    }

    /// The component that a build embedded.
    fn planner(&self, below: &str) -> Vec<u8> {
        let mut found: Vec<_> = find(&self.root.join(below), "planner.wasm");
        found.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
        fs::read(found.last().expect("a planner is built")).unwrap()
    }
}

fn super_path(name: &str) -> PathBuf {
    workspace().join(name)
}

/// The files of a name below the build scripts' folders.
fn find(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut command = Command::new("find");
    let output = command
        .arg(folder)
        .args(["-path", "*/build/*/out/*", "-name", name])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(PathBuf::from)
        .collect()
}

#[test]
fn every_way_of_building_embeds_the_same_planner() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let workspace = Workspace::new();
    let touch = || {
        // Makes cargo run the script again.
        let script = workspace.root.join("host/planner/build.rs");
        fs::File::options()
            .append(true)
            .open(script)
            .unwrap()
            .set_modified(std::time::SystemTime::now())
            .unwrap();
    };
    Run::of(workspace.cargo(&["build", "--offline"])).ok();
    assert_eq!(
        workspace.planner("target/debug"),
        terrine::planner::EMBEDDED,
        "it is the planner that is embedded here"
    );
    workspace.optimise_less();
    touch();
    Run::of(workspace.cargo(&["build", "--offline"])).ok();
    let expected = workspace.planner("target/debug");
    assert_ne!(expected, terrine::planner::EMBEDDED);

    // The same lock would be waited for without end.
    Run::of(workspace.cargo(&["build", "--offline", "--release"])).ok();
    assert_eq!(workspace.planner("target/release"), expected);

    // Clippy's driver is no compiler, and not for another target either.
    touch();
    Run::of(workspace.cargo(&["clippy", "--offline", "--", "-D", "warnings"])).ok();
    assert_eq!(workspace.planner("target/debug"), expected);

    // Flags for this machine's linker, and flags that change the code.
    touch();
    let flags = "-Clink-arg=-Wl,--as-needed -Copt-level=0 -Cdebuginfo=2 -Ctarget-cpu=native";
    Run::of(
        workspace
            .cargo(&["build", "--offline"])
            .env("RUSTFLAGS", flags),
    )
    .ok();
    assert_eq!(workspace.planner("target/debug"), expected);

    // The same in a file, with a wrapper that fails for another target.
    let wrapper = workspace.root.join("wrapper");
    programs::script(
        &wrapper,
        "case \"$*\" in *wasm32*crate-name*) exit 9;; esac\nexec \"$@\"",
    );
    workspace.write(
        ".cargo/config.toml",
        &format!(
            "[build]\nbuild-dir = \"elsewhere\"\nrustflags = [\"-Clink-arg=-Wl,--as-needed\"]\nrustc-wrapper = {wrapper:?}\n"
        ),
    );
    Run::of(workspace.cargo(&["build", "--offline", "--release"])).ok();
    assert_eq!(workspace.planner("elsewhere/release"), expected);
    workspace.write(".cargo/config.toml", "");

    // For a named target, which lies one folder deeper.
    let host = Run::of(Command::new("rustc").arg("-vV")).ok();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    Run::of(workspace.cargo(&["build", "--offline", "--target", host])).ok();
    assert_eq!(workspace.planner(&format!("target/{host}")), expected);
}

#[test]
fn a_component_can_be_given() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let workspace = Workspace::new();
    let build = |file: &str| {
        Run::of(
            workspace
                .cargo(&["build", "--offline"])
                .env("PLANNER_WASM", file),
        )
    };
    let given = workspace.root.join("given.wasm");
    let path = given.to_str().unwrap();

    fs::write(&given, wat::parse_str("(component)").unwrap()).unwrap();
    build(path).ok();
    assert_eq!(workspace.planner("target/debug"), fs::read(&given).unwrap());

    for (bytes, why) in [
        (
            wat::parse_str("(module)").unwrap(),
            "the planner is not a WebAssembly component",
        ),
        (
            wat::parse_str(r#"(component (import "x" (func)))"#).unwrap(),
            "the planner imports `x`, and must import nothing",
        ),
    ] {
        fs::write(&given, bytes).unwrap();
        let run = build(path);
        assert_eq!(run.code, Some(101));
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    assert!(
        build("given.wasm")
            .stderr
            .contains("PLANNER_WASM=`given.wasm` must be an absolute path")
    );
    assert!(
        build("/nowhere/x.wasm")
            .stderr
            .contains("reading PLANNER_WASM=`/nowhere/x.wasm`: No such file")
    );
}

#[test]
fn a_missing_target_is_added_or_explained() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let workspace = Workspace::new();
    workspace.optimise_less();
    let tools = workspace.root.join("tools");
    fs::create_dir_all(&tools).unwrap();
    let tool = |name: &str, script: &str| {
        let path = tools.join(name);
        programs::script(&path, script);
        path
    };
    let added = tools.join("added");
    let _ = fs::remove_file(&added);
    // A compiler that does not have the target before it was added.
    let compiler = tool(
        "compiler",
        &format!(
            "case \"$*\" in *target-libdir*) [ -e {added:?} ] || {{ echo /nowhere; exit 0; }};; esac\nexec rustc \"$@\""
        ),
    );
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let build = || {
        Run::of(
            workspace
                .cargo(&["build", "--offline"])
                .env("RUSTC", &compiler)
                .env("PATH", &path),
        )
    };

    tool("rustup", "exit 1");
    let run = build();
    assert_eq!(run.code, Some(101));
    assert!(
        run.stderr
            .contains("run `rustup target add wasm32-unknown-unknown`"),
        "{}",
        run.stderr
    );

    tool(
        "rustup",
        &format!("[ \"$*\" = \"target add wasm32-unknown-unknown\" ] && touch {added:?}"),
    );
    build().ok();
    assert!(added.exists());
}
