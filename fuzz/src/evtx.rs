use crate::{Target, telemetry};

/// Event logs: the bytes are a whole log, or what stands in the chunk of one behind its header.
pub const TARGET: Target = Target {
    name: "evtx",
    run,
    seeds: &[
        // A record with a template of its own: <Event><System><EventID>%0</EventID></System></Event>, value 7.
        "**\0\0\u{a}\u{1}\0\0\u{1}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u{f}\u{1}\u{1}\0\u{c}\u{1}\0\0\0\0\u{26}\u{2}\0\0\0\0\0\0aaaaaaaaaaaaaaaa\u{66}\0\0\0\u{f}\u{1}\u{1}\0\u{1}\u{7f}\u{7f}\0\0\0\0\u{4d}\u{2}\0\0\0\0\0\0\0\0\u{5}\0E\0v\0e\0n\0t\0\0\0\u{2}\u{4}\0",
        "**\0\0\u{30}\0\0\0\u{1}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u{f}\u{1}\u{1}\0\u{1}\0\0\0\0\u{23}\u{2}\0\0\u{3}\0\0\0\0\u{30}\0\0\0",
    ],
    words: &[
        "**\0\0",
        "\u{f}\u{1}\u{1}\0",
        "\u{c}\u{1}",
        "\u{d}\0\0\u{1}",
        "\u{e}\u{1}\0\u{8}",
        "\u{5}\u{1}\u{2}\0a\0b\0",
        "\u{6}",
        "F",
        "A",
        "\u{2}",
        "\u{3}",
        "\u{4}",
        "\u{21}",
        "\u{7}\u{1}\0",
        "\u{8}a\0",
        "\u{9}",
        "S\0y\0s\0t\0e\0m\0",
        "E\0v\0e\0n\0t\0I\0D\0",
        "E\0v\0e\0n\0t\0D\0a\0t\0a\0",
        "D\0a\0t\0a\0",
        "N\0a\0m\0e\0",
        "ElfChnk\0",
        "ElfFile\0",
        "\0\u{2}\0\0",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    if bytes.starts_with(b"Elf") {
        return telemetry(std::io::Cursor::new(bytes.to_vec()));
    }
    let mut chunk = b"ElfChnk\0".to_vec();
    chunk.resize(512, 0);
    let end = (512 + bytes.len()).min(65_536) as u32;
    if let Some(place) = chunk.get_mut(48..52) {
        place.copy_from_slice(&end.to_le_bytes());
    }
    chunk.extend_from_slice(bytes);
    // A record that says another size than it has would seldom be looked into.
    if let Some(record) = chunk
        .get_mut(512..)
        .filter(|record| record.starts_with(b"**\0\0") && record.len() >= 32)
    {
        let size = record.len() as u32;
        if bytes.len().is_multiple_of(4) {
            let end = record.len() - 4;
            record[4..8].copy_from_slice(&size.to_le_bytes());
            record[end..].copy_from_slice(&size.to_le_bytes());
        }
    }
    telemetry(std::io::Cursor::new(chunk))
}
