//! Values of a configuration that no container engine takes, or that do not mean what they seem to.

use std::collections::BTreeSet;

use terrine_support::remark::Remark;

use super::config::Config;
use super::{Files, directories, health};

/// Names of signals, without `SIG`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];
/// The largest number of a signal.
const MAX_SIGNAL: u32 = 64;
/// Checks what has nothing to do with the command and the user.
pub(super) fn check(config: &Config, files: &dyn Files) -> Vec<Remark> {
    let words = config.entrypoint.iter().chain(&config.cmd);
    let mut remarks: Vec<Remark> = words
        .filter_map(|word| nul("a command", word))
        .take(1)
        .collect();
    remarks.extend(
        config
            .env
            .iter()
            .filter_map(|variable| self::variable(variable)),
    );
    remarks.extend(directories::working(config, files));
    remarks.extend(config.exposed_ports.iter().filter_map(|port| exposed(port)));
    let volumes = config.volumes.iter();
    remarks.extend(volumes.filter_map(|path| directories::volume(path, files)));
    remarks.extend(stop_signal(&config.stop_signal));
    if let Some(health) = &config.health {
        remarks.extend(health::check(health, config, files));
    }
    remarks
}

fn nul(what: &str, text: &str) -> Option<Remark> {
    let shown = text.replace('\0', "\\0");
    let message = format!("`{shown}` contains a NUL, which {what} cannot contain");
    text.contains('\0').then(|| Remark::warning(message))
}

fn variable(text: &str) -> Option<Remark> {
    let message = match text.split_once('=') {
        None => format!("`{text}` in `Env` has no `=`"),
        // Values may be secrets, and messages go to logs.
        Some(("", _)) => "a variable in `Env` has no name".to_owned(),
        Some((name, _)) if text.contains('\0') => {
            let name = name.replace('\0', "\\0");
            format!(
                "`{name}` in `Env` contains a NUL, which an environment variable cannot contain"
            )
        }
        Some(_) => return None,
    };
    Some(Remark::warning(message).hint("write each variable as `NAME=value`"))
}

/// Warns of variables that are set to several values, without showing these: they may be secrets.
pub fn repeated(env: &[String]) -> Vec<Remark> {
    let pairs = || env.iter().filter_map(|variable| variable.split_once('='));
    let mut seen = BTreeSet::new();
    let mut remarks = vec![];
    for (name, value) in pairs().filter(|(name, _)| !name.is_empty()) {
        let is_another = |(other, of_other): (&str, &str)| other == name && of_other != value;
        if seen.insert(name) && pairs().any(is_another) {
            let message = format!("`Env` sets `{name}` to several values, and the last one counts");
            remarks.push(Remark::warning(message).hint("leave out those that are not meant"));
        }
    }
    remarks
}

/// A port as `80`, `80/tcp` or `8000-8010/udp`.
fn exposed(text: &str) -> Option<Remark> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let is_protocol = ["", "tcp", "udp", "sctp"].contains(&&*protocol.to_ascii_lowercase());
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|&port| digits && port > 0)
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let is_range = number(first)
        .zip(number(last))
        .is_some_and(|(first, last)| first <= last);
    let message = format!("`{text}` in `ExposedPorts` is not a port");
    let hint = "write a number between 1 and 65535, and `/tcp`, `/udp` or `/sctp`";
    (!is_protocol || !is_range).then(|| Remark::warning(message).hint(hint))
}

fn stop_signal(text: &str) -> Option<Remark> {
    let message = format!("`StopSignal` is `{text}`, which is not a signal");
    let hint = "write a name such as `SIGTERM`, or a number between 1 and 64";
    (!text.is_empty() && !is_signal(text)).then(|| Remark::warning(message).hint(hint))
}

fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u32>() {
        return (1..=MAX_SIGNAL).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |text: &str, most: u32| text.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n));
    match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(more), _) => offset(more, 15),
        (_, Some(less)) => offset(less, 14),
        (None, None) => SIGNALS.contains(&name),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::testing::Tree;
    use super::*;

    pub(in super::super) const FILES: &[&str] = &[
        "/etc/file",
        "/bin/check*=\x7fELF",
        "/bin/link -> /etc/file",
        "/srv/",
        "/wd -> /nowhere",
        "/alias -> srv",
        "/srv/gone -> not/there",
        "/round -> round",
    ];

    fn messages(config: &str) -> Vec<String> {
        let remarks = check(&Config::read(config), &Tree::of(FILES));
        assert!(
            remarks
                .iter()
                .all(|remark| remark.hint.is_some() || remark.message.contains("NUL"))
        );
        remarks.into_iter().map(|remark| remark.message).collect()
    }

    /// Values of a field that are taken, and the messages about those that are not.
    pub(in super::super) fn holds(field: &str, fine: &[&str], wrong: &[(&str, &str)]) {
        for value in fine {
            let config = format!(r#"{{"{field}": {value}}}"#);
            assert_eq!(messages(&config), Vec::<String>::new(), "{config}");
        }
        for (value, message) in wrong {
            let config = format!(r#"{{"{field}": {value}}}"#);
            assert_eq!(messages(&config), [*message], "{config}");
        }
    }

    #[test]
    fn variables_have_names_and_values() {
        holds(
            "Env",
            &[
                "[]",
                r#"["A=b"]"#,
                r#"["A="]"#,
                r#"["A B=c"]"#,
                r#"["A=b=c"]"#,
                "null",
                "7",
            ],
            &[
                (r#"["FOO"]"#, "`FOO` in `Env` has no `=`"),
                (r#"[""]"#, "`` in `Env` has no `=`"),
                (r#"["A=b", "=x"]"#, "a variable in `Env` has no name"),
                (
                    r#"["A=\u0000"]"#,
                    "`A` in `Env` contains a NUL, which an environment variable cannot contain",
                ),
            ],
        );
        holds(
            "Cmd",
            &[],
            &[(
                r#"["a\u0000"]"#,
                "`a\\0` contains a NUL, which a command cannot contain",
            )],
        );
    }

    #[test]
    fn variables_that_are_set_twice_are_told() {
        let said = |env: &[&str]| {
            let env: Vec<String> = env.iter().map(|variable| (*variable).to_owned()).collect();
            let remarks = repeated(&env);
            assert!(remarks.iter().all(|remark| remark.hint.is_some()));
            let messages: Vec<String> = remarks.into_iter().map(|remark| remark.message).collect();
            messages.join("; ")
        };
        for (env, expected) in [
            (&["A=1", "B=1", "AB=2", "a=2"][..], ""),
            (&["A=1", "A=1"], ""),
            (&["=1", "=2", "A", "A"], ""),
            (
                &["A=1", "B=", "A=2"],
                "`Env` sets `A` to several values, and the last one counts",
            ),
            (
                &["B=", "A=1", "A=2", "B=1", "A=1"],
                "`Env` sets `B` to several values, and the last one counts; \
                 `Env` sets `A` to several values, and the last one counts",
            ),
        ] {
            assert_eq!(said(env), expected, "{env:?}");
        }
    }

    #[test]
    fn ports_are_numbers_with_a_protocol() {
        let wrong = [
            "70000/tcp",
            "0/tcp",
            "http",
            "-1/tcp",
            "",
            "/tcp",
            "8080:80",
            "90-80/tcp",
            "80/foo",
            "+80",
            "80/tcp/x",
        ];
        for port in wrong {
            let config = format!(r#"{{"ExposedPorts": {{"{port}": {{}}}}}}"#);
            assert_eq!(
                messages(&config),
                [format!("`{port}` in `ExposedPorts` is not a port")]
            );
        }
        for port in [
            "80",
            "80/tcp",
            "80/TCP",
            "53/udp",
            "9/sctp",
            "80/",
            "8000-8010/tcp",
            "65535",
        ] {
            let config = format!(r#"{{"ExposedPorts": {{"{port}": {{}}}}}}"#);
            assert_eq!(messages(&config), Vec::<String>::new(), "{port}");
        }
    }

    /// Signals that podman 4.3 takes, and some that it does not. Docker falls back to another
    /// signal.
    #[test]
    fn signals_have_names_or_numbers() {
        for signal in [
            "SIGTERM",
            "TERM",
            "term",
            "sigterm",
            "15",
            "1",
            "64",
            "RTMIN+3",
            "SIGRTMIN+15",
            "SIGRTMAX-14",
            "SIGCLD",
            "SIGSTKFLT",
            "SIGIOT",
            "",
        ] {
            assert_eq!(stop_signal(signal), None, "{signal}");
        }
        for signal in [
            "0",
            "65",
            "-1",
            "SIGFOO",
            "foo",
            " TERM",
            "9x",
            "SIGEMT",
            "SIGUNUSED",
            "RTMIN+40",
            "SIGRTMIN+16",
            "SIGRTMAX-15",
        ] {
            assert!(stop_signal(signal).is_some(), "{signal}");
        }
    }
}
