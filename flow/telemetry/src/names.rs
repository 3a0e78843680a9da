use std::collections::HashMap;

/// Distinct field names per table; fields with further names keep their values under [`FieldId::OTHER`].
pub const FIELD_NAMES_MAX: usize = 16_384;
/// Bytes of a field name with its path; a longer one is [`FieldId::OTHER`].
pub const FIELD_NAME_BYTES_MAX: usize = 1_024;

/// A field name of one [`FieldNames`] table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(u32);

/// Names that every table has at the same place, so that readers need not look them up.
macro_rules! known {
    ($($number:literal $id:ident $name:literal)*) => {
        impl FieldId {
            $(#[doc = concat!("`", $name, "`.")] pub const $id: Self = Self($number);)*
        }
        const KNOWN: &[&str] = &[$($name),*];
    };
}

known! {
    0 OTHER "(other)"
    1 EVENT_ID "EventID"
    2 CHANNEL "Channel"
    3 PROVIDER_NAME "Provider_Name"
    4 COMPUTER "Computer"
    5 EVENT_RECORD_ID "EventRecordID"
    6 MESSAGE "Message"
    7 TIMESTAMP "@timestamp"
    8 TIME_CREATED "TimeCreated"
    9 UTC_TIME "UtcTime"
    10 HOSTNAME "Hostname"
    11 RECORD_NUMBER "RecordNumber"
    12 SOURCE_NAME "SourceName"
    13 ZEEK_PATH "_path"
    14 ZEEK_STREAM "@stream"
    15 BEAT_EVENT_ID "winlog.event_id"
    16 OLD_BEAT_EVENT_ID "event_id"
    17 XML_EVENT_ID "Event.System.EventID"
    18 ECS_CATEGORY "event.category"
    19 ECS_ACTION "event.action"
    20 XML_EVENT_ID_TEXT "Event.System.EventID.#text"
    21 SYSTEM_EVENT_ID "System.EventID"
    22 EVENT_TYPE "EventType"
    23 EVE_TYPE "event_type"
    24 EVE_FLOW "flow_id"
    25 EVE_TIMESTAMP "timestamp"
    26 OCSF_CLASS "class_uid"
    27 OCSF_CATEGORY "category_uid"
    28 OCSF_VERSION "metadata.version"
    29 API_VERSION "apiVersion"
    30 SYSTEM "System"
    31 EVENT_DATA "EventData"
    32 USER_DATA "UserData"
    33 RENDERING_INFO "RenderingInfo"
    34 NAME "Name"
}

impl FieldId {
    /// Returns the place in the table, from 0; a matcher can index its own table by it.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn nth(index: usize) -> Self {
        Self(index as u32)
    }
}

/// Field names, each stored once; one table per reader, which its [`crate::Fields`] are read with.
///
/// Numbers are given in the order of first sight and never change, so that a table grown later can be followed by
/// looking at the new numbers only ([`FieldNames::len`]).
#[derive(Debug, Clone)]
pub struct FieldNames {
    by_name: HashMap<Box<str>, FieldId>,
    names: Vec<Box<str>>,
}

impl Default for FieldNames {
    fn default() -> Self {
        Self::new()
    }
}

impl FieldNames {
    /// Builds a table with the known names.
    pub fn new() -> Self {
        let mut table = Self {
            by_name: HashMap::new(),
            names: Vec::new(),
        };
        for name in KNOWN {
            table.add(name);
        }
        table
    }

    /// Returns the number of the name, storing it if it is new. O(length).
    pub fn intern(&mut self, name: &str) -> FieldId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        if self.names.len() >= FIELD_NAMES_MAX || name.len() > FIELD_NAME_BYTES_MAX {
            return FieldId::OTHER;
        }
        self.add(name)
    }

    /// Returns the number of the name if it is stored.
    pub fn id(&self, name: &str) -> Option<FieldId> {
        self.by_name.get(name).copied()
    }

    /// Returns the name; empty for a number of another table.
    pub fn name(&self, id: FieldId) -> &str {
        self.names.get(id.index()).map_or("", |name| name)
    }

    /// Returns how many names are stored; their numbers are 0 to this, exclusive.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether no name is stored: never, the known ones are.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns all names with their numbers from `first` on.
    pub fn since(&self, first: usize) -> impl Iterator<Item = (FieldId, &str)> {
        (first..)
            .zip(self.names.iter().skip(first))
            .map(|(i, name)| (FieldId::nth(i), &**name))
    }

    fn add(&mut self, name: &str) -> FieldId {
        let id = FieldId::nth(self.names.len());
        self.names.push(name.into());
        self.by_name.insert(name.into(), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_have_their_numbers() {
        let names = FieldNames::new();
        assert_eq!(names.len(), KNOWN.len());
        for (id, name) in [
            (FieldId::OTHER, "(other)"),
            (FieldId::EVENT_ID, "EventID"),
            (FieldId::UTC_TIME, "UtcTime"),
            (FieldId::SOURCE_NAME, "SourceName"),
        ] {
            assert_eq!((names.name(id), names.id(name)), (name, Some(id)));
        }
    }

    #[test]
    fn a_full_table_and_an_endless_name_are_other() {
        let mut names = FieldNames::new();
        assert_eq!(names.intern(&"x".repeat(FIELD_NAME_BYTES_MAX + 1)), FieldId::OTHER);
        for i in 0..FIELD_NAMES_MAX {
            names.intern(&format!("f{i}"));
        }
        assert_eq!(names.len(), FIELD_NAMES_MAX);
        assert_eq!((names.intern("one more"), names.id("one more")), (FieldId::OTHER, None));
        assert_eq!(names.since(FIELD_NAMES_MAX - 1).count(), 1);
    }
}
