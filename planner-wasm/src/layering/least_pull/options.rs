//! The options that users may set.

use super::super::options::{Declared, Given, Kind};

/// The options of the policy.
pub(super) const OPTIONS: &[Declared] = &[CHANGES, HORIZON, MEMORY];

const CHANGES: Declared = Declared {
    name: "changes",
    description: "how many packages change of themselves from one image to the next, where nothing is known of the past",
    kind: Kind::Number { default: 8 },
};

const HORIZON: Declared = Declared {
    name: "horizon",
    description: "how many updates a better grouping has to pay off in before a layer that clients hold is given up",
    kind: Kind::Number { default: 20 },
};

const MEMORY: Declared = Declared {
    name: "memory",
    description: "after how many updates what happened counts half as much",
    kind: Kind::Number { default: 20 },
};

/// The options, with what stands for those that are not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Options {
    /// The number of packages that are expected to change of themselves from one image to the next.
    pub(super) changes: f64,
    /// The number of updates over which a layer that is pulled again has to pay off.
    pub(super) horizon: f64,
    /// The number of updates after which history counts half.
    pub(super) memory: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            changes: CHANGES.default(),
            horizon: HORIZON.default(),
            memory: MEMORY.default(),
        }
    }
}

impl Options {
    /// Those that a request gives.
    pub(super) fn of(given: &Given) -> Self {
        Self {
            changes: given.number(&CHANGES),
            horizon: given.number(&HORIZON),
            memory: given.number(&MEMORY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::POLICY;
    use super::*;

    #[test]
    fn what_is_not_given_has_a_default() {
        let options = |text: &str| Options::of(&Given::read(&POLICY, text).unwrap());
        assert_eq!(options("{}"), Options::default());
        let expected = Options {
            changes: 3.0,
            horizon: 20.0,
            memory: 0.5,
        };
        assert_eq!(options(r#"{"changes": 3, "memory": 0.5}"#), expected);
    }
}
