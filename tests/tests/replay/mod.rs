//! `terrine replay` and `terrine replay record` as their users see them.

mod record;
mod report;

use serde_json::Value;
use terrine_tests::Run;

fn json_of(run: Run) -> Value {
    serde_json::from_slice(&run.ok().stdout).unwrap()
}
