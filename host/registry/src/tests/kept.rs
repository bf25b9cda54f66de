//! Logins that are kept and dropped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::testing::{Server, step};
use super::super::{Client, ClientOptions, Credentials, Logins, ServerName, UserPassword};
use super::{bearer, chain, helper, options};

fn login(user: &str, password: &str) -> UserPassword {
    UserPassword {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

/// Returns the content of a file, without blanks.
fn text(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_ascii_whitespace().collect()
}

#[test]
fn names_are_read_as_people_write_them() {
    for (text, expected) in [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io/", "ghcr.io"),
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("docker://localhost:5000", "localhost:5000"),
        ("index.docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("quay.io/acme/web", "quay.io/acme/web"),
        ("[::1]:5000", "[::1]:5000"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("a.b:65535/x", "a.b:65535/x"),
    ] {
        assert_eq!(name(text).to_string(), expected, "{text}");
    }
    for text in [
        "",
        "a b",
        "/x",
        "a.b:",
        "user:secret@a.b",
        "a.b//c",
        "-x",
        "a.b/../c?",
    ] {
        let error = text.parse::<ServerName>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    for (text, shown) in [
        ("user:s3cret", "user:…"),
        ("https://user:s3cret", "https://user:…"),
        ("docker://user:s3cret/x", "docker://user:…"),
        ("user:123456", "user:…"),
        ("a.b:0", "a.b:…"),
        ("a.b:5:5", "a.b:…"),
        ("[::1]:s3cret", "[::1]:…"),
        ("[s3cret", "[s3cret"),
        ("[::1]x:5", "[::1]x:5"),
        ("fe80::1", "fe80:…"),
        ("https://a.b?token=s3cret", "https://a.b?…"),
        ("a.b/x?token=s3cret", "a.b/x?…"),
        ("user:s3cret@a.b", "…@a.b"),
    ] {
        let error = text
            .parse::<ServerName>()
            .map_err(|error| error.to_string());
        let expected = format!("`{shown}` is not the name of a registry");
        assert_eq!(error, Err(expected), "{text}");
    }
}

#[test]
fn files_keep_what_they_had() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/config.json");
    let logins = Logins::new(vec![folder.path().join("auth.json"), file.clone()]);
    // One that is not there is made, for nobody else.
    assert_eq!(
        logins.store(&name("a.b"), &login("u", "p")).unwrap(),
        file.display().to_string()
    );
    assert_eq!(text(&file), r#"{"auths":{"a.b":{"auth":"dTpw"}}}"#);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let other = r#"{"z":1.50,"Auths":{"https://a.b/v2/":{"auth":"x","email":"e"},"c.d":{"auth":"dTpw"}},"auths":{},"HttpHeaders":{"a":"b"},"x":null}"#;
    fs::write(&file, other).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    logins.store(&name("a.b"), &login("u", "q")).unwrap();
    logins.store(&name("docker.io"), &login("u", "r")).unwrap();
    assert_eq!(
        text(&file),
        r#"{"z":1.50,"auths":{"c.d":{"auth":"dTpw"},"a.b":{"auth":"dTpx"},"https://index.docker.io/v1/":{"auth":"dTpy"}},"HttpHeaders":{"a":"b"},"x":null}"#
    );
    assert_eq!(mode(&file), 0o600);
    let entries = fs::read_dir(file.parent().unwrap()).unwrap();
    assert_eq!(entries.count(), 1);
    // What was kept is found.
    let found = Credentials::new(vec![file.clone()]);
    assert_eq!(
        found.user("docker.io", "library/x").unwrap().as_deref(),
        Some("u")
    );
    assert_eq!(
        logins.erase(&name("index.docker.io")).unwrap(),
        [file.display().to_string()]
    );
    assert!(logins.erase(&name("docker.io")).unwrap().is_empty());
    assert_eq!(logins.erase_all().unwrap(), ["a.b", "c.d"]);
    assert_eq!(
        text(&file),
        r#"{"z":1.50,"auths":{},"HttpHeaders":{"a":"b"},"x":null}"#
    );
}

#[test]
fn the_file_that_is_found_first_is_the_one_that_changes() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["auth.json", "config.json"].map(|name| folder.path().join(name));
    let logins = Logins::new(files.clone().into());
    fs::write(&files[0], r#"{"auths":{"a.b":{"auth":"dTpvbGQ="}}}"#).unwrap();
    logins.store(&name("a.b"), &login("u", "p")).unwrap();
    logins.store(&name("a.b/acme"), &login("u", "q")).unwrap();
    assert_eq!(text(&files[0]), r#"{"auths":{"a.b":{"auth":"dTpw"}}}"#);
    assert_eq!(text(&files[1]), r#"{"auths":{"a.b/acme":{"auth":"dTpx"}}}"#);
    // A link stays one.
    let real = folder.path().join("real.json");
    fs::rename(&files[1], &real).unwrap();
    std::os::unix::fs::symlink(&real, &files[1]).unwrap();
    assert_eq!(logins.erase(&name("a.b/acme")).unwrap().len(), 1);
    assert_eq!(text(&real), r#"{"auths":{}}"#);
    assert!(files[1].is_symlink());
    assert_eq!(
        Logins::default()
            .store(&name("a.b"), &login("u", "p"))
            .unwrap_err()
            .to_string(),
        "there is no file to store credentials in"
    );
}

#[test]
fn broken_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    for broken in ["{", "[]", r#"{"auths":[]}"#] {
        fs::write(&file, broken).unwrap();
        let logins = Logins::new(vec![file.clone()]);
        let error = logins
            .store(&name("a.b"), &login("u", "secret"))
            .unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
        assert_eq!(text(&file), broken);
    }
}

#[test]
fn helpers_keep_what_they_are_named_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let config = r#"{"credsStore":"all","credHelpers":{"a.b":"one","none.b":""}}"#;
    let place = folder.path().display();
    for name in ["all", "one"] {
        let script = format!(
            "cd '{place}'; input=$(cat); echo \"{name} $* $input\" >>asked\n\
             case $1 in get) [ -e kept ] || {{ echo 'credentials not found in native keychain'; exit 1; }}\n\
             echo '{{\"Username\":\"u\",\"Secret\":\"p\"}}';; store) touch kept;; erase) rm kept;; esac"
        );
        helper(folder.path(), name, &script);
    }
    fs::write(&file, config).unwrap();
    let logins = || Logins::new(vec![file.clone()]).with_helpers_in(folder.path().to_owned());
    let asked = || {
        let asked = fs::read_to_string(folder.path().join("asked")).unwrap();
        fs::remove_file(folder.path().join("asked")).unwrap();
        asked
    };
    for (registry, helper, url) in [
        ("a.b", "one", "a.b"),
        ("docker.io", "all", "https://index.docker.io/v1/"),
    ] {
        let kept = logins().store(&name(registry), &login("u", "p")).unwrap();
        assert_eq!(kept, format!("docker-credential-{helper}"));
        let given = format!(r#"{{"ServerURL":"{url}","Username":"u","Secret":"p"}}"#);
        assert_eq!(asked(), format!("{helper} store {given}\n"));
        let entry = format!(
            r#"{{"credsStore":"all","credHelpers":{{"a.b":"one","none.b":""}},"auths":{{"{url}":{{}}}}}}"#
        );
        assert_eq!(text(&file), entry);
        let dropped = logins().erase(&name(registry)).unwrap();
        assert_eq!(dropped, [format!("docker-credential-{helper}")]);
        assert_eq!(
            asked(),
            format!("{helper} get {url}\n{helper} erase {url}\n")
        );
        assert!(text(&file).ends_with(r#""auths":{}}"#), "{}", text(&file));
    }
    // One that fails keeps nothing, and nothing is written.
    helper(folder.path(), "all", "echo 'is locked' >&2; exit 1");
    let before = text(&file);
    let error = logins()
        .store(&name("c.d"), &login("u", "secret"))
        .unwrap_err();
    assert!(error.to_string().ends_with("failed: is locked"), "{error}");
    assert_eq!(text(&file), before);
}

#[test]
fn all_logins_are_those_of_programs_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let place = folder.path().display();
    let script = |list: &str| {
        format!(
            "cd '{place}'; input=$(cat); case $1 in list) {list};; \
             get) grep -qxF \"$input\" kept || {{ echo 'credentials not found in native keychain'; exit 1; }}; \
             echo '{{\"Username\":\"u\",\"Secret\":\"p\"}}';; \
             erase) grep -vxF \"$input\" kept >left; mv left kept;; esac"
        )
    };
    let all = r#"printf '{'; sep=; while read -r s; do printf '%s"%s":"u"' "$sep" "$s"; sep=,; done <kept; printf '}'"#;
    let logins = || Logins::new(vec![file.clone()]).with_helpers_in(folder.path().to_owned());
    let config = r#"{"credsStore":"all","auths":{"a.b":{},"x.y/z":{"auth":"dTpw"}},"credHelpers":{"c.d":"none"}}"#;
    let kept = "a.b\nhttps://index.docker.io/v1/\nhttps://e.f\n";
    fs::write(&file, config).unwrap();
    fs::write(folder.path().join("kept"), kept).unwrap();
    helper(folder.path(), "all", &script(all));
    helper(folder.path(), "none", "echo credentials not found; exit 1");
    let dropped = logins().erase_all().unwrap();
    assert_eq!(dropped, ["a.b", "docker.io", "e.f", "x.y/z"]);
    assert_eq!(fs::read_to_string(folder.path().join("kept")).unwrap(), "");
    assert_eq!(logins().erase_all().unwrap(), [""; 0]);
    // A program that has nothing to list, and one that cannot: what the file names goes all the same.
    for (list, error) in [
        ("echo null", None),
        ("true", None),
        ("echo []", Some("its answer does not follow the protocol")),
        ("echo no such action; exit 1", Some("no such action")),
    ] {
        fs::write(&file, config).unwrap();
        fs::write(folder.path().join("kept"), kept).unwrap();
        helper(folder.path(), "all", &script(list));
        let outcome = logins().erase_all();
        let said = outcome.err().map(|error| error.to_string());
        assert_eq!(said.is_some(), error.is_some(), "{list}: {said:?}");
        assert!(
            said.unwrap_or_default()
                .ends_with(error.unwrap_or_default()),
            "{list}"
        );
        assert!(
            text(&file).ends_with(r#""auths":{}}"#) || text(&file).contains(r#""auths":{},"#),
            "{}",
            text(&file)
        );
        let left = fs::read_to_string(folder.path().join("kept")).unwrap();
        assert_eq!(left, kept.replacen("a.b\n", "", 1));
    }
}

#[test]
fn keys_are_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    // They are of the user, or of a program that keeps logins for all registries.
    let script = "case $1 in list) echo '{\"https://user:s3cret@e.f\":\"user\"}';; \
                  get) echo 'credentials not found'; exit 1;; esac";
    helper(folder.path(), "all", script);
    let keys = [
        "https://user:s3cret@a.b/v1/",
        "c.d?token=s3cret",
        "https://c.d:5?token=s3cret",
        "user:s3cret",
        "g.h/x",
    ];
    let entries = keys.map(|key| format!(r#""{key}":{{"auth":"dTpw"}}"#));
    let config = format!(
        r#"{{"auths":{{{}}},"credsStore":"all"}}"#,
        entries.join(",")
    );
    fs::write(&file, config).unwrap();
    let logins = Logins::new(vec![file.clone()]).with_helpers_in(folder.path().to_owned());
    let shown = ["c.d:5?…", "c.d?…", "g.h/x", "user:…", "…@a.b"];
    assert_eq!(logins.names().unwrap(), shown);
    let dropped = logins.erase_all().unwrap();
    assert_eq!(dropped, [&shown[..], &["…@e.f"]].concat());
    assert!(!text(&file).contains("s3cret"), "{}", text(&file));
    // The login of such a key is used as before, and an error of it does not show the key.
    for (entry, key) in [
        ("https://user:s3cret@a.b/v1/", "user:s3cret@a.b"),
        ("a.b?token=s3cret", "a.b?token=s3cret"),
    ] {
        fs::write(
            &file,
            format!(r#"{{"auths":{{"{entry}":{{"auth":"$"}}}}}}"#),
        )
        .unwrap();
        let credentials = Credentials::new(vec![file.clone()]);
        let error = credentials.user(key, "x").unwrap_err().to_string();
        assert!(
            error.contains("the `auth` of `") && !error.contains("s3cret"),
            "{error}"
        );
    }
}

#[test]
fn logins_have_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    fs::write(
        &file,
        r#"{"auths":{"a.b":{"auth":"ZmlsZTpw"},"c.d":{"auth":"ZmlsZTpw"}}}"#,
    )
    .unwrap();
    let variable = br#"{"auths":{"a.b":{"auth":"dmFyOnA="}}}"#.to_vec();
    let of = |credentials: &Credentials, registry, name| credentials.user(registry, name).unwrap();
    let credentials = Credentials::new(vec![file])
        .with_text("DOCKER_AUTH_CONFIG", variable)
        .with_login("e.f", None, login("given", "p"))
        .with_login("e.f", Some("acme/web"), login("own", "p"));
    assert_eq!(of(&credentials, "a.b", "x").as_deref(), Some("var"));
    assert_eq!(of(&credentials, "c.d", "x").as_deref(), Some("file"));
    assert_eq!(of(&credentials, "e.f", "x").as_deref(), Some("given"));
    assert_eq!(of(&credentials, "e.f", "acme/web").as_deref(), Some("own"));
    assert_eq!(of(&credentials, "g.h", "x"), None);
    assert!(!format!("{credentials:?}").contains("dmFy"));
    let broken = Credentials::default().with_text("DOCKER_AUTH_CONFIG", b"{secret".to_vec());
    let error = broken.user("a.b", "x").unwrap_err().to_string();
    assert!(
        error.contains("`DOCKER_AUTH_CONFIG`") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn a_login_is_checked_by_the_registry() {
    let client = |server: &Server| {
        let host = server.address.to_string();
        Client::new(ClientOptions {
            credentials: Credentials::default().with_login(&host, None, login("user", "secret")),
            ..options()
        })
    };
    let basic = || {
        step("GET /v2/")
            .status(401)
            .header("www-authenticate", "Basic realm=\"x\"")
    };
    for (steps, expected) in [
        (vec![basic(), step("GET /v2/")], Ok(true)),
        (vec![step("GET /v2/"), step("GET /v2/")], Ok(false)),
        (
            vec![basic(), basic()],
            Err("rejects this user name and password"),
        ),
        (
            vec![step("GET /v2/").status(404), step("GET /v2/").status(404)],
            Err("answers 404"),
        ),
    ] {
        let server = Server::bind();
        let (client, of) = (client(&server), name(&server.address.to_string()));
        let running = server.run(steps);
        let found = client.check_login(&of).map_err(|error| chain(&error));
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
            (Err(found), Err(expected)) => {
                assert!(
                    found.contains(expected) && !found.contains("secret"),
                    "{found}"
                );
            }
            _ => panic!("{found:?} {expected:?}"),
        }
        running.seen();
    }
    let (server, tokens) = (Server::bind(), Server::bind());
    let (client, of) = (client(&server), name(&server.address.to_string()));
    let challenge = bearer(&tokens);
    let token = "GET /token?a=b&account=user&service=s%20v";
    let tokens = tokens.run(vec![step(token).body(r#"{"token":"one"}"#)]);
    let running = server.run(vec![
        step("GET /v2/")
            .status(401)
            .header("www-authenticate", &*challenge),
        step("GET /v2/"),
    ]);
    assert!(client.check_login(&of).unwrap());
    assert_eq!(
        tokens.seen()[0].header("authorization"),
        Some("Basic dXNlcjpzZWNyZXQ=")
    );
    assert_eq!(
        running.seen()[1].header("authorization"),
        Some("Bearer one")
    );
}
