//! One policy with one budget, from the first step to the last.

use std::collections::HashMap;

use super::changes::{Changes, State};
use super::client::{Client, Pull, PulledImage};
use super::fleet::Fleet;
use super::plans::{Plans, Step};
use super::report::{Planning, Run, Shared, StepFacts};
use super::{Error, Observer, Settings, Task};

/// The layers of a run, each with a number.
#[derive(Debug, Default)]
pub(super) struct Layers {
    numbers: HashMap<Vec<u32>, u32>,
    /// The paths in each, ascending.
    pub(super) contents: Vec<Vec<u32>>,
}

impl Layers {
    /// The number of the layer with these paths, in any order.
    fn number(&mut self, paths: &[u32]) -> u32 {
        let mut paths = paths.to_vec();
        paths.sort_unstable();
        if let Some(&number) = self.numbers.get(&paths) {
            return number;
        }
        let number = u32::try_from(self.contents.len()).unwrap_or(u32::MAX);
        self.contents.push(paths.clone());
        self.numbers.insert(paths, number);
        number
    }
}

/// Replays a fleet's updates for one task.
pub(super) fn run(
    fleet: &Fleet,
    task: &Task<'_>,
    settings: &Settings<'_>,
    observer: &dyn Observer,
) -> Result<Run, Error> {
    let images = fleet.images();
    let mut plans: Vec<Plans<'_>> = images
        .iter()
        .map(|image| Plans::new(fleet, image, task, settings))
        .collect();
    let mut changes: Vec<Changes> = images.iter().map(|_| Changes::default()).collect();
    let mut layers = Layers::default();
    let mut client = Client::default();
    let (mut steps, mut states) = (vec![], vec![]);
    for number in settings.from..=*settings.steps.end() {
        let planned = plans
            .iter_mut()
            .map(|plans| plans.next(number))
            .collect::<Result<Vec<Step>, _>>()?;
        observer.planned();
        let numbers: Vec<Vec<u32>> = planned
            .iter()
            .map(|step| {
                step.layers
                    .iter()
                    .map(|paths| layers.number(paths))
                    .collect()
            })
            .collect();
        let followed: Vec<Vec<State>> = changes
            .iter_mut()
            .zip(&numbers)
            .map(|(changes, numbers)| {
                let contents = &layers.contents;
                let with_paths = numbers
                    .iter()
                    .map(|&layer| (layer, contents[layer as usize].as_slice()));
                changes.next(fleet, &with_paths.collect::<Vec<_>>())
            })
            .collect();
        let shared = shared(fleet, &layers, &numbers);
        let pulls = (number - settings.from).is_multiple_of(settings.pull_every.get());
        let pull = pulls.then(|| {
            let wanted = images
                .iter()
                .zip(numbers)
                .map(|(image, layers)| PulledImage {
                    closure: image.closure(number).to_vec(),
                    layers,
                })
                .collect();
            client.pull(
                wanted,
                |layer| &layers.contents[layer as usize],
                settings.keep,
            )
        });
        steps.push(facts(
            fleet,
            &layers,
            number,
            &planned,
            pull.as_ref(),
            shared,
        ));
        states.push(followed);
    }
    Ok(Run::new(task, steps, layers, states))
}

/// Returns the facts about a step.
fn facts(
    fleet: &Fleet,
    layers: &Layers,
    number: usize,
    planned: &[Step],
    pull: Option<&Pull>,
    shared: Shared,
) -> StepFacts {
    let pulled = pull.map_or(0, |pull| {
        pull.layers
            .iter()
            .map(|&layer| fleet.size(&layers.contents[layer as usize]))
            .fold(0, u64::saturating_add)
    });
    let used: Vec<_> = planned.iter().filter_map(|step| step.used).collect();
    let seconds: Vec<f64> = used.iter().filter_map(|(_, seconds)| *seconds).collect();
    let layers_pulled = pull.map_or(0, |pull| pull.layers.len());
    StepFacts {
        number,
        label: fleet.label(number).to_owned(),
        pulled,
        lower_bound: pull.map_or(0, |pull| fleet.size(&pull.paths)),
        paths: pull.map_or(0, |pull| pull.paths.len()),
        layers_pulled,
        requests: layers_pulled + pull.map_or(0, |pull| 2 * pull.images),
        layers: planned.iter().map(|step| step.layers.len()).sum(),
        shared,
        planning: Planning {
            plans: used.len(),
            fuel: used
                .iter()
                .fold(0, |sum, (usage, _)| sum.saturating_add(usage.fuel)),
            max_fuel: used.iter().map(|(usage, _)| usage.fuel).max().unwrap_or(0),
            memory: used
                .iter()
                .map(|(usage, _)| usage.memory as u64)
                .max()
                .unwrap_or(0),
            seconds: (!seconds.is_empty()).then(|| seconds.iter().sum()),
        },
    }
}

/// The layers that several images have.
fn shared(fleet: &Fleet, layers: &Layers, images: &[Vec<u32>]) -> Shared {
    let mut uses: HashMap<u32, u64> = HashMap::new();
    images
        .iter()
        .flatten()
        .for_each(|&layer| *uses.entry(layer).or_default() += 1);
    uses.into_iter().filter(|&(_, uses)| uses > 1).fold(
        Shared::default(),
        |Shared {
             layers: count,
             bytes,
         },
         (layer, uses)| Shared {
            layers: count + 1,
            bytes: bytes.saturating_add(
                fleet
                    .size(&layers.contents[layer as usize])
                    .saturating_mul(uses - 1),
            ),
        },
    )
}
