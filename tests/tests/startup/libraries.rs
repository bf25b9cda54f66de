//! Shared libraries: what is warned of is what the loaders of glibc and of musl do not find.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use terrine_tests::{Run, peer, temporary, terrine};

/// A C library: its compiler, and its loader as programs name it.
struct Library {
    compiler: PathBuf,
    loader: PathBuf,
    /// Files that every program of it needs, by their paths on this machine.
    files: Vec<PathBuf>,
}

/// The C libraries of this machine.
fn libraries() -> Vec<Library> {
    ["gcc", "musl-gcc"]
        .into_iter()
        .filter_map(library)
        .collect()
}

fn library(compiler: &str) -> Option<Library> {
    let compiler = peer::find(compiler)?;
    let folder = temporary();
    let program = folder.path().join("program");
    compile(&compiler, "int main(void) { return 0; }", &program, &[]);
    let listed = Run::of(
        Command::new(loader_of(&program))
            .arg("--list")
            .arg(&program),
    )
    .ok();
    let files = String::from_utf8(listed.stdout).unwrap();
    let files = files.lines().filter_map(|line| {
        let file = line.split_whitespace().find(|word| word.starts_with('/'))?;
        Some(PathBuf::from(file))
    });
    Some(Library {
        loader: loader_of(&program),
        files: files.collect(),
        compiler,
    })
}

/// The loader that a program names.
fn loader_of(program: &Path) -> PathBuf {
    let bytes = fs::read(program).unwrap();
    let start = bytes
        .windows(5)
        .position(|part| part == b"/lib6" || part == b"/lib/")
        .unwrap();
    let end = start + bytes[start..].iter().position(|&byte| byte == 0).unwrap();
    PathBuf::from(std::str::from_utf8(&bytes[start..end]).unwrap())
}

fn compile(compiler: &Path, text: &str, to: &Path, more: &[&OsStr]) {
    let source = to.with_extension("c");
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(&source, text).unwrap();
    Run::of(
        Command::new(compiler)
            .arg(&source)
            .arg("-o")
            .arg(to)
            .args(more),
    )
    .ok();
    fs::remove_file(source).unwrap();
}

/// Copies a file of this machine to the same path below a folder.
fn copy(file: &Path, tree: &Path) {
    let to = tree.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(file, to).unwrap();
}

/// A program that needs `liba.so`, which needs `libb.so`, each linked with flags of its own.
struct Case {
    program: &'static str,
    a: &'static str,
    /// The directories of the two libraries.
    places: [&'static str; 2],
    env: &'static str,
}

/// Makes the root of a container.
fn tree(library: &Library, case: &Case) -> tempfile::TempDir {
    let (tree, work) = (temporary(), temporary());
    let (a, b) = (work.path().join("liba.so"), work.path().join("libb.so"));
    let shared = |name: &str, flags: &str| {
        let mut all = vec![
            "-shared".to_owned(),
            "-fPIC".to_owned(),
            "-nostdlib".to_owned(),
        ];
        all.push(format!("-Wl,-soname,{name}"));
        all.extend(flags.split_whitespace().map(str::to_owned));
        all
    };
    let build = |text: &str, to: &Path, flags: &[String]| {
        let flags: Vec<&OsStr> = flags.iter().map(OsStr::new).collect();
        compile(&library.compiler, text, to, &flags);
    };
    build("int b(void) { return 7; }", &b, &shared("libb.so", ""));
    let folder = work.path().to_str().unwrap();
    let mut flags = shared("liba.so", case.a);
    flags.extend([format!("-L{folder}"), "-l:libb.so".to_owned()]);
    build("int b(void); int a(void) { return b(); }", &a, &flags);
    let mut flags: Vec<String> = case.program.split_whitespace().map(str::to_owned).collect();
    flags.extend([
        format!("-L{folder}"),
        "-l:liba.so".to_owned(),
        format!("-Wl,-rpath-link,{folder}"),
    ]);
    let main = "int a(void); int main(void) { return a() - 7; }";
    build(main, &tree.path().join("opt/web/bin/web"), &flags);
    for (file, place) in [&a, &b].into_iter().zip(case.places) {
        let directory = tree.path().join(place);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(file, directory.join(file.file_name().unwrap())).unwrap();
    }
    for file in library.files.iter().chain([&library.loader]) {
        copy(file, tree.path());
    }
    tree
}

/// Runs the program with a folder as the root; true if it is loaded.
fn runs(tree: &Path, env: &str) -> bool {
    fs::create_dir_all(tree.join("proc")).unwrap();
    // Loaders read in /proc what directory a program is in.
    let script = "mount --rbind /proc \"$0/proc\" \
        && exec env -i $1 \"$(command -v chroot)\" \"$0\" /opt/web/bin/web";
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(tree)
        .arg(env);
    let run = Run::of(&mut command);
    assert!(
        run.code == Some(0) || run.stderr.contains("shared librar"),
        "{}",
        run.stderr
    );
    run.code == Some(0)
}

/// Returns the messages about an image of a folder.
fn said(tree: &Path, env: &str) -> String {
    let mut command = terrine();
    command
        .args(["plan", "--name", "web", "--copy-to-root"])
        .arg(tree);
    if !env.is_empty() {
        command.args(["--env", env]);
    }
    Run::of(command.args(["--", "/opt/web/bin/web"]))
        .ok()
        .stderr
}

/// Run paths of both kinds. A loader looks below the root for what they name.
const RUN: &str = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib";
const OLD: &str = "-Wl,--disable-new-dtags,-rpath,/opt/web/lib";

#[test]
fn loaders_find_what_is_not_warned_of() {
    let case = |program, a, places, env| Case {
        program,
        a,
        places,
        env,
    };
    let cases = [
        case("", "", ["lib", "usr/lib"], ""),
        case("", "", ["usr/local/lib", "lib"], ""),
        case("", "", ["opt", "opt"], "LD_LIBRARY_PATH=/x:/opt"),
        case("", "", ["lib", "opt"], ""),
        case(RUN, "", ["opt/web/lib", "lib"], ""),
        case(RUN, "", ["opt/web/lib", "opt/web/lib"], ""),
        case(OLD, "", ["opt/web/lib", "opt/web/lib"], ""),
        case(RUN, RUN, ["opt/web/lib", "opt/web/lib"], ""),
        case(OLD, RUN, ["opt/web/lib", "opt/lib"], ""),
        case(
            OLD,
            "-Wl,--enable-new-dtags,-rpath,/none",
            ["opt/web/lib", "opt/web/lib"],
            "",
        ),
    ];
    let mut seen = [0, 0];
    for library in libraries() {
        for case in &cases {
            let tree = tree(&library, case);
            let (runs, said) = (runs(tree.path(), case.env), said(tree.path(), case.env));
            let warned = said.contains("warning: the shared library `lib");
            let shown = format!(
                "{}: {} | {} | {:?} {}: {said}",
                library.loader.display(),
                case.program,
                case.a,
                case.places,
                case.env
            );
            assert_eq!(runs, !warned, "{shown}");
            assert_eq!(runs, said.is_empty(), "{shown}");
            seen[usize::from(runs)] += 1;
        }
        assert!(seen[0] >= 3 && seen[1] >= 5, "{seen:?}");
    }
}

#[test]
fn a_missing_c_library_is_warned_of_with_a_remedy() {
    for library in libraries() {
        let tree = tree(
            &library,
            &Case {
                program: "",
                a: "",
                places: ["lib", "lib"],
                env: "",
            },
        );
        assert_eq!(said(tree.path(), ""), "");
        fs::remove_file(tree.path().join("lib/liba.so")).unwrap();
        symlink("/opt/none/liba.so", tree.path().join("lib/liba.so")).unwrap();
        assert!(!runs(tree.path(), ""));
        assert_eq!(
            said(tree.path(), ""),
            "warning: the shared library `liba.so` of the command `/opt/web/bin/web` is not in the image\nhint: add the library by `--contents`, or set `LD_LIBRARY_PATH` in `--env` to the directory that has it\n"
        );
    }
}

/// The programs of this machine are dynamic, and all of them start.
#[test]
fn programs_of_this_machine_are_not_warned_of() {
    let mut seen = 0;
    for program in [
        "/bin/sh",
        "/usr/bin/env",
        "/usr/bin/openssl",
        "/usr/bin/perl",
        "/usr/bin/python3",
    ] {
        let Ok(program) = fs::canonicalize(program) else {
            continue;
        };
        let tree = temporary();
        let listed = String::from_utf8(Run::of(Command::new("ldd").arg(&program)).stdout).unwrap();
        let files = listed
            .lines()
            .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
        let files: Vec<&str> = files.collect();
        files
            .iter()
            .for_each(|file| copy(Path::new(file), tree.path()));
        copy(&program, tree.path());
        let mut command = terrine();
        command
            .args(["plan", "--name", "web", "--copy-to-root"])
            .arg(tree.path());
        let run = Run::of(command.arg("--").arg(&program)).ok();
        assert_eq!(run.stderr, "", "{}", program.display());
        seen += usize::from(!files.is_empty());
    }
    assert!(seen >= 2, "{seen}");
}
