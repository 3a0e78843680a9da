use leckwehr_telemetry::{Frame, MESSAGE_BYTES_MAX, SyslogFramer};

use crate::{Target, fingerprint};

/// Framing of syslog over streams: the messages must not depend on how the stream was cut into reads.
pub const TARGET: Target = Target {
    name: "syslog_stream",
    run,
    seeds: &[
        "5 <1>hi7 <2>a\nb\n<3>c\r\n<4>d\0<5>e",
        "0 zero\n12",
        "999999999 y\n2023-04-24 no count\n",
    ],
    words: &["1 ", "10 ", "999999999 ", "<1>", "\n", "\r\n", "\0", " ", "0", "00000000000 "],
};

fn run(bytes: &[u8]) -> u64 {
    let read = |parts: &[&[u8]]| {
        let (mut framer, mut found) = (SyslogFramer::new(), Vec::new());
        let mut sink = |frame: Frame<'_>| match frame {
            Frame::Whole(message) => found.push((message.to_vec(), false)),
            Frame::Cut(message) => found.push((message.to_vec(), true)),
        };
        for part in parts {
            framer.push(part, &mut sink);
            assert!(framer.held_bytes() <= MESSAGE_BYTES_MAX + 1, "more held than the limit");
        }
        framer.finish(&mut sink);
        found
    };
    let whole = read(&[bytes]);
    for cut in [1, 2, 3, 7] {
        let parts: Vec<&[u8]> = bytes.chunks(cut).collect();
        assert_eq!(read(&parts), whole, "the messages depend on the reads");
    }
    fingerprint(
        whole
            .iter()
            .map(|(message, is_cut)| message.len().min(20) as u64 * 2 + u64::from(*is_cut)),
    )
}
