//! The health check of an image.

use terrine_support::remark::Remark;

use super::config::{Config, Health};
use super::{Files, command};

/// A millisecond, in nanoseconds: the shortest time of a health check.
const MILLISECOND: i64 = 1_000_000;

/// Checks the form of a health check, its times, and that its program is there.
pub(super) fn check(health: &Health, config: &Config, files: &dyn Files) -> Vec<Remark> {
    let mut remarks = vec![];
    let words: Vec<&str> = health.test.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["NONE", ..] => {}
        ["CMD" | "CMD-SHELL"] => remarks.push(
            Remark::warning("`Healthcheck` has no command")
                .hint("write it after the first word: `[\"CMD\", \"/bin/check\"]`"),
        ),
        ["CMD", word, ..] => remarks.extend(command::check_health(config, files, word)),
        ["CMD-SHELL", ..] => {
            let shell = config.shell.first().map_or("/bin/sh", String::as_str);
            remarks.extend(command::check_health(config, files, shell));
        }
        [first, ..] => remarks.push(
            Remark::warning(format!(
                "`Test` of `Healthcheck` begins with `{first}`, so it is never run"
            ))
            .hint("begin it with `CMD`, `CMD-SHELL` or `NONE`: `[\"CMD\", \"/bin/check\"]`"),
        ),
    }
    for &(name, time) in &health.times {
        if time < 0 || (1..MILLISECOND).contains(&time) {
            let message = format!(
                "`{name}` of `Healthcheck` is {time} nanoseconds, but the minimum is {MILLISECOND}"
            );
            remarks.push(
                Remark::warning(message).hint("write nanoseconds: 30 seconds are 30000000000"),
            );
        }
    }
    if health.retries < 0 {
        let message = format!("`Retries` of `Healthcheck` is {}", health.retries);
        remarks.push(Remark::warning(message).hint("write a number that is not negative"));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::super::values::tests::holds;

    #[test]
    fn health_checks_have_a_form_a_program_and_nanoseconds() {
        holds(
            "Healthcheck",
            &[
                "{}",
                r#"{"Test": []}"#,
                r#"{"Test": ["NONE"]}"#,
                r#"{"Test": ["CMD", "/bin/check"], "Interval": 30000000000, "Retries": 3}"#,
                r#"{"Test": ["CMD", "check"]}"#,
                r#"{"Interval": 0}"#,
            ],
            &[
                (
                    r#"{"Test": ["/bin/check"]}"#,
                    "`Test` of `Healthcheck` begins with `/bin/check`, so it is never run",
                ),
                (r#"{"Test": ["CMD"]}"#, "`Healthcheck` has no command"),
                (
                    r#"{"Test": ["CMD", "/bin/no"]}"#,
                    "the program `/bin/no` of `Healthcheck` is not in the image",
                ),
                (
                    r#"{"Test": ["CMD-SHELL", "true"]}"#,
                    "the program `/bin/sh` of `Healthcheck` is not in the image",
                ),
                (
                    r#"{"Interval": 30}"#,
                    "`Interval` of `Healthcheck` is 30 nanoseconds, but the minimum is 1000000",
                ),
                (
                    r#"{"Timeout": -1}"#,
                    "`Timeout` of `Healthcheck` is -1 nanoseconds, but the minimum is 1000000",
                ),
                (r#"{"Retries": -1}"#, "`Retries` of `Healthcheck` is -1"),
            ],
        );
    }
}
