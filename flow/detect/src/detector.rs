use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Event, Events, Kind};

use crate::backup::BackupWatch;
use crate::channel::ChannelWatch;
use crate::egress::EgressWatch;
use crate::encryption::EncryptionWatch;
use crate::flood::FloodWatch;
use crate::logon::LogonWatch;
use crate::silence::SilenceWatch;
use crate::window::Keyed;
use crate::{AddressBook, Rules};

/// When the behaviour detectors fire.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// Failed log-ons from one origin within `failed_logons_window_ms`.
    pub failed_logons_min: usize,
    /// See above.
    pub failed_logons_window_ms: i64,
    /// How long after a log-on or credential access another account's log-on from there counts as caused by it.
    pub causal_window_ms: i64,
    /// Snapshot deletions within `backup_window_ms` that are destruction even where deletions are routine.
    pub deletions_min: usize,
    /// See above.
    pub backup_window_ms: i64,
    /// Files with `entropy_min` or more, changed by one account on one host within `encryption_window_ms`.
    pub encrypted_files_min: usize,
    /// Bits per byte; compressed and encrypted content lies above 7.2.
    pub entropy_min: f32,
    /// See above.
    pub encryption_window_ms: i64,
    /// Bytes to a destination outside that was never seen before.
    pub egress_new_bytes_min: u64,
    /// Bytes per 10 s to a known destination, and that many times its highest learned value.
    pub egress_known_bytes_min: u64,
    /// See above.
    pub egress_factor: u64,
    /// Connections to one port of one address outside that make a channel.
    pub channel_connections_min: u64,
    /// Duration of one connection that makes a channel.
    pub channel_duration_ms_min: i64,
    /// Requests per second at a portal, and five times its highest learned value.
    pub requests_per_s_min: u64,
    /// Silence of a sensor, and five times its longest learned pause.
    pub silence_ms_min: i64,
    /// How long the same finding on the same entities is not repeated.
    pub repeat_ms: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failed_logons_min: 8,
            failed_logons_window_ms: 60_000,
            causal_window_ms: 15 * 60_000,
            deletions_min: 3,
            backup_window_ms: 60_000,
            encrypted_files_min: 8,
            entropy_min: 7.2,
            encryption_window_ms: 10_000,
            egress_new_bytes_min: 100_000,
            egress_known_bytes_min: 1_000_000,
            egress_factor: 10,
            channel_connections_min: 30,
            channel_duration_ms_min: 300_000,
            requests_per_s_min: 200,
            silence_ms_min: 5_000,
            repeat_ms: 600_000,
        }
    }
}

/// What a detector works with.
#[derive(Debug, Clone)]
pub struct DetectConfig {
    /// Sigma rules.
    pub rules: Rules,
    /// Which system, inside or outside.
    pub book: AddressBook,
    /// When the behaviour detectors fire.
    pub thresholds: Thresholds,
}

impl DetectConfig {
    /// Builds the configuration for an estate with the default thresholds.
    pub fn new(rules: Rules, estate: &Estate) -> Self {
        Self {
            rules,
            book: AddressBook::new(estate),
            thresholds: Thresholds::default(),
        }
    }
}

/// Turns events into findings.
///
/// It learns what is normal until [`Detector::end_learning`]; what needs a baseline is silent until then. Everything
/// that is wrong without a baseline (rules, backup destruction, mass encryption, failed log-ons) fires from the start.
#[derive(Debug)]
pub struct Detector {
    context: Context,
    rules: Rules,
    logon: LogonWatch,
    backup: BackupWatch,
    encryption: EncryptionWatch,
    egress: EgressWatch,
    channel: ChannelWatch,
    flood: FloodWatch,
    silence: SilenceWatch,
    fired: Keyed<(String, String, String), Option<Timestamp>>,
}

/// What every state machine may look at.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) book: AddressBook,
    pub(crate) thresholds: Thresholds,
    pub(crate) learning: bool,
}

impl Detector {
    /// Builds a detector that is learning.
    pub fn new(config: DetectConfig) -> Self {
        Self {
            context: Context {
                book: config.book,
                thresholds: config.thresholds,
                learning: true,
            },
            rules: config.rules,
            logon: LogonWatch::default(),
            backup: BackupWatch::default(),
            encryption: EncryptionWatch::default(),
            egress: EgressWatch::default(),
            channel: ChannelWatch::default(),
            flood: FloodWatch::default(),
            silence: SilenceWatch::default(),
            fired: Keyed::default(),
        }
    }

    /// Ends the learning phase: what was seen until now is normal.
    pub fn end_learning(&mut self) {
        self.context.learning = false;
    }

    /// Takes a batch and returns what fired, in order of time. O(events × rules of their log source).
    ///
    /// Within the batch events are taken in order of time, as files often hold one kind of record after the other.
    pub fn push(&mut self, events: &Events) -> Vec<Finding> {
        let mut found = Vec::new();
        for event in events.rows_by_time().into_iter().filter_map(|row| events.get(row)) {
            let first = found.len();
            self.match_rules(&event, &mut found);
            self.logon.note_credential_access(&found[first..]);
            self.observe(&event, &mut found);
        }
        found.retain(|f| self.is_news(f));
        found
    }

    /// Tells the present, so that silence can be heard; call it every few seconds on live telemetry.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Finding> {
        self.silence.tick(now, &self.context)
    }

    fn match_rules(&self, event: &Event<'_>, found: &mut Vec<Finding>) {
        for rule in self.rules.matching(event, &self.context.book) {
            let (host, origin) = self.context.parties(event);
            let to = match (event.destination(), event.port()) {
                ("", _) => String::new(),
                (address, port) => format!(" to {address}:{port}"),
            };
            let detail = format!("{}{to}: {} {}", event.service(), event.action(), event.object());
            found.push(Finding {
                rule: rule.id.clone(),
                author: rule.author.clone(),
                techniques: rule.techniques.clone(),
                ..self
                    .context
                    .finding(event, &rule.title, "", rule.weight, host, origin, detail.trim().to_owned())
            });
        }
    }

    fn observe(&mut self, event: &Event<'_>, found: &mut Vec<Finding>) {
        let context = &self.context;
        self.silence.observe(event, context);
        match event.kind() {
            Kind::Logon => self.logon.observe(event, context, found),
            Kind::Backup => self.backup.observe(event, context, found),
            Kind::File => self.encryption.observe(event, context, found),
            Kind::EgressCounter => self.egress.observe(event, context, found),
            Kind::Flow => {
                self.egress.observe(event, context, found);
                self.channel.observe(event, context, found);
            }
            Kind::Requests => self.flood.observe(event, context, found),
            _ => {}
        }
    }

    /// The same rule on the same entities is told once per `repeat_ms`.
    fn is_news(&mut self, finding: &Finding) -> bool {
        let who = format!(
            "{}|{}",
            finding.account.as_deref().unwrap_or(""),
            finding.origin.as_deref().unwrap_or("")
        );
        let last = self.fired.entry((finding.rule.clone(), finding.host.clone(), who));
        let repeat_ms = self.context.thresholds.repeat_ms;
        let news = last.is_none_or(|at| at.plus_ms(repeat_ms) < finding.at || finding.at.plus_ms(repeat_ms) < at);
        if news {
            *last = Some(finding.at);
        }
        news
    }
}

impl Context {
    /// Returns the host a record is about, and where it came from.
    ///
    /// A connection between two hosts of the provider is about its destination; one that leaves is about its origin.
    pub(crate) fn parties(&self, event: &Event<'_>) -> (String, Option<String>) {
        let resolve = |text: &str| self.book.system_or_text(text).to_owned();
        let origin = (!event.origin().is_empty()).then(|| resolve(event.origin()));
        if !event.host().is_empty() {
            return (resolve(event.host()), origin);
        }
        if self.book.place(event.destination()).is_inside() || event.origin().is_empty() {
            return (resolve(event.destination()), origin);
        }
        (resolve(event.origin()), Some(event.destination().to_owned()))
    }

    /// Returns the addresses outside that the record names.
    fn indicators(&self, event: &Event<'_>) -> Vec<String> {
        let ends = [event.origin(), event.destination()].into_iter();
        let outside = ends.filter(|end| self.book.place(end).is_outside());
        outside.map(str::to_owned).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "every argument is a field of the finding")]
    pub(crate) fn finding(
        &self,
        event: &Event<'_>,
        title: &str,
        technique: &str,
        weight: u8,
        host: String,
        origin: Option<String>,
        detail: String,
    ) -> Finding {
        Finding {
            at: event.time(),
            rule: format!("detector:{}", title.to_lowercase().replace(' ', "-")),
            title: title.to_owned(),
            author: "Leckwehr".to_owned(),
            techniques: technique.split(' ').filter(|t| !t.is_empty()).map(str::to_owned).collect(),
            host,
            account: (!event.account().is_empty()).then(|| event.account().to_owned()),
            origin,
            weight,
            evidence: vec![event.reference()],
            detail,
            indicators: self.indicators(event),
        }
    }
}
