//! Tests of failures: every hint that there is comes out of one.

mod samples;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::*;
use sources::{ErrorType, error_types};

/// Error types without hints of their own.
const WITHOUT: [(&str, &str, &str); 2] = [
    (
        "registry/src/error.rs",
        "Cause",
        "its remedy names the registry, which the error around it knows and tells",
    ),
    (
        "registry/src/resolver.rs",
        "OutOfReach",
        "it tells the client why, which makes a `Cause` of it",
    ),
];

/// Variants of which no error with a hint can be made here: by file and type.
const NOT_MADE: &[(&str, &str, &[&str])] = &[
    // They hold an error of the engine that runs components.
    ("planner/src/error.rs", "Error", &["Contract"]),
    ("planner/src/author.rs", "ComponentizeError", &["Unfit"]),
    // These hold one of the database, and pass on what is said of a file.
    (
        "terrine/src/closure/error.rs",
        "Error",
        &["Database", "File"],
    ),
    ("terrine/src/cache/error.rs", "Error", &["Database"]),
    ("terrine/src/store_database/error.rs", "Error", &["Read"]),
    // All others pass on the hint of an error that has none.
    ("binary-cache/src/client/error.rs", "ClientError", &["File"]),
    ("binary-cache/src/nix_conf.rs", "NixConfError", &["Read"]),
    ("tar/src/error.rs", "Error", &["Fault", "Io"]),
    ("terrine/src/assemble/error.rs", "Error", &["Store"]),
    ("terrine/src/copy/error.rs", "Error", &["Closed"]),
    (
        "terrine/src/destination/carrier/mod.rs",
        "CarryError",
        &["Closed"],
    ),
    (
        "terrine/src/plan/dockertools/conf.rs",
        "ConfError",
        &["File"],
    ),
    ("terrine/src/plan/dockertools/error.rs", "Error", &["Conf"]),
    ("terrine/src/plan/error.rs", "Error", &["Store"]),
    ("terrine/src/sequence/error.rs", "Error", &["File"]),
    ("terrine/src/source/error.rs", "Fault", &["Document"]),
    ("terrine/src/spec/image/error.rs", "SpecError", &["File"]),
];

/// Variants of errors that were seen to have a hint, by file and type.
#[derive(Default)]
struct Walked(BTreeMap<(&'static str, String), BTreeSet<String>>);

impl Walked {
    /// Brings errors through a failure with context, and sees their hints come out.
    fn walk<E: Hint + Send + Sync + 'static>(&mut self, file: &'static str, errors: Vec<E>) {
        let path = std::any::type_name::<E>();
        let name = path.rsplit("::").next().unwrap().to_owned();
        let variants = self.0.entry((file, name)).or_default();
        for error in errors {
            let debug = format!("{error:?}");
            let hint = error.hint().map(Cow::into_owned);
            assert!(hint.is_some(), "{path}: {debug} has lost its hint");
            let failure = Err::<(), _>(error)
                .context("reading")
                .with_context(|| "cannot copy")
                .unwrap_err();
            assert_eq!(failure.hint(), hint, "{debug}");
            let variant = debug
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default();
            variants.insert(variant.to_owned());
        }
    }

    /// Says which hints of a type in the sources were not seen.
    fn missing(&self, error: &ErrorType) -> Vec<String> {
        let Some(hint) = error.hint.as_ref().filter(|hint| hint.tells) else {
            return vec![];
        };
        let mut wanted = hint.variants.clone();
        if wanted.is_empty() {
            wanted.insert(error.name.clone());
        }
        if let Some(seen) = self.0.get(&(error.file.as_str(), error.name.clone())) {
            wanted.retain(|variant| !seen.contains(variant));
        }
        for (file, name, variants) in NOT_MADE {
            if (*file, *name) == (&error.file, &error.name) {
                wanted.retain(|variant| !variants.contains(&variant.as_str()));
            }
        }
        wanted
            .iter()
            .map(|variant| format!("{}: {}: {variant}", error.file, error.name))
            .collect()
    }
}

/// Error types without `impl Hint`, in the order of the files.
fn unhinted(types: &[ErrorType]) -> Vec<(&str, &str)> {
    types
        .iter()
        .filter(|error| error.hint.is_none())
        .map(|error| (error.file.as_str(), error.name.as_str()))
        .collect()
}

#[test]
fn every_error_type_says_what_its_hint_is() {
    let types = error_types(&sources::read());
    let excepted = WITHOUT.map(|(file, name, _)| (file, name));
    assert_eq!(unhinted(&types), excepted);
    assert!(types.len() > 40, "only {} types were found", types.len());
}

#[test]
fn no_hint_is_lost_on_the_way_to_the_user() {
    let walked = samples::walk();
    let types = error_types(&sources::read());
    let missing: Vec<String> = types
        .iter()
        .flat_map(|error| walked.missing(error))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "no sample has these hints");
    let telling = types
        .iter()
        .filter(|error| error.hint.as_ref().is_some_and(|hint| hint.tells));
    assert!(telling.count() > 25);
    let variants: usize = walked.0.values().map(BTreeSet::len).sum();
    assert!(variants > 100, "only {variants} variants were seen");
}

#[test]
fn what_has_no_hint_or_no_sample_is_found() {
    let planted = r#"
#[derive(Debug, thiserror::Error)]
pub enum Error {
    One,
    Two,
}

impl Hint for Error {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::One | Self::Two => Some("mend it".into()),
            Self::Three { .. } => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("forgotten")]
struct Forgotten;

impl Error for ByHand {}

impl Hint for Elsewhere {}
"#;
    let other = "#[derive(thiserror::Error)]\nstruct Elsewhere;\n";
    let files = [("a/src/one.rs", planted), ("a/src/two.rs", other)]
        .map(|(file, text)| (file.to_owned(), text.to_owned()));
    let types = error_types(&files);
    assert_eq!(types.len(), 4);
    let forgotten = [("a/src/one.rs", "Forgotten"), ("a/src/one.rs", "ByHand")];
    assert_eq!(unhinted(&types), forgotten);
    let all = ["a/src/one.rs: Error: One", "a/src/one.rs: Error: Two"];
    assert_eq!(Walked::default().missing(&types[0]), all);
    let seen = ["One".to_owned()].into();
    let walked = Walked([(("a/src/one.rs", "Error".to_owned()), seen)].into());
    assert_eq!(walked.missing(&types[0]), all[1..]);
}

#[test]
fn context_comes_before_the_error_and_keeps_its_hint() {
    let failure = Err::<(), _>(terrine::layout::Error::Name("..".to_owned()))
        .context("opening it")
        .with_context(|| "cannot copy")
        .unwrap_err();
    let chain: Vec<String> = failure.chain().map(ToString::to_string).collect();
    assert_eq!(
        chain,
        [
            "cannot copy",
            "opening it",
            "`..` cannot be the name of an image in an OCI layout"
        ]
    );
    assert!(
        failure
            .hint()
            .unwrap()
            .starts_with("names consist of letters")
    );
    assert!(failure.is::<terrine::layout::Error>() && !failure.is::<io::Error>());
}

#[test]
fn what_has_no_remedy_has_no_hint() {
    let failure = Err::<(), _>(Failure::new("it is empty"))
        .context("cannot copy")
        .unwrap_err();
    assert_eq!((failure.hint(), failure.chain().count()), (None, 2));
    assert_eq!(Failure::from(io::Error::other("full")).hint(), None);
}
