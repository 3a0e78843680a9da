use crate::Kind;

/// A class of the Open Cybersecurity Schema Framework 1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    /// Its category is the thousands.
    pub uid: i32,
    pub name: &'static str,
}

/// Returns the class of events of a kind.
pub(crate) fn class(kind: Kind) -> Class {
    let (uid, name) = match kind {
        Kind::Logon | Kind::Ticket => (3_002, "Authentication"),
        Kind::Process => (1_007, "Process Activity"),
        Kind::File => (1_001, "File System Activity"),
        Kind::Backup => (6_005, "Datastore Activity"),
        Kind::Flow | Kind::EgressCounter | Kind::Tls | Kind::RemoteCall => (4_001, "Network Activity"),
        Kind::Web | Kind::Requests => (4_002, "HTTP Activity"),
        Kind::Name => (4_003, "DNS Activity"),
        Kind::Share | Kind::ShareFile => (4_006, "SMB Activity"),
        Kind::Transfer => (4_010, "Network File Activity"),
        Kind::Other => (0, "Base Event"),
    };
    Class { uid, name }
}

/// Returns the activity of an action of a kind: 0 is unknown, 99 one that the class has no number for.
pub(crate) fn activity(kind: Kind, action: &str) -> i32 {
    let is = |words: &[&str]| words.iter().any(|word| action.to_ascii_lowercase().contains(word));
    match kind {
        Kind::Logon => 1,
        Kind::Ticket if is(&["tgs"]) => 4,
        Kind::Ticket => 3,
        Kind::Process => 1,
        Kind::Flow | Kind::EgressCounter | Kind::Tls | Kind::RemoteCall => 6,
        Kind::Name => 6,
        Kind::File if action.is_empty() => 0,
        Kind::File if is(&["create"]) => 1,
        Kind::File if is(&["read", "open"]) => 2,
        Kind::File if is(&["change", "update", "write", "modif"]) => 3,
        Kind::File if is(&["delete", "remove"]) => 4,
        Kind::File if is(&["rename"]) => 5,
        Kind::Backup if is(&["create"]) => 6,
        Kind::Backup if is(&["delete", "remove"]) => 7,
        Kind::Backup if is(&["change", "update"]) => 2,
        Kind::Web => match action.to_ascii_uppercase().as_str() {
            "" => 0,
            "CONNECT" => 1,
            "DELETE" => 2,
            "GET" => 3,
            "HEAD" => 4,
            "OPTIONS" => 5,
            "POST" => 6,
            "PUT" => 7,
            "TRACE" => 8,
            _ => 99,
        },
        Kind::Other | Kind::Requests => 0,
        _ if action.is_empty() => 0,
        _ => 99,
    }
}
