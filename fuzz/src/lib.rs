//! Fuzz targets: each parser of outside bytes, as one function from bytes.
//!
//! A target must not panic, whatever the bytes; a panic is a fault of the parser or of a promise that the target checks. The
//! driver (`main.rs`) mutates seeds with a deterministic generator and keeps those inputs that reach something new;
//! `guided/` runs the same functions under libFuzzer.

mod capture;
mod container;
mod cut_certificate;
mod evtx;
mod fhir_json;
mod fhir_xml;
mod fhirpath;
mod flow_packets;
mod json_lines;
mod mutate;
mod openc2;
mod otlp;
mod payments;
mod payments_csv;
mod payments_toml;
mod payments_xml;
mod playbook;
mod protocol;
mod records;
mod sigma_record;
mod sigma_rule;
mod syslog_stream;
mod text_lines;
mod tree;
mod zeek_tsv;

pub use mutate::{Dice, mutate};

/// One parser under attack.
pub struct Target {
    /// Name on the command line: the name of its file.
    pub name: &'static str,
    /// Takes any bytes. Returns a fingerprint of what they reached (kinds of errors, shape of the result): inputs with a new
    /// one become seeds. 0 if there is nothing to tell.
    pub run: fn(&[u8]) -> u64,
    /// What to begin with.
    pub seeds: &'static [&'static str],
    /// Words of the format, which chance alone would hardly find.
    pub words: &'static [&'static str],
}

/// All targets. A new one is a file beside this and a line here.
pub const TARGETS: &[Target] = &[
    fhir_xml::TARGET,
    fhir_json::TARGET,
    fhirpath::TARGET,
    sigma_record::TARGET,
    sigma_rule::TARGET,
    json_lines::TARGET,
    zeek_tsv::TARGET,
    evtx::TARGET,
    container::TARGET,
    text_lines::TARGET,
    syslog_stream::TARGET,
    flow_packets::TARGET,
    capture::TARGET,
    openc2::TARGET,
    otlp::TARGET,
    protocol::TARGET,
    playbook::TARGET,
    cut_certificate::TARGET,
    payments_csv::TARGET,
    payments_toml::TARGET,
    payments_xml::TARGET,
];

/// Folds numbers into a fingerprint.
pub(crate) fn fingerprint(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        (hash ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

/// Reads a whole source of telemetry and says what was met in it.
pub(crate) fn telemetry(source: impl std::io::Read + Send + 'static) -> u64 {
    use leckwehr_telemetry::{Item, Reader, Sheet};
    let (mut sheet, mut met, mut place) = (Sheet::new(), Vec::new(), 0);
    let Ok(mut reader) = Reader::over("fuzz", source) else {
        return 0;
    };
    loop {
        let item = reader.next(&mut sheet);
        let told = match &item {
            Ok(Item::Record) => {
                let arena = sheet.fields().arena();
                assert!(
                    sheet.fields().spans().all(|(_, span)| arena.get(span).is_some()),
                    "values lie in the text"
                );
                let record = sheet.record();
                let kind = record.map_or(99, |record| record.map_or(98, |record| record.kind as u64));
                1 + kind + 100 * (sheet.fields().len().min(30) as u64)
            }
            Ok(Item::Damaged(damaged)) => 10_000 + damaged.reason.bytes().map(u64::from).sum::<u64>(),
            Ok(Item::Lost(_)) => 3,
            Ok(Item::Ignored | Item::Rotated | Item::Truncated) => 4,
            Ok(Item::End) | Err(_) => return fingerprint(met),
        };
        assert!(reader.position().offset >= place, "reading goes on");
        place = reader.position().offset;
        if met.last() != Some(&told) && met.len() < 16 {
            met.push(told);
        }
    }
}
