//! The processors that everything is measured on.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::thread;

/// The processors of a machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    /// The name of the model, if the system tells one.
    model: Option<String>,
    /// True if AMD made them.
    pub(super) is_amd: bool,
    /// True if they have instructions for SHA-256.
    has_sha: bool,
    /// The number that this process may use.
    processors: usize,
}

impl Machine {
    /// The machine that this is.
    pub(super) fn this() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // Other systems than Linux do not have the file, and their processors have no name here.
        let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self::described(&described, processors)
    }

    /// Reads `/proc/cpuinfo`. All processors of a machine are taken to be the same.
    fn described(text: &str, processors: usize) -> Self {
        let field = |name: &str| {
            let fields = text.lines().filter_map(|line| line.split_once(':'));
            fields
                .filter(|(field, _)| field.trim() == name)
                .map(|(_, value)| value.trim())
                .next()
        };
        // The first is the name of the field on x86-64, the second on aarch64.
        let flags = field("flags").or(field("Features")).unwrap_or_default();
        Self {
            model: field("model name").map(ToOwned::to_owned),
            is_amd: field("vendor_id") == Some("AuthenticAMD"),
            has_sha: flags
                .split(' ')
                .any(|flag| ["sha_ni", "sha2"].contains(&flag)),
            processors,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.as_deref().unwrap_or("unknown model");
        let sha = if self.has_sha { "with" } else { "without" };
        let plural = if self.processors == 1 { "" } else { "s" };
        let count = self.processors;
        write!(
            f,
            "{count} processor{plural}: {model}, {sha} SHA instructions"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_from_the_descriptions_of_linux() {
        let amd = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\
                   flags\t\t: fpu sha_ni umip\nbugs\t\t: spectre_v2\n\nprocessor\t: 1\n";
        let intel =
            "vendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu vme\n";
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd sha1 sha2 crc32\n";
        for (text, processors, is_amd, expected) in [
            (
                amd,
                2,
                true,
                "2 processors: AMD EPYC, with SHA instructions",
            ),
            (
                intel,
                1,
                false,
                "1 processor: Intel(R) Xeon(R), without SHA instructions",
            ),
            (
                arm,
                4,
                false,
                "4 processors: unknown model, with SHA instructions",
            ),
            (
                "",
                3,
                false,
                "3 processors: unknown model, without SHA instructions",
            ),
        ] {
            let machine = Machine::described(text, processors);
            assert_eq!(
                (machine.to_string().as_str(), machine.is_amd),
                (expected, is_amd)
            );
        }
    }
}
