use proptest::proptest;
use terrine_support::chain;
use terrine_support::hint::Hint;

use super::*;

fn location(text: &str) -> Location {
    Location::parse(text).unwrap()
}

#[test]
fn places_are_read() {
    for (text, base) in [
        ("https://cache.example.org", "https://cache.example.org/"),
        ("HTTPS://Cache.Example.Org/", "https://cache.example.org/"),
        ("http://localhost:5000/a/b//", "http://localhost:5000/a/b/"),
        (" https://a/b?priority=1 ", "https://a/b/"),
        ("https://a/%C3%BC", "https://a/%C3%BC/"),
    ] {
        let expected = Kind::Web {
            base: base.parse().unwrap(),
            login: None,
        };
        assert!(location(text).kind == expected, "{text}");
    }
    for (text, directory) in [
        ("file:///srv/cache", "/srv/cache"),
        ("file:///srv/a%20b/?compression=zstd", "/srv/a b/"),
        ("file://localhost/srv", "/srv"),
    ] {
        let expected = Kind::Files(directory.into());
        assert!(location(text).kind == expected, "{text}");
    }
}

#[test]
fn parameters_that_matter_are_read_and_others_of_nix_are_accepted() {
    let text = "file:///d?compression=zstd&write-nar-listing=true&secret-key=/k&parallel-compression=1&want-mass-query=0";
    assert_eq!(location(text).priority(), None);
    assert!(!location(text).is_trusted());
    let text = "https://a?priority=-7&trusted=1";
    assert_eq!(location(text).priority(), Some(-7));
    assert!(location(text).is_trusted());
    assert!(!location("https://a?trusted=false").is_trusted());
    assert_eq!(location(text).to_string(), "https://a");
}

#[test]
fn credentials_are_taken_out_and_never_shown() {
    let found = location("https://us%40er:s3%2Fcret@cache.example.org:8443/x?priority=2");
    let Kind::Web { base, login } = &found.kind else {
        panic!("{found}");
    };
    assert_eq!(base.as_str(), "https://cache.example.org:8443/x/");
    let expected = ("us@er".to_owned(), "s3/cret".to_owned());
    assert_eq!(login.as_ref(), Some(&expected));
    assert_eq!(found.to_string(), "https://cache.example.org:8443/x");
    assert_eq!(
        format!("{found:?}"),
        "Location(https://cache.example.org:8443/x)"
    );
    let Kind::Web { login, .. } = location("https://:t0ken@a").kind else {
        panic!("no server");
    };
    assert_eq!(login, Some((String::new(), "t0ken".to_owned())));
}

#[test]
fn other_text_is_refused_with_a_remedy() {
    for (text, why, hint) in [
        (
            "/srv/cache",
            "it has no scheme",
            "write `file:///srv/cache`",
        ),
        ("./cache", "it has no scheme", "absolute path"),
        (
            "cache.example.org",
            "it has no scheme",
            "`https://cache.example.org`",
        ),
        ("", "it has no scheme", "`file://`"),
        (
            "ssh://host",
            "the scheme `ssh` is not supported",
            "`https://HOST`",
        ),
        ("https://", "empty host", "`https://HOST`"),
        ("https://user:s3cret@", "empty host", "`https://HOST`"),
        (
            "file://host/srv",
            "does not name a directory",
            "three slashes",
        ),
        ("https://a#b", "fragment", ""),
        (
            "https://a?public-key=x",
            "the parameter `public-key` is unknown",
            "priority",
        ),
        (
            "https://a?priority=1&priority=2",
            "`priority` is repeated",
            "",
        ),
        ("https://a?priority=high", "is not a whole number", ""),
        (
            "https://a?priority=99999999999",
            "is not a whole number",
            "",
        ),
        ("https://a?trusted=maybe", "is not `true` or `false`", ""),
        ("https://%ff:s3cret@a", "not valid UTF-8", ""),
        ("https://user:s3cret@a?x=s3cret", "`x` is unknown", ""),
        (
            "https:/user:s3cret@a/b://c",
            "`…` is not the URL of a binary cache: it has no scheme",
            "https://…",
        ),
        ("https:user:s3cret@a://b", "no scheme", "https://…"),
        ("ssh+x://user:s3cret@a", "the scheme `ssh+x`", ""),
        ("https://user:5?s3cret@a", "`…` is unknown", "priority"),
        ("https://user:5?priority=s3cret@a", "the value `…`", ""),
        ("https://user:5?s3cret=x@a", "`…` is unknown", ""),
        ("https://user:5?s3cret&x@a", "`…` is unknown", ""),
        ("https://user:5?trusted=s3cret&x@a", "is unknown", ""),
        ("https://user:5#s3cret@a", "fragment", ""),
        ("s3://:s3cret@a", "not an endpoint", ""),
        (
            "s3://a?endpoint=https://user:5/s3cret@b?",
            "`https://…` is not an endpoint",
            "",
        ),
    ] {
        let error = Location::parse(text).unwrap_err();
        let shown = chain(&error);
        assert!(shown.contains(why), "{text}: {shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let remedy = error.hint().unwrap_or_default();
        assert!(remedy.contains(hint), "{text}: {remedy}");
        assert!(!remedy.contains("s3cret"), "{remedy}");
    }
}

/// Returns all that is shown of a place, or of what should be one.
fn all_shown(text: &str) -> String {
    match Location::parse(text) {
        Ok(location) => format!("{location} {location:?}"),
        Err(error) => format!(
            "{} {error:?} {}",
            chain(&error),
            error.hint().unwrap_or_default()
        ),
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_its_secrets(
        scheme in "(https|http|file|s3|ssh|HTTP|1|é|)(://|:/|:|:\\\\|//)|https:///",
        login in "(user:s3cret@|:s3cret@|s3cret@|user@s3cret@|s3cret:s3cret@|user:%73s3cret@)",
        rest in "([a-z0-9./%@:?&=#\\[\\]\\\\ -]|://|priority=|scheme=|endpoint=|é|\t)*",
    ) {
        let text = format!("{scheme}{login}{rest}");
        let shown = all_shown(&text);
        assert!(!shown.contains("s3cret"), "{text}: {shown}");
    }

    #[test]
    fn no_part_of_a_refused_password_is_shown(
        scheme in "(https|http|file|s3|ssh)(://|:/|:)",
        start in "user:[a-z0-9/?#\\\\]*",
        name in "(|priority=|scheme=|addressing-style=)",
        end in "[a-z0-9?&=]*",
        rest in "[a-z0-9./%@:?&=# -]*",
    ) {
        let text = format!("{scheme}{start}{name}s3cret{end}@{rest}");
        if Location::parse(&text).is_err() {
            let shown = all_shown(&text);
            assert!(!shown.contains("s3cret"), "{text}: {shown}");
        }
    }
}
