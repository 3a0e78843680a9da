use leckwehr_telemetry::LogSource as RecordSource;
use rsigma_parser::LogSource;

use crate::sigma::condition::Fault;

/// The log source that a rule is for; what is not said means any.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RuleSource {
    /// E.g. `windows`.
    pub product: Option<Box<str>>,
    /// E.g. `process_creation`.
    pub category: Option<Box<str>>,
    /// E.g. `security`.
    pub service: Option<Box<str>>,
}

impl RuleSource {
    pub(crate) fn new(source: &LogSource) -> Result<Self, Fault> {
        if let Some(key) = source.custom.keys().min() {
            let what = format!("{key:?} is no part of a log source");
            return Err(Fault::new(what, "use product, category and service")
                .below(key)
                .below("logsource"));
        }
        let word = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or("").trim().to_ascii_lowercase();
            (!text.is_empty()).then(|| text.into_boxed_str())
        };
        Ok(Self {
            product: word(&source.product),
            category: word(&source.category),
            service: word(&source.service),
        })
    }

    /// Returns whether records of this source are meant. A rule that names a product only is for all that the product
    /// writes, as Sigma's specification has it; one that names nothing is for no record.
    pub fn is_for(&self, source: &RecordSource) -> bool {
        let fits = |wanted: &Option<Box<str>>, found: &str| wanted.as_ref().is_none_or(|w| w.eq_ignore_ascii_case(found));
        !self.is_empty()
            && fits(&self.product, &source.product)
            && (fits(&self.service, &source.service) || source.also.iter().any(|service| fits(&self.service, service)))
            && self
                .category
                .as_ref()
                .is_none_or(|wanted| source.categories.iter().any(|c| wanted.eq_ignore_ascii_case(c)))
    }

    fn is_empty(&self) -> bool {
        self.product.is_none() && self.category.is_none() && self.service.is_none()
    }

    /// Returns whether every part that this source names is the same in the other one.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let fits = |mine: &Option<Box<str>>, theirs: &Option<Box<str>>| mine.is_none() || mine == theirs;
        fits(&self.product, &other.product) && fits(&self.category, &other.category) && fits(&self.service, &other.service)
    }

    /// Returns why no record can be of this source, or nothing.
    pub fn unmapped(&self) -> Option<String> {
        if self.is_empty() {
            return Some("names neither product, category nor service: it is for no record".to_owned());
        }
        let Some(product) = self.product.as_deref() else {
            let known = |word: &Option<Box<str>>, of: fn(&Known) -> &'static str| {
                word.as_ref()
                    .is_none_or(|w| KNOWN.iter().any(|k| of(k).split(' ').any(|known| known == &**w)))
            };
            let mapped = known(&self.category, |k| k.categories) && known(&self.service, |k| k.services);
            return (!mapped).then(|| format!("no telemetry is read as {self}"));
        };
        let Some(known) = KNOWN.iter().find(|k| k.product == product) else {
            return Some(format!("no telemetry is read for the product {product:?}"));
        };
        let has = |words: &str, word: &Option<Box<str>>| {
            word.as_ref()
                .is_none_or(|w| words == "*" || words.split(' ').any(|known| known == &**w))
        };
        if !has(known.categories, &self.category) {
            return Some(format!("no telemetry of {product} is read as this category"));
        }
        (!has(known.services, &self.service)).then(|| format!("no telemetry of {product} is read as this service"))
    }
}

impl std::fmt::Display for RuleSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |word: &Option<Box<str>>| word.as_deref().unwrap_or("*").to_owned();
        write!(f, "{}/{}/{}", word(&self.product), word(&self.category), word(&self.service))
    }
}

/// What `telemetry` can tell of a product; `*` is anything.
struct Known {
    product: &'static str,
    categories: &'static str,
    services: &'static str,
}

/// Sigma's taxonomy as far as records are read for it.
const KNOWN: &[Known] = &[
    Known {
        product: "windows",
        categories: "process_creation process_termination process_access process_tampering image_load driver_load \
            network_connection dns_query create_remote_thread create_stream_hash raw_access_thread raw_access_read \
            pipe_created file_event file_access file_change file_rename file_delete file_block_executable \
            file_block_shredding file_executable_detected registry_event registry_set registry_add registry_delete \
            registry_rename wmi_event sysmon_status sysmon_error clipboard_capture ps_script ps_module \
            ps_classic_start ps_classic_provider_start ps_classic_script authentication antivirus",
        services: "*",
    },
    Known {
        product: "linux",
        categories: "process_creation process_termination file_event file_delete network_connection",
        services: "*",
    },
    Known {
        product: "zeek",
        categories: "dns http firewall proxy network_connection",
        services: "*",
    },
    Known {
        product: "leckwehr",
        categories: "*",
        services: "*",
    },
    Known {
        product: "kubernetes",
        categories: "application audit",
        services: "audit",
    },
    Known {
        product: "suricata",
        categories: "*",
        services: "*",
    },
    Known {
        product: "aws",
        categories: "",
        services: "cloudtrail",
    },
    Known {
        product: "",
        categories: "proxy webserver firewall dns antivirus process_creation network_connection file_event ids netflow",
        services: "apache nginx iis sshd sudo cron auth syslog auditd",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn source(product: &str, category: &str, service: &str) -> RuleSource {
        let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let source = LogSource {
            product: word(product),
            category: word(category),
            service: word(service),
            ..LogSource::default()
        };
        RuleSource::new(&source).unwrap()
    }

    #[test]
    fn a_rule_is_for_records_that_have_all_it_names() {
        let record = RecordSource {
            product: "windows".into(),
            service: "sysmon".into(),
            also: vec!["auth".into()],
            categories: vec!["registry_set".into(), "registry_event".into()],
        };
        assert!(source("windows", "", "auth").is_for(&record) && !source("windows", "", "syslog").is_for(&record));
        assert!(source("windows", "registry_event", "").is_for(&record));
        assert!(source("Windows", "", "sysmon").is_for(&record) && source("", "registry_set", "").is_for(&record));
        assert!(!source("windows", "process_creation", "").is_for(&record));
        assert!(!source("linux", "registry_set", "").is_for(&record));
        assert!(source("windows", "", "").is_for(&record) && !source("linux", "", "").is_for(&record));
        assert!(!source("", "", "").is_for(&record), "nothing is not everything");
    }

    #[test]
    fn what_no_telemetry_is_read_as_is_said() {
        assert_eq!(source("windows", "process_creation", "").unmapped(), None);
        assert_eq!(source("windows", "", "security").unmapped(), None);
        assert_eq!(source("windows", "", "").unmapped(), None);
        assert_eq!(source("", "proxy", "").unmapped(), None);
        for (product, category, service) in [
            ("", "", ""),
            ("macos", "process_creation", ""),
            ("windows", "proces_creation", ""),
        ] {
            assert!(
                source(product, category, service).unmapped().is_some(),
                "{product} {category} {service}"
            );
        }
    }
}
