//! Reasons why paths are together, for people.

use crate::bindings::layering::Request;

/// The number of names that are listed before the rest is counted.
const LISTED: usize = 2;
/// The longest name that is shown whole, in characters.
const LONGEST: usize = 60;

/// A path's name, in backticks and not too long.
pub(super) fn name(request: &Request, path: u32) -> String {
    let name = &request.paths[path as usize].name;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &name[..end]),
        None => format!("`{name}`"),
    }
}

/// A few names, and how many more there are.
pub(super) fn names(request: &Request, paths: &[u32]) -> String {
    let listed: Vec<String> = paths
        .iter()
        .take(LISTED)
        .map(|&path| name(request, path))
        .collect();
    match (paths.len().saturating_sub(LISTED), listed.as_slice()) {
        (0, [one]) => one.clone(),
        (0, [one, other]) => format!("{one} and {other}"),
        (0, _) => String::new(),
        (1, _) => format!("{} and 1 other", listed.join(", ")),
        (more, _) => format!("{} and {more} others", listed.join(", ")),
    }
}

/// Says why paths with the same owners are together.
pub(super) fn owned(request: &Request, paths: &[u32], owners: &[u32]) -> String {
    match owners {
        [] => "the rest, which is small or needed by no large path".to_owned(),
        [owner] if paths == [*owner] => format!("{} alone", name(request, *owner)),
        [owner] if paths.contains(owner) => {
            format!("{} and what only it needs", name(request, *owner))
        }
        [owner] => format!("what only {} needs", name(request, *owner)),
        owners if paths == owners => format!("{}, which need each other", names(request, owners)),
        owners => format!("what {} have in common", names(request, owners)),
    }
}

/// A count with a comma after each three digits.
pub(super) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::request;
    use super::*;

    #[test]
    fn names_are_listed_and_the_rest_is_counted() {
        let long = "x".repeat(70);
        let request = request(&[
            ("/s/a", 0, ""),
            ("/s/b", 0, ""),
            ("/s/c", 0, ""),
            (&long, 0, ""),
        ]);
        assert_eq!(names(&request, &[]), "");
        assert_eq!(names(&request, &[0]), "`a`");
        assert_eq!(names(&request, &[0, 1]), "`a` and `b`");
        assert_eq!(names(&request, &[0, 1, 2]), "`a`, `b` and 1 other");
        assert_eq!(names(&request, &[0, 1, 2, 3]), "`a`, `b` and 2 others");
        assert_eq!(name(&request, 3), format!("`{}…`", "x".repeat(60)));
    }

    #[test]
    fn digits_are_grouped() {
        for (digits, expected) in [
            ("1", "1"),
            ("999", "999"),
            ("1000", "1,000"),
            ("1234567", "1,234,567"),
        ] {
            assert_eq!(grouped(digits), expected);
        }
    }
}
