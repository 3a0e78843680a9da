use std::collections::BTreeSet;

use leckwehr_incident::Timestamp;

/// One backed-up version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// When it was written.
    pub at: Timestamp,
    /// Account that wrote it; empty if the backup does not know.
    pub author: String,
    /// What [`crate::looks_encrypted`] says of its bytes.
    pub looks_encrypted: bool,
    /// Length in bytes.
    pub len: u64,
}

/// Returns the position of the newest version that can be restored: not written by a compromised account since the first
/// compromise, not looking encrypted, and not emptied after there was content. `None` if there is none.
///
/// A version of unknown author counts as written by a compromised account. Order of the slice does not matter; of equal
/// times the later position wins. O(versions).
pub fn clean_version(
    versions: &[Version],
    compromised_accounts: &BTreeSet<String>,
    first_compromise: Option<Timestamp>,
) -> Option<usize> {
    let suspect = |v: &Version| {
        let after = first_compromise.is_some_and(|first| v.at >= first);
        after && (v.author.is_empty() || compromised_accounts.contains(&v.author))
    };
    let first_content = versions.iter().filter(|v| v.len > 0).map(|v| v.at).min();
    let emptied = |v: &Version| v.len == 0 && first_content.is_some_and(|first| first < v.at);
    let clean = |v: &Version| !suspect(v) && !v.looks_encrypted && !emptied(v);
    let candidates = versions.iter().enumerate().filter(|(_, v)| clean(v));
    candidates.max_by_key(|(i, v)| (v.at, *i)).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(at: i64, author: &str) -> Version {
        Version {
            at: Timestamp(at),
            author: author.to_owned(),
            looks_encrypted: false,
            len: 10,
        }
    }

    fn chosen(versions: &[Version]) -> Option<usize> {
        clean_version(versions, &BTreeSet::from(["mallory".to_owned()]), Some(Timestamp(100)))
    }

    #[test]
    fn the_newest_version_of_an_honest_author_wins() {
        let versions = [
            version(10, "anna"),
            version(90, "mallory"),
            version(110, "mallory"),
            version(105, "anna"),
            version(120, ""),
        ];
        assert_eq!(chosen(&versions), Some(3));
        assert_eq!(
            chosen(&versions[..3]),
            Some(1),
            "before the compromise the account was its owner's"
        );
        assert_eq!(chosen(&versions[2..3]), None);
    }

    #[test]
    fn encrypted_and_emptied_versions_are_left_out_whoever_wrote_them() {
        let mut versions = [version(10, "anna"), version(150, "anna"), version(160, "anna")];
        versions[1].looks_encrypted = true;
        versions[2].len = 0;
        assert_eq!(chosen(&versions), Some(0));
        let always_empty = [Version {
            len: 0,
            ..version(10, "anna")
        }];
        assert_eq!(chosen(&always_empty), Some(0));
    }

    #[test]
    fn without_a_compromise_every_author_is_honest() {
        let versions = [version(110, "mallory")];
        assert_eq!(
            clean_version(&versions, &BTreeSet::from(["mallory".to_owned()]), None),
            Some(0)
        );
    }
}
