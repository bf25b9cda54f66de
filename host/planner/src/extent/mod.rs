//! Work that no limit of a call would end, told from a component's bytes.
//!
//! Fuel and memory limit what runs, and compiling comes before that: some kilobytes can be made to
//! take hours, all of the machine's memory, or the whole stack. What compilers write is far from
//! that, so it is refused, by counts that are the same on every machine.

mod calls;
mod depth;
mod parts;
mod work;

use super::Error;

/// Checks that a component is not more than can be compiled, and does nothing that costs no fuel.
/// What is not a valid component passes: compiling it is what finds that.
///
/// # Errors
///
/// Components or types in each other without end, instances without end, code that would take
/// too long, and components that pass each other texts.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), Error> {
    let component = || name.to_owned();
    if let Some(what) = depth::excess(bytes) {
        return Err(Error::Depth {
            component: component(),
            what,
            limit: depth::MAX_DEPTH,
        });
    }
    if parts::parts(bytes).is_ok_and(|parts| parts > parts::MAX_PARTS) {
        return Err(Error::Extent {
            component: component(),
            limit: parts::MAX_PARTS,
        });
    }
    if let Some(what) = work::excess(bytes) {
        return Err(Error::Work {
            component: component(),
            what,
        });
    }
    if calls::pass_values(bytes) {
        Err(Error::Passing {
            component: component(),
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EMBEDDED;

    #[test]
    fn what_is_no_component_passes() {
        for bytes in [&b""[..], b"garbage", &EMBEDDED[..EMBEDDED.len() / 2]] {
            assert!(check("x", bytes).is_ok());
        }
    }
}
