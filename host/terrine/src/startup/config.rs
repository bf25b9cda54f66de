//! The part of an image's configuration that is checked.

use serde_json::{Map, Value};

/// A configuration, as far as its fields have the types that they should have: others are as good as none here.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) entrypoint: Vec<String>,
    pub(super) cmd: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) user: String,
    pub(super) working_dir: String,
    pub(super) exposed_ports: Vec<String>,
    pub(super) volumes: Vec<String>,
    pub(super) stop_signal: String,
    pub(super) shell: Vec<String>,
    pub(super) health: Option<Health>,
}

/// The check of whether the program is healthy.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) test: Vec<String>,
    /// Names of times, and how many nanoseconds they are.
    pub(super) times: Vec<(&'static str, i64)>,
    pub(super) retries: i64,
}

impl Config {
    /// Reads the fields of JSON text.
    pub(super) fn read(text: &str) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Self::default();
        };
        let entrypoint = list(&fields, "Entrypoint");
        Self {
            // One empty word takes away the entrypoint that would be inherited.
            entrypoint: if entrypoint == [""] {
                vec![]
            } else {
                entrypoint
            },
            cmd: list(&fields, "Cmd"),
            env: list(&fields, "Env"),
            user: text_of(&fields, "User"),
            working_dir: text_of(&fields, "WorkingDir"),
            exposed_ports: keys(&fields, "ExposedPorts"),
            volumes: keys(&fields, "Volumes"),
            stop_signal: text_of(&fields, "StopSignal"),
            shell: list(&fields, "Shell"),
            health: fields
                .get("Healthcheck")
                .and_then(Value::as_object)
                .map(Health::read),
        }
    }

    /// The directory that containers start in.
    pub(super) fn directory(&self) -> &str {
        match self.working_dir.as_str() {
            "" => "/",
            directory => directory,
        }
    }
}

impl Health {
    fn read(fields: &Map<String, Value>) -> Self {
        let number = |name: &str| fields.get(name).and_then(Value::as_i64).unwrap_or_default();
        let times = ["Interval", "Timeout", "StartPeriod", "StartInterval"];
        Self {
            test: list(fields, "Test"),
            times: times.map(|name| (name, number(name))).into(),
            retries: number("Retries"),
        }
    }
}

fn text_of(fields: &Map<String, Value>, name: &str) -> String {
    let text = fields.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// A list of texts. One that holds something else is none.
fn list(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    let items = fields.get(name).and_then(Value::as_array);
    let items = items.into_iter().flatten();
    let texts = items.map(|item| item.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().unwrap_or_default()
}

fn keys(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    let members = fields.get(name).and_then(Value::as_object);
    members
        .into_iter()
        .flat_map(|members| members.keys().cloned())
        .collect()
}
