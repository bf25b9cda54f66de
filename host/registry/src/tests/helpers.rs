//! Programs that keep credentials, and what they must not do.

use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::super::credentials::{CredentialsError, Secret};
use super::super::testing::{Server, step};
use super::super::{Client, ClientOptions, Credentials, Logins, UserPassword, group};
use super::{GET, chain, helper, image, index, options};
use terrine_support::hint::Hint;

/// A helper's answer.
const GOOD: &str = r#"echo '{"Username":"u","Secret":"p"}'"#;
/// Long enough for everything that ends by itself.
const LONG: Duration = Duration::from_secs(60);

/// A folder with `config.json`, in which the helper `x` is for every registry, and `y` for `y.b`.
fn folder(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"credHelpers":{"y.b":"y"},"credsStore":"x"}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    // Where the helper writes what it has to tell the test.
    let place = folder.path().display();
    helper(folder.path(), "x", &format!("cd '{place}'\n{script}"));
    helper(folder.path(), "y", GOOD);
    folder
}

fn credentials(folder: &TempDir, limit: Duration) -> Credentials {
    Credentials::new(vec![folder.path().join("config.json")])
        .with_helpers_in(folder.path().to_owned())
        .with_helper_limit(limit)
}

/// Asks a helper, and says how long it took.
fn ask(
    folder: &TempDir,
    limit: Duration,
    registry: &str,
) -> (Result<Option<Secret>, CredentialsError>, Duration) {
    let start = Instant::now();
    let found = credentials(folder, limit).find(registry, "x");
    (
        found.map(|login| login.map(|login| login.secret)),
        start.elapsed(),
    )
}

fn password() -> Option<Secret> {
    Some(Secret::Password {
        user: "u".to_owned(),
        password: "p".to_owned(),
    })
}

/// Says whether there is a process, zombies included. Its number is in a file.
fn runs(folder: &TempDir, file: &str) -> bool {
    // One that did not come that far does not run.
    let number = std::fs::read_to_string(folder.path().join(file)).unwrap_or_default();
    let Ok(number) = number.trim().parse() else {
        return false;
    };
    let process = rustix::process::Pid::from_raw(number).unwrap();
    rustix::process::test_kill_process(process).is_ok()
}

/// Waits until a process is gone: who killed it does not wait for one that is not its child.
fn ends(folder: &TempDir, file: &str) -> bool {
    (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !runs(folder, file)
    })
}

#[test]
fn a_helper_that_does_not_end_is_ended() {
    for script in [
        "echo $$ >pid; exec sleep 1000",
        // It has said all that it has to say.
        &format!("echo $$ >pid; {GOOD}; exec sleep 1000"),
        // It does not read, and wants to live.
        "echo $$ >pid; trap '' TERM INT HUP; exec <&-; while :; do sleep 1; done",
        "echo $$ >pid; exec >&- 2>&-; exec sleep 1000",
    ] {
        let folder = folder(script);
        let (found, took) = ask(&folder, Duration::from_millis(300), "a.b");
        let error = found.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the credential helper `docker-credential-x` returned no credentials: it did not end within 0.3 s",
            "{script}"
        );
        assert_eq!(
            error.hint().unwrap(),
            "run `echo a.b | docker-credential-x get` to see what it waits for; it prints the password"
        );
        assert!(took < LONG, "{script}: {took:?}");
        assert!(!runs(&folder, "pid"), "{script}");
    }
}

#[test]
fn the_name_of_a_server_is_shown_without_a_login() {
    let waits = folder("exec sleep 1000");
    let limit = Duration::from_millis(300);
    let error = ask(&waits, limit, "user:s3cret@a.b").0.unwrap_err();
    assert!(
        error
            .hint()
            .unwrap()
            .starts_with("run `echo …@a.b | docker"),
        "{error:?}"
    );
}

#[test]
fn a_helper_that_says_too_much_is_ended() {
    let folder = folder("echo $$ >pid; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    let (found, took) = ask(&folder, 2 * LONG, "a.b");
    assert_eq!(
        found.unwrap_err().to_string(),
        "the credential helper `docker-credential-x` failed: its answer has more than 65536 bytes"
    );
    assert!(took < LONG, "{took:?}");
    assert!(!runs(&folder, "pid"));
}

#[test]
fn what_a_helper_says_besides_is_read_and_dropped() {
    // More than a pipe holds.
    let noise = "head -c 1000000 /dev/zero | tr '\\0' x >&2";
    let folder = folder(&format!("{noise}; {GOOD}"));
    assert_eq!(ask(&folder, LONG, "a.b").0.unwrap(), password());
    let failing = self::folder(&format!("echo 'is locked' >&2; {noise}; exit 1"));
    let error = ask(&failing, LONG, "a.b").0.unwrap_err().to_string();
    assert!(
        error.contains("failed: is locked xxxx") && error.len() < 400,
        "{error}"
    );
    // Without an end it is no reason to wait longer.
    let endless = self::folder("while :; do echo x >&2; done");
    let error = ask(&endless, Duration::from_millis(300), "a.b")
        .0
        .unwrap_err();
    assert!(
        error.to_string().ends_with("did not end within 0.3 s"),
        "{error}"
    );
}

#[test]
fn a_helper_that_fails_shows_no_secret() {
    let failed = "the credential helper `docker-credential-x` failed: ";
    for (script, expected) in [
        (
            r#"echo '{"ServerURL":"a.b","Secret":"s3cret"}'"#,
            "it ended with exit status: 1",
        ),
        (
            r#"echo 'debug: {"secret": "s3cret"' >&2"#,
            "it ended with exit status: 1",
        ),
        (
            r#"printf '\357\273\277{"password":"s3cret"}'"#,
            "it ended with exit status: 1",
        ),
        (
            r#"echo '{"Secret":"s3cret"}'; echo 'is locked' >&2"#,
            "is locked",
        ),
        (
            r#"echo '{"error":"the session has ended"}'"#,
            r#"{"error":"the session has ended"}"#,
        ),
        (
            "echo 'no secret service is running'",
            "no secret service is running",
        ),
    ] {
        let folder = folder(&format!("{script}; exit 1"));
        let error = ask(&folder, LONG, "a.b").0.unwrap_err().to_string();
        assert_eq!(error, format!("{failed}{expected}"), "{script}");
    }
    // One that says that there is nothing is believed, whatever else it says.
    let script =
        r#"echo '{"Secret":""}' >&2; echo 'credentials not found in native keychain'; exit 1"#;
    assert_eq!(ask(&folder(script), LONG, "a.b").0.unwrap(), None);
    // What is to be kept: as it is, and as it is written.
    let login = UserPassword {
        user: "user".to_owned(),
        password: r#"s3"cret"#.to_owned(),
    };
    for (script, expected) in [
        ("cat >&2", "it ended with exit status: 1"),
        (
            r#"echo 'cannot keep s3"cret'"#,
            "it ended with exit status: 1",
        ),
        (
            r#"sed 's/.*"Secret":\(.*\)./bad value: \1/'"#,
            "it ended with exit status: 1",
        ),
        ("echo 'cannot keep it for user'", "cannot keep it for user"),
    ] {
        let folder = folder(&format!("{script}; exit 1"));
        let logins = Logins::new(vec![folder.path().join("config.json")])
            .with_helpers_in(folder.path().to_owned());
        let error = logins.store(&"a.b".parse().unwrap(), &login).unwrap_err();
        assert_eq!(error.to_string(), format!("{failed}{expected}"), "{script}");
    }
}

#[test]
fn what_a_helper_leaves_behind_is_ended_and_not_waited_for() {
    // It holds the pipes.
    let script = format!("sleep 1000 & echo $! >pid; {GOOD}");
    let in_group = folder(&script);
    let (found, took) = ask(&in_group, 2 * LONG, "a.b");
    assert_eq!(found.unwrap(), password());
    assert!(took < LONG, "{took:?}");
    assert!(ends(&in_group, "pid"));
    // One that is in a session of its own is left alone, and not waited for either.
    let script = format!("setsid sleep 20 & echo $! >pid; sleep 0.3; {GOOD}");
    let (found, took) = ask(&folder(&script), 2 * LONG, "a.b");
    assert_eq!(found.unwrap(), password());
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn the_name_of_a_server_may_be_longer_than_a_pipe() {
    let registry = "a".repeat(1 << 20);
    // One that reads it, and ones that do not.
    let reads = r#"[ $(wc -c) = 1048576 ] && "#;
    for script in [
        &*format!("{reads}{GOOD}"),
        GOOD,
        &format!("exec <&-; {GOOD}"),
    ] {
        let (found, _) = ask(&folder(script), LONG, &registry);
        assert_eq!(found.unwrap(), password(), "{script}");
    }
    let (found, _) = ask(
        &folder("exec sleep 1000"),
        Duration::from_millis(300),
        &registry,
    );
    assert!(
        matches!(found, Err(CredentialsError::Waits { .. })),
        "{found:?}"
    );
}

#[test]
fn a_helper_that_is_stopped_for_the_terminal_is_ended() {
    // As the system does it with one that reads from a terminal in the background.
    let folder = folder("echo $$ >pid; kill -TTIN $$; sleep 1000");
    let (found, took) = ask(&folder, 2 * LONG, "a.b");
    let error = found.unwrap_err();
    assert!(
        error.to_string().ends_with(
            "returned no credentials: it tried to use the terminal, which is not available to it"
        ),
        "{error}"
    );
    assert!(took < LONG, "{took:?}");
    assert!(!runs(&folder, "pid"));
}

#[test]
fn a_helper_is_asked_once_for_all_repositories_of_a_registry() {
    for (script, good) in [(GOOD, true), ("exit 1", false)] {
        let folder = folder(&format!("echo x >>asked; sleep 0.3; {script}"));
        let credentials = credentials(&folder, LONG);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let credentials = &credentials;
                scope.spawn(move || {
                    let found = credentials.find("a.b", &format!("x/{}", number % 3));
                    assert_eq!(found.is_ok(), good, "{found:?}");
                });
            }
        });
        assert_eq!(credentials.find("a.b", "more").is_ok(), good);
        assert_eq!(asked(folder.path()), 1);
        assert_eq!(credentials.find("c.d", "more").is_ok(), good);
        assert_eq!(asked(folder.path()), 2);
    }
}

fn asked(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("asked"))
        .unwrap()
        .lines()
        .count()
}

#[test]
fn a_helper_does_not_hold_up_other_registries() {
    let folder = folder(
        "until [ -e go ]; do sleep 0.01; done; echo '{\"Username\":\"u\",\"Secret\":\"p\"}'",
    );
    let credentials = credentials(&folder, LONG);
    let order = Mutex::new(vec![]);
    std::thread::scope(|scope| {
        let find = |registry| {
            let found = credentials.find(registry, "x").unwrap();
            order.lock().unwrap().push(registry);
            assert_eq!(found.map(|login| login.secret), password());
        };
        scope.spawn(move || find("a.b"));
        // It has begun, as far as that can be seen.
        std::thread::sleep(Duration::from_millis(200));
        find("y.b");
        std::fs::write(folder.path().join("go"), "").unwrap();
    });
    assert_eq!(order.into_inner().unwrap(), ["y.b", "a.b"]);
}

#[test]
fn a_client_goes_on_with_one_registry_while_another_waits_for_a_helper() {
    let servers = [Server::bind(), Server::bind()];
    let of = servers.each_ref().map(image);
    let folder = folder(
        "until [ -e go ]; do sleep 0.01; done; echo '{\"Username\":\"u\",\"Secret\":\"p\"}'",
    );
    let config = format!(
        r#"{{"credHelpers":{{"{}":"x","{}":"y"}}}}"#,
        servers[0].address, servers[1].address
    );
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let running = servers.map(|server| {
        let refused = step(GET)
            .status(401)
            .header("www-authenticate", "Basic realm=\"x\"");
        server.run(vec![refused, index(GET)])
    });
    let client = Client::new(ClientOptions {
        credentials: credentials(&folder, LONG),
        ..options()
    });
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| client.document(&of[0]));
        std::thread::sleep(Duration::from_millis(200));
        client.document(&of[1]).unwrap();
        assert!(!slow.is_finished());
        std::fs::write(folder.path().join("go"), "").unwrap();
        slow.join().unwrap().unwrap();
    });
    for running in running {
        assert_eq!(running.seen().len(), 2);
    }
}

#[test]
fn a_request_fails_with_the_helper() {
    let server = Server::bind();
    let of = image(&server);
    let folder = folder("exec sleep 1000");
    let refused = step(GET)
        .status(401)
        .header("www-authenticate", "Basic realm=\"x\"");
    let running = server.run(vec![refused]);
    let client = Client::new(ClientOptions {
        credentials: credentials(&folder, Duration::from_millis(300)),
        ..options()
    });
    let error = client.document(&of).unwrap_err();
    assert!(
        chain(&error).ends_with(": it did not end within 0.3 s"),
        "{}",
        chain(&error)
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains(" | docker-credential-x get`"),
        "{error:?}"
    );
    running.seen();
}

#[test]
fn helpers_end_with_a_process_that_is_interrupted() {
    const FOLDER: &str = "TERRINE_TEST_HELPERS";
    let Some(place) = std::env::var_os(FOLDER) else {
        let folder = folder("sleep 1000 & echo $! >pid; wait");
        let name = "tests::helpers::helpers_end_with_a_process_that_is_interrupted";
        let program = std::env::current_exe().unwrap();
        let start = Instant::now();
        let started = {
            // See `helper`.
            let _none_is_written = group::lock();
            std::process::Command::new(program)
                .args(["--exact", name])
                .env(FOLDER, folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let run = started.wait_with_output().unwrap();
        assert!(run.status.success(), "{run:?}");
        assert!(start.elapsed() < LONG);
        assert!(folder.path().join("pid").exists() && ends(&folder, "pid"));
        return;
    };
    let place = std::path::PathBuf::from(place);
    let credentials = Credentials::new(vec![place.join("config.json")])
        .with_helpers_in(place.clone())
        .with_helper_limit(2 * LONG);
    std::thread::spawn(move || credentials.find("a.b", "x"));
    while !place.join("pid").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    super::super::end_helpers();
}
