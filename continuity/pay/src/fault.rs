use std::fmt;

use serde::Serialize;

/// Most faults of one input that are named; all are counted.
pub const FAULTS_MAX: usize = 1_000;

/// The language of a text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// German.
    De,
    /// English.
    #[default]
    En,
}

impl Language {
    /// Returns the text of this language.
    pub fn pick<'t>(self, de: &'t str, en: &'t str) -> &'t str {
        match self {
            Self::De => de,
            Self::En => en,
        }
    }
}

/// A field of a standing order: the name of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The payer's name.
    DebtorName,
    /// The payer's account.
    DebtorIban,
    /// The payer's bank.
    DebtorBic,
    /// The payer's town; only for payments that leave the European Economic Area.
    DebtorTown,
    /// The payer's country, as two letters; likewise.
    DebtorCountry,
    /// The payee's name.
    CreditorName,
    /// The payee's account.
    CreditorIban,
    /// The payee's bank.
    CreditorBic,
    /// Euros.
    Amount,
    /// `EUR`.
    Currency,
    /// ISO 20022 purpose code, as `SALA` or `BENE`.
    Purpose,
    /// Text for the payee, with `{year}`, `{month}` and `{day}` of the due day.
    Remittance,
    /// The payee's reference, up to 35 characters.
    EndToEnd,
    /// `once`, `weekly`, `monthly`, `quarterly`, `yearly`.
    Every,
    /// First due day, `2026-11-30`.
    FirstDue,
    /// Last due day.
    LastDue,
    /// `next` or `previous` business day.
    Shift,
    /// The number of payments that a file names.
    Count,
    /// The sum that a file names.
    Sum,
    /// Something beside these fields.
    Other,
    /// The file as a whole.
    File,
}

/// Fields that an order can have, in the order of their columns.
pub(crate) const COLUMNS: [Field; 17] = [
    Field::DebtorName,
    Field::DebtorIban,
    Field::DebtorBic,
    Field::DebtorTown,
    Field::DebtorCountry,
    Field::CreditorName,
    Field::CreditorIban,
    Field::CreditorBic,
    Field::Amount,
    Field::Currency,
    Field::Purpose,
    Field::Remittance,
    Field::EndToEnd,
    Field::Every,
    Field::FirstDue,
    Field::LastDue,
    Field::Shift,
];

impl Field {
    /// Returns the name of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::DebtorName => "debtor_name",
            Self::DebtorIban => "debtor_iban",
            Self::DebtorBic => "debtor_bic",
            Self::DebtorTown => "debtor_town",
            Self::DebtorCountry => "debtor_country",
            Self::CreditorName => "creditor_name",
            Self::CreditorIban => "creditor_iban",
            Self::CreditorBic => "creditor_bic",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Purpose => "purpose",
            Self::Remittance => "remittance",
            Self::EndToEnd => "end_to_end",
            Self::Every => "every",
            Self::FirstDue => "first_due",
            Self::LastDue => "last_due",
            Self::Shift => "shift",
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Other => "other",
            Self::File => "file",
        }
    }

    pub(crate) fn of_column(name: &str) -> Option<Self> {
        COLUMNS.into_iter().find(|field| field.name() == name)
    }
}

/// What is wrong with a field. It never carries the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// Nothing there.
    Missing,
    /// Not of the form of an IBAN.
    NotIban,
    /// An IBAN of a country outside SEPA.
    IbanCountry,
    /// An IBAN of the wrong length for its country.
    IbanLength,
    /// The check digits do not fit.
    IbanCheck,
    /// No German bank code.
    IbanBank,
    /// Not a BIC.
    NotBic,
    /// Not an amount.
    NotAmount,
    /// Zero.
    AmountZero,
    /// Over 999,999,999.99 euros.
    AmountTooLarge,
    /// Another currency.
    NotEuro,
    /// Not a day.
    NotDate,
    /// The last day is before the first.
    LastBeforeFirst,
    /// Not one of the words that this field takes.
    NotWord,
    /// Not a purpose code.
    NotPurpose,
    /// Not an id of 1 to 35 characters of the Latin set.
    NotId,
    /// Too long.
    TooLong,
    /// A placeholder that is none.
    Placeholder,
    /// Nothing legible is left.
    NoText,
    /// A payment that leaves the European Economic Area needs this.
    OutsideEea,
    /// Something that the emergency run cannot carry over.
    NotCarried,
    /// The number or sum that the file names is not the one found.
    ControlSum,
    /// The file is too long.
    FileTooLong,
    /// A line or value is too long.
    LineTooLong,
    /// Too many orders.
    TooMany,
    /// Not UTF-8.
    NotUtf8,
    /// Not well-formed.
    NotWellFormed,
    /// A document type definition.
    Dtd,
    /// An entity that is not one of the five of XML.
    Entity,
    /// Nested too deep.
    TooDeep,
    /// No message of a kind that is read.
    NotMessage,
    /// A column that is not known, or twice.
    Column,
    /// A row with more or fewer values than columns.
    RowLength,
}

impl Defect {
    /// Returns what is wrong and what to do.
    pub fn text(self, language: Language) -> &'static str {
        let (de, en) = self.texts();
        language.pick(de, en)
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing => ("fehlt; tragen Sie es ein", "is missing; fill it in"),
            Self::NotIban => (
                "ist keine IBAN; vergleichen Sie sie mit dem Original",
                "is no IBAN; compare it with the original",
            ),
            Self::IbanCountry => (
                "gehört zu keinem SEPA-Land; zahlen Sie von Hand",
                "is of no SEPA country; pay by hand",
            ),
            Self::IbanLength => (
                "hat nicht die Länge, die ihr Land vorschreibt; vergleichen Sie sie mit dem Original",
                "has not the length that its country demands; compare it with the original",
            ),
            Self::IbanCheck => (
                "hat falsche Prüfziffern; vergleichen Sie sie mit dem Original",
                "has wrong check digits; compare it with the original",
            ),
            Self::IbanBank => (
                "enthält keine deutsche Bankleitzahl; vergleichen Sie sie mit dem Original",
                "holds no German bank code; compare it with the original",
            ),
            Self::NotBic => (
                "ist kein BIC; korrigieren oder leer lassen",
                "is no BIC; mend it or leave it empty",
            ),
            Self::NotAmount => (
                "ist kein Betrag; schreiben Sie 1234.56 oder 1234,56 ohne Tausenderzeichen",
                "is no amount; write 1234.56 or 1234,56 without separators of thousands",
            ),
            Self::AmountZero => ("ist null; streichen Sie die Zeile", "is zero; remove the row"),
            Self::AmountTooLarge => (
                "ist größer als 999.999.999,99 EUR; teilen Sie die Zahlung",
                "is over EUR 999,999,999.99; split the payment",
            ),
            Self::NotEuro => ("ist nicht EUR; zahlen Sie von Hand", "is not EUR; pay by hand"),
            Self::NotDate => ("ist kein Tag; schreiben Sie 2026-11-30", "is no day; write 2026-11-30"),
            Self::LastBeforeFirst => (
                "liegt vor dem ersten Tag; korrigieren Sie es",
                "is before the first day; mend it",
            ),
            Self::NotWord => (
                "ist keines der erlaubten Wörter; siehe leckwehr payments check --help",
                "is none of the words allowed; see leckwehr payments check --help",
            ),
            Self::NotPurpose => (
                "ist kein Zweckschlüssel aus vier Großbuchstaben; korrigieren oder leer lassen",
                "is no purpose code of four capital letters; mend it or leave it empty",
            ),
            Self::NotId => (
                "hat nicht 1 bis 35 Zeichen des lateinischen Satzes; kürzen oder leer lassen",
                "has not 1 to 35 characters of the Latin set; shorten it or leave it empty",
            ),
            Self::TooLong => ("ist zu lang; kürzen Sie es", "is too long; shorten it"),
            Self::Placeholder => (
                "hat einen unbekannten Platzhalter; erlaubt sind {year}, {month}, {day}",
                "has an unknown placeholder; there are {year}, {month}, {day}",
            ),
            Self::NoText => (
                "hat kein lesbares Zeichen; schreiben Sie es in lateinischer Schrift",
                "has no legible character; write it in Latin letters",
            ),
            Self::OutsideEea => (
                "fehlt: Zahlungen aus dem EWR hinaus brauchen es; tragen Sie es ein oder zahlen Sie von Hand",
                "is missing: payments that leave the EEA need it; fill it in or pay by hand",
            ),
            Self::NotCarried => (
                "kann der Notlauf nicht übernehmen; zahlen Sie von Hand",
                "cannot be carried over by the emergency run; pay by hand",
            ),
            Self::ControlSum => (
                "stimmt nicht mit dem Inhalt überein; die Datei ist unvollständig oder verändert: nehmen Sie eine andere",
                "does not fit the content; the file is incomplete or changed: take another one",
            ),
            Self::FileTooLong => (
                "ist länger als 256 MiB; teilen Sie die Datei",
                "is longer than 256 MiB; split the file",
            ),
            Self::LineTooLong => (
                "ist länger als erlaubt; prüfen Sie die Datei",
                "is longer than allowed; look at the file",
            ),
            Self::TooMany => (
                "hat mehr als 1.000.000 Zahlungen; teilen Sie die Datei",
                "has more than 1,000,000 payments; split the file",
            ),
            Self::NotUtf8 => ("ist nicht UTF-8; exportieren Sie in UTF-8", "is not UTF-8; export in UTF-8"),
            Self::NotWellFormed => (
                "ist nicht wohlgeformt; holen Sie die Datei neu",
                "is not well-formed; fetch the file again",
            ),
            Self::Dtd => (
                "enthält eine Dokumenttyp-Definition; prüfen Sie die Herkunft der Datei",
                "holds a document type definition; find out where the file comes from",
            ),
            Self::Entity => (
                "enthält eine fremde Entität; prüfen Sie die Herkunft der Datei",
                "holds a foreign entity; find out where the file comes from",
            ),
            Self::TooDeep => (
                "ist zu tief verschachtelt; prüfen Sie die Datei",
                "is nested too deep; look at the file",
            ),
            Self::NotMessage => (
                "ist keine Nachricht, die hier gelesen wird: pain.001.001.03/.09, als Nachweis auch camt.052/053/054",
                "is no message that is read here: pain.001.001.03/.09, as evidence also camt.052/053/054",
            ),
            Self::Column => (
                "nennt eine unbekannte oder doppelte Spalte; siehe leckwehr payments check --help",
                "names an unknown column, or one twice; see leckwehr payments check --help",
            ),
            Self::RowLength => (
                "hat mehr oder weniger Werte als Spalten; prüfen Sie Trennzeichen und Anführungszeichen",
                "has more or fewer values than columns; look at separators and quotes",
            ),
        }
    }
}

/// Something wrong at one place of an input, without its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// Name of the file.
    pub file: String,
    /// Line, from 1; 0 if it concerns the whole file.
    pub line: u64,
    /// Field.
    pub field: Field,
    /// What.
    pub defect: Defect,
}

impl Fault {
    /// Returns place, field, fault and remedy in a sentence.
    pub fn text(&self, language: Language) -> String {
        let place = match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        };
        format!("{place}: {} {}", self.field.name(), self.defect.text(language))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Language::En))
    }
}

impl std::error::Error for Fault {}
