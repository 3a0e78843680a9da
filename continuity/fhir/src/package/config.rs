use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archive::PackageError;
use super::date::Day;
use super::version::{satisfies, split_canonical};

/// Largest configuration read, in bytes.
pub const CONFIGURATION_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Which packages belong together from when to when, and what a validation must not object to: the format of the module
/// configurations of gematik's reference validator (`dependencyLists`, `supportedProfiles`, …), as YAML.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// Name of the configuration.
    pub id: String,
    /// Dependency lists by name.
    pub lists: HashMap<String, DependencyList>,
    /// Which lists a profile (URL) in a version (key of the inner map) may be checked with.
    pub profiles: HashMap<String, HashMap<String, ProfileRule>>,
    /// Code systems whose codes are never objected to.
    pub ignored_code_systems: Vec<String>,
    /// Value sets whose bindings are not checked.
    pub ignored_value_sets: Vec<String>,
    /// A profile that no package defines makes a document invalid (else the verdict is unknown).
    pub error_on_unknown_profile: bool,
    /// Extensions that no package defines are allowed.
    pub any_extensions_allowed: bool,
    /// Encodings that are accepted (`xml`, `json`); empty means all.
    pub accepted_encodings: Vec<String>,
    /// Severity of a unit that is no UCUM unit.
    pub ucum_severity: Option<String>,
}

/// Packages that belong together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DependencyList {
    /// Packages by file name.
    pub packages: Vec<String>,
    /// First day.
    pub valid_from: Option<Day>,
    /// Last day.
    pub valid_till: Option<Day>,
    /// Severities that are changed afterwards.
    pub transformations: Vec<Transformation>,
}

/// How a profile is checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileRule {
    /// Names of dependency lists.
    pub lists: Vec<String>,
    /// FHIRPath to the date that chooses among them; without it each of them may accept the document.
    pub date_locator: Option<String>,
}

/// Changes the severity of issues that match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transformation {
    /// Severity before.
    pub from: String,
    /// Severity after.
    pub to: String,
    /// Regular expression over the text.
    pub text: Option<String>,
    /// Message id of the HL7 validator.
    pub message_id: Option<String>,
    /// Regular expression over the location.
    pub location: Option<String>,
}

impl DependencyList {
    /// Whether the list is valid on a day; both ends count.
    pub fn is_valid_on(&self, day: Day) -> bool {
        self.valid_from.is_some_and(|from| from <= day) && self.valid_till.is_none_or(|till| day <= till)
    }
}

impl Configuration {
    /// Finds the configuration that belongs to a folder of packages: the first YAML file with `dependencyLists` in the folder
    /// itself, else beside it.
    pub fn find(folder: &Path) -> Option<PathBuf> {
        let beside = folder.parent().map(Path::to_path_buf);
        [Some(folder.to_path_buf()), beside].into_iter().flatten().find_map(|place| {
            let mut files: Vec<PathBuf> = fs::read_dir(place).ok()?.filter_map(|e| e.ok()).map(|e| e.path()).collect();
            files.sort();
            files.into_iter().find(|f| {
                let is_yaml = f.extension().is_some_and(|e| e == "yaml" || e == "yml");
                let is_small = fs::metadata(f).is_ok_and(|m| m.len() <= CONFIGURATION_BYTES_MAX);
                is_yaml && is_small && fs::read_to_string(f).is_ok_and(|t| t.lines().any(|l| l.starts_with("dependencyLists:")))
            })
        })
    }

    /// Reads a configuration file.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        let unreadable = |source| PackageError::Unreadable {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(unreadable)?.len() > CONFIGURATION_BYTES_MAX {
            let (limit, unit) = (CONFIGURATION_BYTES_MAX, "bytes");
            return Err(PackageError::TooLarge {
                path: path.to_owned(),
                limit,
                unit,
            });
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text).map_err(|detail| PackageError::Configuration {
            path: path.to_owned(),
            detail,
        })
    }

    /// Parses a configuration; the error names line and column where there are any.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = yaml_serde::from_str(text).map_err(|e| e.to_string())?;
        let mut configuration = Self {
            id: file.id.unwrap_or_default(),
            ignored_code_systems: file.ignored_code_systems.unwrap_or_default(),
            ignored_value_sets: file.ignored_value_sets.unwrap_or_default(),
            error_on_unknown_profile: truth("errorOnUnknownProfile", file.error_on_unknown_profile.as_deref())?,
            any_extensions_allowed: truth("anyExtensionsAllowed", file.any_extensions_allowed.as_deref())?,
            accepted_encodings: file.accepted_encodings.unwrap_or_default(),
            ucum_severity: file.ucum_severity.map(|s| s.to_lowercase()),
            ..Self::default()
        };
        for (name, list) in file.dependency_lists {
            let day = |key: &str, text: Option<String>| {
                text.map(|t| Day::parse(&t).ok_or_else(|| format!("dependencyLists.{name}.{key}: {t:?} is no day (YYYY-MM-DD)")))
                    .transpose()
            };
            let (valid_from, valid_till) = (day("validFrom", list.valid_from)?, day("validTill", list.valid_till)?);
            let transformations = list.transformations.unwrap_or_default();
            let list = DependencyList {
                packages: list.packages.unwrap_or_default(),
                valid_from,
                valid_till,
                transformations: transformations
                    .into_iter()
                    .map(TransformationEntry::into_transformation)
                    .collect(),
            };
            configuration.lists.insert(name, list);
        }
        for (url, supported) in file.supported_profiles.unwrap_or_default() {
            let mut versions = HashMap::new();
            for (version, rule) in supported.versions {
                let lists = rule.lists.unwrap_or_default();
                if let Some(missing) = lists.iter().find(|l| !configuration.lists.contains_key(*l)) {
                    return Err(format!(
                        "supportedProfiles.{url}.{version}: there is no dependency list {missing:?}"
                    ));
                }
                versions.insert(
                    version,
                    ProfileRule {
                        lists,
                        date_locator: rule.date_locator,
                    },
                );
            }
            configuration.profiles.insert(url, versions);
        }
        Ok(configuration)
    }

    /// The rule for a canonical: the version as written, else one that it answers or that answers it; `0.0.0` stands for none.
    pub fn rule(&self, canonical: &str) -> Option<&ProfileRule> {
        let (url, version) = split_canonical(canonical);
        let versions = self.profiles.get(url)?;
        let version = version.unwrap_or("0.0.0");
        versions.get(version).or_else(|| {
            let mut near: Vec<_> = versions
                .iter()
                .filter(|(v, _)| satisfies(v, version) || satisfies(version, v))
                .collect();
            near.sort_by(|a, b| super::version::compare_versions(b.0, a.0));
            near.first().map(|(_, rule)| *rule)
        })
    }
}

fn truth(key: &str, text: Option<&str>) -> Result<bool, String> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(format!("{key}: {other:?} is neither true nor false")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    id: Option<String>,
    error_on_unknown_profile: Option<String>,
    any_extensions_allowed: Option<String>,
    ignored_code_systems: Option<Vec<String>>,
    ignored_value_sets: Option<Vec<String>>,
    accepted_encodings: Option<Vec<String>>,
    #[serde(rename = "ucumValidationSeverityLevel")]
    ucum_severity: Option<String>,
    dependency_lists: HashMap<String, ListEntry>,
    supported_profiles: Option<HashMap<String, SupportedEntry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListEntry {
    packages: Option<Vec<String>>,
    valid_from: Option<String>,
    valid_till: Option<String>,
    #[serde(rename = "validationMessageTransformations")]
    transformations: Option<Vec<TransformationEntry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransformationEntry {
    severity_level_from: String,
    severity_level_to: String,
    locator_string: Option<String>,
    message_id: Option<String>,
    message_location_regex: Option<String>,
}

#[derive(Deserialize)]
struct SupportedEntry {
    #[serde(rename = "profileVersions")]
    versions: HashMap<String, RuleEntry>,
}

#[derive(Deserialize)]
struct RuleEntry {
    #[serde(rename = "dependencyLists")]
    lists: Option<Vec<String>>,
    #[serde(rename = "creationDateLocator")]
    date_locator: Option<String>,
}

impl TransformationEntry {
    fn into_transformation(self) -> Transformation {
        Transformation {
            from: self.severity_level_from,
            to: self.severity_level_to,
            text: self.locator_string,
            message_id: self.message_id,
            location: self.message_location_regex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "id: x\nerrorOnUnknownProfile: \"true\"\nanyExtensionsAllowed: false\ndependencyLists:\n  a:\n    packages: [\"p-1.0.tgz\"]\n    validFrom: \"2026-01-27\"\n  b:\n    packages:\n    validFrom: \"2025-01-01\"\n    validTill: \"2026-01-26\"\nsupportedProfiles:\n  \"http://x/P\":\n    profileVersions:\n      1.10:\n        dependencyLists: [a, b]\n        creationDateLocator: \"date\"\n";

    #[test]
    fn versions_stay_text_and_days_are_days() {
        let configuration = Configuration::parse(TEXT).unwrap();
        let rule = configuration.rule("http://x/P|1.10").unwrap();
        assert_eq!(rule.lists, ["a", "b"]);
        assert_eq!(configuration.rule("http://x/P|1.10.3"), Some(rule));
        assert_eq!(configuration.rule("http://x/P|1.1"), None);
        let (a, b) = (&configuration.lists["a"], &configuration.lists["b"]);
        let change = [Day::parse("2026-01-26").unwrap(), Day::parse("2026-01-27").unwrap()];
        assert_eq!(
            change.map(|d| (a.is_valid_on(d), b.is_valid_on(d))),
            [(false, true), (true, false)]
        );
        assert!(configuration.error_on_unknown_profile && !configuration.any_extensions_allowed);
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |from: &str, to: &str| Configuration::parse(&TEXT.replace(from, to)).unwrap_err();
        assert!(wrong("2026-01-27", "2026-02-30").contains("dependencyLists.a.validFrom"));
        assert!(wrong("[a, b]", "[a, c]").contains("\"c\""));
        assert!(wrong("\"true\"", "ja").contains("errorOnUnknownProfile"));
        assert!(wrong("dependencyLists:\n  a", "lists:\n  a").contains("dependencyLists"));
    }
}
