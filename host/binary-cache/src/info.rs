//! `nix-cache-info`: a cache's own description (Nix manual, "Serving a Nix store via HTTP").

use std::borrow::Cow;

use terrine_support::hint::Hint;

use crate::excerpt::excerpt;

/// The largest description, in bytes. Real ones have three lines.
const LARGEST: usize = 64 << 10;

/// The content of `nix-cache-info`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheInfo {
    /// The directory that the cache's store paths are in; most caches name it.
    pub store_dir: Option<String>,
    /// The place of the cache among others: those with lower numbers are asked first.
    pub priority: Option<u32>,
    /// True if the cache may be asked about many paths at once.
    pub wants_mass_query: bool,
}

impl CacheInfo {
    /// Parses lines `Key: value`. Unknown keys and lines without a colon are ignored, as Nix does.
    ///
    /// # Errors
    ///
    /// A priority that is not a number, and more than 64 KiB.
    pub fn parse(text: &[u8]) -> Result<Self, CacheInfoError> {
        if text.len() > LARGEST {
            return Err(CacheInfoError::TooLarge { limit: LARGEST });
        }
        let text = String::from_utf8_lossy(text);
        let mut info = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match key {
                "StoreDir" => info.store_dir = Some(value.to_owned()),
                "WantMassQuery" => info.wants_mass_query = value == "1",
                "Priority" => {
                    let priority = value.parse().map_err(|_| CacheInfoError::Priority {
                        value: excerpt(value.as_bytes()),
                    })?;
                    info.priority = Some(priority);
                }
                _ => {}
            }
        }
        Ok(info)
    }
}

/// A fault of `nix-cache-info`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheInfoError {
    /// More bytes than any description has.
    #[error("`nix-cache-info` is larger than {limit} bytes")]
    TooLarge {
        /// The largest description, in bytes.
        limit: usize,
    },
    /// A priority that is not a number.
    #[error(
        "`Priority` in `nix-cache-info` is `{value}`, which is not a number from 0 to 4294967295"
    )]
    Priority {
        /// The value.
        value: String,
    },
}

impl Hint for CacheInfoError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::TooLarge { .. } => {
                Some("check the cache's URL: the answer is probably a web page".into())
            }
            Self::Priority { .. } => {
                Some("correct the line in the cache's `nix-cache-info`".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_real_caches() {
        let table: [(&[u8], CacheInfo); 4] = [
            // cache.nixos.org.
            (
                b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n",
                CacheInfo {
                    store_dir: Some("/nix/store".into()),
                    priority: Some(40),
                    wants_mass_query: true,
                },
            ),
            // `nix copy` of Nix 2.8.
            (
                b"StoreDir: /nix/store\n",
                CacheInfo {
                    store_dir: Some("/nix/store".into()),
                    ..CacheInfo::default()
                },
            ),
            (
                b"StoreDir:/nix/store \r\nWantMassQuery:0\n\nno colon\nOther: x\xff\nPriority:  7",
                CacheInfo {
                    store_dir: Some("/nix/store".into()),
                    priority: Some(7),
                    wants_mass_query: false,
                },
            ),
            (b"", CacheInfo::default()),
        ];
        for (text, expected) in table {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(CacheInfo::parse(text), Ok(expected), "{shown}");
        }
    }

    #[test]
    fn a_priority_is_a_number() {
        for value in ["", "-1", "4294967296", "x", "1 2"] {
            let error = CacheInfo::parse(format!("Priority: {value}\n").as_bytes()).unwrap_err();
            let expected = CacheInfoError::Priority {
                value: value.into(),
            };
            assert_eq!(error, expected);
        }
        let page = vec![b'\n'; LARGEST + 1];
        assert!(CacheInfo::parse(&page).is_err());
        assert!(CacheInfo::parse(&page[1..]).is_ok());
    }
}
