//! The completions that shells are given.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use terrine_tests::{Run, peer, temporary, terrine};

/// Asks bash what it would complete the last of these words to.
const BASH: &str = r#"
source "$1"
complete -p terrine > /dev/null || exit 1
shift
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_terrine "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Asks fish the same.
const FISH: &str = r#"source $argv[1]; complete --do-complete (string join ' ' -- $argv[2..])"#;

/// Asks zsh whether it loads the completions, which are a function then.
const ZSH: &str = r#"autoload -Uz compinit && compinit -u -D && source "$1" && whence -w _terrine"#;

/// Runs a script of a shell; nothing, aloud, where there is no such shell.
fn run(shell: &str, options: &[&str], script: &str, file: &Path, words: &[&str]) -> Option<Output> {
    let mut command = Command::new(shell);
    command.args(options).arg("-c").arg(script);
    if shell != "fish" {
        command.arg("-");
    }
    let Ok(output) = command.arg(file).args(words).output() else {
        peer::missing(&format!("there is no {shell}"));
        return None;
    };
    assert!(output.status.success(), "{shell}: {output:?}");
    assert!(output.stderr.is_empty(), "{shell}: {output:?}");
    Some(output)
}

#[test]
fn shells_take_the_completions() {
    let folder = temporary();
    let file = |shell: &str| folder.path().join(shell);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Run::of(terrine().args(["completions", shell])).ok().stdout;
        let text = String::from_utf8(script).unwrap();
        let whole = text.contains("prefetch") && text.contains("compression");
        assert!(whole, "{shell}");
        assert!(!text.contains("__nix-build"), "{shell}");
        fs::write(file(shell), text).unwrap();
    }
    for (words, expected) in [
        (&["terrine", "insp"][..], "inspect"),
        (&["terrine", "build", "--from-im"], "--from-image"),
        (&["terrine", "cache", "exp"], "export"),
        (&["terrine", "help", "ref"], "references"),
        (&["terrine", "help", "cache", "exp"], "export"),
        (&["terrine", "build", "--base-config", "a"], "all"),
    ] {
        let bash = run("bash", &["--norc"], BASH, &file("bash"), words);
        let fish = run("fish", &["--no-config"], FISH, &file("fish"), words);
        for output in [bash, fish].into_iter().flatten() {
            let said = String::from_utf8(output.stdout).unwrap();
            let found = said
                .lines()
                .any(|line| line.split('\t').next() == Some(expected));
            assert!(found, "{words:?}: {said}");
        }
    }
    if let Some(zsh) = run("zsh", &["-f"], ZSH, &file("zsh"), &[]) {
        let said = String::from_utf8(zsh.stdout).unwrap();
        assert!(said.contains("function"), "{said}");
    }
    let unknown = Run::of(terrine().args(["completions", "tcsh"]));
    assert_eq!(unknown.code, Some(2));
}
