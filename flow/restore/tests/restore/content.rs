use std::io::Write as _;

use leckwehr_crypt::Dice;
use leckwehr_restore::{JUDGED_BYTES_MIN, looks_encrypted};

/// Lengths judged: small files, one window, odd ones, many windows.
const LENGTHS: [usize; 9] = [32, 64, 200, 1000, 1024, 4096, 5000, 40_000, 300_000];

/// A stream cipher: SHA-256 in counter mode, the same in every run.
fn encrypt(plain: &[u8]) -> Vec<u8> {
    let mut dice = Dice::new(plain.len() as u64, &String::from_utf8_lossy(&plain[..plain.len().min(16)]));
    let mut stream = std::iter::repeat_with(|| dice.next_u64().to_le_bytes()).flatten();
    plain.iter().map(|byte| byte ^ stream.next().unwrap_or(0)).collect()
}

/// Files as an office has them: German prose, CSV, XML, a log, JSON, a fixed-width table of binary numbers.
fn plain_files(length: usize, dice: &mut Dice) -> Vec<(&'static str, Vec<u8>)> {
    const WORDS: [&str; 16] = [
        "der",
        "Versicherte",
        "hat",
        "Anspruch",
        "auf",
        "Krankengeld",
        "gemäß",
        "und",
        "wird",
        "über",
        "die",
        "Höhe",
        "schriftlich",
        "benachrichtigt",
        "Müller",
        "Leistung",
    ];
    let mut prose = String::new();
    let (mut csv, mut xml, mut log, mut json) = (String::new(), String::from("<?xml?>"), String::new(), String::from("["));
    let mut table = Vec::new();
    while prose.len() < length || table.len() < length {
        prose += dice.pick(&WORDS).unwrap();
        prose.push(if dice.below(12) == 0 { '\n' } else { ' ' });
        csv += &format!(
            "{};{};{},{:02}\n",
            dice.below(99_999),
            dice.pick(&WORDS).unwrap(),
            dice.below(5000),
            dice.below(100)
        );
        xml += &format!(
            "<entry id=\"{}\"><amount value=\"{}\"/></entry>\n",
            dice.below(9999),
            dice.below(100_000)
        );
        log += &format!(
            "2026-11-{:02}T0{}:15:02Z host{} accepted {} bytes\n",
            1 + dice.below(28),
            dice.below(9),
            dice.below(40),
            dice.below(9000)
        );
        json += &format!("{{\"uuid\":\"{:016x}\",\"ok\":true}},", dice.next_u64());
        for _ in 0..4 {
            table.extend_from_slice(&(dice.below(100_000) as u32).to_le_bytes());
        }
    }
    let texts = [("prose", prose), ("csv", csv), ("xml", xml), ("log", log), ("json", json)];
    let mut files: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    files.push(("table", table));
    for (_, bytes) in &mut files {
        bytes.truncate(length);
    }
    files
}

#[test]
fn ordinary_files_do_not_look_encrypted_and_their_ciphertext_does() {
    let mut dice = Dice::new(1, "content");
    for length in LENGTHS {
        for (name, plain) in plain_files(length, &mut dice) {
            assert!(!looks_encrypted(&plain), "{name} of {length}");
            assert!(looks_encrypted(&encrypt(&plain)), "encrypted {name} of {length}");
        }
    }
}

#[test]
fn the_error_rates_are_as_measured() {
    let mut dice = Dice::new(2, "content");
    let (mut files, mut false_alarms, mut missed) = (0, 0, 0);
    for round in 0..200 {
        let length = LENGTHS[round % LENGTHS.len()].min(40_000);
        for (_, plain) in plain_files(length, &mut dice) {
            files += 1;
            false_alarms += u32::from(looks_encrypted(&plain));
            missed += u32::from(!looks_encrypted(&encrypt(&plain)));
        }
    }
    println!("{files} files: {false_alarms} taken for encrypted, {missed} encrypted ones missed");
    assert_eq!(false_alarms, 0);
    assert!(missed * 500 <= files, "{missed} of {files} missed");
}

#[test]
fn encryption_that_leaves_the_head_or_every_other_block_is_caught() {
    let mut dice = Dice::new(3, "content");
    for length in [5000, 40_000, 300_000] {
        for (name, plain) in plain_files(length, &mut dice) {
            let cipher = encrypt(&plain);
            for kept in [16, 128, 1024] {
                let headed = [&plain[..kept], &cipher[kept..]].concat();
                assert!(looks_encrypted(&headed), "{name} of {length}, head of {kept} kept");
            }
            if length >= 40_000 {
                let mut striped = plain.clone();
                for (n, block) in striped.chunks_mut(8192).enumerate().filter(|(n, _)| n % 2 == 1) {
                    block.copy_from_slice(&cipher[n * 8192..n * 8192 + block.len()]);
                }
                assert!(looks_encrypted(&striped), "{name} of {length}, every other block");
                let first_only = [&cipher[..4096], &plain[4096..]].concat();
                assert!(looks_encrypted(&first_only), "{name} of {length}, first block only");
            }
        }
    }
}

/// PNG of stored noise, written by hand: every chunk with its checksum.
fn png(noise: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in [(b"IHDR", &[0_u8; 13][..]), (b"IDAT", noise), (b"IEND", &[])] {
        let checked = [&kind[..], body].concat();
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(&checked);
        out.extend_from_slice(&crc(&checked).to_be_bytes());
    }
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// One stored member.
fn zip(noise: &[u8]) -> Vec<u8> {
    let size = (noise.len() as u32).to_le_bytes();
    let common = [
        &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &crc(noise).to_le_bytes(),
        &size,
        &size,
        &[1, 0, 0, 0],
    ]
    .concat();
    let mut out = [&b"PK\x03\x04"[..], &common, b"a", noise].concat();
    let directory = out.len() as u32;
    let entry = [&b"PK\x01\x02\x14\0"[..], &common, &[0; 14], b"a"].concat();
    out.extend_from_slice(&entry);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend_from_slice(&(entry.len() as u32).to_le_bytes());
    out.extend_from_slice(&directory.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

fn jpeg(noise: &[u8]) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xda\x00\x04ab".to_vec();
    for byte in noise {
        out.push(*byte);
        if *byte == 0xff {
            out.push(0);
        }
    }
    out.extend_from_slice(&[0xff, 0xd9]);
    out
}

fn pdf(noise: &[u8]) -> Vec<u8> {
    let mut out = [b"%PDF-1.7\n1 0 obj\nstream\n", noise, b"\nendstream\nendobj\n"].concat();
    let table = out.len();
    write!(out, "xref\n0 1\ntrailer\nstartxref\n{table}\n%%EOF\n").unwrap();
    out
}

fn gzip(noise: &[u8]) -> Vec<u8> {
    let head = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
    [&head[..], noise, &[0; 4], &(noise.len() as u32 * 3).to_le_bytes()].concat()
}

#[test]
fn compressed_formats_are_believed_only_with_their_structure() {
    let noise = encrypt(&vec![0; 50_000]);
    for (name, file) in [
        ("png", png(&noise)),
        ("zip", zip(&noise)),
        ("jpeg", jpeg(&noise)),
        ("pdf", pdf(&noise)),
        ("gzip", gzip(&noise)),
    ] {
        assert!(!looks_encrypted(&file), "{name}");
        let cipher = encrypt(&file);
        assert!(looks_encrypted(&cipher), "encrypted {name}");
        for kept in [16, 40, 512] {
            let headed = [&file[..kept], &cipher[kept..]].concat();
            assert!(looks_encrypted(&headed), "encrypted {name} with a head of {kept}");
        }
        let cut = &file[..file.len() - 1100];
        assert!(name == "gzip" || looks_encrypted(cut), "{name} without its end");
    }
}

#[test]
fn too_little_to_judge_is_not_called_encrypted_and_nothing_panics() {
    for length in 0..JUDGED_BYTES_MIN {
        assert!(!looks_encrypted(&encrypt(&vec![0; length])));
    }
    let noise = encrypt(&vec![0; 300]);
    for file in [png(&noise), zip(&noise), jpeg(&noise), pdf(&noise), gzip(&noise)] {
        for cut in 0..file.len() {
            let _ = looks_encrypted(&file[..cut]);
        }
        for bit in 0..file.len() * 8 {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let _ = looks_encrypted(&bad);
        }
    }
}
