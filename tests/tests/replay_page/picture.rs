//! The picture of a page's chart in README.md, `docs/replay.svg`.

use std::fs;

use serde_json::Value;
use terrine_tests::{Run, temporary, terrine, workspace};

use super::browser;

/// The picture, below the root of the workspace.
const PICTURE: &str = "docs/replay.svg";

/// Returns the report and the page of the command that README.md shows next to the picture.
fn replayed() -> (Value, String) {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let command = readme
        .lines()
        .find_map(|line| line.strip_prefix("    terrine replay "))
        .unwrap();
    let (arguments, _) = command.split_once(" --html ").unwrap();
    let folder = temporary();
    let html = folder.path().join("page.html");
    let mut command = terrine();
    command.current_dir(workspace()).arg("replay");
    command.args(arguments.split(' ')).arg("--html").arg(&html);
    let report = serde_json::from_slice(&Run::of(&mut command).ok().stdout).unwrap();
    (report, fs::read_to_string(html).unwrap())
}

/// The contents of all elements of a name.
fn contents<'a>(picture: &'a str, name: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{name}"), format!("</{name}>"));
    let parts = picture.split(&start).skip(1);
    parts
        .filter_map(|part| part.split_once('>')?.1.split(&end).next())
        .collect()
}

/// Everything that a picture says in words.
fn words(picture: &str) -> Vec<&str> {
    let names = ["title", "desc", "text"];
    names
        .iter()
        .flat_map(|name| contents(picture, name))
        .collect()
}

/// The vertical positions of a line's points.
fn heights(path: &str) -> Vec<f64> {
    let (_, rest) = path.split_once(" d=\"M").unwrap();
    let points = rest.split('"').next().unwrap().split('L');
    points
        .map(|point| point.split(' ').nth(1).unwrap().parse().unwrap())
        .collect()
}

/// The sums of a figure of the steps of a run, from before the first update.
fn sums(run: &Value, figure: &str) -> Vec<f64> {
    let mut sum = 0.0;
    let steps = run["steps"].as_array().unwrap().iter();
    let sums = steps.map(|step| {
        sum += step[figure].as_f64().unwrap();
        sum
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// Tells whether lines have the shapes of these values, all in one scale, in places that may be any.
fn is_drawn(lines: &[Vec<f64>], values: &[Vec<f64>]) -> bool {
    let highest = values.iter().filter_map(|values| values.last());
    let highest = highest.copied().fold(0.0, f64::max);
    let bottom = lines[0][0];
    let top = lines.iter().flatten().copied().fold(bottom, f64::min);
    let is_near = |y: &f64, value: &f64| {
        let height = (bottom - y) / (bottom - top);
        (height - value / highest).abs() < 0.002
    };
    let pairs = lines.iter().zip(values);
    lines.len() == values.len()
        && pairs.into_iter().all(|(line, values)| {
            line.len() == values.len() && line.iter().zip(values).all(|(y, v)| is_near(y, v))
        })
}

fn gigabytes(bytes: &Value) -> String {
    format!("{:.2} GB", bytes.as_f64().unwrap() / 1e9)
}

/// Returns the sentences, names and figures that a picture of a report has.
fn expected(report: &Value) -> Vec<String> {
    let runs = report["runs"].as_array().unwrap();
    let name = |run: &Value| run["policy"].as_str().unwrap().to_owned();
    let ratio = |run: &Value| format!("{:.3}", run["total"]["ratio"].as_f64().unwrap());
    let total = |run: &Value| gigabytes(&run["total"]["pulled"]);
    let pulled = |run: &&Value| run["total"]["pulled"].as_u64().unwrap();
    let best = runs.iter().min_by_key(pulled).unwrap();
    let worst = runs.iter().max_by_key(pulled).unwrap();
    let totals = runs
        .iter()
        .map(|run| format!("{} {}", name(run), total(run)));
    let conclusion = format!(
        "{0} pulls the fewest bytes with {layers} layers. With {layers} layers, {0} pulls {1} ({2} times the lower bound), {3} {4}.",
        name(best),
        total(best),
        ratio(best),
        name(worst),
        total(worst),
        layers = best["maxLayers"],
    );
    let totals = totals.collect::<Vec<_>>().join(", ");
    let mut expected = vec![totals, conclusion, "lower bound".to_owned()];
    let names = runs
        .iter()
        .map(|run| format!("{} ({})", name(run), ratio(run)));
    expected.extend(names);
    let steps = report["steps"].as_array().unwrap();
    let dates = [&steps[0], &steps[steps.len() - 1]];
    expected.extend(dates.map(|step| step["label"].as_str().unwrap().to_owned()));
    expected
}

/// Returns the words and figures of a report that a picture does not have, and whether its lines differ.
fn differences(picture: &str, report: &Value) -> Vec<String> {
    let said = words(picture);
    let mut missing = expected(report);
    missing.retain(|text| !said.contains(&text.as_str()));
    let lines = picture.lines().filter(|line| line.starts_with("<path "));
    let lines: Vec<Vec<f64>> = lines.map(heights).collect();
    let runs = report["runs"].as_array().unwrap();
    let mut values: Vec<Vec<f64>> = runs.iter().map(|run| sums(run, "pulled")).collect();
    values.push(sums(&runs[0], "lowerBound"));
    if !is_drawn(&lines, &values) {
        missing.push("the lines".to_owned());
    }
    missing
}

/// `INSTA_UPDATE=always` writes the picture. Positions depend on Chromium and are not compared, but words, figures and shapes are.
#[test]
fn the_picture_is_that_of_the_replay() {
    let (report, page) = replayed();
    let file = workspace().join(PICTURE);
    let drawn = browser::result(&page, include_str!("picture.js"));
    let is_update = std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always");
    if let Some(drawn) = drawn.as_ref().filter(|_| is_update) {
        fs::write(&file, drawn).unwrap();
    }
    let picture = fs::read_to_string(&file).unwrap();
    let remedy = "`INSTA_UPDATE=always cargo test --release --workspace --test suite replay_page::` writes it";
    assert_eq!(
        differences(&picture, &report),
        Vec::<String>::new(),
        "{remedy}"
    );
    if let Some(drawn) = drawn {
        assert_eq!(words(&picture), words(&drawn), "{remedy}");
    }
    // Other figures are noticed, in words and in lines.
    assert_eq!(
        differences(&picture.replace("auto (", "auto (1"), &report).len(),
        1
    );
    let mut other = report.clone();
    other["runs"][1]["steps"][50]["pulled"] = 90_000_000.into();
    assert_eq!(differences(&picture, &other), ["the lines"]);
    other["runs"][2]["total"]["pulled"] = 1.into();
    assert_eq!(differences(&picture, &other).len(), 3);
}

#[test]
fn the_picture_is_small_and_needs_nothing_else() {
    let picture = fs::read_to_string(workspace().join(PICTURE)).unwrap();
    assert!(picture.len() < 30_000, "{}", picture.len());
    for reference in [
        "<script",
        "href",
        "url(",
        "@import",
        "@font-face",
        "var(",
        "style=",
        "<image",
        "undefined",
    ] {
        assert!(!picture.contains(reference), "{reference}");
    }
    assert!(picture.contains("prefers-color-scheme: dark"));
    assert_eq!(contents(&picture, "title").len(), 1);
}

/// README.md speaks of the run that the picture shows.
#[test]
fn the_readme_has_the_figures_of_the_picture() {
    let (report, _) = replayed();
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("![").unwrap();
    let (description, rest) = rest.split_once("](").unwrap();
    assert!(rest.starts_with(PICTURE));
    let (_, bullet) = readme.split_once("**Updates are small.**").unwrap();
    let bullet = bullet.split("\n- ").next().unwrap();
    let runs = report["runs"].as_array().unwrap();
    for run in runs {
        let ratio = format!("{:.2} times", run["total"]["ratio"].as_f64().unwrap());
        assert!(bullet.contains(&ratio), "{ratio}: {bullet}");
        assert!(
            description.contains(&gigabytes(&run["total"]["pulled"])),
            "{description}"
        );
        assert!(
            description.contains(run["policy"].as_str().unwrap()),
            "{description}"
        );
    }
    let bound = gigabytes(&runs[0]["total"]["lowerBound"]);
    assert!(description.contains(&bound), "{description}");
    let versions = format!(
        "{} weekly versions",
        report["steps"].as_array().unwrap().len()
    );
    let layers = format!("{} layers", runs[0]["maxLayers"]);
    for text in [bullet, description] {
        let text = text.replace('\n', " ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&versions) && text.contains(&layers), "{text}");
    }
}
