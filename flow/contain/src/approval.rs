use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

/// People that a protocol may name.
pub const PEOPLE_MAX: usize = 1_000;
/// Voices that are looked at for one plan; further ones are ignored.
pub const VOICES_MAX: usize = 1_000;
/// Longest time for which one person may hand on the right to order, in milliseconds.
pub const DELEGATION_MS_MAX: i64 = 14 * 24 * 3_600_000;

/// Somebody who may order a takedown, or who signs for a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Name for people.
    pub name: String,
    /// Most systems that a plan may isolate on this person's word.
    pub systems_max: usize,
    /// Most harm that a plan may do on this person's word, in euros per hour.
    pub eur_per_hour_max: u64,
    /// Who stands in, in this order, while this person is absent.
    pub deputies: Vec<String>,
    /// Party for which this person counter-signs; such a person orders nothing.
    pub signs_for: Option<String>,
}

/// Who may order what. The agreed protocol gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApprovalRules {
    /// People by id. The id is the name of their key.
    pub people: BTreeMap<String, Person>,
    /// A plan that isolates more systems needs two different people.
    pub alone_systems_max: usize,
    /// A plan that does more harm needs two different people, in euros per hour.
    pub alone_eur_per_hour_max: u64,
    /// How long an approval counts, in milliseconds.
    pub valid_ms: i64,
    /// Minutes of the day, from and until, in which every plan needs two people; may pass midnight.
    pub quiet_minutes: Option<(u32, u32)>,
    /// Minutes by which the wall clock of the quiet hours is ahead of UTC.
    pub utc_offset_minutes: i32,
}

/// What is to be approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks: a person's id, or a room.
    pub requester: String,
    /// When.
    pub at: Timestamp,
    /// Systems that the plan isolates.
    pub systems: usize,
    /// Harm of the plan in euros per hour.
    pub eur_per_hour: u64,
    /// Whether a vital service goes down with it: two people, however small the plan.
    pub vital: bool,
    /// Parties whose counter-signature a clause demands.
    pub counter_signers: BTreeSet<String>,
}

/// One approval of the plan's hash whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// Who signed.
    pub person: String,
    /// When.
    pub at: Timestamp,
}

/// A person's signed word that another may order in his place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Who hands on the right.
    pub from: String,
    /// To whom. What was handed on cannot be handed on again.
    pub to: String,
    /// From when.
    pub since: Timestamp,
    /// Until when; at most [`DELEGATION_MS_MAX`] after `since`.
    pub until: Timestamp,
}

/// A time in which a person is away. A key that signs meanwhile is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Who.
    pub person: String,
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Whether the plan may be executed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It may, until the first approval that it needs expires.
    Granted {
        /// Whose word counts.
        by: Vec<String>,
        /// Until when.
        until: Timestamp,
    },
    /// Not yet.
    Waiting {
        /// People still needed.
        people: usize,
        /// Parties whose counter-signature is missing.
        counter_signers: BTreeSet<String>,
        /// Voices that do not count, with the reason.
        ignored: Vec<(String, Ignored)>,
    },
}

/// Why a voice does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ignored {
    /// The protocol does not know this person.
    Unknown,
    /// Given before the plan was proposed, or in the future.
    OutOfTime,
    /// Too long ago.
    Expired,
    /// Given while the person was absent: somebody else may hold the key.
    Absent,
    /// Neither by own right nor by delegation may this person order so much.
    NotEntitled,
    /// Already counted, for this person or for the one who is represented.
    Twice,
    /// The requester is never the second.
    RequesterSecond,
}

/// Says whether a plan is approved at `now`: enough different people, each entitled, none absent, none expired, the requester
/// never the second, and every counter-signature there.
///
/// Pure: signatures are checked before. A person who stands in for another counts as both of them, so one right cannot make
/// two voices. O(voices · (delegations + absences)).
pub fn decide(
    rules: &ApprovalRules,
    request: &Request,
    voices: &[Voice],
    delegations: &[Delegation],
    absences: &[Absence],
    now: Timestamp,
) -> Decision {
    let mut voices: Vec<&Voice> = voices.iter().take(VOICES_MAX).collect();
    voices.sort_by(|a, b| (a.at, &a.person).cmp(&(b.at, &b.person)));
    let ground = Ground {
        rules,
        request,
        delegations,
        absences,
        now,
    };
    let needed = rules.people_needed(request, now);
    let (mut counted, mut ignored) = (Vec::new(), Vec::new());
    let (mut taken, mut open) = (BTreeSet::new(), request.counter_signers.clone());
    let mut until = Timestamp(i64::MAX);
    for voice in voices {
        let expires = voice.at.plus_ms(rules.valid_ms);
        match ground.hear(voice, &taken, counted.len()) {
            Ok(Heard::Customer(party)) => {
                if open.remove(&party) {
                    until = until.min(expires);
                }
            }
            Ok(Heard::Order(represented)) => {
                if counted.len() < needed {
                    until = until.min(expires);
                }
                taken.extend([voice.person.clone(), represented]);
                counted.push(voice.person.clone());
            }
            Err(why) => ignored.push((voice.person.clone(), why)),
        }
    }
    if counted.len() >= needed && open.is_empty() {
        counted.truncate(needed);
        return Decision::Granted { by: counted, until };
    }
    Decision::Waiting {
        people: needed.saturating_sub(counted.len()),
        counter_signers: open,
        ignored,
    }
}

impl ApprovalRules {
    /// Returns how many different people must approve: one, or two above a cap, for a vital service and in quiet hours.
    pub fn people_needed(&self, request: &Request, now: Timestamp) -> usize {
        let above = request.systems > self.alone_systems_max || request.eur_per_hour > self.alone_eur_per_hour_max;
        if above || request.vital || self.is_quiet(now) { 2 } else { 1 }
    }

    /// Says whether `now` lies in the quiet hours.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        let Some((from, until)) = self.quiet_minutes else {
            return false;
        };
        let minutes = now.0.div_euclid(60_000_000_000) + i64::from(self.utc_offset_minutes);
        let minute = minutes.rem_euclid(24 * 60);
        let (from, until) = (i64::from(from), i64::from(until));
        if from <= until {
            (from..until).contains(&minute)
        } else {
            minute >= from || minute < until
        }
    }
}

enum Heard {
    /// For a customer.
    Customer(String),
    /// An order, by the right of this person.
    Order(String),
}

struct Ground<'g> {
    rules: &'g ApprovalRules,
    request: &'g Request,
    delegations: &'g [Delegation],
    absences: &'g [Absence],
    now: Timestamp,
}

impl Ground<'_> {
    fn hear(&self, voice: &Voice, taken: &BTreeSet<String>, before: usize) -> Result<Heard, Ignored> {
        let person = self.rules.people.get(&voice.person).ok_or(Ignored::Unknown)?;
        if voice.at < self.request.at || voice.at > self.now {
            return Err(Ignored::OutOfTime);
        }
        if voice.at.plus_ms(self.rules.valid_ms) <= self.now {
            return Err(Ignored::Expired);
        }
        if self.is_absent(&voice.person, voice.at) {
            return Err(Ignored::Absent);
        }
        if let Some(party) = &person.signs_for {
            return Ok(Heard::Customer(party.clone()));
        }
        if taken.contains(&voice.person) {
            return Err(Ignored::Twice);
        }
        let rights = self.rights(&voice.person, voice.at);
        let first = rights.first().ok_or(Ignored::NotEntitled)?;
        let represented = rights.iter().find(|r| !taken.contains(**r)).ok_or(Ignored::Twice)?;
        let asks = [voice.person.as_str(), first, represented].contains(&self.request.requester.as_str());
        if asks && before > 0 {
            return Err(Ignored::RequesterSecond);
        }
        Ok(Heard::Order((*represented).to_owned()))
    }

    /// Whose right this person may use at a time, the own one first.
    fn rights<'s>(&'s self, person: &'s str, at: Timestamp) -> Vec<&'s str> {
        let handed_on = self.delegations.iter().filter(|d| {
            let short = d.until <= d.since.plus_ms(DELEGATION_MS_MAX);
            d.to == person && short && d.since <= at && at < d.until
        });
        let stands_in = self.rules.people.iter().filter(|(id, p)| {
            let present = |d: &&String| !self.is_absent(d, at);
            self.is_absent(id, at) && p.deputies.iter().find(present).is_some_and(|d| d == person)
        });
        let others = handed_on.map(|d| d.from.as_str()).chain(stands_in.map(|(id, _)| id.as_str()));
        let entitled = |id: &&str| {
            let person = self.rules.people.get(*id).filter(|p| p.signs_for.is_none());
            person.is_some_and(|p| self.request.systems <= p.systems_max && self.request.eur_per_hour <= p.eur_per_hour_max)
        };
        std::iter::once(person).chain(others).filter(entitled).collect()
    }

    fn is_absent(&self, person: &str, at: Timestamp) -> bool {
        let mut of_person = self.absences.iter().filter(|a| a.person == person);
        of_person.any(|a| a.since <= at && at < a.until)
    }
}
