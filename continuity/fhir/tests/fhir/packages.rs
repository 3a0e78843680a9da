//! Packages for tests: the base definitions come from where `LECKWEHR_FHIR_PACKAGES` says.

use std::path::{Path, PathBuf};

use leckwehr_fhir::package::{Configuration, Shelf};
use leckwehr_fhir::validate::Validator;

/// The folder with the base definitions, as `leckwehr fhir packages fetch` makes it.
#[expect(clippy::disallowed_methods, reason = "tests find their data by the environment")]
pub fn base() -> Option<PathBuf> {
    let folder = std::env::var_os("LECKWEHR_FHIR_PACKAGES").map(PathBuf::from);
    if let Some(folder) = folder.filter(|f| f.is_dir()) {
        return Some(folder);
    }
    assert!(
        std::env::var("LECKWEHR_REQUIRE_DATA").is_err(),
        "no base definitions (set LECKWEHR_FHIR_PACKAGES)"
    );
    println!("skipped: no base definitions (leckwehr fhir packages fetch, then set LECKWEHR_FHIR_PACKAGES)");
    None
}

/// A shelf of the base definitions alone: the one package of the folder that has them.
pub fn shelf_of_base(folder: &Path) -> Shelf {
    let mut shelf = Shelf::new();
    for path in Shelf::find(folder).unwrap() {
        if path.to_string_lossy().contains("definitions") || path.to_string_lossy().contains("r4.core") {
            shelf.read(&path).unwrap();
        }
    }
    shelf
}

/// A validator with the base, the packages of a folder and its configuration.
pub fn validator(base: &Path, packages: &Path) -> Validator {
    let mut shelf = shelf_of_base(base);
    for path in Shelf::find(packages).unwrap() {
        shelf.read(&path).unwrap();
    }
    let configuration = Configuration::find(packages).map(|path| Configuration::read(&path).unwrap());
    Validator::new(shelf, configuration).unwrap()
}
