use std::collections::HashSet;

use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::{Event, Outcome};

use crate::detector::Context;
use crate::window::{Burst, KEYS_MAX, Keyed};

/// Techniques whose finding means that somebody took credentials there.
const CREDENTIAL_ACCESS: [&str; 4] = ["T1003", "T1552", "T1555", "T1558"];

/// Failed log-ons, edges never seen before, and log-ons caused by another one before (Hopper, USENIX Security 2021).
#[derive(Debug, Default)]
pub(crate) struct LogonWatch {
    failures: Keyed<String, Burst>,
    failures_learned: Keyed<String, usize>,
    learned_from_to: Option<(Timestamp, Timestamp)>,
    origin_host: HashSet<(String, String)>,
    account_host: HashSet<(String, String)>,
    account_origin: HashSet<(String, String)>,
    triples: HashSet<(String, String, String)>,
    sessions: Keyed<String, Vec<(Timestamp, String)>>,
    taken: Keyed<String, Option<Timestamp>>,
    learned: bool,
}

/// Failures remembered per origin.
const FAILURES_MAX: usize = 256;
/// Sessions remembered per host.
const SESSIONS_MAX: usize = 32;

impl LogonWatch {
    pub(crate) fn note_credential_access(&mut self, found: &[Finding]) {
        for finding in found {
            let access = |t: &String| CREDENTIAL_ACCESS.iter().any(|c| t.starts_with(c));
            if finding.techniques.iter().any(access) {
                *self.taken.entry(finding.host.clone()) = Some(finding.at);
            }
        }
    }

    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context, found: &mut Vec<Finding>) {
        let (host, origin) = context.parties(event);
        if context.learning {
            let span = self.learned_from_to.get_or_insert((event.time(), event.time()));
            *span = (span.0.min(event.time()), span.1.max(event.time()));
        }
        match event.outcome() {
            Outcome::Failure => self.failure(event, context, host, origin, found),
            Outcome::Success if is_person(event.account()) => {
                let from = origin.unwrap_or_default();
                if context.learning {
                    self.learned = true;
                } else if !from.is_empty() {
                    self.novelty(event, context, &host, &from, found);
                }
                self.causes(event, context, &host, &from, found);
                self.remember(event, &host, &from);
            }
            _ => {}
        }
    }

    fn failure(&mut self, event: &Event<'_>, context: &Context, host: String, origin: Option<String>, found: &mut Vec<Finding>) {
        let t = &context.thresholds;
        let key = origin.clone().unwrap_or_else(|| host.clone());
        let window_ms = t.failed_logons_window_ms;
        let usual = self.usual_failures(&key, window_ms);
        let burst = self.failures.entry(key.clone());
        let count = burst.enter(event.time(), window_ms, FAILURES_MAX);
        if context.learning && count < 4 * t.failed_logons_min {
            *self.failures_learned.entry(key) += 1;
            return;
        }
        if count >= t.failed_logons_min.max(3 * usual) {
            burst.clear();
            let detail = format!(
                "{count} failed log-ons from one origin within {} s",
                t.failed_logons_window_ms / 1_000
            );
            found.push(context.finding(event, "Burst of failed log-ons", "T1110", 25, host, origin, detail));
        }
    }

    /// Returns the failures that are usual from there in a window, at the learned rate.
    fn usual_failures(&self, key: &String, window_ms: i64) -> usize {
        let (Some(count), Some((from, to))) = (self.failures_learned.get(key), self.learned_from_to) else {
            return 0;
        };
        let learned_ms = (to.seconds_since(from) * 1e3).max(1.0);
        // n failures are n - 1 pauses: a single one is no rate.
        (count.saturating_sub(1) as f64 * (window_ms as f64 / learned_ms).max(1.0)).ceil() as usize
    }

    /// Weighs what about this log-on was never seen; novelty ranks and never decides alone.
    fn novelty(&self, event: &Event<'_>, context: &Context, host: &str, from: &str, found: &mut Vec<Finding>) {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let account = event.account();
        let expected = context.book.expects(account, host, from);
        if expected == Some(true) || !(self.learned || expected.is_some()) {
            return;
        }
        let mut news = Vec::new();
        if !self.origin_host.contains(&pair(from, host)) {
            news.push("this origin never logged on to this host");
        }
        if !self.account_host.contains(&pair(account, host)) {
            news.push("this account was never seen on this host");
        }
        if !self.account_origin.contains(&pair(account, from)) {
            news.push("this account never came from there");
        }
        if news.is_empty() && self.triples.contains(&(from.to_owned(), account.to_owned(), host.to_owned())) {
            return;
        }
        let mut weight = 4 + 7 * u8::try_from(news.len()).unwrap_or(3);
        if expected == Some(false) {
            news.push("the estate does not expect this account on this way");
            weight += 12;
        }
        let detail = format!("{account} from {from} to {host}: {}", news.join("; "));
        let origin = Some(from.to_owned());
        found.push(context.finding(event, "Novel log-on", "T1078 T1021", weight, host.to_owned(), origin, detail));
    }

    /// Another account goes on from a host soon after somebody came in there or took credentials there.
    fn causes(&self, event: &Event<'_>, context: &Context, host: &str, from: &str, found: &mut Vec<Finding>) {
        let account = event.account();
        let known = self.account_origin.contains(&(account.to_owned(), from.to_owned()));
        if context.learning || known || from.is_empty() || from == host {
            return;
        }
        let window_ms = context.thresholds.causal_window_ms;
        let recent = |at: Timestamp| at <= event.time() && event.time() <= at.plus_ms(window_ms);
        let taken = self.taken.get(&from.to_owned()).copied().flatten().is_some_and(recent);
        let sessions = self.sessions.get(&from.to_owned());
        let cause = sessions.and_then(|s| s.iter().rev().find(|(at, other)| recent(*at) && other != account));
        let (weight, detail) = match (taken, cause) {
            (true, _) => (
                40,
                format!("{account} logs on from {from}, where credentials were read shortly before"),
            ),
            (false, Some((_, other))) if self.learned => (
                20,
                format!("{account} logs on from {from} shortly after {other} came in there; {account} never came from there"),
            ),
            _ => return,
        };
        let origin = Some(from.to_owned());
        found.push(context.finding(
            event,
            "Log-on caused by another",
            "T1550 T1078",
            weight,
            host.to_owned(),
            origin,
            detail,
        ));
    }

    fn remember(&mut self, event: &Event<'_>, host: &str, from: &str) {
        let account = event.account().to_owned();
        let sessions = self.sessions.entry(host.to_owned());
        if sessions.len() >= SESSIONS_MAX {
            sessions.remove(0);
        }
        sessions.push((event.time(), account.clone()));
        if self.triples.len() < KEYS_MAX {
            self.origin_host.insert((from.to_owned(), host.to_owned()));
            self.account_host.insert((account.clone(), host.to_owned()));
            self.account_origin.insert((account.clone(), from.to_owned()));
            self.triples.insert((from.to_owned(), account, host.to_owned()));
        }
    }
}

/// Machine and built-in accounts log on all the time and on their own.
fn is_person(account: &str) -> bool {
    let own = ["system", "local service", "network service", "anonymous logon"];
    let lower = account.to_lowercase();
    let window_manager = lower.starts_with("dwm-") || lower.starts_with("umfd-");
    !(account.is_empty() || account.ends_with('$') || window_manager || own.contains(&lower.as_str()))
}
