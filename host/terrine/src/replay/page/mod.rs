//! A report as a page that opens offline: one file, which asks for nothing else.
//!
//! Tables are written here; the plots are drawn in the browser by `page.js` from the data that is
//! embedded, packed. Without scripts the tables are left. The page's policy forbids every request.

mod conclusion;
mod data;
mod numbers;
mod packed;
mod ranking;
mod summary;
mod tables;
#[cfg(test)]
mod testing;

use super::{Fleet, Report};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(include_str!("unpack.js"), include_str!("page.js"));

/// The report as an HTML page. The same report makes the same bytes.
pub fn page(fleet: &Fleet, report: &Report) -> String {
    let names: Vec<&str> = report
        .images
        .iter()
        .map(|image| image.name.as_str())
        .collect();
    let uncertain: Vec<&str> = fleet.uncertain().into_iter().collect();
    let parts = [
        ("{{title}}", escape(&names.join(", "))),
        ("{{style}}", STYLE.to_owned()),
        ("{{subtitle}}", escape(&summary::subtitle(report))),
        ("{{conclusion}}", escape(&conclusion::conclusion(report))),
        ("{{uncertain}}", summary::uncertain(&uncertain)),
        ("{{summary}}", summary::summary(report)),
        ("{{terms}}", summary::terms(report)),
        ("{{steps}}", tables::steps(report)),
        ("{{data}}", data::data(fleet, report)),
        ("{{script}}", SCRIPT.to_owned()),
    ];
    // In the order of the template, so that nothing is looked for in what was put in.
    let (mut page, mut rest) = (String::new(), TEMPLATE);
    for (mark, part) in parts {
        let Some((before, after)) = rest.split_once(mark) else {
            continue;
        };
        page.push_str(before);
        page.push_str(&part);
        rest = after;
    }
    page + rest
}

/// Text in the place of HTML text or of an attribute in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_in_the_template_once_and_in_order() {
        let marks = [
            "{{title}}",
            "{{style}}",
            "{{subtitle}}",
            "{{conclusion}}",
            "{{uncertain}}",
            "{{summary}}",
            "{{terms}}",
            "{{steps}}",
            "{{data}}",
            "{{script}}",
        ];
        let mut places: Vec<usize> = vec![];
        for mark in marks {
            let found: Vec<usize> = TEMPLATE
                .match_indices(mark)
                .map(|(place, _)| place)
                .collect();
            assert_eq!(found.len(), 1, "{mark}");
            places.extend(found);
        }
        assert!(places.is_sorted());
    }

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(
            escape("<b>&\"x\"</b>"),
            "&lt;b&gt;&amp;&quot;x&quot;&lt;/b&gt;"
        );
    }
}
