use crate::{ConnectionKind, PartyKind, SystemKind};

/// Every system kind with its name in files.
pub(crate) const SYSTEM_KINDS: &[(&str, SystemKind)] = &[
    ("directory", SystemKind::Directory),
    ("dns", SystemKind::Dns),
    ("pki", SystemKind::Pki),
    ("hypervisor", SystemKind::Hypervisor),
    ("backup-server", SystemKind::BackupServer),
    ("backup-vault", SystemKind::BackupVault),
    ("file-server", SystemKind::FileServer),
    ("database", SystemKind::Database),
    ("application", SystemKind::Application),
    ("portal", SystemKind::Portal),
    ("mail", SystemKind::Mail),
    ("phone", SystemKind::Phone),
    ("gateway", SystemKind::Gateway),
    ("eau-intake", SystemKind::EauIntake),
    ("epa-store", SystemKind::EpaStore),
    ("payments", SystemKind::Payments),
    ("jump-host", SystemKind::JumpHost),
    ("workstation", SystemKind::Workstation),
    ("network", SystemKind::Network),
    ("control-room", SystemKind::ControlRoom),
];

/// Every connection kind with its name in files.
pub(crate) const CONNECTION_KINDS: &[(&str, ConnectionKind)] = &[
    ("vpn", ConnectionKind::Vpn),
    ("site-to-site", ConnectionKind::SiteToSite),
    ("sftp", ConnectionKind::Sftp),
    ("api", ConnectionKind::Api),
    ("ad-trust", ConnectionKind::AdTrust),
    ("federation", ConnectionKind::Federation),
    ("kim", ConnectionKind::Kim),
    ("ti-connector", ConnectionKind::TiConnector),
    ("remote-maintenance", ConnectionKind::RemoteMaintenance),
    ("backup", ConnectionKind::Backup),
    ("replication", ConnectionKind::Replication),
    ("public-web", ConnectionKind::PublicWeb),
];

/// Every party kind with its name in files.
pub(crate) const PARTY_KINDS: &[(&str, PartyKind)] = &[
    ("provider", PartyKind::Provider),
    ("insurer", PartyKind::Insurer),
    ("third-party", PartyKind::ThirdParty),
    ("public", PartyKind::Public),
];

/// The evidence classes that sensors give.
pub(crate) const EVIDENCE_CLASSES: &[(&str, ())] = &[("logon", ()), ("process", ()), ("file", ()), ("flow", ()), ("backup", ())];

fn name_in<K: PartialEq>(kinds: &[(&'static str, K)], kind: &K) -> &'static str {
    kinds.iter().find(|(_, k)| k == kind).map_or("", |(name, _)| name)
}

impl SystemKind {
    /// Returns the name in files, e.g. `backup-server`.
    pub fn name(self) -> &'static str {
        name_in(SYSTEM_KINDS, &self)
    }

    /// Returns every kind, in the order of declaration.
    pub fn all() -> impl Iterator<Item = Self> {
        SYSTEM_KINDS.iter().map(|(_, kind)| *kind)
    }
}

impl ConnectionKind {
    /// Returns the name in files, e.g. `remote-maintenance`.
    pub fn name(self) -> &'static str {
        name_in(CONNECTION_KINDS, &self)
    }

    /// Returns every kind, in the order of declaration.
    pub fn all() -> impl Iterator<Item = Self> {
        CONNECTION_KINDS.iter().map(|(_, kind)| *kind)
    }
}

impl PartyKind {
    /// Returns the name in files, e.g. `third-party`.
    pub fn name(self) -> &'static str {
        name_in(PARTY_KINDS, &self)
    }
}

/// Days of the week, as shifts name them.
pub(crate) const DAYS: &[(&str, ())] = &[
    ("mon", ()),
    ("tue", ()),
    ("wed", ()),
    ("thu", ()),
    ("fri", ()),
    ("sat", ()),
    ("sun", ()),
];
