//! The page that `terrine replay --html` writes: as text, in a browser that is offline, and as a picture.

mod browser;
mod picture;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use terrine_tests::updates::{hashed, sequence, write};
use terrine_tests::{Run, temporary, terrine};

/// A page about two images and two budgets, with names that would break out if they could.
fn page(folder: &Path) -> String {
    let mut evil = sequence();
    evil["name"] = json!("</script><script>document.title='broken'</script>");
    evil["steps"][1]["date"] = json!("<b>\"1&amp;\"</b>\u{2028}");
    evil["paths"][3]["path"] = json!(format!("{}'\"<img src=x>", hashed("d", "web-1.1")));
    let (first, second) = (
        write(folder, "web.json", &sequence()),
        write(folder, "evil.json", &evil),
    );
    let html = folder.join("page.html");
    let arguments = [
        "--policy",
        "auto",
        "--policy",
        "single",
        "--max-layers",
        "2,none",
        "--html",
    ];
    let mut command = terrine();
    command
        .arg("replay")
        .args([&first, &second])
        .args(arguments)
        .arg(&html);
    Run::of(&mut command).ok();
    let page = fs::read_to_string(&html).unwrap();
    Run::of(&mut command).ok();
    assert_eq!(
        page,
        fs::read_to_string(&html).unwrap(),
        "the same report makes the same page"
    );
    page
}

/// The elements of a page that are open at its end, or close what is not open.
fn unbalanced(page: &str) -> Vec<String> {
    const VOID: [&str; 4] = ["meta", "link", "input", "br"];
    let (mut open, mut wrong): (Vec<String>, Vec<String>) = (vec![], vec![]);
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap_or(rest.len());
        let tag = &rest[..end];
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('/') {
            if open.pop().as_deref() != Some(&name) {
                wrong.push(name);
            }
        } else if !tag.starts_with('!') && !VOID.contains(&name.as_str()) {
            open.push(name.clone());
            // What is in a script or a style is no markup.
            if matches!(name.as_str(), "script" | "style") {
                rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
                continue;
            }
        }
        rest = &rest[end..];
    }
    wrong.extend(open);
    wrong
}

#[test]
fn a_page_is_whole_and_asks_for_nothing_else() {
    let folder = temporary();
    let page = page(folder.path());
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert_eq!(unbalanced(&page), Vec::<String>::new());
    for reference in [
        "http:",
        "https:",
        "//cdn",
        "url(",
        "@import",
        "src=\"",
        "<link rel=\"stylesheet",
        "{{",
        "fetch(",
        "import(",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains("<b>") && !page.contains("<img"));
    let (_, data) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["runs"].as_array().unwrap().len(), 4);
    assert_eq!(data["images"].as_array().unwrap().len(), 2);
    let steps = data["steps"].as_array().unwrap().len();
    for run in data["runs"].as_array().unwrap() {
        for list in ["pulled", "bound", "requests", "states"] {
            assert_eq!(run[list].as_array().unwrap().len(), steps, "{list}");
        }
    }
    // Without scripts there are tables: one of all runs and one of the steps of each.
    assert_eq!(page.matches("<details><summary>").count(), 4);
    assert_eq!(page.matches("(first pull)</td>").count(), 4);
}

/// Tries everything that can be clicked, chosen and pointed at, and keeps the errors.
const TRY: &str = r#"
const seen = [];
addEventListener('error', (event) => seen.push(event.message));
const all = (selector) => Array.from(document.querySelectorAll(selector));
for (const id of ['budgets', 'modes']) for (const button of all('#' + id + ' button')) button.click();
for (const id of ['policy', 'image']) {
  const select = document.getElementById(id);
  for (const option of all('#' + id + ' option')) { select.value = option.value; select.dispatchEvent(new Event('change')); }
}
const step = document.getElementById('step');
for (let i = 0; i <= Number(step.max); i++) { step.value = i; step.dispatchEvent(new Event('input')); }
// What is in the layers of each policy, image and step, path by path, and how often they changed.
const pick = (id, value) => { const box = document.getElementById(id); box.value = value; box.dispatchEvent(new Event(id === 'step' ? 'input' : 'change')); };
const held = [];
for (const policy of [0, 1]) for (const image of [0, 1]) for (let i = 0; i <= Number(step.max); i++) {
  pick('policy', policy);
  pick('image', image);
  pick('step', i);
  held.push(all('#map g').map((_, tile) => {
    all('#map g')[tile].dispatchEvent(new MouseEvent('click'));
    return [all('#detail-rows td:first-child').map((cell) => cell.textContent), document.getElementById('detail-title').textContent];
  }));
}
document.getElementById('layer-details').open = true;
document.getElementById('earlier').click();
const chart = document.getElementById('chart');
chart.dispatchEvent(new PointerEvent('pointermove', { clientX: 300, clientY: 300 }));
for (const key of ['ArrowLeft', 'ArrowRight', 'Enter']) chart.dispatchEvent(new KeyboardEvent('keydown', { key }));
for (const tile of all('#map g')) tile.dispatchEvent(new PointerEvent('pointermove', { clientX: 9, clientY: 9 }));
const tip = document.getElementById('tip').textContent;
all('#map g')[0].dispatchEvent(new MouseEvent('click'));
const shapes = all('#chart .series').map((line) => [line.getAttribute('stroke-dasharray'), Number(line.getAttribute('stroke-width'))]);
// The same page on a phone.
const phone = document.createElement('iframe');
phone.style.cssText = 'width: 360px; height: 740px; border: 0';
phone.onload = () => {
  const page = phone.contentDocument;
  const inside = (element) => element.closest('.wide, .card, svg, [hidden]');
  const beyond = Array.from(page.querySelectorAll('body *')).filter((element) => !inside(element) && element.getBoundingClientRect().right > phone.contentWindow.innerWidth);
  const result = {
    errors: seen, title: document.title, tip, held, images: all('img, b:not([class]):not([style])').length,
    lines: all('#chart .series').length, tiles: all('#map g').length,
    rows: all('#layer-rows tr').length, detail: all('#detail-rows tr').length,
    requests: performance.getEntriesByType('resource').length,
    shapes, conclusion: document.getElementById('conclusion').textContent,
    badges: all('.best').map((badge) => badge.closest('tr').firstChild.textContent),
    phone: [page.documentElement.dataset.ready, phone.contentWindow.innerWidth, page.documentElement.scrollWidth],
    beyond: beyond.map((element) => element.outerHTML.slice(0, 80)),
  };
  document.body.setAttribute('data-result', JSON.stringify(result));
};
phone.srcdoc = PHONE;
document.body.appendChild(phone);
"#;

/// Checks that the page shows in its layers what the sequences have in their closures.
fn check_held(held: &Value) {
    let mut evil = sequence();
    evil["paths"][3]["path"] = json!(format!("{}'\"<img src=x>", hashed("d", "web-1.1")));
    let mut held = held.as_array().unwrap().iter();
    for policy in ["auto", "single"] {
        for image in [&sequence(), &evil] {
            for (number, step) in image["steps"].as_array().unwrap().iter().enumerate() {
                let place = |path: &Value| usize::try_from(path.as_u64().unwrap()).unwrap();
                let mut expected: Vec<String> = step["paths"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|path| {
                        image["paths"][place(path)]["path"]
                            .as_str()
                            .unwrap()
                            .to_owned()
                    })
                    .collect();
                expected.sort_unstable();
                let layers = held.next().unwrap().as_array().unwrap();
                assert_eq!(
                    layers.len(),
                    if policy == "single" { 1 } else { 3 },
                    "{policy}"
                );
                let mut shown: Vec<&str> = layers
                    .iter()
                    .flat_map(|layer| layer[0].as_array().unwrap())
                    .map(|path| path.as_str().unwrap())
                    .collect();
                shown.sort_unstable();
                assert_eq!(shown, expected, "{policy}, step {number}");
                if policy == "single" {
                    // Both updates change it, and the last step is as the one before.
                    let often = [
                        "first pull",
                        "in 1 of 1 update",
                        "in 2 of 2 updates",
                        "in 2 of 3 updates",
                    ];
                    let title = layers[0][1].as_str().unwrap();
                    assert!(title.ends_with(often[number]), "{title}");
                }
            }
        }
    }
    assert!(held.next().is_none());
}

#[test]
fn a_page_works_in_a_browser_that_is_offline() {
    let folder = temporary();
    let page = page(folder.path());
    let phone = serde_json::to_string(&page)
        .unwrap()
        .replace('<', "\\u003c");
    let Some(result) = browser::result(&page, &TRY.replace("PHONE", &phone)) else {
        return;
    };
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(
        (&result["errors"], &result["requests"], &result["images"]),
        (&json!([]), &json!(0), &json!(0))
    );
    assert!(
        result["title"].as_str().unwrap().contains("</script>"),
        "{result}"
    );
    assert!(
        result["tip"].as_str().unwrap().starts_with("layer "),
        "{result}"
    );
    check_held(&result["held"]);
    let conclusion = "auto pulls the fewest bytes with 2 and any number of layers. \
        With any number of layers, auto pulls 373.00 kB (1.000 times the lower bound), single 3.97 MB.";
    assert_eq!(result["conclusion"], conclusion);
    assert_eq!(result["badges"], json!(["auto", "auto"]));
    // Lines that lie on each other are told apart by dashes, and seen by their thickness.
    let shapes = result["shapes"].as_array().unwrap();
    assert_ne!(shapes[0][0], shapes[1][0]);
    assert!(shapes[0][1].as_u64() > shapes[1][1].as_u64(), "{shapes:?}");
    let [ready, width, wide] = [0, 1, 2].map(|index| &result["phone"][index]);
    assert_eq!((ready, width), (&json!("yes"), &json!(360)));
    assert!(wide.as_u64() <= width.as_u64(), "{result}");
    assert_eq!(result["beyond"], json!([]), "nothing leaves the screen");
    // Two policies at the last budget; the second is `single`, with one layer of three paths.
    assert_eq!((&result["lines"], &result["tiles"]), (&json!(2), &json!(1)));
    assert_eq!((&result["rows"], &result["detail"]), (&json!(1), &json!(3)));
}
