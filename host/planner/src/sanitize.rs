//! Texts of a component, made fit to be shown: nobody knows who wrote it.

/// The longest text that is shown, in characters. The contract asks for short phrases.
const MAX_CHARS: usize = 2000;

/// The number of remarks that are shown.
const MAX_REMARKS: usize = 20;

/// Text in one line, without what could move a terminal's cursor or hide what is written, and
/// not longer than anyone reads.
pub(super) fn plain(text: &str) -> String {
    shown(text, MAX_CHARS, is_harmless)
}

/// Remarks fit to be shown, and no more of them than anyone reads.
pub(super) fn few(remarks: &mut Vec<String>) {
    let more = remarks.len().saturating_sub(MAX_REMARKS);
    remarks.truncate(MAX_REMARKS);
    remarks
        .iter_mut()
        .for_each(|remark| *remark = plain(remark));
    if more > 0 {
        remarks.push(format!("the planner has {more} more remarks"));
    }
}

/// Text as [`plain`], in several lines.
pub(super) fn lines(text: &str) -> String {
    shown(text, MAX_CHARS, |c| c == '\n' || is_harmless(c))
}

/// The same of text that is known to be short, to its end.
pub(super) fn all_lines(text: &str) -> String {
    shown(text, usize::MAX, |c| c == '\n' || is_harmless(c))
}

fn shown(text: &str, most: usize, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    let mut left = most;
    for c in text.chars() {
        // Visible, so that nobody wonders what was there.
        let escaped = (!keep(c)).then(|| c.escape_default());
        let length = escaped.as_ref().map_or(1, ExactSizeIterator::len);
        if length > left {
            shown.push('…');
            break;
        }
        left -= length;
        match escaped {
            Some(escaped) => shown.extend(escaped),
            None => shown.push(c),
        }
    }
    shown
}

/// Returns true if a character does nothing but stand there: no control character, and none of those
/// that change the direction of writing or are invisible.
fn is_harmless(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_safe_from_what_is_said() {
        assert_eq!(plain("é is `fine`, 日本 too"), "é is `fine`, 日本 too");
        assert_eq!(plain("\u{1b}[2Jgone\r\n"), "\\u{1b}[2Jgone\\r\\n");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(lines("a\nb\tc"), "a\nb\\tc");
        let mut remarks = vec!["x\n".to_owned(); 25];
        few(&mut remarks);
        assert_eq!((remarks.len(), remarks[19].as_str()), (21, "x\\n"));
        assert_eq!(remarks[20], "the planner has 5 more remarks");
        for long in ["x", "\0"] {
            assert_eq!(plain(&long.repeat(5000)).chars().count(), MAX_CHARS + 1);
        }
    }
}
