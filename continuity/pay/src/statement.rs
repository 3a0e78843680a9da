use jiff::civil::Date;
use leckwehr_crypt::Redacted;

use crate::account::Iban;
use crate::amount::parse_sum;
use crate::fault::{Defect, Fault, Field};
use crate::input::{text, whole};
use crate::order::{NOT_PROVIDED, ORDERS_MAX, Row, date};
use crate::text::transliterate;
use crate::xml::{self, Visitor};
use crate::{Every, initiation};

/// Versions of the reports of an account that are read: beginnings of their names.
const MESSAGES: [&str; 3] = ["camt.052.001.", "camt.053.001.", "camt.054.001."];
/// Where reports, statements and notifications begin.
const ROOTS: [&str; 3] = [
    "BkToCstmrAcctRpt/Rpt/",
    "BkToCstmrStmt/Stmt/",
    "BkToCstmrDbtCdtNtfctn/Ntfctn/",
];

/// A payment that the normal system sent already.
#[derive(Clone)]
pub struct Paid {
    /// Index of its file.
    pub file: usize,
    /// Line, from 1.
    pub line: u64,
    /// Who paid; none if the file does not say.
    pub debtor: Option<Iban>,
    /// Who was paid.
    pub creditor: Iban,
    /// Euro cents.
    pub cents: u64,
    /// Execution, value or booking day.
    pub day: Date,
    /// The payee's reference.
    pub end_to_end: Option<Redacted<String>>,
    /// Text for the payee.
    pub remittance: Option<Redacted<String>>,
}

/// What the normal system is known to have paid.
#[derive(Default)]
pub struct Evidence {
    /// Names of the files.
    pub files: Vec<String>,
    /// Payments.
    pub paid: Vec<Paid>,
    /// Debits of which the files do not say who was paid how much: for these nothing is known.
    pub opaque: u64,
}

impl Evidence {
    /// Reads a payment file (pain.001) or an account's report (camt.052, .053, .054). O(bytes).
    ///
    /// # Errors
    /// Form or limits; nothing of the file is taken.
    pub fn read(&mut self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let text = text(name, bytes)?;
        let mut report = Report::default();
        match xml::walk(name, text, &mut report) {
            Err(fault) if fault.defect == Defect::NotMessage => report.rows = initiation::rows(name, text, Every::Once)?,
            other => other?,
        }
        if report.too_many {
            return Err(whole(name, 0, Defect::TooMany));
        }
        let file = self.files.len();
        self.files.push(name.to_owned());
        self.opaque += report.opaque;
        for row in &report.rows {
            match paid(file, row) {
                Some(paid) => self.paid.push(paid),
                None => self.opaque += 1,
            }
        }
        Ok(())
    }
}

fn paid(file: usize, row: &Row) -> Option<Paid> {
    let end_to_end = row.get(Field::EndToEnd).filter(|id| *id != NOT_PROVIDED);
    Some(Paid {
        file,
        line: row.line,
        debtor: row.get(Field::DebtorIban).and_then(|iban| Iban::parse(iban).ok()),
        creditor: Iban::parse(row.get(Field::CreditorIban)?).ok()?,
        cents: u64::try_from(parse_sum(row.get(Field::Amount)?).ok()?).ok()?,
        day: date(row.get(Field::FirstDue)?.get(..10)?).ok()?,
        end_to_end: end_to_end.map(|id| Redacted::new(id.to_owned())),
        remittance: row.get(Field::Remittance).map(|text| Redacted::new(transliterate(text))),
    })
}

#[derive(Default)]
struct Report {
    rows: Vec<Row>,
    opaque: u64,
    too_many: bool,
    account: Option<String>,
    entry: Option<Entry>,
}

/// A booking that is open.
#[derive(Default)]
struct Entry {
    line: u64,
    amount: Option<String>,
    is_debit: bool,
    is_reversal: bool,
    booked: Option<String>,
    value: Option<String>,
    details: Vec<Row>,
}

impl Visitor for Report {
    fn message(&mut self, message: &str) -> bool {
        MESSAGES.iter().any(|known| message.starts_with(known))
    }

    fn enter(&mut self, path: &str, line: u64) {
        match inside(path) {
            Some("Acct") => self.account = None,
            Some("Ntry") => {
                self.entry = Some(Entry {
                    line,
                    ..Entry::default()
                });
            }
            Some("Ntry/NtryDtls/TxDtls") => {
                let row = Row { line, ..Row::default() };
                if let Some(entry) = &mut self.entry {
                    entry.details.push(row);
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, path: &str, text: &str, _currency: Option<&str>) {
        let Some(inside) = inside(path) else { return };
        if inside == "Acct/Id/IBAN" {
            self.account = Some(text.to_owned());
        }
        if inside == "Ntry" {
            self.end_entry();
        }
        let Some(entry) = &mut self.entry else { return };
        match inside {
            "Ntry/Amt" => entry.amount = Some(text.to_owned()),
            "Ntry/CdtDbtInd" => entry.is_debit = text == "DBIT",
            "Ntry/RvslInd" => entry.is_reversal = text == "true",
            "Ntry/BookgDt/Dt" | "Ntry/BookgDt/DtTm" => entry.booked = Some(text.to_owned()),
            "Ntry/ValDt/Dt" | "Ntry/ValDt/DtTm" => entry.value = Some(text.to_owned()),
            _ => {}
        }
        let (Some(detail), Some(row)) = (inside.strip_prefix("Ntry/NtryDtls/TxDtls/"), entry.details.last_mut()) else {
            return;
        };
        let field = match detail {
            "Refs/EndToEndId" => Field::EndToEnd,
            "Amt" | "AmtDtls/TxAmt/Amt" => Field::Amount,
            "RltdPties/CdtrAcct/Id/IBAN" => Field::CreditorIban,
            "RmtInf/Ustrd" => Field::Remittance,
            _ => return,
        };
        match row.values.iter_mut().find(|(known, _)| *known == field) {
            Some((Field::Remittance, known)) => {
                known.push(' ');
                known.push_str(text);
            }
            Some(_) => {}
            None => row.values.push((field, text.to_owned())),
        }
    }
}

impl Report {
    fn end_entry(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        if !entry.is_debit || entry.is_reversal {
            return;
        }
        if entry.details.is_empty() {
            self.opaque += 1;
        }
        let alone = entry.details.len() == 1;
        for mut row in entry.details.drain(..) {
            if alone && row.get(Field::Amount).is_none() {
                row.values.extend(entry.amount.clone().map(|amount| (Field::Amount, amount)));
            }
            let day = entry.value.clone().or(entry.booked.clone());
            row.values.extend(day.map(|day| (Field::FirstDue, day)));
            row.values.extend(self.account.clone().map(|iban| (Field::DebtorIban, iban)));
            row.line = row.line.max(entry.line);
            if self.rows.len() == ORDERS_MAX {
                self.too_many = true;
            } else {
                self.rows.push(row);
            }
        }
    }
}

fn inside(path: &str) -> Option<&str> {
    ROOTS.iter().find_map(|root| path.strip_prefix(root))
}
