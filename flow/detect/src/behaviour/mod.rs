//! Behaviour detectors: small pure state machines over events.
//!
//! Each is bounded by a named maximum, deterministic, costs O(1) amortised per event, and can be saved and restored: a
//! restored one goes on as if nothing had happened.

mod backup;
mod beacon;
mod change;
mod channel;
mod egress;
mod flood;
mod fresh;
mod keyed;
mod logon;
mod look;
mod rhythm;
mod season;
mod silence;
mod skew;
mod thresholds;
mod tunnel;

use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Kind;
use serde::{Deserialize, Serialize};

use crate::AddressBook;

pub use beacon::BEACON_PAIRS_MAX;
pub use keyed::KEYS_MAX;
pub use look::Opinion;
pub use rhythm::{RHYTHM_CONNECTIONS_MIN, Rhythm};
pub use thresholds::Thresholds;
pub use tunnel::registered_domain;

pub(crate) use keyed::Keyed;
pub(crate) use look::{Found, Look, Names, digest};

/// What every state machine may look at.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) book: AddressBook,
    pub(crate) thresholds: Thresholds,
    pub(crate) canaries: Vec<String>,
    pub(crate) hash_key: u64,
    pub(crate) learning: bool,
}

/// All state machines.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Behaviour {
    logon: logon::LogonWatch,
    backup: backup::BackupWatch,
    change: change::ChangeWatch,
    egress: egress::EgressWatch,
    channel: channel::ChannelWatch,
    beacon: beacon::BeaconWatch,
    tunnel: tunnel::TunnelWatch,
    flood: flood::FloodWatch,
    silence: silence::SilenceWatch,
    skew: skew::SkewWatch,
}

impl Behaviour {
    /// Takes the findings of rules on the event that comes next.
    pub(crate) fn note_rules(&mut self, matched: &[Finding], context: &Context) {
        self.logon.note_credential_access(matched, context);
    }

    /// Takes one event.
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        self.silence.observe(look, context);
        self.skew.observe(look);
        match look.event.kind() {
            Kind::Logon => self.logon.observe(look, context, found),
            Kind::Backup => self.backup.observe(look, context, found),
            Kind::File | Kind::ShareFile => self.change.observe(look, context, found),
            Kind::EgressCounter => self.egress.observe(look, context, found),
            Kind::Flow => {
                self.egress.observe(look, context, found);
                self.channel.observe(look, context, found);
                self.beacon.observe(look, context, found);
            }
            Kind::Tls | Kind::Web => self.beacon.observe(look, context, found),
            Kind::Name => self.tunnel.observe(look, context, found),
            Kind::Requests => self.flood.observe(look, context, found),
            _ => {}
        }
    }

    /// Ends a batch; `arrived` is when it came, if that is known.
    pub(crate) fn end_batch(&mut self, arrived: Option<Timestamp>, context: &Context, found: &mut Found) {
        self.skew.end_batch(arrived, context, found);
    }

    /// Tells the present, in which some machines hear that something did not come.
    pub(crate) fn tick(&mut self, now: Timestamp, context: &Context, found: &mut Found) {
        self.silence.tick(now, context, found);
        self.backup.tick(now, context, found);
    }
}
