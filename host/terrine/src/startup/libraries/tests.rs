//! Libraries that ld.so of glibc 2.36 and musl 1.2.3 find, and libraries that they do not.

use super::super::testing::Tree;
use super::*;

const GNU: &str = "interp:/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "interp:/lib/ld-musl-x86_64.so.1";

/// Returns the library that is missing, and what needs it.
fn missing(entries: &[String], env: &[&str]) -> Option<String> {
    let config = Config {
        env: env.iter().map(|variable| (*variable).to_owned()).collect(),
        working_dir: "/srv".to_owned(),
        ..Config::default()
    };
    let loaders = [
        "/lib64/ld-linux-x86-64.so.2*=\x7fELF",
        "/lib/ld-musl-x86_64.so.1*=\x7fELF",
    ];
    let entries: Vec<&str> = entries.iter().map(String::as_str).chain(loaders).collect();
    let remark = check(&config, &Tree::of(&entries), b"/opt/web/bin/web", "it")?;
    let message = remark.message.strip_prefix("the shared library ")?;
    Some(message.strip_suffix(" is not in the image")?.to_owned())
}

/// A program of these parts, and libraries: a path, and parts behind a blank.
fn image(program: &str, libraries: &[&str]) -> Vec<String> {
    let library = |text: &&str| {
        let (path, parts) = text.split_once(' ').unwrap_or((text, ""));
        format!("{path}=\x7fELF {parts}")
    };
    let mut entries = vec![format!("/opt/web/bin/web*=\x7fELF {program}")];
    entries.extend(libraries.iter().map(library));
    entries
}

#[test]
fn libraries_are_looked_for_where_loaders_look() {
    for (parts, library, env) in [
        ("", "/lib/liba.so", ""),
        ("", "/usr/lib/liba.so", ""),
        ("rpath:/opt/lib", "/opt/lib/liba.so", ""),
        ("runpath:/x:/opt/lib", "/opt/lib/liba.so", ""),
        ("runpath:$ORIGIN/../lib", "/opt/web/lib/liba.so", ""),
        ("runpath:${ORIGIN}", "/opt/web/bin/liba.so", ""),
        ("runpath:lib", "/srv/lib/liba.so", ""),
        ("", "/opt/liba.so", "LD_LIBRARY_PATH=/x:/opt"),
        ("", "/srv/liba.so", "LD_LIBRARY_PATH=/x:"),
    ] {
        for loader in [GNU, MUSL] {
            let program = format!("{loader} needs:liba.so {parts}");
            assert_eq!(
                missing(&image(&program, &[library]), &[env]),
                None,
                "{parts}"
            );
            let elsewhere = missing(&image(&program, &["/elsewhere/liba.so"]), &[env]);
            assert_eq!(elsewhere.as_deref(), Some("`liba.so` of it"), "{parts}");
        }
    }
}

#[test]
fn loaders_differ_in_some_directories() {
    for (library, gnu, musl) in [
        ("/lib64/liba.so", true, false),
        ("/usr/lib/x86_64-linux-gnu/liba.so", true, false),
        ("/usr/local/lib/liba.so", false, true),
    ] {
        for (loader, found) in [(GNU, gnu), (MUSL, musl)] {
            let image = image(&format!("{loader} needs:liba.so"), &[library]);
            assert_eq!(missing(&image, &[]).is_none(), found, "{loader} {library}");
        }
    }
    // Musl's loader is its C library; a list in a file replaces its directories.
    assert_eq!(
        missing(
            &image(
                &format!("{MUSL} needs:libc.musl-x86_64.so.1 needs:libm.so.6"),
                &[]
            ),
            &[]
        ),
        None
    );
    let mut listed = image(&format!("{MUSL} needs:liba.so"), &["/opt/lib/liba.so"]);
    listed.push("/etc/ld-musl-x86_64.path=/opt/lib\n/other".to_owned());
    assert_eq!(missing(&listed, &[]), None);
    let mut not_listed = image(&format!("{MUSL} needs:liba.so"), &["/lib/liba.so"]);
    not_listed.push("/etc/ld-musl-x86_64.path=/opt/lib:/other".to_owned());
    // The directory of the loader is searched all the same, as loaders of stores do.
    assert_eq!(missing(&not_listed, &[]), None);
    let mut cached = image(&format!("{GNU} needs:liba.so needs:libb.so"), &[]);
    cached.push("/etc/ld.so.cache=\0/opt/lib/liba.so\0/opt/lib/xlibb.so\0".to_owned());
    assert_eq!(missing(&cached, &[]).as_deref(), Some("`libb.so` of it"));
}

#[test]
fn libraries_need_others() {
    let program = &format!("{GNU} needs:liba.so runpath:/opt/lib");
    let a = "/opt/lib/liba.so needs:libb.so";
    let by_a = Some("`libb.so` of `/opt/lib/liba.so`, which it loads,");
    for (program, libraries, expected) in [
        (program, &[a, "/lib/libb.so"][..], None),
        (program, &[a], by_a),
        // A run path is for the needs of its object alone, the older kind for all below it.
        (program, &[a, "/opt/lib/libb.so"], by_a),
        (
            &program.replace("runpath", "rpath"),
            &[a, "/opt/lib/libb.so"],
            None,
        ),
        (
            program,
            &[
                "/opt/lib/liba.so needs:libb.so runpath:$ORIGIN",
                "/opt/lib/libb.so",
            ],
            None,
        ),
        (
            &program.replace("runpath", "rpath"),
            &[
                "/opt/lib/liba.so needs:libb.so runpath:/x",
                "/opt/lib/libb.so",
            ],
            by_a,
        ),
        // What is loaded counts by its own name, too, and the loader by its file's.
        (
            &format!("{GNU} needs:libc.so needs:liba.so runpath:/opt/lib"),
            &[
                "/opt/lib/liba.so needs:libc.so.1 needs:ld-linux-x86-64.so.2",
                "/opt/lib/libc.so name:libc.so.1",
            ],
            None,
        ),
        (program, &["/opt/lib/liba.so needs:liba.so"], None),
        (
            program,
            &["/opt/lib/liba.so needs:libx.so needs:liby.so needs:libz.so"],
            Some("`libx.so` (and 2 others) of `/opt/lib/liba.so`, which it loads,"),
        ),
    ] {
        assert_eq!(
            missing(&image(program, libraries), &[]).as_deref(),
            expected,
            "{program} {libraries:?}"
        );
    }
    let musl = &program.replace(GNU, MUSL);
    assert_eq!(missing(&image(musl, &[a, "/opt/lib/libb.so"]), &[]), None);
}

#[test]
fn libraries_for_other_machines_are_passed_over() {
    let program = &format!("{GNU} needs:liba.so");
    let other = "/lib/liba.so machine:183";
    assert!(missing(&image(program, &[other]), &[]).is_some());
    assert_eq!(
        missing(&image(program, &[other, "/usr/lib/liba.so"]), &[]),
        None
    );
}

#[test]
fn doubts_are_kept_silent() {
    let gnu = format!("{GNU} needs:liba.so");
    for (program, entry) in [
        (&gnu, "/lib?"),
        (&gnu, "/usr/lib -> /data/lib\n/data?"),
        (&gnu, "/etc/ld.so.cache?"),
        // Alpine's gcompat loads what is for glibc.
        (&gnu, "/lib64/libgcompat.so.0"),
        (&format!("{gnu} runpath:/opt/$PLATFORM"), "/x"),
        (
            &"interp:/system/bin/linker64 needs:liba.so".to_owned(),
            "/x",
        ),
        (&"needs:liba.so".to_owned(), "/x"),
        (&GNU.to_owned(), "/x"),
        (
            &format!("{MUSL} needs:liba.so"),
            "/etc/ld-musl-x86_64.path?",
        ),
    ] {
        let mut image = image(program, &[]);
        image.extend(entry.split('\n').map(str::to_owned));
        assert_eq!(missing(&image, &[]), None, "{program} {entry}");
    }
    assert!(missing(&image(&gnu, &[]), &[]).is_some());
}

#[test]
fn broken_files_are_no_reason_to_stop() {
    let whole = "\x7fELF interp:/lib64/ld-linux-x86-64.so.2 needs:liba.so runpath:/opt/lib";
    let tree = Tree::of(&[&format!("/run*={whole}")]);
    let file = tree.open(b"/run").unwrap().read_at(0, 1 << 20).unwrap();
    let config = Config::default();
    for length in (0..file.len()).step_by(7) {
        let head = &file[..length.min(HEAD)];
        let _ = platform::shared(head, &&file[..length]);
    }
    for at in 0..600 {
        let mut broken = file.clone();
        broken[at] ^= 0xff;
        let _ = platform::shared(&broken, &broken);
    }
    assert!(check(&config, &tree, b"/run", "it").is_some());
}
