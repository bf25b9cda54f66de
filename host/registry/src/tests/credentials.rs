//! Credentials in files, and of helpers.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Credentials;
use super::super::auth_file::HUB_SERVER;
use super::super::credentials::Secret;
use super::helper;

/// `user:secret-KEY` in base64.
fn auth(key: &str) -> String {
    STANDARD.encode(format!("user:secret-{key}"))
}

fn find(text: &str, registry: &str, name: &str) -> Result<Option<Secret>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    std::fs::write(&file, text).unwrap();
    let credentials = Credentials::new(vec![file]).with_helpers_in(folder.path().to_owned());
    for (name, script) in [
        (
            "good",
            r#"read -r server; [ "$1" = get ] && echo "{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"$server\"}""#,
        ),
        ("token", r#"echo '{"Username":"<token>","Secret":"t"}'"#),
        (
            "none",
            "echo 'credentials not found in native keychain'; exit 1",
        ),
        ("bad", "echo 'locked by secret-fox' >&2; exit 3"),
        ("silent", "exit 4"),
        (
            "loose",
            r#"printf '\357\273\277{"username":"user","secret":"secret-x"}'"#,
        ),
        ("odd", "echo '{\"Secret\":\"secret-x\"}'"),
    ] {
        helper(folder.path(), name, script);
    }
    let found = credentials.find(registry, name);
    let place = format!("{}/", folder.path().display());
    found
        .map(|login| login.map(|login| login.secret))
        .map_err(|error| error.to_string().replace(&place, ""))
}

fn password(user: &str, password: &str) -> Result<Option<Secret>, String> {
    Ok(Some(Secret::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    }))
}

#[test]
fn the_most_specific_key_wins() {
    let keys = [
        "ghcr.io",
        "ghcr.io/acme",
        "ghcr.io/acme/web",
        "https://index.docker.io/v1/",
        "https://quay.io",
        "localhost:5000",
    ];
    let entries: Vec<String> = keys
        .iter()
        .map(|key| format!(r#""{key}":{{"auth":"{}"}}"#, auth(key)))
        .collect();
    let text = format!(
        r#"{{"auths":{{{}}},"credsStore":"none","HttpHeaders":{{}}}}"#,
        entries.join(",")
    );
    for (registry, name, expected) in [
        ("ghcr.io", "acme/web", Some("ghcr.io/acme/web")),
        ("ghcr.io", "acme/web/x", Some("ghcr.io/acme/web")),
        ("ghcr.io", "acme/webx", Some("ghcr.io/acme")),
        ("ghcr.io", "acmex", Some("ghcr.io")),
        (
            "docker.io",
            "library/debian",
            Some("https://index.docker.io/v1/"),
        ),
        ("quay.io", "a/b", Some("https://quay.io")),
        ("localhost:5000", "a", Some("localhost:5000")),
        ("localhost", "a", None),
        ("io", "a", None),
    ] {
        let expected = match expected {
            Some(key) => password("user", &format!("secret-{key}")),
            None => Ok(None),
        };
        assert_eq!(find(&text, registry, name), expected, "{registry}/{name}");
    }
}

#[test]
fn entries_have_several_forms() {
    let one = |entry: &str| find(&format!(r#"{{"auths":{{"a.b":{entry}}}}}"#), "a.b", "x");
    assert_eq!(one(r#"{"auth":"dTpwOnEAAA=="}"#), password("u", "p:q"));
    assert_eq!(
        one(r#"{"username":"u","password":"p"}"#),
        password("u", "p")
    );
    assert_eq!(
        one(r#"{"auth":"dTo=","identitytoken":"t"}"#),
        Ok(Some(Secret::IdentityToken("t".to_owned())))
    );
    for text in [
        r#"{"auth":"dTpw","identitytoken":"t"}"#,
        r#"{"username":"u","password":"p","identitytoken":"t"}"#,
    ] {
        let either = Secret::Either {
            user: "u".to_owned(),
            password: "p".to_owned(),
            token: "t".to_owned(),
        };
        assert_eq!(one(text), Ok(Some(either)), "{text}");
    }
    assert_eq!(one("{}"), Ok(None));
    assert_eq!(find("", "a.b", "x"), Ok(None));
    assert_eq!(find(r#"{"auths":null}"#, "a.b", "x"), Ok(None));
}

#[test]
fn what_is_written_loosely_costs_itself_alone() {
    let good = format!(r#""a.b":{{"auth":"{}"}}"#, auth("x"));
    for text in [
        format!(r#"{{"auths":{{{good},"c.d":null}},"credHelpers":null,"credsStore":null}}"#),
        format!(r#"{{"auths":{{"c.d":5,"e.f":[],{good}}},"credHelpers":5,"credsStore":{{}}}}"#),
        format!(r#"{{"auths":{{{good}}},"credHelpers":{{"a.b":null,"c.d":7}},"x":[null]}}"#),
        format!(r#"{{"auths":{{{good},"c.d":{{"auth":5}},"e.f":{{"auth":"$"}}}}}}"#),
        // Another key of the same registry, and a less specific one.
        format!(r#"{{"auths":{{{good},"https://a.b/v1/":{{"auth":"$"}}}}}}"#),
        format!(r#"{{"auths":{{{good},"a.b/x":{{"auth":"$"}}}}}}"#),
        format!(r#"{{"auths":{{{good},"a.b/x":{{"auth":null,"username":7}}}}}}"#),
        // Other fields of the same entry.
        format!(
            r#"{{"auths":{{"a.b":{{"auth":"{}","identitytoken":null,"email":5}}}}}}"#,
            auth("x")
        ),
        r#"{"auths":{"a.b":{"auth":"$","username":"user","password":"secret-x"}}}"#.to_owned(),
        r#"{"auths":{"a.b":{"auth":[1],"username":"user","password":"secret-x"}}}"#.to_owned(),
        format!(r#"{{"auths":{{{good}}},"credHelpers":{{"a.b":"bad"}}}}"#),
        format!("\u{feff}{{\"auths\":{{{good}}}}}\r\n"),
        // In other letters, and twice.
        format!(r#"{{"Auths":{{"a.b":{{"Auth":"{}"}}}}}}"#, auth("x")),
        format!(r#"{{"auths":{{{good}}},"auths":{{}}}}"#),
        format!(r#"{{"auths":{{"c.d":{{}}}},"AUTHS":{{{good}}},"auths":null}}"#),
        r#"{"CredHelpers":{"a.b":"loose"}}"#.to_owned(),
        r#"{"credsstore":"loose"}"#.to_owned(),
        format!(
            r#"{{"auths":{{"a.b":{{"auth":"{}\n"}}}}}}"#,
            auth("x").replacen('V', r"V\n", 1)
        ),
    ] {
        assert_eq!(
            find(&text, "a.b", "x/y"),
            password("user", "secret-x"),
            "{text}"
        );
    }
    for text in [
        "null",
        "{}",
        "\u{feff}",
        r#"{"auths":{},"auths":null}"#,
        r#"{"auths":"secret-word"}"#,
        r#"{"auths":[]}"#,
        r#"{"auths":{"a.b":null}}"#,
        r#"{"auths":{"a.b":{"auth":5}}}"#,
        r#"{"auths":{"a.b":{"username":"u"}}}"#,
    ] {
        assert_eq!(find(text, "a.b", "x/y"), Ok(None), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_another() {
    let folder = tempfile::tempdir().unwrap();
    let [bad, good] = ["bad.json", "good.json"].map(|name| folder.path().join(name));
    std::fs::write(&bad, "{").unwrap();
    let text = format!(r#"{{"auths":{{"a.b":{{"auth":"{}"}}}}}}"#, auth("x"));
    std::fs::write(&good, text).unwrap();
    let credentials = Credentials::new(vec![bad, good]);
    assert!(credentials.find("a.b", "x").unwrap().is_some());
    let error = credentials.find("c.d", "x").unwrap_err().to_string();
    assert!(error.contains("bad.json"), "{error}");
}

#[test]
fn helpers_are_asked() {
    let of = |helper: &str| {
        find(
            &format!(r#"{{"credHelpers":{{"a.b":"{helper}"}}}}"#),
            "a.b",
            "x/y",
        )
    };
    assert_eq!(of("good"), password("u", "a.b"));
    assert_eq!(of("token"), Ok(Some(Secret::IdentityToken("t".to_owned()))));
    assert_eq!(of("none"), Ok(None));
    let store = r#"{"auths":{"https://index.docker.io/v1/":{}},"credsStore":"good"}"#;
    assert_eq!(
        find(store, "docker.io", "library/x"),
        password("u", HUB_SERVER)
    );
    for (helper, expected) in [
        (
            "missing",
            "the credential helper `docker-credential-missing` failed: the program does not exist",
        ),
        (
            "bad",
            "the credential helper `docker-credential-bad` failed: locked by secret-fox",
        ),
        (
            "silent",
            "the credential helper `docker-credential-silent` failed: it ended with exit status: 4",
        ),
        (
            "odd",
            "the credential helper `docker-credential-odd` failed: its answer does not follow the protocol",
        ),
        (
            "../x",
            "the credential helper `docker-credential-../x` failed: a helper cannot have this name",
        ),
    ] {
        assert_eq!(of(helper), Err(expected.to_owned()), "{helper}");
    }
}

#[test]
fn broken_files_are_named_and_not_quoted() {
    for (text, expected) in [
        ("{\n  \"auths\": {]}", "not JSON at line 2, column 13"),
        (r#"["secret-word"]"#, "it is not a JSON object"),
        (
            r#"{"auths":{"a.b":{"auth":"secret-word!"}}}"#,
            "the `auth` of `a.b` is not",
        ),
        (
            r#"{"auths":{"a.b":{"auth":"c2VjcmV0LXdvcmQ="}}}"#,
            "the `auth` of `a.b` is not",
        ),
    ] {
        let error = find(text, "a.b", "x").unwrap_err();
        assert!(
            error.contains(expected) && error.contains("`config.json`"),
            "{text}: {error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.json");
    std::fs::write(
        &file,
        format!(r#"{{"auths":{{"a.b":{{"auth":"{}"}}}}}}"#, auth("x")),
    )
    .unwrap();
    let credentials = Credentials::new(vec![folder.path().join("missing"), file]);
    let login = credentials.find("a.b", "x").unwrap();
    assert!(login.is_some());
    let shown = format!(
        "{login:?} {credentials:?} {:?}",
        Secret::IdentityToken("secret-y".to_owned())
    );
    assert!(
        !shown.contains("secret-") && !shown.contains(&auth("x")),
        "{shown}"
    );
}

#[test]
fn files_are_where_docker_and_podman_have_them() {
    let files = |variables: &[(&str, &str)]| {
        Credentials::default_files(|name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    };
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let unset = format!(
        "/run/containers/{}/auth.json",
        rustix::process::getuid().as_raw()
    );
    assert_eq!(files(&[]), paths(&[&unset]));
    assert_eq!(
        files(&[
            ("HOME", "/h"),
            ("XDG_RUNTIME_DIR", "/r"),
            ("REGISTRY_AUTH_FILE", "")
        ]),
        paths(&[
            "/r/containers/auth.json",
            "/h/.config/containers/auth.json",
            "/h/.docker/config.json"
        ])
    );
    assert_eq!(
        files(&[
            ("HOME", "/h"),
            ("DOCKER_CONFIG", "/d"),
            ("XDG_CONFIG_HOME", "/c")
        ]),
        paths(&[&unset, "/c/containers/auth.json", "/d/config.json"])
    );
    assert_eq!(
        files(&[("HOME", "/h"), ("REGISTRY_AUTH_FILE", "/a.json")]),
        paths(&["/a.json"])
    );
}
