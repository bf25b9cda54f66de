//! The heads of programs: ELF, Mach-O, PE, and scripts.

use terrine::platform::{Findings, HEAD, Program, Unusable, inspect, loader};

use crate::format::Format;
use crate::{Limit, Target};

pub(super) const TARGET: Target = Target {
    name: "programs",
    format: Format::Bytes,
    seeds,
    run,
    short: 60_000,
    longest: 5000,
    limit: Limit::USUAL,
};

/// The head of an ELF file.
fn elf(wide: bool, little: bool, kind: u16, machine: u16) -> Vec<u8> {
    let number = |value: u16| {
        if little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let mut head = vec![
        0x7f,
        b'E',
        b'L',
        b'F',
        if wide { 2 } else { 1 },
        if little { 1 } else { 2 },
        1,
    ];
    head.resize(16, 0);
    head.extend(number(kind));
    head.extend(number(machine));
    let version = if little { [1, 0, 0, 0] } else { [0, 0, 0, 1] };
    head.extend(version);
    head.resize(200, 0);
    head
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        (true, true, 2, 62),
        (true, true, 3, 183),
        (false, true, 2, 40),
        (true, false, 3, 22),
        (false, false, 1, 8),
    ]
    .map(|(wide, little, kind, machine)| elf(wide, little, kind, machine))
    .to_vec();
    let padded = |start: &[u8]| [start, &[0; 64]].concat();
    seeds.push(padded(&[
        0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, 0, 0, 0, 0, 2,
    ]));
    seeds.push(padded(&[0xfe, 0xed, 0xfa, 0xce, 0, 0, 0, 7]));
    seeds.push(
        [
            &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2, 1, 0, 0, 7][..],
            &[0; 16],
            &[1, 0, 0, 12],
            &[0; 32],
        ]
        .concat(),
    );
    seeds.push(
        [
            &[0xca, 0xfe, 0xba, 0xbf, 0, 0, 0, 1, 1, 0, 0, 7][..],
            &[0; 60],
        ]
        .concat(),
    );
    let mut pe = vec![0; 512];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c] = 0x80;
    pe[0x80..0x84].copy_from_slice(b"PE\0\0");
    pe[0x98..0x9a].copy_from_slice(&[0x0b, 0x02]);
    seeds.push(pe);
    for script in [
        &b"#!/bin/sh\n"[..],
        b"#! /usr/bin/env python3",
        b"#!/bin/a\tb",
        b"#!sh",
    ] {
        seeds.push(script.to_vec());
    }
    seeds
}

fn run(data: &[u8]) -> bool {
    let program = inspect(data);
    if let Program::Script(path) = &program {
        assert!(path.starts_with(b"/") && path.len() < 256);
        assert!(
            !path.iter().any(|byte| b" \t\n\0".contains(byte)),
            "a path ends at a blank"
        );
    }
    if data.len() > HEAD {
        // No more is read of a file. What lies behind may be missing, never be something else.
        let short = inspect(&data[..HEAD]);
        assert!(
            short == program || short == Program::Other,
            "{short:?} and {program:?}"
        );
    }
    let mut findings = Findings::default();
    findings.add(b"bin/a", data, &data);
    findings.add(b"bin/b", data, &data);
    let again = Findings::from_text(&findings.to_text()).expect("what is written is read");
    assert_eq!(again.to_text(), findings.to_text());
    for architecture in ["amd64", "arm64", "riscv64"] {
        assert_eq!(
            findings.foreign(architecture).is_some(),
            again.foreign(architecture).is_some()
        );
    }
    let missing = findings.unusable_interpreters(|_| Some(Unusable::Missing));
    let names = match program {
        Program::Script(_) => true,
        Program::Elf(_) => loader(data, &data).is_some(),
        _ => false,
    };
    assert_eq!(missing.is_empty(), !names);
    let mut both = findings.clone();
    both.merge(findings);
    assert_eq!(
        both.architecture().is_some(),
        again.architecture().is_some()
    );
    !matches!(program, Program::Other)
}
