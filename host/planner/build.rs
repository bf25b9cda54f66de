//! Builds the planner component, so that `cargo build` is all it takes.
//!
//! The planner is a crate of this workspace for another target, which cargo does
//! not build as a dependency, so this script runs cargo again. What that
//! second cargo must not take over from the first is listed in [`cargo`].
//! `PLANNER_WASM=FILE` embeds that component instead and builds nothing.
//!
//! The component is then compiled for the machines that the program is built for (`build/precompile.rs`), unless the
//! feature `precompiled` is off.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Parser, Payload};

#[cfg(feature = "precompiled")]
#[path = "build/precompile.rs"]
mod precompile;

const TARGET: &str = "wasm32-unknown-unknown";
/// The profile of the workspace that the planner is built with.
const PROFILE: &str = "planner";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = run() {
        // Cargo shows such a line by itself, without the rest of the script's output.
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

fn run() -> Result<()> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed=PLANNER_WASM");
    let component = match env::var_os("PLANNER_WASM").filter(|file| !file.is_empty()) {
        Some(file) => given(Path::new(&file))?,
        None => built(&out)?,
    };
    check(&component)?;
    let (packed, size) = code(&component)?;
    println!("cargo::rustc-env=PLANNER_CODE_SIZE={size}");
    fs::write(out.join("planner.cwasm.zst"), packed)?;
    fs::write(out.join("planner.wasm"), component)?;
    Ok(())
}

/// The component that the user gives.
fn given(file: &Path) -> Result<Vec<u8>> {
    // Cargo runs build scripts in the package's directory, users name files from theirs.
    if file.is_relative() {
        return Err(format!("PLANNER_WASM=`{}` must be an absolute path", file.display()).into());
    }
    println!("cargo::rerun-if-changed={}", file.display());
    fs::read(file)
        .map_err(|error| format!("reading PLANNER_WASM=`{}`: {error}", file.display()).into())
}

/// The component of this workspace.
fn built(out: &Path) -> Result<Vec<u8>> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = package
        .ancestors()
        .nth(2)
        .ok_or("the package does not lie two directories below the workspace")?;
    let sources = [
        "planner-wasm/src",
        "planner-wasm/Cargo.toml",
        "Cargo.toml",
        "Cargo.lock",
    ];
    let mut inputs: Vec<PathBuf> = sources.iter().map(|input| root.join(input)).collect();
    // The versions of the contract, and not the pages beside them.
    for entry in fs::read_dir(root.join("wit"))? {
        inputs.extend(Some(entry?.path()).filter(|path| path.is_dir()));
    }
    for input in inputs {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    ensure_target()?;
    // One directory for every profile of the host: the component is the same for
    // all of them. It is not the host's own, whose lock the outer cargo holds.
    let target = out.ancestors().nth(4).unwrap_or(out).join("planner-wasm");
    cargo(root, &target)?;
    let module = target
        .join(TARGET)
        .join(PROFILE)
        .join("terrine_planner.wasm");
    let module =
        fs::read(&module).map_err(|error| format!("reading `{}`: {error}", module.display()))?;
    let encoded = wit_component::ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .encode()?;
    Ok(encoded)
}

/// Runs cargo for the planner alone.
fn cargo(root: &Path, target: &Path) -> Result<()> {
    let mut command = Command::new(variable("CARGO")?);
    command
        .current_dir(root)
        .args(["build", "--locked", "--package", "terrine-planner", "--lib"])
        .args(["--target", TARGET, "--profile", PROFILE])
        // Both directories: a build directory of the user's would else be shared
        // with the outer cargo, and its lock waited for without end.
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_BUILD_BUILD_DIR", target);
    // The host's flags are wrong for another target, or change the component's bytes;
    // its wrappers (clippy's among them) have no business there.
    for leaked in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CLIPPY_ARGS",
        "__CARGO_DEFAULT_LIB_METADATA",
    ] {
        command.env_remove(leaked);
    }
    // Flags from configuration files are overruled by an empty variable, wrappers too.
    command
        .env("CARGO_ENCODED_RUSTFLAGS", "")
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "");
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PROFILE_") || name_text.starts_with("CARGO_FEATURE_") {
            command.env_remove(&name);
        }
    }
    let output = command
        .output()
        .map_err(|error| format!("running cargo for the planner: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "building the planner failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Makes sure that the compiler has the planner's target.
fn ensure_target() -> Result<()> {
    if has_target()? {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    let added = rustup.output();
    if added.is_ok_and(|output| output.status.success()) && has_target()? {
        return Ok(());
    }
    Err(format!(
        "the planner is built for `{TARGET}`, which this compiler does not have, and rustup could not add it\n\
         run `rustup target add {TARGET}`, or install that target's standard library by your distribution's \
         means, or give a component that is built already: `PLANNER_WASM=/path/to/planner.wasm`"
    )
    .into())
}

/// Checks whether the compiler has the target's standard library: rustup or not.
fn has_target() -> Result<bool> {
    let rustc = variable("RUSTC")?;
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let directory = String::from_utf8(output.stdout)?;
    let Ok(entries) = fs::read_dir(directory.trim()) else {
        return Ok(false);
    };
    Ok(entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
}

/// Checks that the file is a component that imports nothing: the sandbox is that
/// there is nothing to reach.
fn check(component: &[u8]) -> Result<()> {
    if !Parser::is_component(component) {
        return Err("the planner is not a WebAssembly component".into());
    }
    // What lies inside has imports of its own, which the outermost satisfies.
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 1 => {
                if let Some(import) = imports.into_iter().next() {
                    return Err(format!(
                        "the planner imports `{}`, and must import nothing",
                        import?.name.name
                    )
                    .into());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the component's code for the target of the program, compressed, and its size before that. There is none if
/// the compiler does not support the target.
#[cfg(feature = "precompiled")]
fn code(component: &[u8]) -> Result<(Vec<u8>, usize)> {
    let target = variable("TARGET")?;
    println!("cargo::rustc-env=PLANNER_TARGET={target}");
    let code = precompile::precompile(component, &target).unwrap_or_else(|error| {
        println!("cargo::warning=the planner will be compiled in the first run: {error:#}");
        vec![]
    });
    Ok((zstd::bulk::compress(&code, 19)?, code.len()))
}

/// Returns nothing: the planner is compiled in the first run.
#[cfg(not(feature = "precompiled"))]
fn code(_: &[u8]) -> Result<(Vec<u8>, usize)> {
    Ok((vec![], 0))
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("the variable {name}: {error}").into())
}
