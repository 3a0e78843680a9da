use serde::{Deserialize, Serialize};

use super::{Level, Outside};

/// What a certificate stands on without proof. Each is a sentence that somebody must be ready to defend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assumed {
    /// The sensors wrote what happened, and nobody changed it since.
    RecordsAreGenuine,
    /// No clock is off by more than the allowance.
    ClocksWithinSkew,
    /// The attacker held nothing before its first sign.
    NothingHeldBeforeItsFirstSign,
    /// A packet that nobody answered takes nothing.
    NothingTakenWithoutAnAnswer,
    /// Who arrives after a log-on of unknown length does not take its session over.
    NoSessionTakenOver,
    /// A cut holds from the entry that verified it until an entry that ends it; an expired lease has its entry.
    CutsHoldUntilTheLedgerEndsThem,
    /// Nobody carried anything in on media, by hand or over mobile networks.
    NoWayBesideTheNetwork,
    /// Where records have gaps, no step was taken in the gap.
    NoUnseenContact,
    /// Addresses outside that no finding names are not the attacker's.
    NoOtherEntryFromOutside,
    /// The estate names every connection.
    EstateNamesEveryConnection,
    /// A system is taken by connections opened towards it, in its segment, or by its hypervisor or directory.
    TakenOnlyByModelledWays,
}

impl Assumed {
    /// Returns what a certificate of this level and this view of the outside stands on.
    pub fn of(level: Level, outside: Outside) -> Vec<Self> {
        let mut all = vec![
            Self::RecordsAreGenuine,
            Self::ClocksWithinSkew,
            Self::NothingHeldBeforeItsFirstSign,
            Self::NothingTakenWithoutAnAnswer,
            Self::NoSessionTakenOver,
            Self::CutsHoldUntilTheLedgerEndsThem,
            Self::NoWayBesideTheNetwork,
        ];
        match level {
            Level::ObservedContacts => all.push(Self::NoUnseenContact),
            Level::PossibleWays => all.extend([Self::EstateNamesEveryConnection, Self::TakenOnlyByModelledWays]),
        }
        if outside == Outside::Named {
            all.push(Self::NoOtherEntryFromOutside);
        }
        all.sort_unstable();
        all
    }

    /// Returns the sentence in German and English.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::RecordsAreGenuine => (
                "Die Sensoren schrieben, was geschah, und niemand änderte es seither.",
                "The sensors wrote what happened, and nobody changed it since.",
            ),
            Self::ClocksWithinSkew => (
                "Keine Uhr geht um mehr als die angegebene Abweichung falsch.",
                "No clock is off by more than the stated allowance.",
            ),
            Self::NothingHeldBeforeItsFirstSign => (
                "Der Angreifer hielt kein System vor dem ersten Anzeichen dort.",
                "The attacker held no system before its first sign.",
            ),
            Self::NothingTakenWithoutAnAnswer => (
                "Ein Paket, auf das niemand antwortete, übernimmt nichts.",
                "A packet that nobody answered takes nothing.",
            ),
            Self::NoSessionTakenOver => (
                "Wer nach einer Anmeldung unbekannter Dauer ankommt, übernimmt ihre Sitzung nicht.",
                "Who arrives after a log-on of unknown length does not take its session over.",
            ),
            Self::CutsHoldUntilTheLedgerEndsThem => (
                "Eine Trennung hält, bis ein Eintrag im Protokoll sie beendet.",
                "A cut holds until an entry of the ledger ends it.",
            ),
            Self::NoWayBesideTheNetwork => (
                "Niemand trug etwas auf Datenträgern oder über Mobilfunk hinein.",
                "Nobody carried anything in on media or over mobile networks.",
            ),
            Self::NoUnseenContact => (
                "Kein Schritt geschah, den kein Sensor sah.",
                "No step was taken that no sensor saw.",
            ),
            Self::NoOtherEntryFromOutside => (
                "Adressen außerhalb, die kein Befund nennt, gehören nicht dem Angreifer.",
                "Addresses outside that no finding names are not the attacker's.",
            ),
            Self::EstateNamesEveryConnection => ("Das Verzeichnis nennt jede Verbindung.", "The estate names every connection."),
            Self::TakenOnlyByModelledWays => (
                "Ein System fällt nur über Verbindungen zu ihm, in seinem Segment oder über seinen Hypervisor oder sein Verzeichnis.",
                "A system is taken only by connections opened to it, in its segment, or by its hypervisor or directory.",
            ),
        }
    }
}
