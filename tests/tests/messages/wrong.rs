//! Wrong inputs of every command: what is said of them, and rules that hold for all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use terrine_tests::{Run, terrine};

/// Arguments, separated by blanks. `_` in a word is a blank, `''` an empty word, and `\xff` a byte that is no UTF-8.
const ARGUMENTS: &str = include_str!("arguments.txt");
/// Texts of files, each line a command up to ` < `, whose `FILE` they take the place of.
const TEXTS: &str = include_str!("texts.txt");

/// Words of Rust, of its parsers and of its debug form.
const FOREIGN: &[&str] = &[
    "u8",
    "u16",
    "u32",
    "u64",
    "i32",
    "i64",
    "f64",
    "usize",
    "expected a ",
    "expected value",
    "invalid type",
    "invalid digit",
    "non-zero",
    "nonzero",
    "Some(",
    "Ok(",
    "Err(",
    "Os {",
    "EOF",
    "panicked",
    "unwrap",
    "enum",
    "struct",
    "variant",
    "tuple",
    "unit value",
    "as a value",
];

/// A folder with a specification, directories, and what is no good.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &[u8]| fs::write(at(name), text).unwrap();
    fs::create_dir_all(at("site/bin")).unwrap();
    fs::create_dir_all(at("sub")).unwrap();
    write("site/bin/hello", b"hello");
    write("web.json", br#"{"name": "web", "contents": "site"}"#);
    write(
        "sub/web.json",
        br#"{"name": "web", "contents": ["site", "../site"]}"#,
    );
    write("empty", b"");
    write("text", b"hello\n");
    write("list.json", b"[]");
    write("binary", b"\0\x01\xff\xfe");
    write("broken.tar", &[0; 700]);
    symlink("nowhere", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    folder
}

/// The words of a line.
fn words(line: &str) -> Vec<OsString> {
    line.split(' ')
        .map(|word| match word {
            "''" => OsString::new(),
            _ => {
                let mut bytes = word.replace('_', " ").into_bytes();
                while let Some(at) = bytes.windows(4).position(|part| part == b"\\xff") {
                    bytes.splice(at..at + 4, [0xff]);
                }
                OsString::from_vec(bytes)
            }
        })
        .collect()
}

/// The command of a line: its first words, up to what is no name of one.
fn command_of(line: &str) -> String {
    let mut words = line.split(' ');
    let first = words.next().unwrap_or_default();
    match (first, words.next()) {
        ("planner" | "cache", Some(second)) => format!("{first} {second}"),
        ("replay", Some("record")) => "replay record".to_owned(),
        _ => first.to_owned(),
    }
}

/// The flags of commands, by what their help says.
#[derive(Default)]
struct Flags(BTreeMap<String, BTreeSet<String>>);

impl Flags {
    fn has(&mut self, command: &str, flag: &str) -> bool {
        let flags = self.0.entry(command.to_owned()).or_insert_with(|| {
            let help = Run::of(terrine().args(command.split(' ')).arg("--help")).ok();
            let help = String::from_utf8(help.stdout).unwrap();
            let line = |line: &str| {
                let line = line.trim_start();
                let long = line
                    .split_whitespace()
                    .find(|word| word.starts_with("--"))?;
                line.starts_with('-')
                    .then(|| long.trim_end_matches(',').to_owned())
            };
            help.lines().filter_map(line).collect()
        });
        flags.contains(flag)
    }
}

/// Returns the message about wrong arguments, after the rules have been checked.
fn said(folder: &Path, line: &str, command: &mut Command, flags: &mut Flags) -> String {
    let run = Run::of(command.current_dir(folder));
    let stderr = run.stderr.replace(&folder.display().to_string(), "$DIR");
    assert!(
        matches!(run.code, Some(1 | 2)),
        "{line}: {:?}\n{stderr}",
        run.code
    );
    assert!(run.stdout.is_empty(), "{line}: something on stdout");
    let errors = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    assert_eq!(errors, 1, "{line}: {stderr}");
    assert!(stderr.contains("\nhint: "), "{line}: no remedy\n{stderr}");
    assert!(!stderr.contains("s3cret"), "{line}: a password\n{stderr}");
    for foreign in FOREIGN {
        let given = line.contains(foreign) || !stderr.contains(foreign);
        assert!(given, "{line}: `{foreign}` in\n{stderr}");
    }
    of_this_command(&stderr, line, flags);
    format!("$ {line}\n{stderr}")
}

/// Checks that every flag that a message names is one of the command, or of the command that it is named with.
fn of_this_command(stderr: &str, line: &str, flags: &mut Flags) {
    for quoted in stderr.split('`').skip(1).step_by(2) {
        let (command, rest) = match quoted.strip_prefix("terrine ") {
            Some(call) => (command_of(call), call),
            None if quoted.starts_with("--") => (command_of(line), quoted),
            None => continue,
        };
        let named = rest
            .split([' ', '='])
            .take_while(|word| *word != "--")
            .filter(|word| word.starts_with("--") && word.len() > 2 && *word != "--help");
        for flag in named {
            // What the user wrote is repeated.
            let given = line.split([' ', '=']).any(|word| word == flag);
            assert!(
                given || flags.has(&command, flag),
                "{line}: `{command}` has no `{flag}`\n{stderr}"
            );
        }
    }
}

#[test]
fn wrong_arguments_are_explained() {
    let folder = folder();
    let mut flags = Flags::default();
    let said: Vec<String> = ARGUMENTS
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut command = terrine();
            command.args(words(line));
            said(folder.path(), line, &mut command, &mut flags)
        })
        .collect();
    insta::assert_snapshot!("arguments", said.join("\n"));
}

#[test]
fn wrong_texts_are_explained() {
    let folder = folder();
    let mut flags = Flags::default();
    let mut number = 0;
    let said: Vec<String> = TEXTS
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (call, text) = line.split_once(" < ").unwrap();
            number += 1;
            let file = folder.path().join(format!("{number}.json"));
            fs::write(&file, bytes(text)).unwrap();
            let mut command = terrine();
            command.args(words(&call.replace("FILE", &format!("{number}.json"))));
            let said = said(folder.path(), call, &mut command, &mut flags);
            let (_, stderr) = said.split_once('\n').unwrap();
            format!("$ {call} < {text}\n{stderr}")
        })
        .collect();
    insta::assert_snapshot!("texts", said.join("\n"));
}

/// The bytes of a text, where `\n`, `\0` and `\xHH` are written as in Rust.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend(rest[..at].bytes());
        bytes.push(u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap());
        rest = &rest[at + 4..];
    }
    bytes.extend(rest.replace("\\n", "\n").bytes());
    bytes
}
