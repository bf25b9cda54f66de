//! The example policies, built by the commands that their guide gives.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{Run, archive, binary, peer, terrine, workspace};

/// The policy `steady`, in Rust.
pub fn steady() -> PathBuf {
    let component = folder().join("steady.wasm");
    let mut command = terrine();
    command
        .args(["planner", "componentize"])
        .arg(steady_module())
        .arg("-o")
        .arg(&component);
    Run::of(&mut command).ok();
    component
}

/// The module that the compiler makes of it.
pub fn steady_module() -> &'static Path {
    // Once in each test program: two builds in one folder would be in each other's way.
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let copy = copy("steady");
        keep_target(copy.path());
        cargo(
            copy.path(),
            &[
                "build",
                "--release",
                "--target",
                "wasm32-unknown-unknown",
                "--locked",
            ],
        );
        let module = folder().join("steady.module.wasm");
        fs::copy(
            copy.path()
                .join("target/wasm32-unknown-unknown/release/steady.wasm"),
            &module,
        )
        .unwrap();
        module
    })
}

/// The command that builds the policy in Python, in a folder with the contract.
pub const COMPONENTIZE_PY: &str =
    "componentize-py -d wit -w policy componentize app_on_top -o app_on_top.wasm --stub-wasi";

/// The policy `app-on-top`, in Python; nothing, said aloud, where its compiler is not installed.
/// The cache of planners has it compiled: on a busy machine, that takes more than the time that planners have by
/// default.
pub fn app_on_top() -> Option<PathBuf> {
    static COMPONENT: OnceLock<Option<PathBuf>> = OnceLock::new();
    COMPONENT
        .get_or_init(|| {
            let component = componentize_py()?;
            let mut compile = terrine();
            compile.args(["planner", "describe", "--compile-time", "600"]);
            Run::of(compile.arg(&component)).ok();
            Some(component)
        })
        .clone()
}

fn componentize_py() -> Option<PathBuf> {
    let tool = peer::installed("python/bin/componentize-py")?;
    let copy = copy("app-on-top");
    // No two builds are the same, and each would have to be compiled, so that one is kept for
    // as long as it is made of the same.
    let sources = ["app_on_top.py", "requirements.txt", "wit/layering.wit"]
        .map(|name| fs::read(copy.path().join(name)).unwrap())
        .concat();
    let key = archive::digest(&sources);
    let component = folder().join(format!("app-on-top-{}.wasm", &key[..16]));
    if !component.exists() {
        let built = copy.path().join("app_on_top.wasm");
        let mut command = Command::new(tool);
        Run::of(
            command
                .current_dir(copy.path())
                .args(COMPONENTIZE_PY.split(' ').skip(1)),
        )
        .ok();
        let unnamed = component.with_extension(std::process::id().to_string());
        fs::copy(built, &unnamed).unwrap();
        fs::rename(unnamed, &component).unwrap();
    }
    Some(component)
}

/// Runs cargo for a crate outside the workspace, without the network. Its dependencies are those
/// of the workspace, and are there already.
pub fn cargo(folder: &Path, args: &[&str]) -> Run {
    let mut command = Command::new("cargo");
    outside(&mut command);
    Run::of(command.current_dir(folder).args(args)).ok()
}

/// Makes what is run independent of the cargo that runs the tests.
fn outside(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO") && text != "CARGO_HOME";
        if of_cargo || text.starts_with("RUSTC") || text == "RUSTFLAGS" {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_NET_OFFLINE", "true");
}

/// A copy of an example in a folder elsewhere, links followed, as `cp -rL` makes it.
fn copy(name: &str) -> tempfile::TempDir {
    let copy = super::temporary();
    let from = workspace().join("tests/policies").join(name);
    Run::of(Command::new("cp").arg("-rLT").arg(from).arg(copy.path())).ok();
    copy
}

/// Puts the folder that cargo builds into where it outlives the test.
pub fn keep_target(folder: &Path) {
    let target = self::folder().join("target");
    fs::create_dir_all(&target).unwrap();
    symlink(target, folder.join("target")).unwrap();
}

/// Returns the folder that keeps what is built for tests.
fn folder() -> PathBuf {
    let folder = binary().parent().unwrap().join("test-policies");
    fs::create_dir_all(&folder).unwrap();
    folder
}
