//! The outputs of a derivation, as its file lists them.

use std::collections::BTreeMap;

use super::Error;

/// Reads the outputs of the derivation `path` by their names. An output whose path is known only
/// after it is built is left out, as Nix does.
///
/// # Errors
///
/// Text that does not start as a derivation.
pub fn outputs(path: &str, text: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    let outputs = std::str::from_utf8(text).ok().and_then(list);
    outputs.ok_or_else(|| Error::Derivation(path.to_owned()))
}

/// `Derive([("out","/nix/store/...","",""),...],` and what follows.
fn list(text: &str) -> Option<BTreeMap<String, String>> {
    let rest = text
        .strip_prefix("Derive")
        .or_else(|| text.strip_prefix("DrvWithVersion"))?
        .strip_prefix('(')?;
    let mut rest = match rest.strip_prefix('[') {
        Some(rest) => rest,
        None => {
            // The version.
            let (_, rest) = string(rest)?;
            rest.strip_prefix(",[")?
        }
    };
    let mut outputs = BTreeMap::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return after.starts_with(',').then_some(outputs);
        }
        rest = rest.strip_prefix(',').unwrap_or(rest).strip_prefix('(')?;
        let mut fields = Vec::with_capacity(4);
        for end in [',', ',', ',', ')'] {
            let (field, after) = string(rest)?;
            fields.push(field);
            rest = after.strip_prefix(end)?;
        }
        if !fields[1].is_empty() {
            outputs.insert(fields[0].to_owned(), fields[1].to_owned());
        }
    }
}

/// A string, and what follows it. Names and paths have nothing in them that is escaped.
fn string(text: &str) -> Option<(&str, &str)> {
    let (string, rest) = text.strip_prefix('"')?.split_once('"')?;
    (!string.contains('\\')).then_some((string, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_whatever_follows() {
        let text = r#"Derive([("dev","/nix/store/d","",""),("out","/nix/store/o","r:sha256","x"),("late","","r:sha256","")],[],["\"]"],"x""#;
        let read = outputs("/nix/store/x.drv", text.as_bytes()).unwrap();
        let expected = [("dev", "/nix/store/d"), ("out", "/nix/store/o")];
        let expected = expected.map(|(name, path)| (name.to_owned(), path.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
        let dynamic = r#"DrvWithVersion("xp-dyn-drv",[("out","/nix/store/o","","")],[],[]"#;
        assert_eq!(outputs("x", dynamic.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_derivation_is_named() {
        for text in [
            &b""[..],
            b"Derive(",
            b"Derive([(\"out\",\"/nix/store/o\",\"\",\"\")]",
            b"Derive([(\"out\",\"/nix/store/o\",\"\")],",
            b"Derive([(\"o\\\"ut\",\"/nix/store/o\",\"\",\"\")],",
            b"\xff",
        ] {
            let error = outputs("/nix/store/x.drv", text).unwrap_err();
            assert_eq!(error.to_string(), "`/nix/store/x.drv` is not a derivation");
        }
    }
}
