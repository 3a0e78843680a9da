use leckwehr_incident::Finding;

/// What a finding says about the attacker, from its ATT&CK techniques.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Credentials were taken on the host.
    CredentialAccess,
    /// Data or backups were destroyed on the host.
    Impact,
    /// A log-on that has an attacker's marks.
    Access,
    /// A program was run on the host from another one.
    RemoteExecution,
    /// Data went to the address named as origin.
    Exfiltration,
    /// A certificate that vouches for itself.
    SelfSigned,
    /// A long connection on an unusual port, or one that is held or repeated.
    Channel,
    /// A program came from there.
    Download,
}

const TABLE: [(&str, Meaning); 20] = [
    ("T1003", Meaning::CredentialAccess),
    ("T1552", Meaning::CredentialAccess),
    ("T1555", Meaning::CredentialAccess),
    ("T1558", Meaning::CredentialAccess),
    ("T1485", Meaning::Impact),
    ("T1486", Meaning::Impact),
    ("T1490", Meaning::Impact),
    ("T1047", Meaning::RemoteExecution),
    ("T1053", Meaning::RemoteExecution),
    ("T1569", Meaning::RemoteExecution),
    ("T1570", Meaning::RemoteExecution),
    ("T1041", Meaning::Exfiltration),
    ("T1048", Meaning::Exfiltration),
    ("T1567", Meaning::Exfiltration),
    ("T1573", Meaning::SelfSigned),
    ("T1571", Meaning::Channel),
    ("T1071", Meaning::Channel),
    ("T1105", Meaning::Download),
    ("T1078", Meaning::Access),
    ("T1550", Meaning::Access),
];

/// Returns what the finding means; a finding with several techniques may mean several things.
///
/// Floods, scans and password guessing say nothing about the host they hit and have no meaning here.
pub(crate) fn meanings(finding: &Finding) -> impl Iterator<Item = Meaning> {
    let found = |technique: &String| TABLE.iter().find(|(id, _)| technique.starts_with(id)).map(|(_, m)| *m);
    let mut meanings: Vec<Meaning> = finding.techniques.iter().filter_map(found).collect();
    // A rule for a self-signed certificate also names the protocol; that is one sign, not two.
    if meanings.contains(&Meaning::SelfSigned) {
        meanings.retain(|m| *m != Meaning::Channel);
    }
    meanings.sort_unstable();
    meanings.dedup();
    meanings.into_iter()
}
