//! A layer policy: a package's name alone decides which layer it goes into. The package stays
//! in this layer when other packages change.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

wit_bindgen::generate!({ path: "wit", world: "policy" });
use exports::terrine::planner::layering::*;

const SCHEMA: &str = r#"{ "type": "object", "additionalProperties": false, "properties": {
  "layers": { "type": "integer", "minimum": 1, "default": 8, "description": "How many layers to fill" }
} }"#;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    layers: Option<NonZeroU32>,
}

struct Steady;

impl Guest for Steady {
    fn describe() -> Info {
        let policy = PolicyInfo {
            name: "steady".into(),
            summary: "puts each package into a layer by its name".into(),
            options_schema: SCHEMA.into(),
            uses_history: false,
        };
        Info {
            name: "steady".into(),
            version: "1.0.0".into(),
            policies: vec![policy],
        }
    }

    fn plan(request: Request) -> Result<Planned, Error> {
        let refuse = |kind, field: &str, message| Error {
            kind,
            message,
            field: Some(field.into()),
            hint: None,
        };
        if !["", "steady"].contains(&request.policy.as_str()) {
            let message = format!("no policy is called `{}`", request.policy);
            return Err(refuse(ErrorKind::UnknownPolicy, "policy", message));
        }
        let options: Options = serde_json::from_str(&request.options)
            .map_err(|error| refuse(ErrorKind::InvalidOptions, "options", error.to_string()))?;
        let wanted = options.layers.map_or(8, NonZeroU32::get);
        let count = request.max_layers.map_or(wanted, |max| max.min(wanted));
        // Not a `HashMap`: the order of its entries is not specified.
        let mut layers: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (index, path) in (0..).zip(&request.paths) {
            if request.excluded.binary_search(&index).is_err() {
                layers
                    .entry(hash(&path.package) % u64::from(count))
                    .or_default()
                    .push(index);
            }
        }
        let layer = |mut paths: Vec<u32>| {
            // By name first: the hash in a path changes with every rebuild.
            paths.sort_by_key(|&i| {
                (
                    &request.paths[i as usize].name,
                    &request.paths[i as usize].path,
                )
            });
            Layer {
                paths,
                reason: "packages by name".into(),
                cost: None,
            }
        };
        Ok(Planned {
            layers: layers.into_values().map(layer).collect(),
            left_out: vec![],
            remarks: vec![],
        })
    }
}

/// Returns the FNV-1a hash, with mixed bits: similar names get different layers. The hashers of the
/// standard library may return other values in later versions.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, step)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> 32
}

#[cfg(target_arch = "wasm32")]
export!(Steady);

#[cfg(test)]
mod tests;
