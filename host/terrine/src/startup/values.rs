//! Values of a configuration that no container engine takes, or that do not mean what they seem to.

use std::collections::BTreeSet;

use terrine_support::remark::Remark;

use super::config::Config;
use super::{Files, Look, MOUNTED, Resolved, health, resolve};
use crate::links::Walk;

/// Names of signals, without `SIG`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];
/// The largest number of a signal.
const MAX_SIGNAL: u32 = 64;
/// Directories that the kernel fills and in which none can be made, and some that it has there beside those of
/// processes.
const KERNEL: &[(&str, &[&str])] = &[
    (
        "/proc",
        &[
            "self",
            "thread-self",
            "sys",
            "net",
            "fs",
            "bus",
            "driver",
            "irq",
            "tty",
            "acpi",
            "scsi",
        ],
    ),
    (
        "/sys",
        &[
            "block",
            "bus",
            "class",
            "dev",
            "devices",
            "firmware",
            "fs",
            "hypervisor",
            "kernel",
            "module",
            "power",
        ],
    ),
];

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
    remarks.extend(directory(config, files));
    remarks.extend(config.exposed_ports.iter().filter_map(|port| exposed(port)));
    remarks.extend(config.volumes.iter().filter_map(|path| volume(path, files)));
    remarks.extend(stop_signal(&config.stop_signal));
    if let Some(health) = &config.health {
        remarks.extend(health::check(health, config, files));
    }
    remarks
}

fn nul(what: &str, text: &str) -> Option<Remark> {
    let shown = text.replace('\0', "\\0");
    let message = format!("`{shown}` has a NUL in it, which {what} cannot hold");
    text.contains('\0').then(|| Remark::warning(message))
}

fn variable(text: &str) -> Option<Remark> {
    let message = match text.split_once('=') {
        None => format!("`{text}` in `Env` has no `=`"),
        // Values may be secrets, and messages go to logs.
        Some(("", _)) => "a variable in `Env` has no name".to_owned(),
        Some((name, _)) if text.contains('\0') => {
            let name = name.replace('\0', "\\0");
            format!("`{name}` in `Env` has a NUL in it, which an environment variable cannot hold")
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

/// The directory that containers start in. One that is not there is made.
fn directory(config: &Config, files: &dyn Files) -> Option<Remark> {
    let directory = config.directory();
    if !directory.starts_with('/') {
        let message = format!("`WorkingDir` is `{directory}`, and has to be an absolute path");
        let meant = Walk::along(directory.as_bytes()).end();
        let meant = String::from_utf8_lossy(&meant);
        return Some(
            Remark::warning(message).hint(format!("write `/{}`", meant.trim_start_matches('/'))),
        );
    }
    if let Some(mounted) = cannot_be_made(directory) {
        let message =
            format!("`WorkingDir` is `{directory}`, and no directory can be made in `{mounted}`");
        return Some(Remark::warning(message).hint("name a directory of the image"));
    }
    let Obstacle { at, is, rest } = obstacle(files, directory)?;
    let is = is.told();
    let message = if rest {
        format!("`WorkingDir` is `{directory}`, and `{at}` is {is}")
    } else {
        format!("`WorkingDir` is `{directory}`, which is {is}")
    };
    Some(Remark::warning(message).hint("name a directory; one that is not in the image is made"))
}

/// Returns the directory that the kernel fills, where a path is below it and nothing known to be there.
fn cannot_be_made(path: &str) -> Option<&'static str> {
    let path = Walk::along(path.as_bytes()).end();
    let path = String::from_utf8(path).ok()?;
    let (mounted, names) = KERNEL
        .iter()
        .find(|(mounted, _)| is_below(&path, mounted))?;
    let below = &path[mounted.len() + 1..];
    let name = below.split('/').next().unwrap_or_default();
    let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
    (!is_process && !names.contains(&name)).then_some(*mounted)
}

fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Something on a path that keeps it from being a directory.
struct Obstacle<'p> {
    /// Where it is.
    at: &'p str,
    is: Is,
    /// Whether the path goes on from there.
    rest: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    File,
    /// A link to what is not there.
    Dangling,
    /// A link that leads back to itself.
    Loop,
}

impl Is {
    fn told(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Dangling => "a link that leads nowhere",
            Self::Loop => "a link that leads to itself",
        }
    }
}

/// The first obstacle on the way along an absolute path.
fn obstacle<'p>(files: &dyn Files, path: &'p str) -> Option<Obstacle<'p>> {
    let plain = path.trim_end_matches('/');
    let ends = plain.match_indices('/').map(|(end, _)| end).skip(1);
    ends.chain([plain.len()]).find_map(|end| {
        let at = &plain[..end];
        let is = match resolve(files, at.as_bytes()) {
            Resolved::File { .. } => Is::File,
            Resolved::Nothing(led) if is_link(files, at) => led.map_or(Is::Loop, |_| Is::Dangling),
            _ => return None,
        };
        let rest = end < plain.len();
        Some(Obstacle { at, is, rest })
    })
}

/// Says whether the last name on a path is that of a link.
fn is_link(files: &dyn Files, path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or_default();
    let mut walk = Walk::along(directory.as_bytes());
    while let Some(at) = walk.step() {
        if let Look::Link(target) = files.look(at)
            && walk.follow(&target).is_none()
        {
            return false;
        }
    }
    let at = [&walk.end()[..], b"/", name.as_bytes()].concat();
    matches!(files.look(&at), Look::Link(_))
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
    let message = format!("`{text}` in `ExposedPorts` is no port");
    let hint = "write a number between 1 and 65535, and `/tcp`, `/udp` or `/sctp`";
    (!is_protocol || !is_range).then(|| Remark::warning(message).hint(hint))
}

fn volume(path: &str, files: &dyn Files) -> Option<Remark> {
    if Walk::along(path.as_bytes()).end().is_empty() {
        let message = format!("`{path}` in `Volumes` would take the place of the whole image");
        return Some(Remark::warning(message).hint("name the directory that holds the data"));
    }
    let absolute = format!("/{}", path.trim_start_matches('/'));
    if let Some(mounted) = takes_over(&absolute) {
        let message = format!(
            "`{path}` in `Volumes` would take the place of what every container has in `{mounted}`"
        );
        return Some(Remark::warning(message).hint("name the directory that holds the data"));
    }
    // Engines make what a link leads to.
    let found = obstacle(files, &absolute).filter(|found| found.is != Is::Dangling);
    let Obstacle { at, is, rest } = found?;
    let is = is.told();
    let message = if rest {
        format!("`{path}` in `Volumes` cannot be made: `{at}` is {is}")
    } else {
        format!("`{path}` in `Volumes` is {is}, and a volume is a directory")
    };
    Some(Remark::warning(message).hint("name a directory; one that is not in the image is made"))
}

/// Returns the directory of every container that a volume at a path hides, or a part of it that engines refuse.
fn takes_over(path: &str) -> Option<&'static str> {
    let path = String::from_utf8(Walk::along(path.as_bytes()).end()).ok()?;
    let is_over =
        |mounted: &&&str| path == **mounted || (**mounted == "/proc" && is_below(&path, mounted));
    MOUNTED.iter().find(is_over).copied()
}

fn stop_signal(text: &str) -> Option<Remark> {
    let message = format!("`StopSignal` is `{text}`, which is no signal");
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

    const FILES: &[&str] = &[
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
                    "`A` in `Env` has a NUL in it, which an environment variable cannot hold",
                ),
            ],
        );
        holds(
            "Cmd",
            &[],
            &[(
                r#"["a\u0000"]"#,
                "`a\\0` has a NUL in it, which a command cannot hold",
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
    fn a_relative_directory_is_shown_as_it_is_meant() {
        for (directory, meant) in [
            ("srv", "/srv"),
            ("./srv/", "/srv"),
            (".", "/"),
            ("../a/../srv", "/srv"),
        ] {
            let config = Config {
                working_dir: directory.to_owned(),
                ..Config::default()
            };
            let hint = super::directory(&config, &Tree::of(FILES)).unwrap().hint;
            assert_eq!(hint.unwrap(), format!("write `{meant}`"));
        }
    }

    #[test]
    fn working_directories_are_absolute_and_no_files() {
        holds(
            "WorkingDir",
            &[
                r#""""#,
                r#""/""#,
                r#""/srv""#,
                r#""/new/x""#,
                r#""/bin/../etc""#,
                r#""/alias""#,
                r#""/alias/new""#,
                r#""/proc""#,
                r#""/proc/self/fd""#,
                r#""/proc/1""#,
                r#""/sys/kernel""#,
                r#""/dev/x""#,
            ],
            &[
                (
                    r#""/wd""#,
                    "`WorkingDir` is `/wd`, which is a link that leads nowhere",
                ),
                (
                    r#""/wd/x""#,
                    "`WorkingDir` is `/wd/x`, and `/wd` is a link that leads nowhere",
                ),
                (
                    r#""/alias/gone""#,
                    "`WorkingDir` is `/alias/gone`, which is a link that leads nowhere",
                ),
                (
                    r#""/round/x""#,
                    "`WorkingDir` is `/round/x`, and `/round` is a link that leads to itself",
                ),
                (
                    r#""/proc/x/y""#,
                    "`WorkingDir` is `/proc/x/y`, and no directory can be made in `/proc`",
                ),
                (
                    r#""/srv/../sys/x""#,
                    "`WorkingDir` is `/srv/../sys/x`, and no directory can be made in `/sys`",
                ),
                (
                    r#""srv""#,
                    "`WorkingDir` is `srv`, and has to be an absolute path",
                ),
                (
                    r#""./srv""#,
                    "`WorkingDir` is `./srv`, and has to be an absolute path",
                ),
                (
                    r#""/etc/file""#,
                    "`WorkingDir` is `/etc/file`, which is a file",
                ),
                (
                    r#""/bin/link/""#,
                    "`WorkingDir` is `/bin/link/`, which is a file",
                ),
                (
                    r#""/etc/file/x""#,
                    "`WorkingDir` is `/etc/file/x`, and `/etc/file` is a file",
                ),
            ],
        );
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
                [format!("`{port}` in `ExposedPorts` is no port")]
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

    /// What podman 4.3 takes, and what it does not. Docker falls back to another signal.
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

    #[test]
    fn volumes_are_directories() {
        holds(
            "Volumes",
            &[
                r#"{"/data": {}}"#,
                r#"{"data": {}}"#,
                r#"{"/srv": {}}"#,
                r#"{"/a/../b": {}}"#,
                r#"{"/wd": {}}"#,
                r#"{"/dev/shm": {}}"#,
                r#"{"/sys/fs/cgroup": {}}"#,
            ],
            &[
                (
                    r#"{"/proc": {}}"#,
                    "`/proc` in `Volumes` would take the place of what every container has in `/proc`",
                ),
                (
                    r#"{"/proc/x": {}}"#,
                    "`/proc/x` in `Volumes` would take the place of what every container has in `/proc`",
                ),
                (
                    r#"{"dev/": {}}"#,
                    "`dev/` in `Volumes` would take the place of what every container has in `/dev`",
                ),
                (
                    r#"{"/round": {}}"#,
                    "`/round` in `Volumes` is a link that leads to itself, and a volume is a directory",
                ),
                (
                    r#"{"/": {}}"#,
                    "`/` in `Volumes` would take the place of the whole image",
                ),
                (
                    r#"{"/a/../..": {}}"#,
                    "`/a/../..` in `Volumes` would take the place of the whole image",
                ),
                (
                    r#"{"": {}}"#,
                    "`` in `Volumes` would take the place of the whole image",
                ),
                (
                    r#"{"/etc/file": {}}"#,
                    "`/etc/file` in `Volumes` is a file, and a volume is a directory",
                ),
                (
                    r#"{"/etc/file/x": {}}"#,
                    "`/etc/file/x` in `Volumes` cannot be made: `/etc/file` is a file",
                ),
            ],
        );
    }
}
