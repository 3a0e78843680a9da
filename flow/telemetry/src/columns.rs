use leckwehr_incident::Timestamp;

use crate::{FieldId, Kind, LogSource, NamedFields, Outcome, Product, Record};

/// What a reader that has its own grammar finds out about a record while it reads: the numbers themselves, and which fields
/// hold the texts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Columns {
    pub time: Option<Timestamp>,
    pub utc_offset_s: Option<i32>,
    pub product: Product,
    pub kind: Kind,
    pub outcome: Outcome,
    /// What was done; `action_field` is looked at where this is empty.
    pub action: &'static str,
    pub action_field: Option<FieldId>,
    pub host: Option<FieldId>,
    pub origin: Option<FieldId>,
    pub origin_port: u16,
    pub destination: Option<FieldId>,
    pub port: u16,
    pub account: Option<FieldId>,
    pub object: Option<FieldId>,
    pub sensor: Option<FieldId>,
    pub bytes_out: Option<u64>,
    pub bytes_in: Option<u64>,
    pub size: Option<u64>,
    pub duration_ns: Option<i64>,
    pub number: Option<u64>,
}

impl Columns {
    /// Builds the record.
    ///
    /// # Errors
    /// That it has no time.
    pub fn record<'a>(&self, fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
        let text = |id: Option<FieldId>| id.map_or("", |id| fields.at(id));
        let action = if self.action.is_empty() {
            text(self.action_field)
        } else {
            self.action
        };
        Ok(Some(Record {
            utc_offset_s: self.utc_offset_s,
            time: self.time.ok_or("it says no time that can be read")?,
            kind: self.kind,
            product: self.product,
            service: &source.service,
            category: source.categories.first().map_or("", |c| c),
            action,
            outcome: self.outcome,
            host: text(self.host),
            origin: text(self.origin),
            origin_port: self.origin_port,
            destination: text(self.destination),
            port: self.port,
            account: text(self.account),
            object: text(self.object),
            sensor: text(self.sensor.or(self.host)),
            bytes_out: self.bytes_out,
            bytes_in: self.bytes_in,
            size: self.size,
            entropy: None,
            duration_ns: self.duration_ns,
            number: self.number,
        }))
    }
}
