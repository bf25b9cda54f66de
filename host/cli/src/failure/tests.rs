//! Tests of failures.

use std::io;

use super::*;

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
            "`..` can not be the name of an image in an OCI layout"
        ]
    );
    assert!(failure.hint().unwrap().starts_with("names have letters"));
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
