//! Files as an office has them, made with the real compressors.

use std::io::Write;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, Crc};

use super::chance::Chance;

/// Kinds of files that are made.
pub(super) const FORMATS: [&str; 12] = [
    "txt",
    "csv",
    "xml",
    "docx",
    "zip",
    "zip stored",
    "gz",
    "zst",
    "pdf",
    "png",
    "jpg",
    "raw binary",
];

/// Makes a file of a format with about `bytes` of content.
pub(super) fn make(format: &str, chance: &mut Chance, bytes: usize) -> Vec<u8> {
    match format {
        "txt" => prose(chance, bytes),
        "csv" => table(chance, bytes),
        "xml" => markup(chance, bytes),
        "docx" => {
            let body = markup(chance, bytes * 5);
            let picture = noise(chance, bytes / 5);
            zip(&[
                ("[Content_Types].xml", &markup(chance, 900), true),
                ("word/document.xml", &body, true),
                ("word/media/image1.jpg", &jpeg_of(&picture), false),
            ])
        }
        "zip" => zip(&[
            ("a.csv", &table(chance, bytes * 2), true),
            ("b.txt", &prose(chance, bytes * 2), true),
        ]),
        "zip stored" => zip(&[("photo.jpg", &jpeg_of(&noise(chance, bytes)), false)]),
        "gz" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            finish(encoder.write_all(&table(chance, bytes * 4)).and_then(|()| encoder.finish()))
        }
        "zst" => finish(zstd::encode_all(&table(chance, bytes * 4)[..], 3)),
        "pdf" => pdf(chance, bytes),
        "png" => png(chance, bytes),
        "jpg" => jpeg_of(&noise(chance, bytes)),
        _ => records(chance, bytes),
    }
}

/// Writing into memory does not fail.
fn finish(made: std::io::Result<Vec<u8>>) -> Vec<u8> {
    made.unwrap_or_default()
}

fn prose(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let words = [
        "Befund",
        "der",
        "und",
        "Versicherte",
        "Bescheid",
        "über",
        "Leistung",
        "Praxis",
        "nach",
        "Antrag",
        "vom",
        "Kasse",
        "geprüft",
    ];
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(words[chance.below(words.len())]);
        match chance.below(14) {
            0 => text.push_str(".\n"),
            1 => text.push_str(&format!(" {} ", chance.below(9_999))),
            _ => text.push(' '),
        }
    }
    text.into_bytes()
}

fn table(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let mut text = String::from("id;date;ik;amount;code\n");
    while text.len() < bytes {
        let (id, day, ik) = (
            chance.number() % 1_000_000_000,
            1 + chance.below(28),
            100_000_000 + chance.below(900_000),
        );
        text.push_str(&format!(
            "{id};2023-04-{day:02};{ik};{}.{:02};{}\n",
            chance.below(900),
            chance.below(100),
            chance.label(6)
        ));
    }
    text.into_bytes()
}

fn markup(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<document>");
    while text.len() < bytes {
        let value = chance.label(9);
        text.push_str(&format!(
            "<entry id=\"{}\"><value>{value}</value></entry>\n",
            chance.below(99_999)
        ));
    }
    text.push_str("</document>\n");
    text.into_bytes()
}

/// Rows of numbers, as databases and measurements hold them.
fn records(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 16);
    let mut key = 0_u32;
    while out.len() < bytes {
        key += 1 + chance.below(3) as u32;
        out.extend_from_slice(&key.to_le_bytes());
        out.extend_from_slice(&(chance.below(500) as u32).to_le_bytes());
        out.extend_from_slice(&(chance.normal() as f32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
    }
    out
}

fn noise(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        out.extend_from_slice(&chance.number().to_le_bytes());
    }
    out
}

/// A ZIP archive of entries: name, content, packed or stored.
fn zip(entries: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content, packed) in entries {
        let mut crc = Crc::new();
        crc.update(content);
        let data = if *packed {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            finish(encoder.write_all(content).and_then(|()| encoder.finish()))
        } else {
            content.to_vec()
        };
        let mut head: Vec<u8> = Vec::new();
        head.extend_from_slice(&20_u16.to_le_bytes());
        head.extend_from_slice(&0_u16.to_le_bytes());
        head.extend_from_slice(&(if *packed { 8_u16 } else { 0 }).to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        for number in [crc.sum(), data.len() as u32, content.len() as u32] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        head.extend_from_slice(&(name.len() as u16).to_le_bytes());
        head.extend_from_slice(&0_u16.to_le_bytes());
        let offset = out.len() as u32;
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&head);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&data);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&head);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (begin, length, count) = (out.len() as u32, directory.len() as u32, entries.len() as u16);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&begin.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

fn pdf(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let pages = 1 + bytes / 12_000;
    for page in 0..pages {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let content = prose(chance, 12_000 * 4);
        let packed = finish(encoder.write_all(&content).and_then(|()| encoder.finish()));
        let head = format!(
            "{} 0 obj\n<< /Length {} /Filter /FlateDecode >>\nstream\n",
            page + 4,
            packed.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&packed);
        out.extend_from_slice(b"\nendstream\nendobj\n");
    }
    let place = out.len();
    out.extend_from_slice(b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\nxref\n0 1\n0000000000 65535 f \n");
    out.extend_from_slice(format!("trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n{place}\n%%EOF\n").as_bytes());
    out
}

fn png(chance: &mut Chance, bytes: usize) -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let covered = [kind, data].concat();
        let mut crc = Crc::new();
        crc.update(&covered);
        [&(data.len() as u32).to_be_bytes()[..], &covered, &crc.sum().to_be_bytes()].concat()
    };
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let pixels: Vec<u8> = (0..bytes).map(|n| (n / 7) as u8 ^ (chance.below(40) as u8)).collect();
    let packed = finish(encoder.write_all(&pixels).and_then(|()| encoder.finish()));
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend_from_slice(&chunk(b"IHDR", &[0, 0, 2, 0, 0, 0, 2, 0, 8, 2, 0, 0, 0]));
    for part in packed.chunks(32_768) {
        out.extend_from_slice(&chunk(b"IDAT", part));
    }
    out.extend_from_slice(&chunk(b"IEND", &[]));
    out
}

/// A picture with the segments of ITU-T T.81 around entropy-coded data: as good as noise, with 0xFF stuffed as the standard asks.
fn jpeg_of(coded: &[u8]) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    out.extend_from_slice(b"\xff\xdb\x00\x43\0");
    out.extend_from_slice(&[16; 64]);
    out.extend_from_slice(b"\xff\xc0\x00\x0b\x08\x02\x00\x02\x00\x01\x01\x11\0");
    out.extend_from_slice(b"\xff\xda\x00\x08\x01\x01\0\0\x3f\0");
    for byte in coded {
        out.push(*byte);
        if *byte == 0xff {
            out.push(0);
        }
    }
    out.extend_from_slice(b"\xff\xd9");
    out
}
