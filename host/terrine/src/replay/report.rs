//! The findings of a replay.

use serde::Serialize;

use super::changes::State;
use super::fleet::Fleet;
use super::run::Layers;
use super::{Keep, Settings, Task};

/// The version of the JSON that a [`Report`] is written as. It grows when a field goes or
/// changes its meaning, not when one is added.
pub const SCHEMA_VERSION: u32 = 1;

/// The findings of a replay.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The images.
    pub images: Vec<ImageFacts>,
    /// The settings with which they were replayed.
    pub settings: SettingFacts,
    /// The steps that were replayed.
    pub steps: Vec<StepLabel>,
    /// The outcome of each policy with each budget, in the order of the tasks.
    pub runs: Vec<Run>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFacts {
    /// Its name.
    pub name: String,
    /// The number of steps that its sequence has in all.
    pub steps: usize,
    /// References that were left out, because the closure that they are in does not have what
    /// they lead to; over all steps.
    pub lost_references: usize,
    /// Paths of which nobody can tell whether their content changed; figures count them as unchanged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<String>,
}

/// The settings of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingFacts {
    /// The first step that plans may know of, from 1.
    pub first_step: usize,
    /// The step of the first pull.
    pub from_step: usize,
    /// The last step.
    pub last_step: usize,
    /// Each how many steps the client pulls.
    pub pull_every: usize,
    /// True if it keeps all that it ever pulled.
    pub keep_all: bool,
    /// True if each plan knew the closures before it.
    pub with_history: bool,
    /// True if each plan knew the layers of the one before it.
    pub with_previous: bool,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLabel {
    /// Its number, from 1.
    pub number: usize,
    /// Its label.
    pub label: String,
    /// The number of store paths that the images have together.
    pub paths: usize,
    /// The number of bytes that these have.
    pub size: u64,
}

/// The outcome of a policy with a budget.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The component.
    pub planner: String,
    /// The digest of the component.
    pub component: String,
    /// The policy.
    pub policy: String,
    /// Its options, as JSON text.
    pub options: String,
    /// The number of layers of store paths that an image could have; none where there was no limit.
    pub max_layers: Option<u32>,
    /// The first pull.
    pub first: StepFacts,
    /// All pulls after it.
    pub total: Total,
    /// The steps after the first pull.
    pub steps: Vec<StepFacts>,
    /// The layers that there were.
    #[serde(skip)]
    pub(super) layers: Layers,
    /// For each step, the first included, and each image its layers.
    #[serde(skip)]
    pub(super) states: Vec<Vec<Vec<State>>>,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepFacts {
    /// Its number, from 1.
    pub number: usize,
    /// Its label.
    pub label: String,
    /// The number of bytes that the client pulled.
    pub pulled: u64,
    /// The number of bytes of the paths that it did not hold.
    pub lower_bound: u64,
    /// The number of these paths.
    pub paths: usize,
    /// The number of layers that it pulled.
    pub layers_pulled: usize,
    /// The number of requests that it made: layers, manifests and configurations.
    pub requests: usize,
    /// The number of layers of store paths that the images have together.
    pub layers: usize,
    /// The layers that the images share.
    pub shared: Shared,
    /// The cost of planning.
    pub planning: Planning,
}

/// Layers that several images have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// The number of these layers.
    pub layers: usize,
    /// The number of bytes that there would be in addition if each image had its own.
    pub bytes: u64,
}

/// The cost of planning.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planning {
    /// The number of plans that were made: none of an image that has not changed.
    pub plans: usize,
    /// The fuel for all of them.
    pub fuel: u64,
    /// The most that one took.
    pub max_fuel: u64,
    /// The most memory that one took, in bytes.
    pub memory: u64,
    /// The seconds that they took together, where somebody measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// The outcome of all steps after the first pull.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// The number of bytes that the client pulled.
    pub pulled: u64,
    /// The sum of the lower bounds.
    pub lower_bound: u64,
    /// The first over the second; none where nothing had to be pulled.
    pub ratio: Option<f64>,
    /// The number of layers that it pulled.
    pub layers_pulled: usize,
    /// The number of requests that it made.
    pub requests: usize,
    /// The step at which it pulled most above the lower bound, the first of several.
    pub worst: Option<Worst>,
    /// The layers that the images share at the last step.
    pub shared: Shared,
    /// The cost of planning, that of the first pull included.
    pub planning: Planning,
}

/// The step at which a client pulled most above the lower bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worst {
    /// Its number, from 1.
    pub number: usize,
    /// Its label.
    pub label: String,
    /// The number of bytes that the client pulled.
    pub pulled: u64,
    /// The number of bytes that it had to pull.
    pub lower_bound: u64,
}

impl Report {
    /// Returns true if the runs are of more than one component.
    pub fn has_several_components(&self) -> bool {
        self.runs
            .iter()
            .any(|run| run.component != self.runs[0].component)
    }

    /// The report as JSON text, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        terrine_oci::to_json_text(self)
    }
}

/// Puts the runs together with what they have in common.
pub(super) fn report(fleet: &Fleet, settings: &Settings<'_>, runs: Vec<Run>) -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        images: fleet
            .images()
            .iter()
            .map(|image| ImageFacts {
                name: image.name.clone(),
                steps: image.updates.steps().len(),
                lost_references: image.updates.lost_references(),
                uncertain: image
                    .updates
                    .uncertain()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
            })
            .collect(),
        settings: SettingFacts {
            first_step: *settings.steps.start(),
            from_step: settings.from,
            last_step: *settings.steps.end(),
            pull_every: settings.pull_every.get(),
            keep_all: settings.keep == Keep::All,
            with_history: settings.with_history,
            with_previous: settings.with_previous,
        },
        steps: (settings.from..=*settings.steps.end())
            .map(|number| label(fleet, number))
            .collect(),
        runs,
    }
}

/// Names a step and measures the paths of all images in it, those of several once.
fn label(fleet: &Fleet, number: usize) -> StepLabel {
    let mut paths: Vec<u32> = fleet
        .images()
        .iter()
        .flat_map(|image| image.closure(number))
        .copied()
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let label = fleet.label(number).to_owned();
    StepLabel {
        number,
        label,
        paths: paths.len(),
        size: fleet.size(&paths),
    }
}

impl Run {
    /// Returns the policy's name for people: the name, with its options where it has some, and after
    /// the component's where there are several.
    pub fn name(&self, several_components: bool) -> String {
        let component = if several_components {
            format!("{}/", self.planner)
        } else {
            String::new()
        };
        let options = if self.options == "{}" {
            String::new()
        } else {
            format!(" {}", self.options)
        };
        format!("{component}{}{options}", self.policy)
    }

    /// `steps` are all steps, that of the first pull included.
    pub(super) fn new(
        task: &Task<'_>,
        mut steps: Vec<StepFacts>,
        layers: Layers,
        states: Vec<Vec<Vec<State>>>,
    ) -> Self {
        let mut planning = Planning::default();
        steps.iter().for_each(|step| planning.add(&step.planning));
        let first = steps.remove(0);
        let candidate = &task.candidate;
        Self {
            planner: candidate.component.clone(),
            component: candidate.planner.digest().to_string(),
            policy: candidate.policy.clone(),
            options: candidate.options.clone(),
            max_layers: task.max_layers,
            total: Total::new(&first, &steps, planning),
            first,
            steps,
            layers,
            states,
        }
    }
}

impl Planning {
    fn add(&mut self, other: &Self) {
        self.plans += other.plans;
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.max_fuel = self.max_fuel.max(other.max_fuel);
        self.memory = self.memory.max(other.memory);
        self.seconds = match (self.seconds, other.seconds) {
            (None, seconds) | (seconds, None) => seconds,
            (Some(one), Some(other)) => Some(one + other),
        };
    }

    /// The fuel of one plan on average; none where there was none.
    pub fn mean_fuel(&self) -> Option<u64> {
        self.fuel.checked_div(self.plans as u64)
    }

    /// The seconds that one plan took on average; none where nobody measured.
    pub fn mean_seconds(&self) -> Option<f64> {
        self.seconds
            .filter(|_| self.plans > 0)
            .map(|seconds| seconds / self.plans as f64)
    }
}

impl Total {
    fn new(first: &StepFacts, steps: &[StepFacts], planning: Planning) -> Self {
        let sum =
            |field: fn(&StepFacts) -> u64| steps.iter().map(field).fold(0, u64::saturating_add);
        let (pulled, lower_bound) = (sum(|step| step.pulled), sum(|step| step.lower_bound));
        let excess = |step: &StepFacts| step.pulled.saturating_sub(step.lower_bound);
        let worst = steps
            .iter()
            .rev()
            .filter(|step| excess(step) > 0)
            .max_by_key(|step| excess(step));
        Self {
            pulled,
            lower_bound,
            ratio: (lower_bound > 0).then(|| pulled as f64 / lower_bound as f64),
            layers_pulled: steps.iter().map(|step| step.layers_pulled).sum(),
            requests: steps.iter().map(|step| step.requests).sum(),
            worst: worst.map(|step| Worst {
                number: step.number,
                label: step.label.clone(),
                pulled: step.pulled,
                lower_bound: step.lower_bound,
            }),
            shared: steps.last().unwrap_or(first).shared,
            planning,
        }
    }
}
