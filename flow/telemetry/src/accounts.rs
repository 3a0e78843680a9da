use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::format::suricata;
use crate::{Loss, NamedFields, Product, Record, SENSORS_MAX, SensorAccount};

/// The account of every sensor, by its id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Accounts {
    by_sensor: BTreeMap<String, SensorAccount>,
}

impl Accounts {
    /// Builds empty accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a record of `source`, which is the sensor where the record names none. Returns whether the record is an event;
    /// what a capture says of its own losses is none.
    pub fn take(&mut self, record: &Record<'_>, fields: NamedFields<'_>, source: &str) -> bool {
        let account = self.account(&Self::sensor(record, source));
        let own_loss = match (record.product, record.service) {
            (Product::Zeek, "capture_loss") => Some(fields.number::<f64>("percent_lost").unwrap_or(0.0) / 100.0),
            (Product::Suricata, "stats") => Some(suricata::capture_loss(fields)),
            _ => None,
        };
        if let Some(lost) = own_loss {
            account.capture_loss = account.capture_loss.max(lost);
            return false;
        }
        account.count(record.time);
        account.classes.insert(record.kind.class());
        if !record.host.is_empty() && !account.hosts.contains(record.host) && account.hosts.len() < SENSORS_MAX {
            account.hosts.insert(record.host.to_owned());
        }
        if let Some(own) = record.number {
            account.number(own);
        }
        true
    }

    /// Enters that a record of `source` was kept aside.
    pub fn damage(&mut self, source: &str) {
        self.account(source).damaged += 1;
    }

    /// Enters a loss that a sensor's numbers tell.
    pub fn lose(&mut self, loss: &Loss) {
        self.account(&loss.sensor).lose(loss.records);
    }

    /// Returns all accounts by sensor.
    pub fn by_sensor(&self) -> &BTreeMap<String, SensorAccount> {
        &self.by_sensor
    }

    /// Returns whose account a record belongs to: each Windows channel of a host has a numbering of its own, and so has
    /// its audit system.
    pub fn sensor<'a>(record: &Record<'a>, source: &'a str) -> Cow<'a, str> {
        match record.product {
            Product::Linux if record.number.is_none() => {
                Cow::Borrowed(if record.sensor.is_empty() { source } else { record.sensor })
            }
            Product::Windows | Product::Linux => Cow::Owned(format!("{}/{}", record.host, record.service)),
            _ if record.sensor.is_empty() => Cow::Borrowed(source),
            _ => Cow::Borrowed(record.sensor),
        }
    }

    fn account(&mut self, sensor: &str) -> &mut SensorAccount {
        let known = self.by_sensor.contains_key(sensor) || self.by_sensor.len() < SENSORS_MAX;
        let sensor = if known { sensor } else { "(others)" };
        self.by_sensor
            .entry(sensor.to_owned())
            .or_insert_with(|| SensorAccount::new(sensor))
    }
}
