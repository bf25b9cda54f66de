//! Requests to a planner, as digests: the same component asked the same gives the same plan.

use sha2::{Digest as _, Sha256};
use terrine_oci::Digest;

use super::layering::Request;

/// A hash of fields, each with its length before it, so that no two requests spell the same.
struct FieldHash(Sha256);

impl FieldHash {
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn path(&mut self, texts: [&String; 3], size: u64) {
        texts
            .into_iter()
            .for_each(|text| self.bytes(text.as_bytes()));
        self.number(size);
    }

    fn numbers(&mut self, numbers: &[u32]) {
        self.number(numbers.len() as u64);
        numbers
            .iter()
            .for_each(|&number| self.number(number.into()));
    }
}

/// The digest of a request for a plan: of all its fields in the order of the contract, numbers
/// as eight bytes, the lowest first, and lists and texts after their lengths.
pub fn request_digest(request: &Request) -> Digest {
    let mut record = FieldHash(Sha256::new());
    record.bytes(super::CONTRACT.as_bytes());
    record.bytes(request.policy.as_bytes());
    record.bytes(request.options.as_bytes());
    record.bytes(request.store_dir.as_bytes());
    record.number(request.paths.len() as u64);
    for path in &request.paths {
        record.path([&path.path, &path.name, &path.package], path.size);
        record.numbers(&path.references);
    }
    record.numbers(&request.roots);
    record.numbers(&request.excluded);
    record.numbers(&request.max_layers.map_or(vec![], |max| vec![max]));
    record.number(u64::from(request.history.is_some()));
    if let Some(history) = &request.history {
        record.number(history.steps.into());
        record.number(history.observations.len() as u64);
        for observation in &history.observations {
            record.number(observation.closures.into());
            record.numbers(&observation.changes);
            record.numbers(&observation.version_changes);
        }
        record.number(history.held.len() as u64);
        for layer in history.held.iter().map(|image| &image.layers) {
            record.number(layer.len() as u64);
            for layer in layer {
                record.number(layer.transfer_size);
                record.number(layer.paths.len() as u64);
                for path in &layer.paths {
                    record.path([&path.path, &path.name, &path.package], path.size);
                }
            }
        }
    }
    record.0.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layering::{HeldImage, HeldLayer, HeldPath, History, Observation};
    use crate::store_path;

    fn request() -> Request {
        Request {
            policy: "auto".to_owned(),
            options: "{}".to_owned(),
            store_dir: "/nix/store".to_owned(),
            paths: vec![store_path("/nix/store/a-1", 1, vec![])],
            roots: vec![0],
            excluded: vec![],
            max_layers: Some(3),
            history: None,
        }
    }

    /// A history in which every number and text is another.
    fn history() -> History {
        let observation = Observation {
            closures: 5,
            changes: vec![1, 2],
            version_changes: vec![2],
        };
        let path = HeldPath {
            path: "/nix/store/b-1".to_owned(),
            name: "b-1".to_owned(),
            package: "b".to_owned(),
            size: 7,
        };
        let layer = HeldLayer {
            paths: vec![path],
            transfer_size: 9,
        };
        let held = vec![HeldImage {
            layers: vec![layer],
        }];
        History {
            steps: 6,
            observations: vec![observation],
            held,
        }
    }

    #[test]
    fn everything_of_the_past_counts() {
        let changes: [fn(&mut History); 12] = [
            |history| history.steps = 7,
            |history| history.observations.clear(),
            |history| history.observations[0].closures = 4,
            |history| history.observations[0].changes = vec![1],
            |history| history.observations[0].version_changes = vec![],
            |history| history.held.clear(),
            |history| history.held.push(HeldImage { layers: vec![] }),
            |history| history.held[0].layers.clear(),
            |history| history.held[0].layers[0].transfer_size = 0,
            |history| history.held[0].layers[0].paths[0].size = 0,
            |history| history.held[0].layers[0].paths[0].path = "/nix/store/c-1".to_owned(),
            |history| history.held[0].layers[0].paths.clear(),
        ];
        let digest = |history| {
            request_digest(&Request {
                history,
                ..request()
            })
        };
        let empty = History {
            steps: 0,
            observations: vec![],
            held: vec![],
        };
        let mut seen = vec![digest(None), digest(Some(empty)), digest(Some(history()))];
        for change in changes {
            let mut changed = history();
            change(&mut changed);
            seen.push(digest(Some(changed)));
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn every_field_counts() {
        let changes: [fn(&mut Request); 8] = [
            |request| request.policy = String::new(),
            |request| request.options = r#"{"a":1}"#.to_owned(),
            |request| request.store_dir = "/gnu/store".to_owned(),
            |request| request.paths[0].size = 2,
            |request| request.paths[0].references = vec![0],
            |request| request.roots = vec![],
            |request| request.excluded = vec![0],
            |request| request.max_layers = None,
        ];
        let mut seen = vec![request_digest(&request())];
        for change in changes {
            let mut changed = request();
            change(&mut changed);
            seen.push(request_digest(&changed));
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert_eq!(request_digest(&request()), request_digest(&request()));
    }
}
