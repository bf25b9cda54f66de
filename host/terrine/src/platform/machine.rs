//! Machines, and which programs they run.

use object::elf;
use serde::{Deserialize, Serialize};

/// A machine that programs are made for, with its byte order and word size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machine {
    /// The number that ELF has for it (`e_machine`).
    number: u16,
    /// True if addresses have 64 bits.
    wide: bool,
    /// True if the least significant byte comes first.
    little: bool,
}

/// ELF's numbers, word size and byte order, and what Go calls that.
const ARCHITECTURES: &[(u16, bool, bool, &str)] = &[
    (elf::EM_X86_64, true, true, "amd64"),
    // The x32 ABI: 64-bit instructions, 32-bit addresses.
    (elf::EM_X86_64, false, true, "amd64"),
    (elf::EM_386, false, true, "386"),
    (elf::EM_AARCH64, true, true, "arm64"),
    (elf::EM_ARM, false, true, "arm"),
    (elf::EM_MIPS, false, false, "mips"),
    (elf::EM_MIPS, false, true, "mipsle"),
    (elf::EM_MIPS, true, false, "mips64"),
    (elf::EM_MIPS, true, true, "mips64le"),
    (elf::EM_PPC, false, false, "ppc"),
    (elf::EM_PPC64, true, false, "ppc64"),
    (elf::EM_PPC64, true, true, "ppc64le"),
    (elf::EM_RISCV, true, true, "riscv64"),
    (elf::EM_RISCV, false, true, "riscv32"),
    (elf::EM_S390, true, false, "s390x"),
    (elf::EM_S390, false, false, "s390"),
    (elf::EM_LOONGARCH, true, true, "loong64"),
];

/// The architectures whose kernels run the programs of others too.
const ALSO_RUNS: &[(&str, &str)] = &[
    ("amd64", "386"),
    ("arm64", "arm"),
    ("mips64", "mips"),
    ("mips64le", "mipsle"),
    ("ppc64", "ppc"),
    ("s390x", "s390"),
];

impl Machine {
    /// A machine by what an ELF header says.
    pub(super) fn new(number: u16, wide: bool, little: bool) -> Self {
        Self {
            number,
            wide,
            little,
        }
    }

    /// Returns what Go calls it, if it has a name there.
    pub fn architecture(&self) -> Option<&'static str> {
        ARCHITECTURES
            .iter()
            .find(|&&(number, wide, little, _)| {
                (number, wide, little) == (self.number, self.wide, self.little)
            })
            .map(|&(.., name)| name)
    }

    /// Returns true if a kernel for `architecture`, in Go's terms, runs programs for it.
    pub fn runs_on(&self, architecture: &str) -> bool {
        self.architecture()
            .is_some_and(|own| own == architecture || ALSO_RUNS.contains(&(architecture, own)))
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.architecture() {
            Some(name) => f.write_str(name),
            None => write!(f, "ELF machine {}", self.number),
        }
    }
}

/// The architecture of the machine that this runs on, in Go's terms.
pub fn this_machine() -> &'static str {
    let little = cfg!(target_endian = "little");
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if little => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        "mips" if little => "mipsle",
        "mips64" if little => "mips64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> Machine {
        let (number, wide, little, _) =
            *ARCHITECTURES.iter().find(|entry| entry.3 == name).unwrap();
        Machine::new(number, wide, little)
    }

    #[test]
    fn wide_kernels_run_their_narrow_relatives() {
        let table = [
            ("amd64", "amd64", true),
            ("386", "amd64", true),
            ("amd64", "386", false),
            ("arm", "arm64", true),
            ("arm64", "arm", false),
            ("arm64", "amd64", false),
            ("ppc64", "ppc64le", false),
            ("riscv32", "riscv64", false),
        ];
        for (program, kernel, expected) in table {
            assert_eq!(
                machine(program).runs_on(kernel),
                expected,
                "{program} on {kernel}"
            );
        }
        assert!(Machine::new(elf::EM_X86_64, false, true).runs_on("amd64"));
        assert!(!Machine::new(4711, true, true).runs_on("amd64"));
        assert_eq!(
            Machine::new(4711, true, true).to_string(),
            "ELF machine 4711"
        );
    }

    #[test]
    fn this_machine_has_a_name_in_gos_terms() {
        assert!(
            ARCHITECTURES.iter().any(|entry| entry.3 == this_machine()),
            "{}",
            this_machine()
        );
    }
}
