use super::*;

/// The expected values are what moby's patternmatcher 0.6 answered (`MatchesOrParentMatches`), by which BuildKit reads the
/// file, but for those of version control.
#[test]
fn patterns_are_those_of_dockerignore() {
    for (patterns, path, is_out) in [
        (&["*.log"][..], "a.log", true),
        (&["*.log"], "d/a.log", false),
        (&["*/*.log"], "d/a.log", true),
        (&["**/*.log"], "d/e/a.log", true),
        (&["**/*.log"], "a.log", true),
        (&["d"], "d/e/f", true),
        (&["d/"], "d", true),
        (&["d/"], "d/e", true),
        (&["/d"], "d/e", true),
        (&["./d//e/../e"], "d/e", true),
        (&["d"], "dd", false),
        (&["d"], "e/d", false),
        (&["d/**"], "d", false),
        (&["d/**"], "d/e/f", true),
        (&["**"], "d/e", true),
        (&["**/d"], "e/d/f", true),
        (&["**/d/**/f"], "x/d/y/z/f", true),
        (&["**/d/**/f"], "d/f", true),
        (&["**d"], "xd", true),
        (&["d**"], "de/f", true),
        (&["?"], "a", true),
        (&["?"], "é", true),
        (&["?"], "ab", false),
        (&["a?b"], "a/b", false),
        (&["[a-c]x"], "bx", true),
        (&["[^a-c]x"], "bx", false),
        (&["[^a-c]x"], "dx", true),
        (&["a.b"], "axb", false),
        (&["a+(b|c)"], "a+(b|c)", true),
        (&["a$b^"], "a$b^", true),
        (&[r"\*"], "*", true),
        (&[r"\*"], "x", false),
        (&[r"\!x"], "!x", true),
        (&[r"\#x"], "#x", true),
        (&["#x"], "#x", false),
        (&[" #x"], "#x", true),
        (&["", "  "], "x", false),
        (&["  x  "], "x", true),
        (&["."], "x", false),
        (&["/"], "x", false),
        (&["../x"], "x", false),
        // The last one that matches decides.
        (&["*", "!x"], "x", false),
        (&["*", "!x"], "y", true),
        (&["!x", "*"], "x", true),
        (&["d", "!d/e"], "d/e", false),
        (&["d", "!d/e"], "d/e/f", false),
        (&["d", "!d/e"], "d/g", true),
        (&["d", "!d/e", "d/e/f"], "d/e/f", true),
        (&["**", "!**/*.md", "secret.md"], "a/b.md", false),
        (&["**", "!**/*.md", "secret.md"], "secret.md", true),
        (&["*", "! x"], "x", false),
        (&["*", "!/x"], "x", false),
        // What is left out by itself.
        (&[], ".git/config", true),
        (&[], "d/.git", true),
        (&[], ".gitignore", false),
        (&["!.git"], ".git/config", false),
        (&["!.git"], "d/.git", true),
        (&["!**/.git"], "d/.git/x", false),
    ] {
        let exclude = Exclude::new(patterns.iter().copied()).unwrap();
        assert_eq!(
            exclude.matches(path.as_bytes()),
            is_out,
            "{patterns:?} {path}"
        );
    }
    let all = Exclude::new(["*"]).unwrap();
    assert!(all.is_asked_for(b".git"));
    assert!(!Exclude::new([]).unwrap().is_asked_for(b".git"));
}

/// The values are of the same origin, by way of `ignorefile.ReadAll`.
#[test]
fn lines_are_those_of_a_file() {
    for (file, path, is_out) in [
        ("*.log\n*.tmp", "a.tmp", true),
        ("\u{feff}*.log", "a.log", true),
        ("\u{feff}#x", "#x", false),
        ("a\r\nb\r", "a", true),
        ("??", "é", false),
        ("[^a]", "é", true),
        ("[é-ü]x", "öx", true),
        ("d[^x]e", "d/e", true),
        ("d[/]e", "d/e", true),
        ("[\\]]", "]", true),
        ("[a\\-c]", "-", true),
        ("[a\\-c]", "b", false),
        ("[a-cx-z]*", "yes", true),
        ("[!a]", "!", true),
        ("[!a]", "b", false),
        ("[[]a", "[a", true),
        ("a]", "a]", true),
        ("{a,b}", "a", false),
        ("{a,b}", "{a,b}", true),
        ("a^b", "a^b", true),
        ("~", "a~", false),
        ("D", "d", false),
        (".*", ".env", true),
        (".*", "d/.env", false),
        (".*", "a.env", false),
        ("*.*", ".env", true),
        ("***", "d/e", true),
        ("d/***/a", "d/e/a", true),
        ("a**", "abc/d", true),
        ("**/", "d/e", true),
        ("**/**/a", "a", true),
        ("*/*/*", "a/b", false),
        ("*/*/*", "a/b/c/d", true),
        ("*", "!a", true),
        ("d/*", "d", false),
        ("d/*", "d/e/f", true),
        ("d/../a", "a", true),
        ("d/e/..", "d/f", true),
        ("/../a", "a", true),
        ("//", "a", false),
        ("./", "a", false),
        ("d//e", "d/e", true),
        ("d\\/e", "d/e", true),
        ("a\\\\b", "a\\b", true),
        ("a b", "a b", true),
        ("\ta\t", "a", true),
        ("!!x", "!x", false),
        ("*\n!!x", "!x", false),
        ("*\n!./d/", "d/e", false),
        ("*\n!d/e", "d", true),
        ("*\n!d/e", "d/e/f", false),
        ("*\n!**/*.log", "d/e/a.log", false),
        ("**/*\n!src", "src/d/a", false),
        (".cfg/**\n!.cfg/a", ".cfg/a", false),
        (".cfg/**\n!.cfg/a", ".cfg/b", true),
        ("d.log\n*.log\n!d.log", "d.log/a.log", false),
        ("**/d/*/a", "d/e/a", true),
        ("**/d/*/a", "d/a", false),
    ] {
        let exclude = Exclude::new([file]).unwrap();
        assert_eq!(exclude.matches(path.as_bytes()), is_out, "{file:?} {path}");
    }
}

/// A byte that is not of UTF-8 counts as one character.
#[test]
fn names_need_not_be_text() {
    for (pattern, path, is_out) in [
        ("*", &b"\xff\xfe"[..], true),
        ("a/**/b", b"a/\xff/b", true),
        ("?", b"\xff", true),
        ("??", b"\xff\xfe", true),
        ("?", b"\xe2\x82", false),
        ("[^a]", b"\xff", true),
        ("[a-z]", b"\xff", false),
        ("\\?", b"\xff", false),
    ] {
        let exclude = Exclude::new([pattern]).unwrap();
        assert_eq!(exclude.matches(path), is_out, "{pattern} {path:?}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (text, why) in [
        ("[a", "it has a bracket that is not closed"),
        ("[]", "it has empty brackets"),
        ("[]a]", "it has empty brackets"),
        ("[^]", "it has empty brackets"),
        (
            "[-a]",
            "it has a hyphen in brackets that is not between two characters",
        ),
        (
            "[a-]",
            "it has a hyphen in brackets that is not between two characters",
        ),
        ("[z-a]", "it has a range that is invalid or too long"),
        ("a\\", "it ends in a backslash"),
        ("!", "there is nothing after `!`"),
        (" ! ", "there is nothing after `!`"),
    ] {
        let error = Exclude::new([text]).unwrap_err();
        let message = format!("`{text}` is not a pattern of files to leave out: {why}");
        assert_eq!(error.to_string(), message);
    }
}
