use std::collections::BTreeSet;

use crate::order::Action;

/// Longest name of a profile after `x-`, and longest name of an extension's own, in bytes (Language § 3.1.4).
const NSID_BYTES_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 32;

/// Targets of the language (§ 3.3.1.2).
pub(crate) const TARGETS: [&str; 18] = [
    "artifact",
    "command",
    "device",
    "domain_name",
    "email_addr",
    "features",
    "file",
    "idn_domain_name",
    "idn_email_addr",
    "ipv4_net",
    "ipv6_net",
    "ipv4_connection",
    "ipv6_connection",
    "iri",
    "mac_addr",
    "process",
    "properties",
    "uri",
];

/// Pairs of the profile for packet filters (SLPF § 2.3).
const SLPF_PAIRS: [(Action, &[&str]); 5] = [
    (Action::Allow, &["ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"]),
    (Action::Deny, &["ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"]),
    (Action::Query, &["features"]),
    (Action::Delete, &["slpf:rule_number"]),
    (Action::Update, &["file"]),
];

/// Which part of OpenC2 a reader knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles {
    language: bool,
    slpf: bool,
    extensions: BTreeSet<String>,
}

impl Profiles {
    /// Everything of the language, and no profile.
    pub fn language() -> Self {
        Self {
            language: true,
            slpf: false,
            extensions: BTreeSet::new(),
        }
    }

    /// The profile for packet filters, and nothing of the language that it does not use.
    pub fn slpf() -> Self {
        Self {
            language: false,
            slpf: true,
            extensions: BTreeSet::new(),
        }
    }

    /// What the guard knows: the profile for packet filters and our own, `x-leckwehr`.
    pub fn guard() -> Self {
        Self::slpf().with_extension("x-leckwehr")
    }

    /// Adds the profile for packet filters.
    #[must_use]
    pub fn with_slpf(mut self) -> Self {
        self.slpf = true;
        self
    }

    /// Adds somebody's own profile; its targets, arguments and results may be anything.
    #[must_use]
    pub fn with_extension(mut self, name: &str) -> Self {
        self.extensions.insert(name.to_owned());
        self
    }

    pub(crate) fn has_slpf(&self) -> bool {
        self.slpf
    }

    /// Says what is wrong with the name of a profile.
    pub(crate) fn check_profile(&self, name: &str) -> Result<(), String> {
        if name == "slpf" {
            return if self.slpf {
                Ok(())
            } else {
                Err("the profile slpf is not spoken here".into())
            };
        }
        let own = name
            .strip_prefix("x-")
            .ok_or_else(|| format!("{name:?} is no profile: others' begin with x-"))?;
        let form = own.len() <= NAME_BYTES_MAX && is_name(own, |first| first.is_ascii_alphanumeric());
        if !form {
            return Err(format!("{:?} is no profile's name", short(name)));
        }
        if !self.extensions.contains(name) {
            return Err(format!("the profile {:?} is not spoken here", short(name)));
        }
        Ok(())
    }

    /// Says what is wrong with the type of a target.
    pub(crate) fn check_target(&self, name: &str) -> Result<(), String> {
        if let Some((profile, own)) = name.split_once(':') {
            self.check_profile(profile)?;
            if profile == "slpf" && own != "rule_number" {
                return Err(format!("the profile slpf has no target {:?}", short(own)));
            }
            if own.len() > NAME_BYTES_MAX || !is_name(own, |first| first.is_ascii_alphabetic()) {
                return Err(format!("{:?} is no target's name", short(own)));
            }
            return Ok(());
        }
        if TARGETS.contains(&name) {
            return Ok(());
        }
        Err(format!("{:?} is no target of the language", short(name)))
    }

    /// Returns whether an action may have a target.
    pub(crate) fn pairs(&self, action: Action, target: &str) -> bool {
        let is_extension = target.starts_with("x-");
        is_extension || self.language || self.slpf && is_slpf_pair(action, target)
    }
}

/// Returns whether the profile for packet filters has the pair.
pub(crate) fn is_slpf_pair(action: Action, target: &str) -> bool {
    SLPF_PAIRS
        .iter()
        .any(|(a, targets)| *a == action && targets.contains(&target))
}

/// Shortest names are enough for a message.
fn short(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX + NSID_BYTES_MAX).collect()
}

fn is_name(name: &str, first: impl Fn(char) -> bool) -> bool {
    name.starts_with(first) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}
