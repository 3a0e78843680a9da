//! The made-up provider of `examples/essen`, built into the binary: a drill needs no file beside it.

use leckwehr_estate::{Estate, Source};

use crate::problem::Problem;

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../examples/essen/", $name)))
    };
}

const FILES: [(&str, &str); 18] = [
    file!("accounts.toml"),
    file!("backups.toml"),
    file!("connections-inside.toml"),
    file!("connections-insurers.toml"),
    file!("connections-outside.toml"),
    file!("crews.toml"),
    file!("data.toml"),
    file!("estate.toml"),
    file!("insurers.toml"),
    file!("parties.toml"),
    file!("recipes.toml"),
    file!("sensors.toml"),
    file!("services.toml"),
    file!("systems-base.toml"),
    file!("systems-business.toml"),
    file!("systems-health.toml"),
    file!("workstations.toml"),
    file!("zones.toml"),
];

/// Returns the estate of the example.
pub fn essen() -> Result<Estate, Problem> {
    let sources: Vec<Source> = FILES
        .iter()
        .map(|(name, text)| Source {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    Estate::parse(&sources).map_err(|errors| Problem::new("LW-ESTATE-001", "the built-in estate cannot be loaded", &errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_example_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/essen");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".toml"))
            .collect();
        names.sort();
        assert_eq!(names, FILES.map(|(name, _)| name.to_owned()));
        assert!(essen().is_ok());
    }
}
