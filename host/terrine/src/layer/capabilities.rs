//! Capabilities of programs, as Linux keeps them in an extended attribute
//! (`security.capability`, version 2: capabilities(7), "File capability extended attribute
//! versioning").

use terrine_support::hint::Hint;

/// The name of the attribute.
pub(crate) const ATTRIBUTE: &[u8] = b"security.capability";
/// The version that has no user name space of its own.
const VERSION: u32 = 0x0200_0000;
/// The bit by which a program has its capabilities from the start.
const EFFECTIVE: u32 = 1;

/// The capabilities of Linux, by their numbers.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Text that names no capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` does not name capabilities: {why}")]
pub struct CapabilitiesError {
    text: String,
    why: String,
}

impl Hint for CapabilitiesError {}

/// Reads capabilities as `setcap` takes them, `cap_net_bind_service,cap_net_raw=ep`, and returns
/// the value of the attribute.
///
/// # Errors
///
/// Text of another form, and a capability that Linux does not have.
pub fn capabilities(text: &str) -> Result<Vec<u8>, CapabilitiesError> {
    let error = |why: &str| CapabilitiesError {
        text: text.to_owned(),
        why: why.to_owned(),
    };
    let (names, flags) = text
        .split_once(['=', '+'])
        .ok_or_else(|| error("it has the form `cap_name,cap_name=ep`"))?;
    let mut set = 0_u64;
    for name in names.split(',') {
        let number = name
            .strip_prefix("cap_")
            .and_then(|name| NAMES.iter().position(|known| *known == name))
            .ok_or_else(|| error(&format!("`{name}` is not a capability")))?;
        set |= 1 << number;
    }
    let (mut permitted, mut inheritable, mut magic) = (0, 0, VERSION);
    for flag in flags.chars() {
        match flag {
            'p' => permitted = set,
            'i' => inheritable = set,
            'e' => magic |= EFFECTIVE,
            _ => return Err(error("only `e`, `i` and `p` may follow `=`")),
        }
    }
    if permitted | inheritable == 0 {
        return Err(error("`p` or `i` must follow `=`"));
    }
    let words = [
        magic,
        permitted as u32,
        inheritable as u32,
        (permitted >> 32) as u32,
        (inheritable >> 32) as u32,
    ];
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_setcap() {
        let hex = |text: &str| {
            let value = capabilities(text).unwrap();
            value
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        // As `setcap` and `getfattr -e hex -n security.capability` of libcap 2.66 give them.
        for (text, expected) in [
            (
                "cap_net_bind_service=ep",
                "0100000200040000000000000000000000000000",
            ),
            (
                "cap_net_bind_service+ep",
                "0100000200040000000000000000000000000000",
            ),
            (
                "cap_net_raw,cap_chown=p",
                "0000000201200000000000000000000000000000",
            ),
            ("cap_bpf=eip", "0100000200000000000000008000000080000000"),
        ] {
            assert_eq!(hex(text), expected, "{text}");
        }
    }

    #[test]
    fn what_names_none_is_refused() {
        for (text, why) in [
            ("", "it has the form `cap_name,cap_name=ep`"),
            ("cap_chown", "it has the form `cap_name,cap_name=ep`"),
            ("chown=p", "`chown` is not a capability"),
            ("cap_fly=p", "`cap_fly` is not a capability"),
            ("cap_chown=e", "`p` or `i` must follow `=`"),
            ("cap_chown=x", "only `e`, `i` and `p` may follow `=`"),
        ] {
            let message = format!("`{text}` does not name capabilities: {why}");
            assert_eq!(capabilities(text).unwrap_err().to_string(), message);
        }
    }
}
