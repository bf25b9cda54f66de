//! The command that containers run.

use terrine_support::remark::Remark;

use super::config::Config;
use super::{Files, Interpreters, Resolved, by_env, permitted, program, resolve};

/// The directories in which container engines look for commands in an image that has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Checks the command of an image, and that of its health check.
pub(super) fn check(
    config: &Config,
    files: &dyn Files,
    interpreters: Interpreters,
) -> Option<Remark> {
    let (field, words) = match config.entrypoint.as_slice() {
        [] => ("Cmd", &config.cmd),
        _ => ("Entrypoint", &config.entrypoint),
    };
    let word = words.first()?;
    if word.is_empty() {
        let message = format!("the first word of `{field}` is empty, so it names no program");
        let hint = format!("begin `{field}` with a program, or leave it out");
        return Some(Remark::warning(message).hint(hint));
    }
    let role = format!("the command `{word}`");
    let found = match find(config, files, word) {
        Found::Program(path) => {
            return program::check(config, files, &path, &role, interpreters)
                .or_else(|| by_env::check(config, files, &path, &role, interpreters))
                .or_else(|| permitted::check(config, files, &path, &role));
        }
        Found::Unknown if is_surely_a_line(word) => None,
        found => Some(complaint(&found, &role)?),
    };
    if word.trim().contains(char::is_whitespace) {
        let message =
            format!("the first word of `{field}` is `{word}`, which is not the name of a program");
        return Some(Remark::warning(message).hint(as_list(words)));
    }
    found.map(|remark| match remark.hint {
        Some(_) => remark,
        None => {
            let how = match word.as_str() {
                "/bin/sh" => "add a shell with `binSh`",
                "/usr/bin/env" => "add `env` with `usrBinEnv`",
                _ => "add it to the image by `contents`",
            };
            remark.hint(format!("{how}, or correct `{field}`"))
        }
    })
}

/// Looks for the program of a health check.
pub(super) fn check_health(config: &Config, files: &dyn Files, word: &str) -> Option<Remark> {
    let role = format!("the program `{word}` of `Healthcheck`");
    let remark = match find(config, files, word) {
        Found::Program(_) => return None,
        found => complaint(&found, &role)?,
    };
    Some(match remark.hint {
        Some(_) => remark,
        None => remark.hint("add it to the image by `contents`, or correct `Healthcheck`"),
    })
}

/// The result of looking for a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A program, at this path without links.
    Program(Vec<u8>),
    /// A place that is not known.
    Unknown,
    /// A directory.
    Directory,
    /// A file that no user may run.
    NotExecutable,
    /// Nothing; if links lead there, this is the path that they lead to.
    Nothing(Option<Vec<u8>>),
    /// Nothing in any directory of `PATH`, which has this value.
    NotInPath(String),
}

/// Finds a command as container engines do: by its path where it has a slash, else by `PATH`.
pub(super) fn find(config: &Config, files: &dyn Files, word: &str) -> Found {
    if word.contains('/') {
        return match resolve(files, &absolute(config.directory(), word)) {
            Resolved::File {
                path,
                executable: true,
            } => Found::Program(path),
            Resolved::File { .. } => Found::NotExecutable,
            Resolved::Directory => Found::Directory,
            Resolved::Unknown => Found::Unknown,
            Resolved::Nothing(path) => Found::Nothing(path),
        };
    }
    let path = path(config);
    let (mut unknown, mut not_executable) = (false, false);
    for directory in path.split(':').filter(|_| !path.is_empty()) {
        // An empty one is the directory that the program starts in.
        let place = absolute(if directory.is_empty() { "." } else { directory }, word);
        match resolve(files, &absolute(config.directory(), place)) {
            // Some engines run what is found relative to the directory that they start in.
            Resolved::File { .. } if !directory.starts_with('/') => unknown = true,
            Resolved::File {
                path,
                executable: true,
            } if !unknown => return Found::Program(path),
            Resolved::File {
                executable: true, ..
            }
            | Resolved::Unknown => unknown = true,
            Resolved::File { .. } => not_executable = true,
            Resolved::Directory | Resolved::Nothing(_) => {}
        }
    }
    match (unknown, not_executable) {
        (true, _) => Found::Unknown,
        (false, true) => Found::NotExecutable,
        (false, false) => Found::NotInPath(path.to_owned()),
    }
}

/// Returns the directories in which commands are looked for. Of several `PATH` variables, the last
/// one counts.
fn path(config: &Config) -> &str {
    let paths = config.env.iter().rev();
    paths
        .filter_map(|variable| variable.strip_prefix("PATH="))
        .next()
        .unwrap_or(DEFAULT_PATH)
}

/// A path that starts in a directory unless it is absolute.
pub(super) fn absolute(directory: &str, path: impl AsRef<[u8]>) -> Vec<u8> {
    match path.as_ref() {
        path @ [b'/', ..] => path.to_vec(),
        path => [directory.as_bytes(), b"/", path].concat(),
    }
}

/// Returns the warning about a command, if anything is wrong with it.
fn complaint(found: &Found, role: &str) -> Option<Remark> {
    Some(match found {
        Found::Program(_) | Found::Unknown => return None,
        Found::Directory => Remark::warning(format!("{role} is a directory")),
        Found::NotExecutable => Remark::warning(format!("{role} is not executable"))
            .hint("make the file executable, or give it a `mode` in `permissions`"),
        Found::Nothing(Some(path)) => {
            let missing = String::from_utf8_lossy(path);
            Remark::warning(format!(
                "{role} leads to `{missing}`, which is not in the image"
            ))
        }
        Found::Nothing(None) => Remark::warning(format!("{role} is not in the image")),
        Found::NotInPath(path) => {
            let message =
                format!("{role} is not in the image: it is in no directory of PATH (`{path}`)");
            Remark::warning(message)
                .hint("add it to the image by `contents`, write its absolute path, or set `PATH` in `Env`")
        }
    })
}

/// Reports whether a word with blanks is a line for a shell, whatever files exist: it has options,
/// or its first word is looked for in `PATH`.
fn is_surely_a_line(word: &str) -> bool {
    let mut words = word.split_whitespace();
    let first = words.next().unwrap_or_default();
    let mut rest = words.peekable();
    rest.peek().is_some() && (!first.contains('/') || rest.any(|word| word.starts_with('-')))
}

/// Returns the hint about what to write in the place of a line.
fn as_list(words: &[String]) -> String {
    let (line, rest) = (&words[0], &words[1..]);
    if line.contains(['"', '\'', '\\', '$', '|', '&', ';', '<', '>']) {
        return "write each word as an item of its own, or run the line with a shell: `[\"/bin/sh\", \"-c\", …]`".to_owned();
    }
    let words: Vec<String> = line
        .split_whitespace()
        .chain(rest.iter().map(String::as_str))
        .map(|word| format!("\"{}\"", word.escape_default()))
        .collect();
    format!(
        "write each word as an item of its own: `[{}]`",
        words.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    /// An image with programs wherever they may be.
    const FILES: &[&str] = &[
        "/nix/store/x/bin/web*=\x7fELF",
        "/bin/web -> /nix/store/x/bin/web",
        "/bin/gone -> /nix/store/y/bin/gone",
        "/bin/plain",
        "/bin/My App*=\x7fELF",
        "/opt/tool*=\x7fELF",
        "/srv/",
    ];

    fn config(entrypoint: &[&str], cmd: &[&str], env: &[&str], directory: &str) -> Config {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Config {
            entrypoint: list(entrypoint),
            cmd: list(cmd),
            env: list(env),
            working_dir: directory.to_owned(),
            ..Config::default()
        }
    }

    fn said(files: &[&str], config: &Config) -> String {
        let remark = check(config, &Tree::of(files), Interpreters::Elsewhere);
        remark.map_or(String::new(), |remark| {
            format!("{}; {}", remark.message, remark.hint.unwrap_or_default())
        })
    }

    /// Commands that docker 20.10 and podman 4.3 start.
    #[test]
    fn commands_that_start_are_let_be() {
        for (command, env, directory) in [
            ("/bin/web", "", ""),
            ("/bin/../bin//web", "", ""),
            ("web", "", ""),
            ("bin/web", "", ""),
            ("./web", "", "/bin"),
            ("tool", "PATH=/bin:/opt", ""),
            ("/bin/My App", "", ""),
            ("My App", "", ""),
            ("/proc/self/exe", "", ""),
        ] {
            let files = &[FILES, &["/proc?"]].concat();
            let config = config(&[], &[command], &[env], directory);
            assert_eq!(said(files, &config), "", "{command}");
        }
        assert_eq!(said(FILES, &config(&[], &[], &[], "")), "");
        // What belongs to the entrypoint is no command.
        assert_eq!(said(FILES, &config(&["web"], &["/bin/no"], &[], "")), "");
    }

    /// Commands that neither of them starts.
    #[test]
    fn commands_that_do_not_start_are_told() {
        let add =
            |field: &str| format!("; add it to the image by `contents`, or correct `{field}`");
        let path =
            "; add it to the image by `contents`, write its absolute path, or set `PATH` in `Env`";
        let mode = "; make the file executable, or give it a `mode` in `permissions`";
        for (command, env, directory, message, hint) in [
            ("/bin/no", "", "", "the command `/bin/no` is not in the image".to_owned(), add("Cmd")),
            ("no/web", "", "", "the command `no/web` is not in the image".to_owned(), add("Cmd")),
            ("./web", "", "/srv", "the command `./web` is not in the image".to_owned(), add("Cmd")),
            (
                "/bin/gone", "", "",
                "the command `/bin/gone` leads to `/nix/store/y/bin/gone`, which is not in the image".to_owned(),
                add("Cmd"),
            ),
            ("/srv", "", "", "the command `/srv` is a directory".to_owned(), add("Cmd")),
            ("/bin/plain", "", "", "the command `/bin/plain` is not executable".to_owned(), mode.to_owned()),
            ("plain", "", "", "the command `plain` is not executable".to_owned(), mode.to_owned()),
            (
                "tool", "", "",
                format!("the command `tool` is not in the image: it is in no directory of PATH (`{DEFAULT_PATH}`)"),
                path.to_owned(),
            ),
            (
                "web", "PATH=/opt:/none", "",
                "the command `web` is not in the image: it is in no directory of PATH (`/opt:/none`)".to_owned(),
                path.to_owned(),
            ),
            (
                "web", "PATH=", "",
                "the command `web` is not in the image: it is in no directory of PATH (``)".to_owned(),
                path.to_owned(),
            ),
        ] {
            let config = config(&[], &[command], &[env], directory);
            assert_eq!(said(FILES, &config), message + &hint, "{command}");
        }
        for config in [
            config(&[], &["", "x"], &[], ""),
            config(&["", "x"], &[], &[], ""),
        ] {
            assert!(said(FILES, &config).contains("is empty, so it names no program"));
        }
        let entrypoint = config(&["/bin/no"], &["web"], &[], "");
        assert!(said(FILES, &entrypoint).ends_with(&add("Entrypoint")));
    }

    #[test]
    fn the_remedy_of_a_helper_is_its_own() {
        let shell = said(&[], &config(&[], &["/bin/sh", "-c", "x"], &[], ""));
        assert!(
            shell.ends_with("add a shell with `binSh`, or correct `Cmd`"),
            "{shell}"
        );
    }

    #[test]
    fn a_line_is_told_from_a_word() {
        let with_base = &["/bin?"];
        for (files, line, message) in [
            (
                FILES,
                "/bin/web --port 80",
                Some("[\"/bin/web\", \"--port\", \"80\"]"),
            ),
            (FILES, "web 80", Some("[\"web\", \"80\"]")),
            (FILES, "/bin/sh -c 'a b'", Some("[\"/bin/sh\", \"-c\", …]")),
            (
                with_base,
                "/bin/sh -c foo",
                Some("[\"/bin/sh\", \"-c\", \"foo\"]"),
            ),
            (with_base, "python app.py", Some("[\"python\", \"app.py\"]")),
            // It may be the name of a file of the base image.
            (with_base, "/bin/My App", None),
        ] {
            for config in [config(&[line], &[], &[], ""), config(&[], &[line], &[], "")] {
                let said = said(files, &config);
                match message {
                    None => assert_eq!(said, ""),
                    Some(list) => {
                        assert!(
                            said.contains("which is not the name of a program"),
                            "{said}"
                        );
                        assert!(said.contains(list), "{said}");
                    }
                }
            }
        }
        // The words of a list may have blanks.
        assert_eq!(said(FILES, &config(&[], &["/bin/web", "a b"], &[], "")), "");
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let files = &["/usr?", "/bin/sh*=\x7fELF", "/opt?"];
        for (command, env) in [
            ("/usr/bin/web", ""),
            ("web", ""),
            ("sh", ""),
            ("web", "PATH=/bin:/opt"),
            // Engines differ in what they find relative to a directory.
            ("sh", "PATH=bin"),
            ("sh", "PATH=/none::/none"),
        ] {
            let directory = if env.contains("::") { "/bin" } else { "" };
            let config = config(&[], &[command], &[env], directory);
            assert_eq!(said(files, &config), "", "{command} {env}");
        }
    }
}
