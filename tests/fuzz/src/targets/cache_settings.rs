//! Settings of binary caches: their locations and those of NARs in them, and files of credentials and of Nix.

use std::io;
use std::path::Path;

use terrine_binary_cache::fuzz::{NarTarget, nar_target};
use terrine_binary_cache::{Location, Netrc, NixConf, S3Profiles};

use crate::format::Format;
use crate::{Limit, Target};

const WORDS: &[&str] = &[
    "https://",
    "http://",
    "file:///",
    "s3://bucket",
    "user:secret-p@",
    "cache.example.org",
    "127.0.0.1:9000",
    "?region=eu-west-1",
    "&endpoint=",
    "&scheme=http",
    "&addressing-style=virtual",
    "&profile=ci",
    "&priority=1",
    "nar/",
    "../",
    "%2e%2e%2f",
    "machine ",
    "default ",
    "login ",
    "password ",
    "macdef init\n",
    "\n\n",
    "[default]\n",
    "[profile ci]\n",
    "aws_access_key_id = ",
    "aws_secret_access_key = ",
    "trusted-public-keys = ",
    "extra-trusted-public-keys = ",
    "netrc-file = /x",
    "include one",
    "!include two",
    " # ",
];

pub(super) const TARGET: Target = Target {
    name: "cache_settings",
    format: Format::Text(WORDS),
    seeds,
    run,
    short: 20_000,
    longest: 2048,
    limit: Limit::USUAL,
};

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "lhttps://user:secret-p@cache.example.org/a?priority=30\nnar/1.nar.xz?hash=y",
        "lhttp://cache.example.org\nhttps://other.example/1.nar",
        "lfile:///srv/cache?trusted=true\nnar/1.nar",
        "ls3://bucket/pre%20fix?endpoint=127.0.0.1:9000&scheme=http&profile=ci\nnar/%61.nar",
        "nmachine cache.example.org login user password \"secret-\\\"p\"\nmacdef init\nx\n\ndefault login anonymous password x\n",
        "p[default]\naws_access_key_id = A\naws_secret_access_key=b\n[profile ci]\naws_session_token = t\naws_access_key_id=B\naws_secret_access_key = secret-b\ns3 =\n  addressing_style = path\n",
        "ctrusted-public-keys = a:AAAA b:BBBB # why\ninclude one\n!include missing\nnetrc-file = /etc/netrc\nextra-trusted-public-keys = c:CCCC\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn run(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let Some(kind) = text.chars().next() else {
        return false;
    };
    let rest = &text[kind.len_utf8()..];
    match kind {
        'n' => netrc(rest),
        'p' => profiles(rest),
        'c' => conf(rest),
        _ => {
            let (location, url) = rest.split_once('\n').unwrap_or((rest, ""));
            locations(location, url)
        }
    }
}

/// Returns the host of a URL, with all that may be before and after it.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").expect("a URL");
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// A location that is shown has no credentials, and is one again. A NAR never leaves a directory or bucket by its
/// name, and a URL of a server has no credentials and no other scheme.
fn locations(text: &str, url: &str) -> bool {
    let Ok(location) = Location::parse(text) else {
        return false;
    };
    let shown = location.to_string();
    let is_web = shown.starts_with("http");
    if is_web {
        assert!(
            !authority(&shown).contains('@') && !shown.contains('?'),
            "{shown}"
        );
        let again = Location::parse(&shown).expect("what is shown");
        assert_eq!(again.to_string(), shown);
    }
    match nar_target(&location, url) {
        Some(NarTarget::Own(name)) if !is_web => {
            let is_inside = |part: &str| !matches!(part, "" | "." | "..");
            assert!(
                name.split('/').all(is_inside) && !name.contains('\0'),
                "{name}"
            );
        }
        Some(NarTarget::Own(url)) => {
            assert_eq!(authority(&url), authority(&shown), "{url}");
        }
        Some(NarTarget::Foreign(url)) => {
            let is_encrypted = url.starts_with("https://");
            assert!(is_encrypted || url.starts_with("http://"), "{url}");
            assert!(is_encrypted || !shown.starts_with("https://"), "{url}");
            assert!(
                !authority(&url).contains('@') && !shown.starts_with("file:"),
                "{url}"
            );
        }
        None => {}
    }
    true
}

/// Credentials that are read are read again when they are written with quotation marks, and nobody is shown the
/// password.
fn netrc(text: &str) -> bool {
    let Ok(netrc) = Netrc::parse(text) else {
        return false;
    };
    for host in ["cache.example.org", "127.0.0.1"] {
        let Some(login) = netrc.login(host) else {
            continue;
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (user, password) = (quoted(login.user), quoted(login.password));
        let written = format!("machine {host} login \"{user}\" password \"{password}\"");
        let again = Netrc::parse(&written).expect("what was read");
        let again = again.login(host).expect("a login");
        assert_eq!((again.user, again.password), (login.user, login.password));
        let shown = format!("{login:?}");
        assert!(
            login.user.contains("secret-") || !shown.contains("secret-"),
            "{shown}"
        );
    }
    true
}

/// Comments and ends of lines do not matter.
fn profiles(text: &str) -> bool {
    let read = S3Profiles::parse(text);
    let commented: String = text
        .lines()
        .map(|line| format!("{line}\r\n# comment\r\n"))
        .collect();
    let again = S3Profiles::parse(&commented);
    assert_eq!(read.is_ok(), again.is_ok(), "{read:?} and {again:?}");
    let Ok(read) = read else { return false };
    assert_eq!(again.as_ref(), Ok(&read));
    let shown = format!("{read:?}");
    let is_key = |line: &str| {
        line.contains("secret-") && !line.to_lowercase().contains("aws_secret_access_key")
    };
    assert!(
        text.lines().any(is_key) || !shown.contains("secret-"),
        "{shown}"
    );
    true
}

/// Comments do not matter, files that include each other have an end, and the last value counts.
fn conf(text: &str) -> bool {
    let read = |text: &str| {
        let mut conf = NixConf::default();
        let mut include = |path: &Path| -> io::Result<Option<String>> {
            let name = path.file_name().unwrap_or_default();
            Ok(match name.to_str() {
                Some("one") => Some("include two\nnetrc-file = /one\n".to_owned()),
                Some("two") => Some("extra-trusted-public-keys = two:AAAA\n".to_owned()),
                Some("self") => Some("include self\n".to_owned()),
                _ => None,
            })
        };
        let outcome = conf.add(text, Path::new("/etc/nix/nix.conf"), &mut include);
        outcome.map(|()| conf).map_err(|error| super::chain(&error))
    };
    let Ok(conf) = read(text) else { return false };
    let commented: String = text
        .lines()
        .map(|line| format!("{line} # comment\n\n"))
        .collect();
    assert_eq!(read(&commented).as_ref(), Ok(&conf));
    let last = format!("{text}\nnetrc-file = /last\ntrusted-public-keys = x:1 y:2\n");
    let last = read(&last).expect("two more settings");
    assert_eq!(last.get("netrc-file"), Some("/last"));
    let keys = last.words("trusted-public-keys", &["binary-cache-public-keys"], "");
    assert_eq!(keys, ["x:1", "y:2"]);
    true
}
