//! The target that `TERRINE_FUZZ_TARGET` names, driven by libFuzzer: `run` builds and starts it.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use terrine_fuzz::Target;
use terrine_fuzz::meter::{Meter, measure};
use terrine_fuzz::random::Random;
use terrine_fuzz::short::check;
use terrine_fuzz::targets::TARGETS;

#[global_allocator]
static METER: Meter = Meter;

/// The target that the environment names.
fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("TERRINE_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("TERRINE_FUZZ_TARGET names no target: `{name}`"))
    })
}

/// Writes the seeds to the folder that the environment names.
fn write_seeds() {
    let Some(folder) = std::env::var_os("TERRINE_FUZZ_SEEDS").map(PathBuf::from) else {
        return;
    };
    for (number, seed) in (target().seeds)().iter().enumerate() {
        let written = std::fs::write(folder.join(format!("seed-{number}")), seed);
        written.unwrap_or_else(|error| panic!("writing a seed to `{}`: {error}", folder.display()));
    }
}

fuzz_target!(
    init: write_seeds(),
    |data: &[u8]| {
        let target = target();
        if data.len() > target.longest {
            return;
        }
        let (_, cost) = measure(|| (target.run)(data));
        // libFuzzer itself measures time, by `-timeout`.
        let cost = terrine_fuzz::meter::Cost { time: std::time::Duration::ZERO, ..cost };
        if let Err(why) = check(&target.limit, data.len(), cost) {
            panic!("{why}");
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let target = target();
    let format = target.format;
    let mut random = Random::new(seed.into());
    // Half of them by libFuzzer, which knows what the program compared.
    if random.once_in(2) {
        let size = fuzzer_mutate(data, size, max_size);
        format.mend(&mut data[..size]);
        return size;
    }
    let mut input = data[..size].to_vec();
    format.mutate(&mut input, &mut random);
    input.truncate(max_size.min(target.longest));
    data[..input.len()].copy_from_slice(&input);
    input.len()
});
