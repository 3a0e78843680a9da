use std::fmt::Write as _;

use leckwehr_incident::Timestamp;
use quick_xml::escape::escape;

use crate::amount::euros;
use crate::order::Debtor;
use crate::plan::{Batch, Payment, PaymentFile};

/// Bytes that a payment takes at most, about.
const PAYMENT_BYTES: usize = 900;

/// Writes a file as pain.001.001.09: SEPA credit transfers in euros, shared charges, one batch for each account and execution day
/// (ISO 20022; EPC132-08; DFÜ-Abkommen, Anlage 3).
pub fn write(file: &PaymentFile, created: Timestamp) -> String {
    let mut out = String::with_capacity(file.payments as usize * PAYMENT_BYTES);
    out.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">",
    );
    out.push_str("<CstmrCdtTrfInitn><GrpHdr>");
    element(&mut out, "MsgId", &file.message_id);
    element(&mut out, "CreDtTm", &created.to_string());
    element(&mut out, "NbOfTxs", &file.payments.to_string());
    element(&mut out, "CtrlSum", &euros(file.cents));
    out.push_str("<InitgPty>");
    element(&mut out, "Nm", file.debtor.reveal());
    out.push_str("</InitgPty></GrpHdr>\n");
    let mut number = 0;
    for (index, part) in file.batches.iter().enumerate() {
        batch(&mut out, part, &format!("{}-{}", file.message_id, index + 1));
        for one in &part.payments {
            number += 1;
            payment(&mut out, one, &format!("{}-{number}", file.message_id));
        }
        out.push_str("</PmtInf>\n");
    }
    out.push_str("</CstmrCdtTrfInitn></Document>\n");
    out
}

fn batch(out: &mut String, batch: &Batch, id: &str) {
    let cents = batch.payments.iter().map(|payment| payment.cents).sum();
    out.push_str("<PmtInf>");
    element(out, "PmtInfId", id);
    out.push_str("<PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg>");
    element(out, "NbOfTxs", &batch.payments.len().to_string());
    element(out, "CtrlSum", &euros(cents));
    out.push_str("<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf><ReqdExctnDt>");
    element(out, "Dt", &batch.execute.to_string());
    out.push_str("</ReqdExctnDt>");
    debtor(out, &batch.debtor);
    out.push_str("<ChrgBr>SLEV</ChrgBr>\n");
}

fn debtor(out: &mut String, debtor: &Debtor) {
    out.push_str("<Dbtr>");
    element(out, "Nm", debtor.name.reveal());
    if let Some(address) = &debtor.address {
        let (town, country) = address.reveal();
        out.push_str("<PstlAdr>");
        element(out, "TwnNm", town);
        element(out, "Ctry", country);
        out.push_str("</PstlAdr>");
    }
    out.push_str("</Dbtr><DbtrAcct><Id>");
    element(out, "IBAN", debtor.iban.reveal());
    out.push_str("</Id></DbtrAcct><DbtrAgt><FinInstnId>");
    match &debtor.bic {
        Some(bic) => element(out, "BICFI", bic.reveal()),
        None => out.push_str("<Othr><Id>NOTPROVIDED</Id></Othr>"),
    }
    out.push_str("</FinInstnId></DbtrAgt>");
}

fn payment(out: &mut String, payment: &Payment, id: &str) {
    out.push_str("<CdtTrfTxInf><PmtId>");
    element(out, "InstrId", id);
    element(out, "EndToEndId", payment.end_to_end.reveal());
    let _ = write!(
        out,
        "</PmtId><Amt><InstdAmt Ccy=\"EUR\">{}</InstdAmt></Amt>",
        euros(payment.cents)
    );
    let creditor = &payment.creditor;
    if let Some(bic) = &creditor.bic {
        out.push_str("<CdtrAgt><FinInstnId>");
        element(out, "BICFI", bic.reveal());
        out.push_str("</FinInstnId></CdtrAgt>");
    }
    out.push_str("<Cdtr>");
    element(out, "Nm", creditor.name.reveal());
    out.push_str("</Cdtr><CdtrAcct><Id>");
    element(out, "IBAN", creditor.iban.reveal());
    out.push_str("</Id></CdtrAcct>");
    if let Some(purpose) = &payment.purpose {
        out.push_str("<Purp>");
        element(out, "Cd", purpose);
        out.push_str("</Purp>");
    }
    if !payment.remittance.reveal().is_empty() {
        out.push_str("<RmtInf>");
        element(out, "Ustrd", payment.remittance.reveal());
        out.push_str("</RmtInf>");
    }
    out.push_str("</CdtTrfTxInf>\n");
}

fn element(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, "<{name}>{}</{name}>", escape(text));
}
