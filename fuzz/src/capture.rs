use std::io::Cursor;

use crate::{Target, fingerprint, telemetry};

/// Files of packets: captures, and export packets one behind the other.
pub const TARGET: Target = Target {
    name: "capture",
    run,
    seeds: &[
        // A capture in network order, raw IP, one datagram of syslog.
        "\0\x05\0\x01\0\0\x01\0\x64\x47\x46\x49\0\0\0\0\0\0\0\x0a\0\0\0\0\
         \x0a\0\0\x01\x0a\0\0\x02\0\0\0\0\0\x01\0\x02\0\0\0\x07\0\0\x03\x04\0\0\0\x50\0\0\0\x55\x10\x10\x01\x3b\0\x1b\x06\0\0\0\0\0\x18\x18\0\0",
        "\0\0\0\x65\x64\x47\x46\x49\0\0\0\0\0\0\0\x2c\0\0\0\x2c\
         \x45\0\0\x2c\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\0\x05\x02\x02\0\x18\0\0<34>su: failed \n",
    ],
    words: &[
        "\x45\0\0\x2c",
        "\0\0\0\x2c",
        "\0\0\0\x01",
        "\0\0\0\x65",
        "<34>",
        "\x60\0\0\0",
        "\0\0\0\0",
        "\0\x05\0\x01",
    ],
};

/// What a capture begins with: it is put before every other input, as it is no UTF-8.
const HEADER: [u8; 20] = [0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0];

fn run(bytes: &[u8]) -> u64 {
    let captured = [&HEADER, bytes].concat();
    fingerprint([telemetry(Cursor::new(bytes.to_vec())), telemetry(Cursor::new(captured))])
}
