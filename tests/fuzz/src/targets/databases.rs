//! The database of a store, on this machine and in an image.

use terrine::closure::{Database, Names};
use terrine::oci::Digest;
use terrine::store_database::{self, Image, Record, Records};

use crate::format::Format;
use crate::{Limit, Target, scratch};

const STORE: &str = "/nix/store";

pub(super) const TARGET: Target = Target {
    name: "databases",
    format: Format::Sqlite,
    seeds,
    run,
    short: 400,
    longest: 256 << 10,
    limit: Limit::USUAL,
};

/// Records of a few paths that refer to each other.
pub(super) fn records() -> Records {
    let path = |number: u32| format!("{STORE}/{number:0>32}-name-{number}");
    let record = |number: u32| Record {
        nar_hash: Digest::of(&number.to_le_bytes()),
        nar_size: 100 * u64::from(number),
        references: (0..number % 4).map(path).collect(),
        signatures: (0..number % 3)
            .map(|key| format!("key-{key}:c2ln"))
            .collect(),
        content_address: number.is_multiple_of(2).then(|| "text:sha256:0".to_owned()),
        outputs: number
            .is_multiple_of(5)
            .then(|| ("out".to_owned(), path(number + 1)))
            .into_iter()
            .collect(),
    };
    (0..12)
        .map(|number| (path(number), record(number)))
        .collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let many = records();
    let few: Records = many.clone().into_iter().take(1).collect();
    [Records::new(), few, many]
        .iter()
        .map(|records| store_database::write(records).expect("a database"))
        .collect()
}

fn run(data: &[u8]) -> bool {
    store_in_use(data);
    let image = Image {
        name: "image",
        store_dir: STORE,
        file: data,
        beside: &[],
    };
    let Ok(records) = store_database::read(&image) else {
        return false;
    };
    for (path, record) in &records {
        assert!(store_database::is_valid_path(path, STORE), "{path:?}");
        assert!(
            record
                .outputs
                .values()
                .all(|path| store_database::is_valid_path(path, STORE))
        );
        assert!(
            record
                .references
                .iter()
                .all(|reference| records.contains_key(reference))
        );
        assert!(i64::try_from(record.nar_size).is_ok());
    }
    let written = store_database::write(&records).expect("what is read is written");
    let again = Image {
        file: &written,
        ..image
    };
    assert_eq!(
        store_database::read(&again).expect("what is written is read"),
        records
    );
    assert_eq!(
        store_database::write(&records).expect("what is read is written"),
        written,
        "written twice"
    );
    true
}

/// The same as the database of a store on this machine.
fn store_in_use(data: &[u8]) {
    let file = scratch::file(data);
    let Ok(database) = Database::open(&scratch::path(&file)) else {
        return;
    };
    let roots: Vec<String> = records().into_keys().collect();
    for root in &roots {
        if !database.contains(root).unwrap_or(false) {
            continue;
        }
        if let Ok(graph) = database.closure(std::slice::from_ref(root)) {
            assert!(graph.find(root).is_some(), "a root is in its closure");
            let nodes = graph.nodes();
            assert!(
                nodes
                    .iter()
                    .all(|node| node.references.iter().all(|&index| index < nodes.len()))
            );
        }
    }
    drop(database.registrations(roots.iter().map(String::as_str)));
}
