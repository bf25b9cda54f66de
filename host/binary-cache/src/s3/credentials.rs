//! Credentials of S3, and which of them a bucket gets.

use std::fmt;

use super::profiles::S3Profiles;

/// The profile that counts if none is named.
const DEFAULT: &str = "default";

/// The key of a user.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    key: String,
    secret: String,
    token: Option<String>,
}

impl S3Credentials {
    /// Returns an access key with its secret, and the token of its session if it is temporary.
    pub fn new(key: &str, secret: &str, token: Option<&str>) -> Self {
        Self {
            key: key.to_owned(),
            secret: secret.to_owned(),
            token: token.filter(|token| !token.is_empty()).map(str::to_owned),
        }
    }

    pub(super) fn signer(&self) -> rusty_s3::Credentials {
        let (key, secret) = (self.key.as_str(), self.secret.as_str());
        match &self.token {
            None => rusty_s3::Credentials::new(key, secret),
            Some(token) => rusty_s3::Credentials::new_with_token(key, secret, token.as_str()),
        }
    }
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Credentials({})", self.key)
    }
}

/// All credentials of S3 that there are.
#[derive(Debug, Clone, Default)]
pub struct S3Access {
    /// Those of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    pub environment: Option<S3Credentials>,
    /// The profile that `AWS_PROFILE` names.
    pub profile: Option<String>,
    /// Those of `~/.aws/credentials`.
    pub profiles: S3Profiles,
}

impl S3Access {
    /// Returns the credentials for a bucket whose URL may name a profile: first those of that profile,
    /// then those of the environment, then those of `AWS_PROFILE` or of the profile `default`. Without any, requests
    /// are not signed, as for public buckets.
    ///
    /// # Errors
    ///
    /// The name of a profile that is named and has no credentials.
    pub(crate) fn choose(&self, of_url: Option<&str>) -> Result<Option<&S3Credentials>, String> {
        let of_profile = |name: &str| self.profiles.get(name).ok_or_else(|| name.to_owned());
        match (of_url, &self.environment, &self.profile) {
            (Some(name), ..) => of_profile(name).map(Some),
            (None, Some(credentials), _) => Ok(Some(credentials)),
            (None, None, Some(name)) => of_profile(name).map(Some),
            (None, None, None) => Ok(self.profiles.get(DEFAULT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_credentials_are_chosen() {
        let one = |key: &str| Some(S3Credentials::new(key, "s3cret", None));
        let text = "[default]\naws_access_key_id=d\naws_secret_access_key=s\n\
                    [other]\naws_access_key_id=o\naws_secret_access_key=s\n";
        let profiles = S3Profiles::parse(text).unwrap();
        let key = |access: &S3Access, of_url| {
            access
                .choose(of_url)
                .map(|found| found.map(|found| found.key.clone()))
        };
        let mut access = S3Access::default();
        assert_eq!(key(&access, None), Ok(None));
        assert_eq!(key(&access, Some("other")), Err("other".to_owned()));
        access.profiles = profiles;
        assert_eq!(key(&access, None), Ok(Some("d".to_owned())));
        access.profile = Some("other".to_owned());
        assert_eq!(key(&access, None), Ok(Some("o".to_owned())));
        access.environment = one("e");
        assert_eq!(key(&access, None), Ok(Some("e".to_owned())));
        assert_eq!(key(&access, Some("other")), Ok(Some("o".to_owned())));
        assert_eq!(key(&access, Some("none")), Err("none".to_owned()));
        assert!(!format!("{access:?}").contains("s3cret"));
    }
}
