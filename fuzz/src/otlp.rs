use leckwehr_telemetry::{Lines, OtlpEncoding, RawPlace, Sheet};

use crate::records::drain;
use crate::{Target, fingerprint};

/// Requests of OpenTelemetry logs, as Protocol Buffers and as JSON.
pub const TARGET: Target = Target {
    name: "otlp",
    run,
    seeds: &[
        "\x0a\x3b\x0a\x16\x0a\x14\x0a\x0cservice.name\x12\x04\x0a\x02ab\x12\x21\x12\x1f\x09\x01\x02\x03\x04\x05\x06\x07\x08\x1a\x04WARN\x2a\x04\x0a\x02hi\x32\x09\x0a\x01k\x12\x04\x0a\x02vw",
        "\x0a\x14\x12\x12\x12\x10\x2a\x0e\x32\x0c\x0a\x0a\x0a\x01k\x12\x05\x2a\x03\x0a\x01\x18",
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"host.name\",\"value\":{\"stringValue\":\"h\"}}]},\"scopeLogs\":[{\"scope\":\
         {\"name\":\"s\"},\"logRecords\":[{\"timeUnixNano\":\"1682392329000000000\",\"severityNumber\":9,\"body\":{\"kvlistValue\":{\"values\":\
         [{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},{\"boolValue\":true}]}}}]}},\"attributes\":[]}]}]}]}",
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"stringValue\":\"<86>Apr 25 05:12:09 h sshd[1]: Invalid user x from 10.0.0.1\"}}]}]}]}",
    ],
    words: &[
        "\x0a\x02",
        "\x12\x02",
        "\x2a",
        "\x32",
        "\x18\x01",
        "\x21",
        "\x09",
        "\x7f",
        "\x0a",
        "\"resourceLogs\":[",
        "\"scopeLogs\":[",
        "\"logRecords\":[{",
        "\"body\":{",
        "\"stringValue\":\"",
        "\"arrayValue\":{\"values\":[",
        "\"kvlistValue\":{\"values\":[",
        "\"key\":",
        "[[[[",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let (mut lines, mut sheet, mut shapes) = (Lines::default(), Sheet::new(), Vec::new());
    for encoding in [OtlpEncoding::Protobuf, OtlpEncoding::Json] {
        let taken = lines.take_otlp(bytes, encoding, RawPlace::default());
        shapes.push(taken.map_or_else(|fault| fingerprint(fault.reason.bytes().map(u64::from)), |n| n.min(9) as u64));
        shapes.push(drain(&mut lines, &mut sheet));
    }
    fingerprint(shapes)
}
