//! Plans that break a rule, and refusals: the host believes none of them.

use terrine::hint::Hint;
use terrine::planner::layering::ErrorKind;
use terrine::planner::{EmptyLayers, Error, Imports, Limits, Runtime};

use super::component::{data, good, planning, words};
use super::{plan, request, tight};

#[test]
fn a_plan_that_breaks_a_rule_is_refused() {
    // At 0: success, then the lists of layers, of what is left out and of remarks. At 32: layers, each the
    // list of its paths, its reason and no cost. At 512: indices; at 600: what is left out.
    let said = |layers: u32, paths: u32, indices: &[u32], left_out: &[u32], options: &str| {
        let mut policy = planning("(i32.const 0)");
        policy.rest = words(0, &[0, 32, layers, 600, left_out.len() as u32, 0, 0])
            + &words(32, &[512, paths, 0, 0, 0, 0, 0, 0].repeat(3))
            + &words(512, indices)
            + &words(600, left_out);
        let mut request = request(3);
        request.excluded = vec![2];
        request.options = options.to_owned();
        let outcome = plan(&policy.build(), &request);
        outcome
            .map(|planned| planned.layers.len())
            .map_err(|error| {
                assert_eq!(
                    error.to_string(),
                    "planner `hostile.wasm` made an invalid plan"
                );
                std::error::Error::source(&error).unwrap().to_string()
            })
    };
    let wrong =
        |layers, paths, indices: &[u32]| said(layers, paths, indices, &[], "{}").unwrap_err();
    assert_eq!(said(1, 2, &[1, 0], &[], "{}"), Ok(1));
    assert_eq!(
        wrong(1, 1, &[1]),
        "it leaves out 1 of 2 paths, `/nix/store/0` among them"
    );
    assert_eq!(
        wrong(0, 0, &[]),
        "it leaves out 2 of 2 paths, `/nix/store/0` among them"
    );
    assert_eq!(
        wrong(1, 2, &[1, 7]),
        "its layer 1 contains the index 7, but there are 3 paths"
    );
    assert_eq!(
        wrong(1, 2, &[1, u32::MAX]),
        "its layer 1 contains the index 4294967295, but there are 3 paths"
    );
    assert_eq!(
        wrong(2, 2, &[1, 0]),
        "it contains `/nix/store/1` twice, in layers 1 and 2"
    );
    assert_eq!(
        wrong(1, 3, &[1, 0, 1]),
        "it contains `/nix/store/1` twice, in layers 1 and 1"
    );
    assert_eq!(wrong(1, 0, &[]), "its layer 1 is empty");
    assert_eq!(
        wrong(3, 2, &[1, 0]),
        "it has 3 layers, but at most 2 are allowed"
    );
    assert_eq!(
        wrong(1, 3, &[0, 1, 2]),
        "its layer 1 contains `/nix/store/2`, which the request excludes"
    );
    let left = |left_out: &[u32], options| said(1, 1, &[1], left_out, options);
    assert_eq!(left(&[0], r#"{"spread": 1}"#), Ok(1));
    assert_eq!(
        left(&[0], "{}").unwrap_err(),
        "it leaves out `/nix/store/0`, but it was given no options that ask for that"
    );
    assert_eq!(
        left(&[9], r#"{"spread": 1}"#).unwrap_err(),
        "it leaves out the index 9, but there are 3 paths"
    );
    assert_eq!(
        left(&[0, 0], r#"{"spread": 1}"#).unwrap_err(),
        "its list of what it leaves out is not in ascending order at the index 0"
    );
    assert_eq!(
        left(&[0, 1], r#"{"spread": 1}"#).unwrap_err(),
        "it leaves out `/nix/store/1`, which is in its layer 1"
    );
}

#[test]
fn a_refusal_is_told_as_the_component_s_and_fit_to_be_shown() {
    // At 0: an error, and from 4 on its kind, its message, a field and a hint.
    let mut policy = planning("(i32.const 0)");
    let message = "no\u{1b}[2J\n\u{202e}way";
    policy.rest = words(0, &[1, 3, 64, message.len() as u32, 1, 128, 10, 1, 160, 2])
        + &data(64, message.as_bytes())
        + &data(128, b"max-layers")
        + &data(160, b"\x07x");
    let error = plan(&policy.build(), &request(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        r"planner `hostile.wasm` refuses: `max-layers`: no\u{1b}[2J\n\u{202e}way"
    );
    assert_eq!(error.hint().as_deref(), Some(r"\u{7}x"));
    assert!(
        matches!(
            error,
            Error::Refused {
                kind: Some(ErrorKind::OverBudget),
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn reasons_and_remarks_are_fit_to_be_shown() {
    let mut policy = planning("(i32.const 0)");
    policy.rest = words(0, &[0, 32, 1, 0, 0, 256, 1])
        + &words(32, &[128, 1, 160, 5000, 0, 0, 0, 0])
        + &words(128, &[0])
        + &words(256, &[264, 4])
        + &data(264, b"a\x1b[m");
    let planned = plan(&policy.build(), &request(1)).unwrap();
    assert_eq!(planned.remarks, [r"a\u{1b}[m"]);
    assert!(planned.layers[0].reason.chars().count() < 2100);
    assert!(planned.layers[0].reason.chars().all(|c| !c.is_control()));
}

#[test]
fn a_good_component_gets_graphs_of_every_shape() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let component = good().build();
    let planner = runtime
        .load("good.wasm", &component, Imports::Nothing)
        .unwrap();
    for paths in [0, 1, 2, 1000, 50_000] {
        let planned = planner.plan(&request(paths), EmptyLayers::Refused).unwrap();
        assert_eq!(
            planned
                .layers
                .iter()
                .map(|layer| layer.paths.len())
                .sum::<usize>(),
            paths
        );
    }
    let mut all = request(3);
    all.excluded = vec![0, 1, 2];
    assert_eq!(
        planner
            .plan(&all, EmptyLayers::Refused)
            .unwrap()
            .layers
            .len(),
        0
    );
    // A request of more than it may have memory for is the component's limit, not the host's.
    let runtime = Runtime::new(tight(), None).unwrap();
    let planner = runtime
        .load("good.wasm", &component, Imports::Nothing)
        .unwrap();
    let error = planner
        .plan(&request(50_000), EmptyLayers::Refused)
        .unwrap_err();
    assert!(error.to_string().contains("the limit is"), "{error}");
}

#[test]
fn policies_and_options_are_held_against_what_the_component_has() {
    let runtime = Runtime::new(Limits::default(), None).unwrap();
    let component = good().build();
    let planner = runtime
        .load("good.wasm", &component, Imports::Nothing)
        .unwrap();
    let info = planner.describe().unwrap();
    let said = |policy: &str, options: &str| match planner.check_request(&info, policy, options) {
        Ok(policy) => policy.name.clone(),
        Err(error) => format!("{error}; {}", error.hint().unwrap()),
    };
    assert_eq!(said("", "{}"), "one-layer");
    assert_eq!(said("one-layer", r#"{"spread": "x"}"#), "one-layer");
    assert_eq!(
        said("auto", "{}"),
        "planner `good.wasm` has no policy `auto`; it has `one-layer`"
    );
    assert_eq!(
        said("", r#"{"spred": 1}"#),
        "`options.spred`: policy `one-layer` of planner `good.wasm` has no such option; did you mean `spread`?"
    );
}
