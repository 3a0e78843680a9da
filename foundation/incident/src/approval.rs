use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The right to approve plans, given to somebody else for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Who gives it.
    pub from: String,
    /// Who has it meanwhile.
    pub to: String,
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Ed25519 signature of `from` over [`Delegation::bytes`], hex.
    pub signature: String,
}

impl Delegation {
    /// Returns the bytes that `from` signs: one field per line under a heading of their own, so that no other signed text can
    /// be taken for it.
    pub fn bytes(&self) -> Vec<u8> {
        format!(
            "leckwehr delegation v1\n{}\n{}\n{}\n{}\n",
            one_line(&self.from),
            one_line(&self.to),
            self.since.0,
            self.until.0
        )
        .into_bytes()
    }
}

/// A name with a line break could pretend to be two fields.
fn one_line(text: &str) -> String {
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_delegations_have_the_same_bytes() {
        let of = |from: &str, to: &str, until| Delegation {
            from: from.into(),
            to: to.into(),
            since: Timestamp(1),
            until: Timestamp(until),
            signature: String::new(),
        };
        let all = [
            of("anna", "bert", 7),
            of("anna", "bert", 8),
            of("anna\nbert", "", 7),
            of("anna", "bert\n7", 8),
            of("bert", "anna", 7),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().map(Delegation::bytes).collect();
        assert_eq!(different.len(), all.len());
    }
}
