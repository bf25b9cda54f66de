//! The plans of one image, step by step.

use terrine_planner_host::Usage;
use terrine_planner_host::layering::{HeldImage, HeldLayer, Request};

use super::fleet::{Fleet, FleetImage};
use super::{Clock, Error, Settings, Task};
use crate::history::{Counter, held};

/// Plans an image, step by step.
pub(super) struct Plans<'a> {
    fleet: &'a Fleet,
    image: &'a FleetImage,
    task: &'a Task<'a>,
    settings: &'a Settings<'a>,
    /// The closures before the step to plan.
    past: Counter,
    /// The layers of the step before: the fleet's paths, as they are written to the archive.
    before: Option<Vec<Vec<u32>>>,
}

/// The plan of a step.
pub(super) struct Step {
    /// The layers, bottom to top: the fleet's paths, as they are written to the archive.
    pub(super) layers: Vec<Vec<u32>>,
    /// The resources that making it used up, and the seconds that it took if there is a clock; none
    /// if the closure is that of the step before, so that nothing was planned.
    pub(super) used: Option<(Usage, Option<f64>)>,
}

impl<'a> Plans<'a> {
    /// Begins before the first step to plan, knowing those before it.
    pub(super) fn new(
        fleet: &'a Fleet,
        image: &'a FleetImage,
        task: &'a Task<'a>,
        settings: &'a Settings<'a>,
    ) -> Self {
        let mut plans = Self {
            fleet,
            image,
            task,
            settings,
            past: Counter::default(),
            before: None,
        };
        (*settings.steps.start()..settings.from).for_each(|step| plans.remember(step));
        plans
    }

    /// Plans the next step.
    pub(super) fn next(&mut self, step: usize) -> Result<Step, Error> {
        let closure = self.image.closure(step);
        let same = step > 1 && self.image.closure(step - 1) == closure;
        let planned = match &self.before {
            Some(layers) if same => Step {
                layers: layers.clone(),
                used: None,
            },
            _ => self.plan(step)?,
        };
        self.before = Some(planned.layers.clone());
        self.remember(step);
        Ok(planned)
    }

    fn remember(&mut self, step: usize) {
        if self.settings.with_history && step <= self.image.updates.steps().len() {
            let paths = self.image.closure(step).iter();
            let paths = paths.map(|&path| &self.fleet.paths()[path as usize]);
            self.past
                .add_known(paths.map(|path| (path.path.as_str(), path.content.as_str())));
        }
    }

    fn plan(&self, step: usize) -> Result<Step, Error> {
        let request = self.request(step);
        let planner = self.task.candidate.planner;
        let start = self.settings.clock.map(|clock: &Clock| clock());
        let planned = planner.plan_measured(&request, planner.empty_layers(&request.policy));
        let (planned, usage) = planned.map_err(|source| Error::Plan {
            step,
            image: self.image.name.clone(),
            task: self.task.to_string(),
            source: Box::new(source),
        })?;
        let seconds = start
            .zip(self.settings.clock)
            .map(|(start, clock)| clock().saturating_sub(start).as_secs_f64());
        let closure = self.image.closure(step);
        let layers = planned
            .layers
            .iter()
            .filter(|layer| !layer.paths.is_empty())
            .map(|layer| {
                layer
                    .paths
                    .iter()
                    .map(|&place| closure[place as usize])
                    .collect()
            });
        Ok(Step {
            layers: layers.collect(),
            used: Some((usage, seconds)),
        })
    }

    /// Returns the request to the planner for a step.
    pub(super) fn request(&self, step: usize) -> Request {
        let (paths, roots) = self.image.request_paths(step);
        let told = self.settings.with_history || self.settings.with_previous;
        Request {
            history: told.then(|| self.past.history(&paths, self.held())),
            policy: self.task.candidate.policy.clone(),
            options: self.task.candidate.options.clone(),
            store_dir: self.image.updates.store_dir().to_owned(),
            paths,
            roots,
            excluded: vec![],
            max_layers: self.task.max_layers,
        }
    }

    /// The layers of the step before, as clients hold them.
    fn held(&self) -> Vec<HeldImage> {
        self.before
            .as_ref()
            .filter(|_| self.settings.with_previous)
            .map(|layers| HeldImage {
                layers: layers
                    .iter()
                    .map(|paths| HeldLayer {
                        paths: paths
                            .iter()
                            .map(|&id| {
                                let path = &self.fleet.paths()[id as usize];
                                held(&path.path, path.size)
                            })
                            .collect(),
                        transfer_size: 0,
                    })
                    .collect(),
            })
            .into_iter()
            .collect()
    }
}
