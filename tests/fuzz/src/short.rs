//! Short runs: a fixed number of inputs from a fixed seed, so that a failure comes again.

use std::panic::{self, AssertUnwindSafe};

use crate::meter::{Cost, measure};
use crate::random::Random;
use crate::{Limit, Target};

/// The number of accepted inputs that others are made of.
const POOL: usize = 64;

/// The outcome of a short run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// The number of inputs.
    pub inputs: u64,
    /// The number of those that were accepted.
    pub accepted: u64,
    /// The number of seeds that were accepted.
    pub seeds: usize,
    /// The most that an input cost.
    pub cost: Cost,
}

/// An input that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// The rule.
    pub why: String,
}

/// Runs a target on its seeds and on so many mutations of them.
///
/// # Errors
///
/// The first input that breaks a rule.
pub fn run(target: &Target, inputs: u64) -> Result<Outcome, Box<Finding>> {
    let mut random = Random::new(1);
    let mut outcome = Outcome::default();
    let mut pool = (target.seeds)();
    for seed in &pool {
        outcome.seeds += usize::from(outcome.add(target, seed)?);
    }
    // Seeds stay: they are where rare branches begin.
    let seeds = pool.len();
    while outcome.inputs < inputs {
        let mut input = random.pick(&pool).cloned().unwrap_or_default();
        for _ in 0..=random.below(4) {
            target.format.mutate(&mut input, &mut random);
        }
        input.truncate(target.longest);
        if outcome.add(target, &input)? {
            if pool.len() < seeds + POOL {
                pool.push(input);
            } else {
                let place = seeds + random.below(POOL);
                pool[place] = input;
            }
        }
    }
    Ok(outcome)
}

impl Outcome {
    /// Runs one input. Returns true if it was accepted.
    fn add(&mut self, target: &Target, input: &[u8]) -> Result<bool, Box<Finding>> {
        let finding = |why| {
            Box::new(Finding {
                input: input.to_vec(),
                why,
            })
        };
        let (accepted, cost) = once(target, input).map_err(finding)?;
        check(&target.limit, input.len(), cost)
            // A machine that does much else takes its time: it has three tries.
            .or_else(|_| check(&target.limit, input.len(), once(target, input)?.1))
            .or_else(|_| check(&target.limit, input.len(), once(target, input)?.1))
            .map_err(finding)?;
        self.inputs += 1;
        self.accepted += u64::from(accepted);
        self.cost.memory = self.cost.memory.max(cost.memory);
        self.cost.time = self.cost.time.max(cost.time);
        Ok(accepted)
    }
}

/// Runs one input. A panic is an error.
fn once(target: &Target, input: &[u8]) -> Result<(bool, Cost), String> {
    let run = || panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let (accepted, cost) = measure(run);
    let accepted = accepted.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("it panics: {}", text.unwrap_or("without a text"))
    })?;
    Ok((accepted, cost))
}

/// Checks what an input of so many bytes costs.
///
/// # Errors
///
/// The limit that it exceeds.
pub fn check(limit: &Limit, length: usize, cost: Cost) -> Result<(), String> {
    let memory = limit.memory_for(length);
    if cost.memory > memory {
        return Err(format!(
            "it takes {} bytes of memory, and {memory} are allowed",
            cost.memory
        ));
    }
    if cost.time > limit.time {
        return Err(format!(
            "it takes {:?}, and {:?} are allowed",
            cost.time, limit.time
        ));
    }
    Ok(())
}
