//! Directories of a configuration that cannot be made, or that hide what every container has.

use terrine_support::remark::Remark;

use super::config::Config;
use super::{Files, Look, MOUNTED, Resolved, resolve};
use crate::links::Walk;

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

/// The directory that containers start in. One that is not there is made.
pub(super) fn working(config: &Config, files: &dyn Files) -> Option<Remark> {
    let directory = config.directory();
    if !directory.starts_with('/') {
        let message = format!("`WorkingDir` is `{directory}`, but must be an absolute path");
        let meant = Walk::along(directory.as_bytes()).end();
        let meant = String::from_utf8_lossy(&meant);
        return Some(
            Remark::warning(message).hint(format!("write `/{}`", meant.trim_start_matches('/'))),
        );
    }
    if let Some(mounted) = cannot_be_made(directory) {
        let message = format!(
            "`WorkingDir` is `{directory}`, but no directory can be created in `{mounted}`"
        );
        return Some(Remark::warning(message).hint("name a directory of the image"));
    }
    let Obstacle { at, is, rest } = obstacle(files, directory)?;
    let is = is.told();
    let message = if rest {
        format!("`WorkingDir` is `{directory}`, but `{at}` is {is}")
    } else {
        format!("`WorkingDir` is `{directory}`, which is {is}")
    };
    Some(
        Remark::warning(message).hint("name a directory; if it is not in the image, it is created"),
    )
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
    /// The path of the obstacle.
    at: &'p str,
    is: Is,
    /// True if the path goes on below the obstacle.
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

/// A directory that is kept apart from its container.
pub(super) fn volume(path: &str, files: &dyn Files) -> Option<Remark> {
    if Walk::along(path.as_bytes()).end().is_empty() {
        let message = format!("`{path}` in `Volumes` would hide the whole image");
        return Some(Remark::warning(message).hint("name the directory that holds the data"));
    }
    let absolute = format!("/{}", path.trim_start_matches('/'));
    if let Some(mounted) = takes_over(&absolute) {
        let message = format!(
            "`{path}` in `Volumes` would hide the files that every container has in `{mounted}`"
        );
        return Some(Remark::warning(message).hint("name the directory that holds the data"));
    }
    // Engines make what a link leads to.
    let found = obstacle(files, &absolute).filter(|found| found.is != Is::Dangling);
    let Obstacle { at, is, rest } = found?;
    let is = is.told();
    let message = if rest {
        format!("`{path}` in `Volumes` cannot be created: `{at}` is {is}")
    } else {
        format!("`{path}` in `Volumes` is {is}, but a volume is a directory")
    };
    Some(
        Remark::warning(message).hint("name a directory; if it is not in the image, it is created"),
    )
}

/// Returns the directory of every container that a volume at a path hides, or a part of it that engines refuse.
fn takes_over(path: &str) -> Option<&'static str> {
    let path = String::from_utf8(Walk::along(path.as_bytes()).end()).ok()?;
    let is_over =
        |mounted: &&&str| path == **mounted || (**mounted == "/proc" && is_below(&path, mounted));
    MOUNTED.iter().find(is_over).copied()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::super::values::tests::{FILES, holds};
    use super::*;

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
            let hint = working(&config, &Tree::of(FILES)).unwrap().hint;
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
                    "`WorkingDir` is `/wd/x`, but `/wd` is a link that leads nowhere",
                ),
                (
                    r#""/alias/gone""#,
                    "`WorkingDir` is `/alias/gone`, which is a link that leads nowhere",
                ),
                (
                    r#""/round/x""#,
                    "`WorkingDir` is `/round/x`, but `/round` is a link that leads to itself",
                ),
                (
                    r#""/proc/x/y""#,
                    "`WorkingDir` is `/proc/x/y`, but no directory can be created in `/proc`",
                ),
                (
                    r#""/srv/../sys/x""#,
                    "`WorkingDir` is `/srv/../sys/x`, but no directory can be created in `/sys`",
                ),
                (
                    r#""srv""#,
                    "`WorkingDir` is `srv`, but must be an absolute path",
                ),
                (
                    r#""./srv""#,
                    "`WorkingDir` is `./srv`, but must be an absolute path",
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
                    "`WorkingDir` is `/etc/file/x`, but `/etc/file` is a file",
                ),
            ],
        );
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
                    "`/proc` in `Volumes` would hide the files that every container has in `/proc`",
                ),
                (
                    r#"{"/proc/x": {}}"#,
                    "`/proc/x` in `Volumes` would hide the files that every container has in `/proc`",
                ),
                (
                    r#"{"dev/": {}}"#,
                    "`dev/` in `Volumes` would hide the files that every container has in `/dev`",
                ),
                (
                    r#"{"/round": {}}"#,
                    "`/round` in `Volumes` is a link that leads to itself, but a volume is a directory",
                ),
                (
                    r#"{"/": {}}"#,
                    "`/` in `Volumes` would hide the whole image",
                ),
                (
                    r#"{"/a/../..": {}}"#,
                    "`/a/../..` in `Volumes` would hide the whole image",
                ),
                (r#"{"": {}}"#, "`` in `Volumes` would hide the whole image"),
                (
                    r#"{"/etc/file": {}}"#,
                    "`/etc/file` in `Volumes` is a file, but a volume is a directory",
                ),
                (
                    r#"{"/etc/file/x": {}}"#,
                    "`/etc/file/x` in `Volumes` cannot be created: `/etc/file` is a file",
                ),
            ],
        );
    }
}
