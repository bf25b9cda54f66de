//! Access to registries: passwords, helpers, tokens.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use terrine_tests::proxy::{Fault, Proxy, REFRESH, Request, Tokens, When};
use terrine_tests::registry::{PASSWORD, Registry, USER};
use terrine_tests::shipment::Shipment;
use terrine_tests::{Run, peer, programs, terrine};

use super::said;

/// A file of credentials at home.
fn credentials(shipment: &Shipment, file: &str, content: &Value) {
    let path = shipment.home().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
}

fn auth(host: &str, entry: &Value) -> Value {
    json!({"auths": {host: entry}})
}

/// `terrine:secret`, and with a wrong password.
const LOGIN: &str = "dGVycmluZTpzZWNyZXQ=";
const WRONG: &str = "dGVycmluZTp3cm9uZw==";

#[test]
fn who_may_push_is_told_by_the_files_of_docker_and_podman() {
    let Some(registry) = Registry::with_basic_auth() else {
        return;
    };
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let mut texts = vec![];
    for (file, entry, works) in [
        (None, Value::Null, false),
        (Some(".docker/config.json"), json!({"auth": WRONG}), false),
        (Some(".docker/config.json"), json!({"auth": "$"}), false),
        (Some(".docker/config.json"), json!({"auth": LOGIN}), true),
        (
            Some(".config/containers/auth.json"),
            json!({"auth": LOGIN}),
            true,
        ),
        (
            Some(".docker/config.json"),
            json!({"username": USER, "password": PASSWORD}),
            true,
        ),
    ] {
        let shipment = Shipment::new(&[("a", 1000)]);
        if let Some(file) = file {
            credentials(&shipment, file, &auth(host, &entry));
        }
        let run = shipment.build(&to, &["-q"]);
        assert_eq!(run.code, Some(i32::from(!works)), "{}", run.stderr);
        assert_eq!(registry.tags_if_any("acme/web").is_empty(), !works);
        if works {
            assert!(shipment.is_valid(&to));
            registry.delete_manifest(
                "acme/web",
                &registry.manifest("acme/web", "1").unwrap().digest,
            );
        } else {
            texts.push(said(&run, &shipment, &[(host, "[HOST]")]));
        }
    }
    insta::assert_snapshot!("logins", texts.join("\n"));
}

#[test]
fn helpers_are_asked_for_credentials() {
    let Some(registry) = Registry::with_basic_auth() else {
        return;
    };
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let good = format!(
        "read -r server; test \"$server\" = {host} || exit 1\n\
         echo '{{\"ServerURL\":\"\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
    );
    let mut texts = vec![];
    for (config, script, works) in [
        (
            json!({"credHelpers": {host: "test"}}),
            Some(good.as_str()),
            true,
        ),
        (json!({"credsStore": "test"}), Some(good.as_str()), true),
        (json!({"credHelpers": {host: "test"}}), None, false),
        (
            json!({"credsStore": "test"}),
            Some("echo 'credentials not found in native keychain'; exit 1"),
            false,
        ),
        (
            json!({"credsStore": "test"}),
            Some("echo 'the vault is locked' >&2; exit 3"),
            false,
        ),
        (
            json!({"credsStore": "test"}),
            Some("echo secret-of-somebody"),
            false,
        ),
        (json!({"credsStore": "../test"}), Some(good.as_str()), false),
    ] {
        let shipment = Shipment::new(&[("a", 1000)]);
        credentials(&shipment, ".docker/config.json", &config);
        let bin = shipment.home().join("bin");
        fs::create_dir(&bin).unwrap();
        if let Some(script) = script {
            programs::script(bin.join("docker-credential-test"), script);
        }
        let mut command = shipment.build_command(&to, &["-q"]);
        command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        let run = Run::of(&mut command);
        assert_eq!(
            run.code,
            Some(i32::from(!works)),
            "{config}: {}",
            run.stderr
        );
        assert!(
            !run.stderr.contains(PASSWORD) && !run.stderr.contains("secret-of"),
            "{}",
            run.stderr
        );
        if !works {
            texts.push(said(&run, &shipment, &[(host, "[HOST]")]));
        }
    }
    insta::assert_snapshot!("helpers", texts.join("\n"));
}

#[test]
fn tokens_are_fetched_renewed_and_told_about() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let shipment = Shipment::small();
    let with = |tokens: Tokens, entry: &Value, repository: &str| {
        let proxy = Proxy::with_tokens(&registry, tokens);
        credentials(&shipment, ".docker/config.json", &auth(proxy.host(), entry));
        let to = format!("docker://{}/{repository}:1", proxy.host());
        let run = shipment.build(&to, &["-q", "--no-cache", "--jobs", "1"]);
        let valid = run.code == Some(0) && shipment.is_valid(&to);
        (proxy, run, valid)
    };
    let login = json!({"auth": LOGIN});
    let (proxy, run, valid) = with(Tokens::default(), &login, "t/one");
    assert!(valid, "{}", run.stderr);
    let asked = |request: &Request| request.path == "/token" && request.method == "GET";
    assert_eq!(
        proxy
            .requests()
            .iter()
            .take_while(|request| !request.is("PUT", "/manifests/"))
            .filter(|request| asked(request))
            .count(),
        1,
        "one for all of the push: {}",
        proxy.story()
    );
    let scopes = |request: &Request| request.value("scope").unwrap_or_default();
    assert_eq!(
        scopes(
            proxy
                .requests()
                .iter()
                .find(|request| asked(request))
                .unwrap()
        ),
        "repository:t/one:pull,push"
    );
    // Each is good for a few requests, and ends in the middle of the push.
    let short = Tokens {
        uses: 3,
        ..Tokens::default()
    };
    let (proxy, run, valid) = with(short, &login, "t/two");
    assert!(valid, "{} {}", run.stderr, proxy.story());
    assert!(proxy.count(asked) > 2);
    // An identity token.
    let identity = json!({"auth": LOGIN, "identitytoken": REFRESH});
    let (proxy, run, valid) = with(Tokens::default(), &identity, "t/three");
    assert!(valid, "{} {}", run.stderr, proxy.story());
    assert!(proxy.count(|request| request.is("POST", "/token")) > 0 && proxy.count(asked) == 0);
    // Refused.
    let mut texts = vec![];
    let denied = Tokens {
        denied: vec!["t/four".to_owned()],
        ..Tokens::default()
    };
    for (tokens, entry, repository) in [
        (denied, login, "t/four"),
        (Tokens::default(), json!({"auth": WRONG}), "t/five"),
        (
            Tokens::default(),
            json!({"identitytoken": "wrong"}),
            "t/six",
        ),
        (
            Tokens {
                anonymous_pull: true,
                ..Tokens::default()
            },
            json!({}),
            "t/seven",
        ),
    ] {
        let (proxy, run, _) = with(tokens, &entry, repository);
        assert_eq!(run.code, Some(1));
        texts.push(said(&run, &shipment, &[(proxy.host(), "[HOST]")]));
    }
    insta::assert_snapshot!("tokens", texts.join("\n"));
    // A mount asks for both repositories by one token.
    let proxy = Proxy::with_tokens(&registry, Tokens::default());
    credentials(
        &shipment,
        ".docker/config.json",
        &auth(proxy.host(), &json!({"auth": LOGIN})),
    );
    for repository in ["t/eight", "t/nine"] {
        shipment
            .build(&format!("docker://{}/{repository}:1", proxy.host()), &[])
            .ok();
    }
    let mounts = proxy
        .count(|request: &Request| request.value("mount").is_some() && request.status == Some(201));
    assert!(mounts >= 3, "{}", proxy.story());
}

#[test]
fn logins_are_shared_with_skopeo() {
    let (Some(registry), Some(skopeo)) = (Registry::with_basic_auth(), peer::find("skopeo")) else {
        return;
    };
    let shipment = Shipment::small();
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let file = shipment.home().join(".docker/config.json");
    let run = |program: Command, arguments: &[&str], password: &str| {
        let mut command = shipment.at_home(program);
        let command = command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", shipment.home().join("run"));
        let input = shipment.home().join("password");
        fs::write(&input, password).unwrap();
        Run::of(command.stdin(fs::File::open(&input).unwrap()))
    };
    let login = ["login", "--username", USER, "--password-stdin", host];
    let wrong = run(terrine(), &login, "wrong-word");
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("rejects this user name and password"),
        "{}",
        wrong.stderr
    );
    assert!(!wrong.stderr.contains("wrong-word") && !file.exists());
    run(terrine(), &login, &format!("{PASSWORD}\n")).ok();
    shipment.build(&to, &["-q"]).ok();
    let inspect = ["inspect", "--tls-verify=false", &to];
    run(Command::new(&skopeo), &inspect, "").ok();
    assert_eq!(
        run(terrine(), &["login", "--get-login", host], "")
            .ok()
            .stdout,
        format!("{USER}\n").as_bytes()
    );
    run(terrine(), &["logout", host], "").ok();
    assert_eq!(run(terrine(), &["logout", host], "").code, Some(1));
    assert_ne!(run(Command::new(&skopeo), &inspect, "").code, Some(0));
    // The other way, and once without keeping it.
    fs::create_dir_all(shipment.home().join("run")).unwrap();
    let creds = format!("{USER}:{PASSWORD}");
    run(terrine(), &["verify", "--creds", &creds, &to], "").ok();
    assert_eq!(run(terrine(), &["verify", &to], "").code, Some(1));
    let theirs = [
        "login",
        "--tls-verify=false",
        "-u",
        USER,
        "--password-stdin",
        host,
    ];
    run(Command::new(&skopeo), &theirs, PASSWORD).ok();
    run(terrine(), &["verify", &to], "").ok();
    run(terrine(), &["logout", "--all"], "").ok();
    assert_ne!(run(Command::new(&skopeo), &inspect, "").code, Some(0));
}

#[test]
fn a_terminal_is_asked_for_the_password() {
    let Some(registry) = Registry::with_basic_auth() else {
        return;
    };
    let shipment = Shipment::small();
    let host = registry.host();
    let to = format!("docker://{host}/acme/web:1");
    let at_home = |arguments: &[&str]| {
        let mut command = shipment.at_home(terrine());
        command.args(arguments);
        command
    };
    let login = |arguments: &[&str], answers: &[(&str, &str)]| {
        Run::answering(&at_home(&[&["login", host], arguments].concat()), answers)
    };
    let user = ("Username: ", USER);
    let Some(wrong) = login(&[], &[user, ("Password: ", "wrong-word")]) else {
        return;
    };
    let said = String::from_utf8_lossy(&wrong.stdout);
    assert_eq!(wrong.code, Some(1), "{said}");
    assert!(
        said.contains("rejects this user name and password"),
        "{said}"
    );
    // What is typed is not shown.
    assert!(
        said.contains(USER) && !said.contains("wrong-word"),
        "{said}"
    );
    let right = login(&["--username", USER], &[("Password: ", PASSWORD)]).unwrap();
    assert!(!String::from_utf8_lossy(&right.stdout).contains(PASSWORD));
    assert_eq!(right.code, Some(0));
    shipment.build(&to, &["-q"]).ok();
    Run::of(&mut at_home(&["logout", host])).ok();
    // Without a terminal nobody is asked.
    let mut alone = Command::new("setsid");
    let program = terrine();
    alone
        .arg("--wait")
        .arg(program.get_program())
        .args(["login", host]);
    let alone = Run::of(&mut shipment.at_home(alone));
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    assert!(
        alone.stderr.contains("`--password-stdin`"),
        "{}",
        alone.stderr
    );
}

#[test]
fn a_login_in_the_environment_is_told_to_count_more() {
    let Some(registry) = Registry::with_basic_auth() else {
        return;
    };
    let shipment = Shipment::small();
    let host = registry.host();
    let run = |variable: Option<&Value>, arguments: &[&str], input: &str| {
        let file = shipment.home().join("password");
        fs::write(&file, input).unwrap();
        let mut command = shipment.at_home(terrine());
        if let Some(value) = variable {
            command.env("DOCKER_AUTH_CONFIG", value.to_string());
        }
        command
            .args(arguments)
            .stdin(fs::File::open(&file).unwrap());
        Run::of(&mut command)
    };
    let says = |run: Run, code: i32, text: &str| {
        let stderr = &run.stderr;
        assert_eq!(run.code, Some(code), "{stderr}");
        assert!(stderr.contains(text), "{stderr}");
    };
    let variable = auth(host, &json!({"username": "other", "password": "x"}));
    let login = ["login", "--username", USER, "--password-stdin", host];
    let logout = ["logout", host];
    let digest = format!("docker://{host}/acme/web:1");
    says(
        run(Some(&variable), &login, PASSWORD),
        0,
        "are not used while `DOCKER_AUTH_CONFIG` has others",
    );
    says(
        run(Some(&variable), &["digest", &digest], ""),
        1,
        "correct the credentials in `DOCKER_AUTH_CONFIG`, or unset it",
    );
    says(
        run(Some(&variable), &logout, ""),
        0,
        "`DOCKER_AUTH_CONFIG` still has credentials",
    );
    says(
        run(Some(&variable), &logout, ""),
        1,
        "are in the variable `DOCKER_AUTH_CONFIG`",
    );
    says(
        run(Some(&variable), &["logout", "--all"], ""),
        0,
        "the credentials in `DOCKER_AUTH_CONFIG` remain",
    );
    // One for another registry hides nothing.
    let elsewhere = auth("elsewhere.example", &json!({"auth": "eDp5"}));
    let quiet = run(Some(&elsewhere), &login, PASSWORD).ok();
    assert!(!quiet.stderr.contains("DOCKER_AUTH"), "{}", quiet.stderr);
    run(Some(&elsewhere), &logout, "").ok();
    says(run(None, &logout, ""), 1, "there are no credentials");
}

#[test]
fn logins_are_given_on_the_command_line() {
    let (Some(registry), Some(other)) = (Registry::with_basic_auth(), Registry::with_basic_auth())
    else {
        return;
    };
    let shipment = Shipment::small();
    let (from, to) = (
        format!("docker://{}/acme/web:1", registry.host()),
        format!("docker://{}/acme/web:2", other.host()),
    );
    let run = |arguments: &[&str]| Run::of(shipment.at_home(terrine()).args(arguments));
    let file = shipment.home().join("logins.json");
    let file = file.to_str().unwrap();
    let creds = format!("{USER}:{PASSWORD}");
    shipment.build(&from, &["-q", "--creds", &creds]).ok();
    assert_eq!(run(&["copy", &from, &to]).code, Some(1));
    assert_eq!(
        run(&["copy", &from, &to, "--src-creds", &creds]).code,
        Some(1)
    );
    assert_eq!(
        run(&["copy", &from, &to, "--dest-creds", &creds]).code,
        Some(1)
    );
    let both = [
        "copy",
        &from,
        &to,
        "--src-creds",
        &creds,
        "--dest-creds",
        &creds,
    ];
    run(&both).ok();
    // A file of logins, which terrine and skopeo read and write.
    let login = |program: Command, host: &str| {
        let input = shipment.home().join("password");
        fs::write(&input, PASSWORD).unwrap();
        let mut command = shipment.at_home(program);
        let tls = if host == other.host() {
            "--tls-verify=false"
        } else {
            "--quiet"
        };
        command.args([
            "login",
            tls,
            "--authfile",
            file,
            "--username",
            USER,
            "--password-stdin",
            host,
        ]);
        Run::of(command.stdin(fs::File::open(&input).unwrap())).ok();
    };
    login(terrine(), registry.host());
    let Some(skopeo) = peer::find("skopeo") else {
        return;
    };
    login(Command::new(&skopeo), other.host());
    run(&["copy", &from, &to, "--authfile", file]).ok();
    let inspect = |reference: &str| {
        let arguments = [
            "inspect",
            "--tls-verify=false",
            "--authfile",
            file,
            reference,
        ];
        Run::of(shipment.at_home(Command::new(&skopeo)).args(arguments)).ok();
    };
    inspect(&from);
    inspect(&to);
    let text = fs::read_to_string(file).unwrap();
    let shown = run(&["login", "--get-login", "--authfile", file, other.host()]).ok();
    assert_eq!(shown.stdout, format!("{USER}\n").as_bytes(), "{text}");
}

#[test]
fn terrine_is_let_in_where_skopeo_is() {
    let (Some(registry), Some(skopeo)) = (Registry::start(), peer::find("skopeo")) else {
        return;
    };
    let shipment = Shipment::small();
    let to = format!("docker://{}/t/web:1", registry.host());
    shipment.build(&to, &["-q"]).ok();
    let login = json!({"auth": LOGIN});
    let open = || Tokens {
        anonymous_pull: true,
        ..Tokens::default()
    };
    let is_blob = |request: &Request| request.is("GET", "/blobs/");
    for (tokens, entry, fault, works) in [
        (Tokens::default(), login.clone(), None, true),
        (Tokens::default(), json!({"auth": WRONG}), None, false),
        (Tokens::default(), Value::Null, None, false),
        (open(), Value::Null, None, true),
        (open(), login.clone(), Some(Fault::Redirect), true),
        (Tokens::default(), login, Some(Fault::Redirect), true),
    ] {
        let proxy = Proxy::with_tokens(&registry, tokens);
        if let Some(fault) = fault.clone() {
            proxy.fault(is_blob, When::Always, fault);
        }
        let file = ".docker/config.json";
        credentials(&shipment, file, &auth(proxy.host(), &entry));
        let from = format!("docker://{}/t/web:1", proxy.host());
        let mut theirs = shipment.at_home(Command::new(&skopeo));
        theirs.args([
            "copy",
            "-q",
            "--src-tls-verify=false",
            &from,
            "oci:theirs:x",
        ]);
        let mut ours = shipment.at_home(terrine());
        ours.args([
            "copy",
            "-q",
            "--no-cache",
            "--retries",
            "0",
            &from,
            "oci:ours:x",
        ]);
        let runs = [theirs, ours].map(|mut command| Run::of(&mut command));
        let codes = runs.each_ref().map(|run| run.code == Some(0));
        assert_eq!(codes, [works; 2], "{entry} {fault:?} {runs:?}");
    }
}
