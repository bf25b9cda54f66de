//! `terrine planner describe`: what a component is.

use serde::Serialize;
use serde_json::value::RawValue;
use terrine::planner::layering::{Info, PolicyInfo};
use terrine::planner::{CONTRACT, Planner};
use terrine::spec::Json;

use super::super::printer::Printer;
use super::format::{Format, FormatArgs};
use super::{ComponentArgs, SCHEMA_VERSION, json, list, print};
use crate::failure::{JsonError, Result};
use crate::image_tables::plain;
use crate::table::line;

/// Describe a planner: its digest, imports, policies and their options
///
/// Loads the component and prints its description to stdout, with its digest, contract and imports.
/// Without FILE, describes the built-in planner.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    component: ComponentArgs,

    #[command(flatten)]
    show: FormatArgs,
}

const EXAMPLES: &str = "\
Examples:
  terrine planner describe
  terrine planner describe my-policy.wasm
  terrine planner describe my-policy.wasm --format json | jq -r .digest";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    schema_version: u32,
    name: &'a str,
    version: &'a str,
    /// None for the built-in planner.
    file: Option<String>,
    digest: String,
    contract: &'a str,
    imports: &'a [String],
    defaults: list::Defaults<'a>,
    policies: Vec<Policy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy<'a> {
    #[serde(flatten)]
    listed: list::Policy<'a>,
    options_schema: Box<RawValue>,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let runtime = args.component.runtime(printer)?;
    let planner = args.component.load(&runtime)?;
    let info = planner.describe()?;
    let text = match args.show.format() {
        Format::Table => table(&info, &planner, args.component.path().as_deref()),
        Format::Json => json(&Description {
            schema_version: SCHEMA_VERSION,
            name: &info.name,
            version: &info.version,
            file: args.component.path(),
            digest: planner.digest().to_string(),
            contract: CONTRACT,
            imports: planner.imports(),
            defaults: list::Defaults::of(&planner, &info),
            policies: info.policies.iter().map(policy).collect::<Result<_, _>>()?,
        })?,
    };
    print(&text)
}

fn policy(info: &PolicyInfo) -> Result<Policy<'_>> {
    let options_schema =
        RawValue::from_string(escaped(&schema(info).to_string())).map_err(JsonError)?;
    Ok(Policy {
        listed: info.into(),
        options_schema,
    })
}

/// JSON text without what could move a terminal's cursor. What JSON itself has escaped are the
/// first 32 characters; these stand only in strings.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// The schema in its canonical form; as a string, where it is one that has none: with a key
/// twice, or nested too deep.
fn schema(info: &PolicyInfo) -> Json {
    serde_json::from_str(&info.options_schema)
        .unwrap_or_else(|_| Json::string(&info.options_schema))
}

fn table(info: &Info, planner: &Planner<'_>, file: Option<&str>) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| line(&mut text, name, value);
    add("planner", &format!("{} {}", info.name, info.version));
    add("file", file.unwrap_or("built in"));
    add("digest", &planner.digest().to_string());
    add("contract", CONTRACT);
    match planner.imports() {
        [] => add("imports", "nothing"),
        imports => {
            for (index, import) in imports.iter().enumerate() {
                add(if index == 0 { "imports" } else { "" }, import);
            }
        }
    }
    let defaults = list::Defaults::of(planner, info);
    for policy in &info.policies {
        let mark = defaults.mark(&policy.name);
        text.push('\n');
        let mut add = |name: &str, value: &str| line(&mut text, name, value);
        add("policy", &format!("{}{mark}", policy.name));
        add("summary", &policy.summary);
        add(
            "history",
            if policy.uses_history {
                "used"
            } else {
                "not used"
            },
        );
        for (index, row) in schema(policy).pretty().lines().enumerate() {
            add(if index == 0 { "options" } else { "" }, &plain(row));
        }
    }
    text
}
