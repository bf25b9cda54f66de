//! The documents: links and paths lead somewhere, and words are those of `docs/words.md`.

use std::fs;
use std::path::{Path, PathBuf};

use terrine_tests::workspace;

/// The most lines of ARCHITECTURE.md: a newcomer reads it in one go.
const MAX_ARCHITECTURE: usize = 150;

/// Endings of files that people read.
const READ: &[&str] = &[
    "md", "rs", "nix", "snap", "txt", "toml", "wit", "js", "py", "html",
];

/// All files below a directory that are part of the project, with these endings.
fn files(directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_symlink() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if name.starts_with('.') || name == "target" || name.starts_with("result") {
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if ending.is_some_and(|ending| endings.contains(&ending)) {
            found.push(path);
        }
    }
    found
}

/// The targets of Markdown links in a text, without those of other sites.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets
        .filter(|target| !target.contains("://") && !target.is_empty())
        .collect()
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// Returns why a link of a document leads nowhere.
fn broken(document: &Path, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => document.to_owned(),
        path => document.parent()?.join(path),
    };
    if !file.exists() {
        return Some(format!("{}: no file `{target}`", document.display()));
    }
    if anchor.is_empty() || file.is_dir() {
        return None;
    }
    let known = anchors(&fs::read_to_string(&file).unwrap());
    let is_known = known.iter().any(|known| known == anchor);
    (!is_known).then(|| format!("{}: no heading `{target}`", document.display()))
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut count = 0;
    let mut faults = vec![];
    for document in files(workspace(), &["md"]) {
        let text = fs::read_to_string(&document).unwrap();
        for target in links(&text) {
            count += 1;
            faults.extend(broken(&document, target));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(count > 40, "only {count} links were found");
    let readme = workspace().join("README.md");
    assert!(broken(&readme, "docs/none.md").is_some());
    assert!(broken(&readme, "docs/nix.md#none").is_some());
    assert_eq!(broken(&readme, "docs/nix.md#pinning"), None);
}

/// The paths that a text names in backticks: those with a slash or the ending of a source file.
fn paths(text: &str) -> Vec<&str> {
    let named = text.split('`').skip(1).step_by(2);
    named
        .filter(|name| {
            let is_path = name.ends_with(".rs") || name.ends_with(".md") || name.contains('/');
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            is_path && name.chars().all(plain)
        })
        .collect()
}

/// Tells whether there is a file or directory that ARCHITECTURE.md means by a path.
fn exists(path: &str) -> bool {
    let workspace = workspace();
    let of_command = path.strip_prefix("cli/");
    let of_command = of_command.map(|path| workspace.join("host/cli/src").join(path));
    let places = [
        workspace.join(path),
        workspace.join("host/terrine/src").join(path),
    ];
    places
        .into_iter()
        .chain(of_command)
        .any(|place| place.exists())
}

#[test]
fn the_architecture_is_short_and_names_existing_files() {
    let text = fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= MAX_ARCHITECTURE, "it has {lines} lines");
    // The drawing has no paths.
    let prose: String = text.split("```").step_by(2).collect();
    let named = paths(&prose);
    assert!(named.len() > 60, "only {} paths were found", named.len());
    let missing: Vec<&str> = named.into_iter().filter(|path| !exists(path)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(!exists("plan/none.rs") && exists("plan/gather.rs") && exists("cli/target/"));
}

/// The lines of a text that have `cannot` as two words, by number.
fn split_words(text: &str) -> Vec<usize> {
    let two = ["can", "not"];
    let plain = |line: &str| {
        line.trim_start_matches(['/', '!', '#', '*', ' ', '\t'])
            .to_lowercase()
    };
    let lines: Vec<String> = text.lines().map(plain).collect();
    let within = |line: &String| {
        let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).collect();
        words.windows(2).any(|pair| pair == two) && line.contains(&two.join(" "))
    };
    let across = |number: usize| {
        let next = lines
            .get(number + 1)
            .map(String::as_str)
            .unwrap_or_default();
        let starts = next.split(' ').next() == Some(two[1]);
        starts && lines[number].ends_with(&format!(" {}", two[0]))
    };
    (0..lines.len())
        .filter(|&number| within(&lines[number]) || across(number))
        .map(|number| number + 1)
        .collect()
}

#[test]
fn cannot_is_one_word() {
    // Released versions of the contract are never edited.
    let released = workspace().join("wit/0.1.0");
    let all = files(workspace(), READ);
    let mut faults = vec![];
    for file in all.iter().filter(|file| !file.starts_with(&released)) {
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        let lines = split_words(&text).into_iter();
        faults.extend(lines.map(|line| format!("{}:{line}", file.display())));
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(all.len() > 800, "only {} files were read", all.len());
    let planted = [
        "It can",
        "not be.",
        "/// They can",
        "/// not",
        "cannot",
        "Can\u{20}not",
        "can note",
    ];
    assert_eq!(split_words(&planted.join("\n")), [1, 3, 6]);
}

/// Words that a doc comment does not begin with: it says what an item is or does, and asks nothing.
const QUESTIONS: &[&str] = &[
    "How", "What", "Whatever", "When", "Where", "Wherever", "Whether", "Which", "Who", "Whoever",
    "Whose", "Why",
];

/// Returns the numbers of a file's lines that doc comments begin with, and whether each begins with a question word.
fn doc_comments(text: &str) -> Vec<(usize, bool)> {
    let mut found = vec![];
    let mut is_within = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let comment = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        if let Some(comment) = comment.filter(|_| !is_within) {
            let first = comment.split_whitespace().next().unwrap_or_default();
            let first = first.trim_end_matches(|c: char| !c.is_alphabetic());
            found.push((number, QUESTIONS.contains(&first)));
        }
        is_within = comment.is_some();
    }
    found
}

#[test]
fn doc_comments_do_not_begin_with_questions() {
    let (mut all, mut asking) = (0, vec![]);
    for file in files(workspace(), &["rs"]) {
        let comments = doc_comments(&fs::read_to_string(&file).unwrap());
        all += comments.len();
        let questions = comments.iter().filter(|(_, is_question)| *is_question);
        asking.extend(questions.map(|(line, _)| format!("{}:{line}", file.display())));
    }
    assert!(all > 9_000, "only {all} doc comments were read");
    assert!(
        asking.len() * 100 < all * 3,
        "{} of {all}: {asking:#?}",
        asking.len()
    );
    let planted = "//! What it is.\n//! Who does.\n\n/// Returns it.\n/// Where it is.\nfn a() {}\n    /// Whether, and how.\n";
    let planted = doc_comments(planted);
    assert_eq!(planted, [(1, true), (4, false), (7, true)]);
}

/// The variables that the sources of a crate read, by the functions that read them.
fn variables(text: &str) -> Vec<&str> {
    let readers = ["variable(\"", "var_os(\"", "value(\""];
    let found = readers
        .into_iter()
        .flat_map(|reader| text.split(reader).skip(1));
    let names = found.filter_map(|rest| rest.split('"').next());
    let is_variable =
        |name: &&str| name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    names.filter(is_variable).collect()
}

#[test]
fn every_variable_that_is_read_is_documented() {
    let page = fs::read_to_string(workspace().join("docs/environment.md")).unwrap();
    let mut read = vec![];
    for part in ["cli", "registry", "terrine"] {
        for file in files(&workspace().join("host").join(part).join("src"), &["rs"]) {
            let text = fs::read_to_string(file).unwrap();
            read.extend(variables(&text).into_iter().map(ToOwned::to_owned));
        }
    }
    assert!(read.len() > 10, "{read:?}");
    // Those of unit tests are set and read by them.
    read.retain(|name| !name.starts_with("TERRINE_TEST_"));
    let missing = |name: &&String| !page.contains(&format!("`{name}`"));
    assert_eq!(
        read.iter().filter(missing).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    assert_eq!(variables("env::var_os(\"A_BC\") value(\"x\")"), ["A_BC"]);
}

/// The sections of a version in the changelog, in the order of <https://keepachangelog.com>.
const SECTIONS: [&str; 6] = [
    "Added",
    "Changed",
    "Deprecated",
    "Removed",
    "Fixed",
    "Security",
];

/// Returns the faults of the newest version in a changelog: unknown sections, or ones in another
/// order, and entries above the first section.
fn disorder(changelog: &str) -> Vec<&str> {
    let newest = changelog.split("\n## ").nth(1).unwrap_or_default();
    let mut reached = None;
    let is_wrong = |line: &&str| {
        let section = line.strip_prefix("### ").map(|name| {
            let place = SECTIONS.iter().position(|known| *known == name);
            let in_order = place > reached;
            reached = place.max(reached);
            in_order
        });
        match section {
            Some(in_order) => !in_order,
            None => line.starts_with("- ") && reached.is_none(),
        }
    };
    newest.lines().filter(is_wrong).collect()
}

#[test]
fn the_changelog_has_its_sections_in_order() {
    let text = fs::read_to_string(workspace().join("CHANGELOG.md")).unwrap();
    assert!(text.contains("\n## [Unreleased]\n"));
    assert_eq!(disorder(&text), Vec::<&str>::new());
    let entries = text.lines().filter(|line| line.starts_with("- ")).count();
    assert!(entries > 150, "only {entries} entries were found");
    let planted = "\n## 1\n- a\n### Fixed\n- b\n### Added\n### Other\n## 0\n- c\n";
    assert_eq!(disorder(planted), ["- a", "### Added", "### Other"]);
}
