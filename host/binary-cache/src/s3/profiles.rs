//! The file of profiles, `~/.aws/credentials` (AWS SDKs and Tools Reference Guide, "Shared config and credentials
//! files").

use std::borrow::Cow;
use std::collections::BTreeMap;

use terrine_support::hint::Hint;

use super::credentials::S3Credentials;

/// The credentials of each profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Profiles(BTreeMap<String, S3Credentials>);

/// A line of the file that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the file of profiles is neither `[PROFILE]` nor `NAME = VALUE`")]
#[non_exhaustive]
pub struct ProfilesError {
    /// The number of the line, from 1.
    pub line: usize,
}

impl Hint for ProfilesError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Some("correct the file; each profile has lines `aws_access_key_id = …` and `aws_secret_access_key = …`".into())
    }
}

/// The lines of one profile.
#[derive(Default)]
struct Section {
    key: Option<String>,
    secret: Option<String>,
    token: Option<String>,
}

impl S3Profiles {
    /// Parses the text of the file. Profiles without a key and its secret count as missing: they may be for other
    /// ways to authenticate.
    ///
    /// # Errors
    ///
    /// A line that is neither a section, a setting, a comment nor empty.
    pub fn parse(text: &str) -> Result<Self, ProfilesError> {
        let mut sections: BTreeMap<String, Section> = BTreeMap::new();
        let mut current: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            let content = line.trim();
            // Nested settings are indented.
            let is_nested = line.starts_with([' ', '\t']);
            if content.is_empty() || content.starts_with(['#', ';']) || is_nested {
                continue;
            }
            let failed = ProfilesError { line: number + 1 };
            if let Some(section) = content.strip_prefix('[') {
                let (name, _) = section.split_once(']').ok_or(failed)?;
                let name = name.trim();
                // As the other file, `~/.aws/config`, has it.
                let name = name.strip_prefix("profile ").unwrap_or(name).trim();
                current = Some(name.to_owned());
                continue;
            }
            let (name, value) = content.split_once('=').ok_or(failed.clone())?;
            let section = current.clone().ok_or(failed)?;
            sections
                .entry(section)
                .or_default()
                .set(name.trim(), value.trim());
        }
        let complete = sections
            .into_iter()
            .filter_map(|(name, section)| Some((name, section.credentials()?)));
        Ok(Self(complete.collect()))
    }

    /// Returns the credentials of a profile.
    pub fn get(&self, name: &str) -> Option<&S3Credentials> {
        self.0.get(name)
    }
}

impl Section {
    fn set(&mut self, name: &str, value: &str) {
        let field = match name.to_ascii_lowercase().as_str() {
            "aws_access_key_id" => &mut self.key,
            "aws_secret_access_key" => &mut self.secret,
            "aws_session_token" => &mut self.token,
            _ => return,
        };
        *field = Some(value.to_owned()).filter(|value| !value.is_empty());
    }

    fn credentials(self) -> Option<S3Credentials> {
        Some(S3Credentials::new(
            &self.key?,
            &self.secret?,
            self.token.as_deref(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read() {
        let text = "# comment\n; comment\n\n[default]\naws_access_key_id = A\naws_secret_access_key=a/b=+\n\
                    region = eu-west-1\ns3 =\n  addressing_style = path\n\
                    [profile two]\r\naws_session_token = t\r\nAWS_ACCESS_KEY_ID=B\r\naws_secret_access_key = b\r\n\
                    [sso]\nsso_session = x\n[half]\naws_access_key_id = C\n";
        let profiles = S3Profiles::parse(text).unwrap();
        let one = S3Credentials::new("A", "a/b=+", None);
        assert_eq!(profiles.get("default"), Some(&one));
        let two = S3Credentials::new("B", "b", Some("t"));
        assert_eq!(profiles.get("two"), Some(&two));
        for missing in ["sso", "half", "three", ""] {
            assert_eq!(profiles.get(missing), None, "{missing}");
        }
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line) in [("x", 1), ("[a]\nb", 2), ("[a\nb=c", 1), ("\nb=c", 2)] {
            assert_eq!(
                S3Profiles::parse(text),
                Err(ProfilesError { line }),
                "{text}"
            );
        }
        assert_eq!(S3Profiles::parse(""), Ok(S3Profiles::default()));
    }
}
