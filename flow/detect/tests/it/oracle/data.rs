use std::path::PathBuf;

use leckwehr_detect::Seen;
use leckwehr_telemetry::Sheet;

/// Returns a file or folder of the recordings; says visibly that it is missing, and fails if it was demanded.
pub fn recording(path: &str) -> Option<PathBuf> {
    let root = std::env::var("LECKWEHR_DATA").unwrap_or_else(|_| "../../../shared/data".to_owned());
    let file = PathBuf::from(root).join(path);
    if file.exists() {
        return Some(file);
    }
    assert!(
        std::env::var("LECKWEHR_REQUIRE_DATA").is_err(),
        "{} is demanded and missing",
        file.display()
    );
    eprintln!("skipped: {} is not there", file.display());
    None
}

/// Returns the record on a sheet as a matcher takes it.
pub fn seen(sheet: &Sheet) -> Seen<'_> {
    Seen {
        names: sheet.names(),
        sources: sheet.sources(),
        fields: sheet.fields(),
        source: sheet.source(),
    }
}
