use jiff::ToSpan;
use leckwehr_estate::{Estate, PartyKind};
use leckwehr_incident::{Phase, Situation, Timestamp};

use crate::Language;
use crate::moment::berlin;

/// How a deadline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Hours from awareness, through weekends, holidays and changes of summer time.
    Hours(u32),
    /// Months from the 72-hour notification, §§ 187, 188 BGB.
    MonthsAfterNotification(u32),
    /// Without undue delay; the hours are what contracts and practice expect, not a legal limit.
    WithoutDelay {
        /// Customary hours.
        customary_hours: u32,
    },
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// One office.
    Office(&'static str),
    /// Every insurer of the estate.
    EachInsurer,
}

/// One legal duty. The table is data: laws change, so each rule names its source and the state of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// Legal source.
    pub source: &'static str,
    /// State of the text this rule was written from.
    pub text_of: &'static str,
    /// Who has the duty.
    pub bearer: &'static str,
    /// To whom.
    pub recipient: Recipient,
    /// Deadline.
    pub clock: Clock,
    /// What, in German.
    pub what_de: &'static str,
    /// What, in English.
    pub what_en: &'static str,
}

impl Rule {
    /// Returns what is due, for people.
    pub fn what(&self, language: Language) -> &'static str {
        language.pick(self.what_de, self.what_en)
    }
}

/// The duties known to this build. Not legal advice: the house lawyer decides which apply.
pub const RULES: &[Rule] = &[
    Rule {
        id: "nis2-early-warning",
        source: "NIS2 Art. 23(4)(a) / § 32 BSIG",
        text_of: "2025-12",
        bearer: "provider",
        recipient: Recipient::Office("BSI/BBK"),
        clock: Clock::Hours(24),
        what_de: "Frühe Erstmeldung: böswillig? grenzüberschreitend?",
        what_en: "early warning: malicious? cross-border?",
    },
    Rule {
        id: "nis2-notification",
        source: "NIS2 Art. 23(4)(b) / § 32 BSIG",
        text_of: "2025-12",
        bearer: "provider",
        recipient: Recipient::Office("BSI/BBK"),
        clock: Clock::Hours(72),
        what_de: "Meldung: Schwere, Auswirkungen, Indikatoren",
        what_en: "notification: severity, impact, indicators",
    },
    Rule {
        id: "nis2-final-report",
        source: "NIS2 Art. 23(4)(d) / § 32 BSIG",
        text_of: "2025-12",
        bearer: "provider",
        recipient: Recipient::Office("BSI/BBK"),
        clock: Clock::MonthsAfterNotification(1),
        what_de: "Abschlussmeldung (Fortschrittsmeldung, wenn der Vorfall andauert): Ursache, Maßnahmen",
        what_en: "final report (progress report if still on): cause, measures",
    },
    Rule {
        id: "gdpr-33-2",
        source: "DSGVO/GDPR Art. 33(2)",
        text_of: "2016-04",
        bearer: "provider",
        recipient: Recipient::EachInsurer,
        clock: Clock::WithoutDelay { customary_hours: 24 },
        what_de: "Meldung des Auftragsverarbeiters an jeden Verantwortlichen, Inhalt wie Art. 33(3)",
        what_en: "processor's notice to each controller, content as Art. 33(3)",
    },
    Rule {
        id: "sgb-x-83a",
        source: "§ 83a SGB X",
        text_of: "2024-07",
        bearer: "insurer",
        recipient: Recipient::EachInsurer,
        clock: Clock::WithoutDelay { customary_hours: 72 },
        what_de: "Meldung der Kasse an ihre Rechtsaufsicht: Entwurf zuliefern",
        what_en: "insurer's notice to its legal supervisor: supply the draft",
    },
    Rule {
        id: "sgb-v-329-2",
        source: "§ 329(2) SGB V",
        text_of: "2024-07",
        bearer: "provider",
        recipient: Recipient::Office("gematik"),
        clock: Clock::WithoutDelay { customary_hours: 24 },
        what_de: "Meldung von Ausfall oder Beeinträchtigung in der Telematikinfrastruktur",
        what_en: "outage or impairment in the telematics infrastructure",
    },
];

/// A duty with its deadline.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The rule.
    pub rule: &'static Rule,
    /// Names of those who must get it.
    pub recipients: Vec<String>,
    /// When; `None` if the calendar cannot say.
    pub due: Option<Timestamp>,
    /// Whether `due` is a legal limit; otherwise it is customary and the law says "without undue delay".
    pub legal_limit: bool,
}

/// Returns the duties that run since the incident was first declared, the soonest first; none before that.
///
/// `notified` is when the 72-hour notification was handed in; before that, its latest time is assumed.
pub fn duties(situation: &Situation, estate: &Estate, notified: Option<Timestamp>) -> Vec<Due> {
    let first_declared = situation.history.iter().find(|(_, phase, _)| *phase == Phase::Declared);
    let Some((aware, _, _)) = first_declared else {
        return Vec::new();
    };
    let notified = notified.unwrap_or_else(|| plus_hours(*aware, 72));
    let mut list: Vec<Due> = RULES
        .iter()
        .map(|rule| Due {
            rule,
            recipients: recipients(rule, estate),
            due: match rule.clock {
                Clock::Hours(hours) => Some(plus_hours(*aware, hours)),
                Clock::WithoutDelay { customary_hours } => Some(plus_hours(*aware, customary_hours)),
                Clock::MonthsAfterNotification(months) => end_of_months(notified, months),
            },
            legal_limit: !matches!(rule.clock, Clock::WithoutDelay { .. }),
        })
        .collect();
    list.sort_by_key(|due| due.due);
    list
}

fn recipients(rule: &Rule, estate: &Estate) -> Vec<String> {
    match rule.recipient {
        Recipient::Office(name) => vec![name.to_owned()],
        Recipient::EachInsurer => estate
            .parties
            .values()
            .filter(|party| party.kind == PartyKind::Insurer)
            .map(|party| party.name.clone())
            .collect(),
    }
}

fn plus_hours(at: Timestamp, hours: u32) -> Timestamp {
    at.plus_ms(i64::from(hours) * 3_600_000)
}

/// Returns the end of a period of months that begins with the event at `start`.
///
/// § 187(1) BGB: the day of the event does not count. § 188(2), (3): the period ends with the day of the same number, or
/// with the month's last day where that number is missing; the end of a day is the midnight after it in Germany.
/// Weekends are not shifted (§ 193 BGB would allow more time, never less).
pub fn end_of_months(start: Timestamp, months: u32) -> Option<Timestamp> {
    let local = berlin(start)?;
    let last_day = local.date().checked_add(i32::try_from(months).ok()?.months()).ok()?;
    let midnight = last_day.tomorrow().ok()?.to_zoned(local.time_zone().clone()).ok()?;
    i64::try_from(midnight.timestamp().as_nanosecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_from_the_31st_of_january_ends_with_february() {
        for (start, end) in [
            ("2027-01-31T10:00:00Z", "2027-02-28T23:00:00Z"),
            ("2028-01-31T10:00:00Z", "2028-02-29T23:00:00Z"),
            ("2027-01-28T10:00:00Z", "2027-02-28T23:00:00Z"),
            // Over the change to summer time: midnight in Germany is then 22:00 UTC.
            ("2027-03-15T10:00:00Z", "2027-04-15T22:00:00Z"),
            // 23:30 UTC is already the next day in Germany.
            ("2027-01-30T23:30:00Z", "2027-02-28T23:00:00Z"),
            ("2027-12-31T22:59:00Z", "2028-01-31T23:00:00Z"),
        ] {
            assert_eq!(end_of_months(time(start), 1), Some(time(end)), "from {start}");
        }
    }

    #[test]
    fn hours_run_through_weekends_and_summer_time() {
        // Saturday evening before the change of 28 March 2027; the local clock shows one hour more afterwards.
        assert_eq!(plus_hours(time("2027-03-27T20:00:00Z"), 24), time("2027-03-28T20:00:00Z"));
        assert_eq!(plus_hours(time("2027-10-30T20:00:00Z"), 72), time("2027-11-02T20:00:00Z"));
    }

    #[test]
    fn a_calendar_that_ends_gives_no_deadline_and_no_panic() {
        assert_eq!(end_of_months(Timestamp(i64::MAX), 1), None);
        assert_eq!(end_of_months(Timestamp(0), u32::MAX), None);
    }
}
