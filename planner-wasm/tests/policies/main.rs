//! The policies against what the specification says, written down again and as
//! plainly as it says it: sets of names, recursion, and no thought for speed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod auto;
mod closures;
mod ends;
mod large;
mod least_pull;
mod outcome;
mod pipeline;
mod popularity;
mod properties;
mod reference;
mod sharing;
