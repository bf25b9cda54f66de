//! Error types as the sources have them: which have hints, and for which variants.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// An error type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ErrorType {
    /// The file that it is in, below `host/`.
    pub(super) file: String,
    pub(super) name: String,
    /// Its `impl Hint`, if it has one.
    pub(super) hint: Option<HintImpl>,
}

/// An `impl Hint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HintImpl {
    /// The file that it is in, below `host/`.
    pub(super) file: String,
    name: String,
    /// True if it has a method of its own: otherwise there is no remedy.
    pub(super) tells: bool,
    /// The variants that it names and does not answer by `None`.
    pub(super) variants: BTreeSet<String>,
}

/// All files below `host/` that are Rust, but for these tests.
pub(super) fn read() -> Vec<(String, String)> {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = vec![];
    let mut folders = vec![host.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(host)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.starts_with("cli/src/failure/tests/") {
                files.push((name, without_comments(&fs::read_to_string(path).unwrap())));
            }
        }
    }
    files.sort();
    files
}

/// Leaves out comments, which have examples.
fn without_comments(text: &str) -> String {
    text.split_inclusive('\n')
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect()
}

/// Finds the error types in files. The `impl Hint` of one is in the same file, or anywhere in the
/// crate if no other error of the crate has its name.
pub(super) fn error_types(files: &[(String, String)]) -> Vec<ErrorType> {
    let hints: Vec<HintImpl> = files
        .iter()
        .flat_map(|(file, text)| hints(file, text))
        .collect();
    let names: Vec<(&String, String)> = files
        .iter()
        .flat_map(|(file, text)| names(text).into_iter().map(move |name| (file, name)))
        .collect();
    names
        .iter()
        .map(|(file, name)| {
            let namesakes = names
                .iter()
                .filter(|(other, namesake)| krate(other) == krate(file) && namesake == name);
            let only = namesakes.count() == 1;
            let hint = hints.iter().find(|hint| {
                hint.name == *name
                    && (hint.file == **file || only && krate(&hint.file) == krate(file))
            });
            ErrorType {
                file: (*file).clone(),
                name: name.clone(),
                hint: hint.cloned(),
            }
        })
        .collect()
}

fn krate(file: &str) -> &str {
    file.split('/').next().unwrap()
}

/// Types that derive `thiserror::Error`, or implement the trait by hand.
fn names(text: &str) -> Vec<String> {
    let derived = text.split("thiserror::Error)]").skip(1).map(|after| {
        let word = after
            .split_whitespace()
            .skip_while(|word| !matches!(*word, "enum" | "struct"))
            .nth(1);
        identifier(word.unwrap())
    });
    let by_hand = ["impl std::error::Error for ", "impl Error for "]
        .iter()
        .flat_map(|start| text.split(start).skip(1))
        .map(identifier);
    derived.chain(by_hand).collect()
}

fn hints(file: &str, text: &str) -> Vec<HintImpl> {
    text.split("\nimpl Hint for ")
        .skip(1)
        .map(|after| {
            let (name, rest) = after.split_once(" {").unwrap();
            let body = if rest.starts_with('}') {
                ""
            } else {
                rest.split_once("\n}\n").unwrap().0
            };
            HintImpl {
                file: file.to_owned(),
                name: identifier(name.rsplit("::").next().unwrap()),
                tells: body.contains("fn hint"),
                variants: variants(body),
            }
        })
        .collect()
}

/// Variants in the patterns of a match whose answer is not just `None`.
fn variants(body: &str) -> BTreeSet<String> {
    let parts: Vec<&str> = body.split("=>").collect();
    parts
        .windows(2)
        .filter(|pair| !pair[1].trim_start().starts_with("None"))
        .flat_map(|pair| pair[0].split("Self::").skip(1).map(identifier))
        .collect()
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
