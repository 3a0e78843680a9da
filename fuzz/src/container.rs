use std::io::{Cursor, Write};

use crate::{Target, telemetry};

/// Packed files, whole, cut and damaged: the first byte says how the rest is packed, the second where it is cut or broken.
pub const TARGET: Target = Target {
    name: "container",
    run,
    seeds: &[
        "g0{\"_path\":\"conn\",\"ts\":1}\n{\"_path\":\"conn\",\"ts\":2}\n",
        "z0{\"_path\":\"conn\",\"ts\":1}\n{\"_path\":\"conn\",\"ts\":2}\n",
        "p0{\"_path\":\"conn\",\"ts\":1}\n",
        "G0\u{8}\0\0\0",
        "Z0\0\0",
    ],
    words: &[
        "g",
        "z",
        "G",
        "Z",
        "p",
        "\n",
        "#fields\t",
        "ElfFile\0",
        "<13>1 ",
        "{\"EventID\":1}",
        "\0\u{5}\0\u{1}",
        "\0\u{a}\0",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let [how, place, rest @ ..] = bytes else { return 0 };
    let mut packed = match how {
        b'g' => {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            let written = gz.write_all(rest);
            written.and_then(|()| gz.finish()).unwrap_or_default()
        }
        b'z' => zstd::encode_all(rest, 1).unwrap_or_default(),
        b'G' => [&[0x1f, 0x8b][..], rest].concat(),
        b'Z' => [&[0x28, 0xb5, 0x2f, 0xfd][..], rest].concat(),
        _ => rest.to_vec(),
    };
    let at = usize::from(*place).wrapping_sub(48) % 256 * packed.len() / 256;
    match place {
        b'0' => {}
        odd if odd % 2 == 1 => packed.truncate(at),
        _ => {
            if let Some(byte) = packed.get_mut(at) {
                *byte ^= 0x55;
            }
        }
    }
    telemetry(Cursor::new(packed))
}
