use std::collections::VecDeque;

use leckwehr_incident::{Finding, Timestamp};
use leckwehr_telemetry::Outcome;
use serde::{Deserialize, Serialize};

use super::Context;
use super::keyed::{Burst, Keyed};
use super::look::{Found, Look, Sign, digest};

/// Techniques whose finding means that somebody took credentials there.
const CREDENTIAL_ACCESS: [&str; 4] = ["T1003", "T1552", "T1555", "T1558"];
/// Failures remembered per origin.
const FAILURES_MAX: usize = 256;
/// Sessions remembered per host.
const SESSIONS_MAX: usize = 32;
/// Learning that lasted this long knows how often each origin and account does something new.
const SETTLED_S: f64 = 86_400.0;
/// Bits that a cause adds to the surprise of a log-on: credentials read there before, or another account's session.
const CAUSE_BITS: (f64, f64) = (8.0, 3.0);

/// Failed log-ons, edges never seen before, and log-ons caused by another one before (Hopper, USENIX Security 2021).
///
/// How much a new edge says depends on who makes it: its surprise is −log₂ of how often this origin and this account did
/// something new before. An administrator who meets a new host every day surprises little; a clerk who does, very much.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LogonWatch {
    failures: Keyed<u64, Burst>,
    failures_learned: Keyed<u64, usize>,
    learned_from_to: Option<(Timestamp, Timestamp)>,
    origin_host: Keyed<(u64, u64), ()>,
    account_host: Keyed<(u64, u64), ()>,
    account_origin: Keyed<(u64, u64), ()>,
    triples: Keyed<(u64, u64, u64), ()>,
    origins: Keyed<u64, Habit>,
    accounts: Keyed<u64, Habit>,
    sessions: Keyed<u64, VecDeque<(Timestamp, String)>, 16_384>,
    taken: Keyed<u64, Option<Timestamp>>,
    learned: bool,
}

/// How often somebody logged on, and how often to or from somewhere new.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Habit {
    logons: u32,
    hosts: u32,
    origins: u32,
}

impl Habit {
    /// Returns the surprise in bits of the next new one, after `new` of them.
    fn bits(self, new: u32) -> f64 {
        -((f64::from(new) + 0.5) / (f64::from(self.logons) + 1.0)).min(1.0).log2()
    }
}

/// What about a log-on was never seen before.
#[derive(Default)]
struct News {
    sentences: Vec<&'static str>,
    bits: f64,
    triple: bool,
}

/// What happened at the origin shortly before.
enum Cause<'a> {
    Taken,
    Session(&'a str),
}

impl LogonWatch {
    pub(crate) fn note_credential_access(&mut self, matched: &[Finding], context: &Context) {
        for finding in matched {
            let access = |t: &String| CREDENTIAL_ACCESS.iter().any(|c| t.starts_with(c));
            if finding.techniques.iter().any(access) {
                *self.taken.entry(digest(context.hash_key, &finding.host)) = Some(finding.at);
            }
        }
    }

    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        if context.learning {
            let span = self.learned_from_to.get_or_insert((look.at, look.at));
            *span = (span.0.min(look.at), span.1.max(look.at));
        }
        match look.event.outcome() {
            Outcome::Failure => self.failure(look, context, found),
            Outcome::Success if is_person(look.event.account()) => {
                self.learned |= context.learning;
                if !context.learning {
                    self.judge(look, context, found);
                }
                self.remember(look);
            }
            _ => {}
        }
    }

    fn failure(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let t = &context.thresholds;
        let key = look.origin.map_or(look.host.key, |o| o.key);
        let usual = self.usual_failures(key, t.failed_logons_window_ms);
        let burst = self.failures.entry(key);
        let count = burst.enter(look.at, t.failed_logons_window_ms, FAILURES_MAX);
        if context.learning && count < 4 * t.failed_logons_min {
            *self.failures_learned.entry(key) += 1;
            return;
        }
        if count >= t.failed_logons_min.max(3 * usual) {
            burst.clear();
            let seconds = t.failed_logons_window_ms / 1_000;
            found.push(look.finding(Sign {
                title: "Burst of failed log-ons",
                techniques: "T1110",
                weight: 25,
                origin: look.origin_name(),
                detail: format!("{count} failed log-ons from one origin within {seconds} s"),
            }));
        }
    }

    /// Returns the failures that are usual from there in a window, at the learned rate.
    fn usual_failures(&self, key: u64, window_ms: i64) -> usize {
        let (Some(count), Some((from, to))) = (self.failures_learned.get(key), self.learned_from_to) else {
            return 0;
        };
        let learned_ms = (to.seconds_since(from) * 1e3).max(1.0);
        // n failures are n - 1 pauses: a single one is no rate.
        (count.saturating_sub(1) as f64 * window_ms as f64 / learned_ms).ceil() as usize
    }

    fn judge(&self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let from = look.origin.filter(|o| !o.is_none());
        let (news, cause) = match from {
            Some(from) => (self.news(look, from.key), self.cause(look, context, from.key)),
            None => (News::default(), None),
        };
        let bits = news.bits
            + match cause {
                Some(Cause::Taken) => CAUSE_BITS.0,
                Some(Cause::Session(_)) => CAUSE_BITS.1,
                None => 0.0,
            };
        found.opine("logon", look.at, bits, || look.event.reference());
        let settled = self.learned_from_to.is_some_and(|(a, b)| b.seconds_since(a) >= SETTLED_S);
        if settled && bits < context.thresholds.logon_bits_min {
            return;
        }
        if let Some(from) = from {
            self.tell_news(look, context, from.name, news, found);
            self.tell_cause(look, from.name, cause, found);
        }
    }

    fn news(&self, look: &Look<'_>, from: u64) -> News {
        let (account, host) = (look.account, look.host.key);
        let habit = |of: &Keyed<u64, Habit>, key: u64| of.get(key).copied().unwrap_or_default();
        let (by_origin, by_account) = (habit(&self.origins, from), habit(&self.accounts, account));
        let mut news = News::default();
        let mut tell = |sentence, bits| {
            news.sentences.push(sentence);
            news.bits += bits;
        };
        if !self.origin_host.contains((from, host)) {
            tell("this origin never logged on to this host", by_origin.bits(by_origin.hosts));
        }
        if !self.account_host.contains((account, host)) {
            tell("this account was never seen on this host", by_account.bits(by_account.hosts));
        }
        if !self.account_origin.contains((account, from)) {
            tell("this account never came from there", by_account.bits(by_account.origins));
        }
        news.triple = !self.triples.contains((from, account, host));
        news
    }

    /// Weighs what about this log-on was never seen; novelty ranks and never decides alone.
    fn tell_news(&self, look: &Look<'_>, context: &Context, from: &str, news: News, found: &mut Found) {
        let (account, host) = (look.event.account(), look.host.name);
        let expected = context.book.expects(account, host, from);
        let baseline = self.learned || expected.is_some();
        if expected == Some(true) || !baseline || !news.triple && news.sentences.is_empty() {
            return;
        }
        let mut sentences = news.sentences;
        let mut weight = 4 + 7 * u8::try_from(sentences.len()).unwrap_or(3);
        if expected == Some(false) {
            sentences.push("the estate does not expect this account on this way");
            weight += 12;
        }
        let news = sentences.join("; ");
        found.push(look.finding(Sign {
            title: "Novel log-on",
            techniques: "T1078 T1021",
            weight,
            origin: Some(from),
            detail: format!("{account} from {from} to {host}: {news}"),
        }));
    }

    /// Another account goes on from a host soon after somebody came in there or took credentials there.
    fn cause(&self, look: &Look<'_>, context: &Context, from: u64) -> Option<Cause<'_>> {
        if self.account_origin.contains((look.account, from)) || from == look.host.key {
            return None;
        }
        let window_ms = context.thresholds.causal_window_ms;
        let recent = |at: Timestamp| at <= look.at && look.at <= at.plus_ms(window_ms);
        if self.taken.get(from).copied().flatten().is_some_and(recent) {
            return Some(Cause::Taken);
        }
        let mut sessions = self.sessions.get(from)?.iter().rev();
        let other = sessions.find(|(at, other)| recent(*at) && other != look.event.account())?;
        self.learned.then_some(Cause::Session(&other.1))
    }

    fn tell_cause(&self, look: &Look<'_>, from: &str, cause: Option<Cause<'_>>, found: &mut Found) {
        let account = look.event.account();
        let (weight, detail) = match cause {
            Some(Cause::Taken) => (
                40,
                format!("{account} logs on from {from}, where credentials were read shortly before"),
            ),
            Some(Cause::Session(other)) => (
                20,
                format!("{account} logs on from {from} shortly after {other} came in there; {account} never came from there"),
            ),
            None => return,
        };
        found.push(look.finding(Sign {
            title: "Log-on caused by another",
            techniques: "T1550 T1078",
            weight,
            origin: Some(from),
            detail,
        }));
    }

    fn remember(&mut self, look: &Look<'_>) {
        let (account, host) = (look.account, look.host.key);
        let sessions = self.sessions.entry(host);
        if sessions.len() >= SESSIONS_MAX {
            sessions.pop_front();
        }
        sessions.push_back((look.at, look.event.account().to_owned()));
        let from = look.origin.map_or(0, |o| o.key);
        let by_origin = self.origins.entry(from);
        by_origin.logons = by_origin.logons.saturating_add(1);
        by_origin.hosts += u32::from(!self.origin_host.contains((from, host)));
        let by_account = self.accounts.entry(account);
        by_account.logons = by_account.logons.saturating_add(1);
        by_account.hosts += u32::from(!self.account_host.contains((account, host)));
        by_account.origins += u32::from(!self.account_origin.contains((account, from)));
        self.origin_host.entry((from, host));
        self.account_host.entry((account, host));
        self.account_origin.entry((account, from));
        self.triples.entry((from, account, host));
    }
}

/// Machine and built-in accounts log on all the time and on their own.
fn is_person(account: &str) -> bool {
    let own = ["system", "local service", "network service", "anonymous logon"];
    let starts = |prefix: &str| account.get(..prefix.len()).is_some_and(|a| a.eq_ignore_ascii_case(prefix));
    let built_in = own.iter().any(|name| account.eq_ignore_ascii_case(name)) || starts("dwm-") || starts("umfd-");
    !(account.is_empty() || account.ends_with('$') || built_in)
}
