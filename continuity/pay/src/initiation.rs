use crate::amount::parse_sum;
use crate::fault::{Defect, Fault, Field};
use crate::input::whole;
use crate::order::{Every, ORDERS_MAX, Row};
use crate::xml::{self, Visitor};

/// What the room calls a payment file.
const MESSAGES: [&str; 3] = ["pain.001.001.03", "pain.001.001.09", "pain.001.003.03"];
const HEAD: &str = "CstmrCdtTrfInitn/GrpHdr/";
const BATCH: &str = "CstmrCdtTrfInitn/PmtInf";
const PAYMENT: &str = "CdtTrfTxInf";

/// Parts of a payment that change nothing about who gets how much for what.
const IGNORED: [&str; 9] = [
    "PmtId/InstrId",
    "PmtId/UETR",
    "PmtTpInf",
    "ChrgBr",
    "CdtrAgt",
    "CdtrAgtAcct",
    "Cdtr/PstlAdr",
    "CdtrAcct",
    "Cdtr/CtryOfRes",
];
/// Elements that only hold others.
const HOLDERS: [&str; 6] = ["PmtId", "Amt", "Cdtr", "Purp", "RmtInf", ""];
/// Parts of a batch that change who pays for whom.
const BATCH_REFUSED: [&str; 2] = ["UltmtDbtr", "PoolgAdjstmntDt"];

/// Reads the payments of a payment file (pain.001.001.03 or .09, and the German .003.03) as orders that are due on its execution day.
///
/// # Errors
/// Form, limits, or a number or sum that does not fit: then nothing of the file is taken.
pub(crate) fn rows(file: &str, text: &str, every: Every) -> Result<Vec<Row>, Fault> {
    let mut reading = Reading {
        every,
        ..Reading::default()
    };
    xml::walk(file, text, &mut reading)?;
    reading.finish(file)
}

/// A number and a sum as a header names them.
#[derive(Default)]
struct Control {
    count: Option<String>,
    sum: Option<String>,
}

impl Control {
    fn fits(&self, count: usize, sum: Option<u128>) -> bool {
        let count_fits = self.count.as_ref().is_none_or(|named| named.parse() == Ok(count));
        count_fits
            && self
                .sum
                .as_ref()
                .is_none_or(|named| sum.is_some() && parse_sum(named).ok() == sum)
    }
}

#[derive(Default)]
struct Reading {
    every: Every,
    rows: Vec<Row>,
    head: Control,
    /// Of the batch that is open.
    batch: Control,
    shared: Vec<(Field, String)>,
    batch_defects: Vec<(Field, Defect)>,
    batch_begins: usize,
    batch_line: u64,
    payment: Option<Row>,
    wrong_control: Option<u64>,
    too_many: bool,
}

impl Visitor for Reading {
    fn message(&mut self, message: &str) -> bool {
        MESSAGES.contains(&message)
    }

    fn enter(&mut self, path: &str, line: u64) {
        let Some(inside) = path.strip_prefix(BATCH) else { return };
        match inside.strip_prefix('/') {
            None => {
                self.batch = Control::default();
                self.shared.clear();
                self.batch_defects.clear();
                self.batch_begins = self.rows.len();
                self.batch_line = line;
            }
            Some(PAYMENT) => {
                self.payment = Some(Row {
                    line,
                    literal: true,
                    ..Row::default()
                });
            }
            Some(_) => {}
        }
    }

    fn leave(&mut self, path: &str, text: &str, currency: Option<&str>) {
        if let Some(name) = path.strip_prefix(HEAD) {
            match name {
                "NbOfTxs" => self.head.count = Some(text.to_owned()),
                "CtrlSum" => self.head.sum = Some(text.to_owned()),
                _ => {}
            }
        }
        let Some(inside) = path.strip_prefix(BATCH) else { return };
        let Some(inside) = inside.strip_prefix('/') else {
            self.end_batch();
            return;
        };
        match inside.strip_prefix(PAYMENT) {
            Some("") => self.end_payment(),
            Some(part) if part.starts_with('/') => self.part_of_payment(part.trim_start_matches('/'), text, currency),
            _ => self.part_of_batch(inside, text),
        }
    }
}

impl Reading {
    fn part_of_batch(&mut self, part: &str, text: &str) {
        let field = match part {
            "NbOfTxs" => return self.batch.count = Some(text.to_owned()),
            "CtrlSum" => return self.batch.sum = Some(text.to_owned()),
            "PmtMtd" if text != "TRF" => return self.batch_defects.push((Field::Other, Defect::NotCarried)),
            "ReqdExctnDt" | "ReqdExctnDt/Dt" => Field::FirstDue,
            "ReqdExctnDt/DtTm" => return self.share(Field::FirstDue, text.get(..10).unwrap_or(text)),
            "Dbtr/Nm" => Field::DebtorName,
            "Dbtr/PstlAdr/TwnNm" => Field::DebtorTown,
            "Dbtr/PstlAdr/Ctry" => Field::DebtorCountry,
            "DbtrAcct/Id/IBAN" => Field::DebtorIban,
            "DbtrAcct/Ccy" if text != "EUR" => return self.batch_defects.push((Field::Other, Defect::NotCarried)),
            "DbtrAgt/FinInstnId/BIC" | "DbtrAgt/FinInstnId/BICFI" => Field::DebtorBic,
            part if BATCH_REFUSED.contains(&part) => return self.batch_defects.push((Field::Other, Defect::NotCarried)),
            _ => return,
        };
        self.share(field, text);
    }

    fn share(&mut self, field: Field, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.shared.iter().any(|(known, _)| *known == field) {
            self.batch_defects.push((field, Defect::NotCarried));
        }
        self.shared.push((field, text.to_owned()));
    }

    fn part_of_payment(&mut self, part: &str, text: &str, currency: Option<&str>) {
        let Some(row) = &mut self.payment else { return };
        let field = match part {
            "PmtId/EndToEndId" => Field::EndToEnd,
            "Amt/InstdAmt" => Field::Amount,
            "CdtrAgt/FinInstnId/BIC" | "CdtrAgt/FinInstnId/BICFI" => Field::CreditorBic,
            "Cdtr/Nm" => Field::CreditorName,
            "CdtrAcct/Id/IBAN" => Field::CreditorIban,
            "Purp/Cd" => Field::Purpose,
            "RmtInf/Ustrd" => Field::Remittance,
            part => {
                let ignored = IGNORED.iter().any(|known| {
                    part.strip_prefix(known)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                });
                if !ignored && !HOLDERS.contains(&part) && !row.defects.contains(&(Field::Other, Defect::NotCarried)) {
                    row.defects.push((Field::Other, Defect::NotCarried));
                }
                return;
            }
        };
        if field == Field::Amount {
            row.values.push((Field::Currency, currency.unwrap_or("none").to_owned()));
        }
        match row.values.iter_mut().find(|(known, _)| *known == field) {
            Some((Field::Remittance, known)) => {
                known.push(' ');
                known.push_str(text);
            }
            Some(_) => row.defects.push((field, Defect::NotCarried)),
            None => row.values.push((field, text.to_owned())),
        }
    }

    fn end_payment(&mut self) {
        let Some(row) = self.payment.take() else { return };
        if self.rows.len() == ORDERS_MAX {
            self.too_many = true;
        } else {
            self.rows.push(row);
        }
    }

    /// What stands in a batch counts for all its payments, before and after.
    fn end_batch(&mut self) {
        let rows = self.rows.get_mut(self.batch_begins..).unwrap_or_default();
        let every = match self.every {
            Every::Once => "once",
            Every::Weekly => "weekly",
            Every::Monthly => "monthly",
            Every::Quarterly => "quarterly",
            Every::Yearly => "yearly",
        };
        for row in rows.iter_mut() {
            row.values.extend(self.shared.iter().cloned());
            row.values.push((Field::Every, every.to_owned()));
            row.defects.extend(self.batch_defects.iter().copied());
        }
        if !self.batch.fits(rows.len(), sum(rows)) {
            self.wrong_control.get_or_insert(self.batch_line);
        }
    }

    fn finish(self, file: &str) -> Result<Vec<Row>, Fault> {
        if self.too_many {
            return Err(whole(file, 0, Defect::TooMany));
        }
        if self.head.count.is_none() {
            return Err(Fault {
                field: Field::Count,
                ..whole(file, 0, Defect::Missing)
            });
        }
        let fits = self.head.fits(self.rows.len(), sum(&self.rows));
        match self.wrong_control.or((!fits).then_some(0)) {
            Some(line) => Err(Fault {
                field: Field::Sum,
                ..whole(file, line, Defect::ControlSum)
            }),
            None => Ok(self.rows),
        }
    }
}

/// The sum of all amounts in cents; none if one is no amount.
fn sum(rows: &[Row]) -> Option<u128> {
    rows.iter().map(|row| parse_sum(row.get(Field::Amount)?).ok()).sum()
}
