//! Patterns of files that are left out, as `.dockerignore` has them and BuildKit reads them.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use terrine_support::hint::Hint;

/// The patterns of what is left out unless a pattern asks for it.
const VERSION_CONTROL: [&str; 3] = ["**/.git", "**/.hg", "**/.svn"];
/// The most that a pattern may take when it is compiled, in bytes.
const MAX_SIZE: usize = 1 << 20;
/// The character that editors of other systems put at the start of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Patterns in the order in which they are given: the last one that matches a path, or a directory that it
/// lies in, decides.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    patterns: Vec<Pattern>,
    /// The number of them that come by themselves.
    built_in: usize,
}

#[derive(Debug, Clone)]
struct Pattern {
    regex: Regex,
    /// True if it takes what matches back into the image.
    is_exception: bool,
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a pattern of files to leave out: {why}")]
pub struct ExcludeError {
    text: String,
    why: &'static str,
}

impl Hint for ExcludeError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some("patterns are those of a `.dockerignore` file: `**/*.log`, `!keep.log`".into())
    }
}

impl Exclude {
    /// Reads texts with a pattern in each line, as in the file. Empty lines and those that start with `#` mean nothing.
    /// Directories of version control are left out unless an exception names them.
    ///
    /// # Errors
    ///
    /// A bracket that is not closed, a backslash at the end, and `!` alone.
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, ExcludeError> {
        let mut exclude = Self::default();
        for text in VERSION_CONTROL {
            exclude.patterns.extend(read(text)?);
        }
        exclude.built_in = exclude.patterns.len();
        for text in texts {
            let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            for line in text.split('\n') {
                exclude.patterns.extend(read(line)?);
            }
        }
        Ok(exclude)
    }

    /// Nothing is left out.
    pub fn none() -> Self {
        Self::default()
    }

    /// Says whether a path is left out. It is relative to the directory, without a slash at its start.
    pub fn matches(&self, path: &[u8]) -> bool {
        decide(&self.patterns, path)
    }

    /// Says whether a path is left out by what was given alone.
    pub fn is_asked_for(&self, path: &[u8]) -> bool {
        decide(&self.patterns[self.built_in..], path)
    }

    /// Says whether anything in a directory that is left out may be in the image all the same.
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }
}

fn decide(patterns: &[Pattern], path: &[u8]) -> bool {
    let path = characters(path);
    let parents: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
    patterns.iter().fold(false, |is_out, pattern| {
        if pattern.is_exception != is_out {
            return is_out;
        }
        let matches = |path: &str| pattern.regex.is_match(path);
        if matches(&path) || parents.iter().any(|parent| matches(parent)) {
            return !pattern.is_exception;
        }
        is_out
    })
}

/// Returns a path as characters. Each byte that is not of UTF-8 is one, which no pattern spells.
fn characters(path: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(path) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// Reads a line of the file.
fn read(text: &str) -> Result<Option<Pattern>, ExcludeError> {
    let error = |why| ExcludeError {
        text: text.to_owned(),
        why,
    };
    let line = text.trim();
    if line.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (is_exception, pattern) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    if pattern.is_empty() {
        return Err(error("there is nothing after `!`"));
    }
    let regex = translate(&clean(pattern)).map_err(error)?;
    let regex = RegexBuilder::new(&regex)
        .size_limit(MAX_SIZE)
        .build()
        .map_err(|_| error("it has a range that is invalid or too long"))?;
    Ok(Some(Pattern {
        regex,
        is_exception,
    }))
}

/// Returns a path without slashes at its start and end, `.` and `..` as far as they cancel a name.
fn clean(pattern: &str) -> String {
    let mut names: Vec<&str> = vec![];
    for name in pattern.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|name| *name != "..") => {
                names.pop();
            }
            // Nothing lies above `/`.
            ".." if pattern.starts_with('/') => {}
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Translates a pattern to a regular expression.
fn translate(pattern: &str) -> Result<String, &'static str> {
    /// One character that is no slash.
    const ONE: &str = "[^/]";
    const ALL: &str = "(?s:.)*";
    if pattern.is_empty() {
        // The directory itself stays.
        return Ok("[^\\s\\S]".to_owned());
    }
    let mut regex = String::from(r"\A");
    let mut rest = pattern.chars().peekable();
    let mut is_first = true;
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let slash = rest.next_if_eq(&'/').is_some();
                let literal = !rest.clone().any(|c| matches!(c, '*' | '?' | '[' | '\\'));
                if rest.peek().is_none() || (is_first && !slash && literal) {
                    regex.push_str(ALL);
                } else {
                    regex.push_str(&format!("(?:{ALL}/)?"));
                }
            }
            '*' => regex.push_str(&format!("{ONE}*")),
            '?' => regex.push_str(ONE),
            '[' => class(&mut rest, &mut regex)?,
            '\\' => {
                let escaped = rest.next().ok_or("it ends in a backslash")?;
                regex.push_str(&regex::escape(&escaped.to_string()));
            }
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
        is_first = false;
    }
    regex.push_str(r"\z");
    Ok(regex)
}

/// Translates what stands in brackets.
fn class(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    regex: &mut String,
) -> Result<(), &'static str> {
    const OPEN: &str = "it has a bracket that is not closed";
    const HYPHEN: &str = "it has a hyphen in brackets that is not between two characters";
    regex.push('[');
    if rest.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut is_empty = true;
    loop {
        match rest.next().ok_or(OPEN)? {
            ']' if !is_empty => break,
            ']' => return Err("it has empty brackets"),
            '-' => return Err(HYPHEN),
            c => regex.push_str(&literal(escaped(c, rest).ok_or(OPEN)?)),
        }
        is_empty = false;
        if rest.next_if_eq(&'-').is_some() {
            let end = rest.next().ok_or(OPEN)?;
            if matches!(end, '-' | ']') {
                return Err(HYPHEN);
            }
            regex.push('-');
            regex.push_str(&literal(escaped(end, rest).ok_or(OPEN)?));
        }
    }
    regex.push(']');
    Ok(())
}

/// Returns the character that is meant: after a backslash the next one, whatever it is.
fn escaped(c: char, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    if c == '\\' { rest.next() } else { Some(c) }
}

/// Returns a character as it stands in brackets.
fn literal(c: char) -> String {
    if c.is_ascii_punctuation() {
        format!("\\{c}")
    } else {
        c.to_string()
    }
}

#[cfg(test)]
mod tests;
