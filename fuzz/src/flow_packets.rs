use leckwehr_telemetry::{Lines, RawPlace, Sheet};

use crate::records::drain;
use crate::{Target, fingerprint};

/// Export packets of NetFlow 5, NetFlow 9 and IPFIX, one behind the other.
pub const TARGET: Target = Target {
    name: "flow_packets",
    run,
    seeds: &[
        // Version 5 with one record.
        "\0\x05\0\x01\0\0\x01\0\x64\x47\x46\x49\0\0\0\0\0\0\0\x0a\0\0\0\0\
         \x0a\0\0\x01\x0a\0\0\x02\0\0\0\0\0\x01\0\x02\0\0\0\x07\0\0\x03\x04\0\0\0\x50\0\0\0\x55\x10\x10\x01\x3b\0\x1b\x06\0\0\0\0\0\x18\x18\0\0",
        // Version 9: a template of two addresses, two ports, octets and up times, and one record of it.
        "\0\x09\0\x02\0\0\x01\0\x64\x47\x46\x49\0\0\0\x01\0\0\0\x07\
         \0\0\0\x24\x01\0\0\x07\0\x08\0\x04\0\x0c\0\x04\0\x07\0\x02\0\x0b\0\x02\0\x01\0\x04\0\x16\0\x04\0\x15\0\x04\
         \x01\0\0\x1c\x0a\0\0\x01\x0a\0\0\x02\x10\x10\x01\x3b\0\0\x03\x04\0\0\0\x50\0\0\0\x55",
        // IPFIX: a template with a variable length and another enterprise's element, a record, a withdrawal.
        "\0\x0a\0\x35\x64\x47\x46\x49\0\0\0\0\0\0\0\x07\
         \0\x02\0\x14\x01\x01\0\x03\0\x08\0\x04\0\x0c\0\x04\0\x52\x7f\x7f\
         \x01\x01\0\x11\x0a\0\0\x01\x0a\0\0\x02\x04eth0",
        // An options template and its record.
        "\0\x0a\0\x30\x64\x47\x46\x49\0\0\0\0\0\0\0\x07\0\x03\0\x12\x01\x02\0\x02\0\x01\0\x01\0\x04\0\x22\0\x04\x01\x02\0\x0c\0\0\0\x01\0\0\0\x64",
    ],
    words: &[
        "\0\x05",
        "\0\x09",
        "\0\x0a",
        "\0\0\0\x08",
        "\0\x02",
        "\0\x03",
        "\x01\0",
        "\0\x04",
        "\0\0",
        "\x7f\x7f",
        "\0\0\0\0",
        "\x01\0\0\x05",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let (mut lines, mut sheet, mut rest, mut shapes) = (Lines::default(), Sheet::new(), bytes, Vec::new());
    while !rest.is_empty() {
        let taken = lines.take_flows("10.9.9.9", rest, RawPlace::default());
        shapes.push(taken.map_or_else(|fault| fingerprint(fault.reason.bytes().map(u64::from)), |_| 1));
        // Where nothing says how long the packet is, the rest is looked at from the next octets on.
        let length = taken.map_or(2, |octets| octets.max(1)).min(rest.len());
        rest = rest.get(length..).unwrap_or(&[]);
    }
    shapes.push(drain(&mut lines, &mut sheet));
    fingerprint(shapes)
}
