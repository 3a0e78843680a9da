use leckwehr_pay::{Defect, Every, Evidence, Field, Input, Language, Orders};

use crate::{HEAD, csv, iban, orders, row};

const OLD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-10-30T10:00:00</CreDtTm><NbOfTxs>2</NbOfTxs><CtrlSum>150.5</CtrlSum></GrpHdr>
<PmtInf><PmtInfId>P</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>2</NbOfTxs><CtrlSum>150.50</CtrlSum>
<ReqdExctnDt>2026-10-30</ReqdExctnDt><Dbtr><Nm>BKK M&#252;hle &amp; S&#xF6;hne</Nm></Dbtr>
<DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>
<DbtrAgt><FinInstnId><BIC>COBADEFFXXX</BIC></FinInstnId></DbtrAgt><ChrgBr>SLEV</ChrgBr>
<CdtTrfTxInf><PmtId><EndToEndId>KG-17</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">100.50</InstdAmt></Amt>
<Cdtr><Nm>Ada Beispiel</Nm></Cdtr><CdtrAcct><Id><IBAN>AT611904300234573201</IBAN></Id></CdtrAcct>
<Purp><Cd>SALA</Cd></Purp><RmtInf><Ustrd>Krankengeld {10}</Ustrd></RmtInf></CdtTrfTxInf>
<CdtTrfTxInf><PmtId><EndToEndId>NOTPROVIDED</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">50</InstdAmt></Amt>
<UltmtCdtr><Nm>X</Nm></UltmtCdtr><Cdtr><Nm>Klinik</Nm></Cdtr><CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct>
</CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>"#;

fn read(name: &str, text: &str) -> Result<Orders, Defect> {
    let mut orders = Orders::default();
    let input = Input {
        name,
        bytes: text.as_bytes(),
        every: Every::Monthly,
    };
    orders.read(&input).map(|()| orders).map_err(|fault| fault.defect)
}

#[test]
fn a_payment_file_becomes_orders_and_what_cannot_be_carried_over_is_named() {
    let orders = read("old.xml", OLD).unwrap();
    assert_eq!((orders.orders.len(), orders.faulty), (1, 1));
    let order = &orders.orders[0];
    assert_eq!((order.cents, order.line), (10_050, 8));
    assert_eq!(order.debtor.name.reveal(), "BKK Muehle + Soehne");
    let due = order.due_days("2026-11-01".parse().unwrap(), "2027-01-31".parse().unwrap());
    assert_eq!(
        due.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2026-11-30", "2026-12-30", "2027-01-30"]
    );
    assert_eq!(order.remittance(due[0]).reveal(), "Krankengeld (10)");
    // A payment for somebody else than the account's holder must not lose that somebody.
    assert_eq!((orders.faults[0].line, orders.faults[0].field), (11, Field::Other));
    assert_eq!(orders.faults[0].defect, Defect::NotCarried);
}

#[test]
fn a_file_whose_number_or_sum_does_not_fit_is_refused_whole() {
    for (from, to) in [
        ("<CtrlSum>150.5<", "<CtrlSum>150.51<"),
        ("<CtrlSum>150.50<", "<CtrlSum>1505.0<"),
        ("<NbOfTxs>2</NbOfTxs><CtrlSum>150.50", "<NbOfTxs>3</NbOfTxs><CtrlSum>150.50"),
        ("<NbOfTxs>2</NbOfTxs><CtrlSum>150.5<", "<NbOfTxs>1</NbOfTxs><CtrlSum>150.5<"),
        (">100.50<", ">100.5x<"),
    ] {
        assert_eq!(
            read("a.xml", &OLD.replace(from, to)).err(),
            Some(Defect::ControlSum),
            "{from}"
        );
    }
    assert_eq!(
        read("a.xml", &OLD.replace("<NbOfTxs>2</NbOfTxs>", "")).err(),
        Some(Defect::Missing)
    );
    assert_eq!(
        read("a.xml", &OLD.replace("pain.001.001.03", "pain.008.001.02")).err(),
        Some(Defect::NotMessage)
    );
    let cut = OLD.split_at(OLD.len() - 40).0;
    assert_eq!(read("a.xml", cut).err(), Some(Defect::NotWellFormed));
}

#[test]
fn what_stands_in_a_row_comes_out_of_csv_toml_and_all_separators_alike() {
    let line = row(1, 2, 12_345, "Rente {month}/{year}", "monthly", "2026-01-31");
    let comma = csv(std::slice::from_ref(&line));
    let semicolon = orders(&[(
        "a.csv",
        &format!(
            "\u{feff}{}\r\n",
            format!("{HEAD}{line}").replace(',', ";").replace('\n', "\r\n")
        ),
    )]);
    let toml = format!(
        "[default]\nevery = \"monthly\"\n\n[[order]]\ndebtor_name = \"Kasse 1\"\ndebtor_iban = \"{}\"\ncreditor_name = \"Name 2\"\n\
         creditor_iban = \"{}\"\namount = 123.45\npurpose = \"BENE\"\nremittance = \"Rente {{month}}/{{year}}\"\nfirst_due = 2026-01-31\n",
        iban(900_001),
        iban(2)
    );
    let toml = orders(&[("a.toml", &toml)]);
    for (orders, line) in [(&comma, 2), (&semicolon, 2), (&toml, 4)] {
        assert!(orders.faults.is_empty(), "{:?}", orders.faults);
        let order = &orders.orders[0];
        assert_eq!((order.cents, order.line), (12_345, line));
        assert!(order.debtor == comma.orders[0].debtor && order.creditor == comma.orders[0].creditor);
        let due = order.due_days("2026-02-01".parse().unwrap(), "2026-04-30".parse().unwrap());
        assert_eq!(
            due.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["2026-02-28", "2026-03-31", "2026-04-30"]
        );
        assert_eq!(order.remittance(due[0]).reveal(), "Rente 02/2026");
    }
}

/// Weakening any check of `order.rs` to accept its example makes this red.
#[test]
fn every_mistake_is_named_with_its_line_and_field_and_the_rest_goes_on() {
    let good = row(1, 2, 100, "a", "once", "2026-11-30");
    let cases = [
        (good.replace("Kasse 1,", ","), Field::DebtorName, Defect::Missing),
        (good.replace("Name 2,", "山,"), Field::CreditorName, Defect::NoText),
        (
            good.replace(&iban(2), "DE00370400440000000002"),
            Field::CreditorIban,
            Defect::IbanCheck,
        ),
        (good.replace("1.00", "1.000"), Field::Amount, Defect::NotAmount),
        (good.replace("1.00", "1000000000"), Field::Amount, Defect::AmountTooLarge),
        (good.replace("BENE", "bene"), Field::Purpose, Defect::NotPurpose),
        (
            good.replace(",a,", &format!(",{},", "ä".repeat(71))),
            Field::Remittance,
            Defect::TooLong,
        ),
        (good.replace(",a,", ",{kvnr},"), Field::Remittance, Defect::Placeholder),
        (good.replace("once", "daily"), Field::Every, Defect::NotWord),
        (good.replace("2026-11-30", "2026-11-31"), Field::FirstDue, Defect::NotDate),
        (
            good.replace("2026-11-30,,", "2026-11-30,2026-11-29,"),
            Field::LastDue,
            Defect::LastBeforeFirst,
        ),
        (
            good.replace("2026-11-30,,", "2026-11-30,,near"),
            Field::Shift,
            Defect::NotWord,
        ),
        (
            good.replace(&iban(2), "CH9300762011623852957"),
            Field::DebtorTown,
            Defect::OutsideEea,
        ),
        ("a,b,c\n".to_owned(), Field::File, Defect::RowLength),
    ];
    let rows: Vec<String> = cases
        .iter()
        .flat_map(|(bad, ..)| [bad.clone(), "\n".to_owned(), good.clone()])
        .collect();
    let read = csv(&rows);
    assert_eq!((read.orders.len(), read.faulty), (cases.len(), cases.len() as u64));
    for (index, (_, field, defect)) in cases.iter().enumerate() {
        let line = 2 + 3 * index as u64;
        assert!(
            read.faults
                .iter()
                .any(|fault| (fault.line, fault.field, fault.defect) == (line, *field, *defect)),
            "{line}: {defect:?} {:?}",
            read.faults
        );
    }
    assert!(
        read.faults
            .iter()
            .any(|fault| fault.defect == Defect::OutsideEea && fault.field == Field::CreditorBic)
    );
    // Nothing of what the rows hold is in a message.
    for fault in &read.faults {
        for text in [fault.text(Language::De), fault.text(Language::En), fault.to_string()] {
            assert!(
                text.starts_with("orders.csv:") && !text.contains("Kasse") && !text.contains("DE0") && !text.contains("Name"),
                "{text}"
            );
        }
    }
}

#[test]
fn evidence_is_read_from_reports_and_what_they_do_not_say_is_counted() {
    let report = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><Stmt><Id>1</Id><Acct><Id><IBAN>{}</IBAN></Id></Acct>\
         <Ntry><Amt Ccy=\"EUR\">12.50</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-25</Dt></BookgDt>\
         <NtryDtls><TxDtls><Refs><EndToEndId>E1</EndToEndId></Refs><RltdPties><CdtrAcct><Id><IBAN>{}</IBAN></Id></CdtrAcct></RltdPties>\
         <RmtInf><Ustrd>Text</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n\
         <Ntry><Amt Ccy=\"EUR\">99.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>2026-11-25</Dt></BookgDt></Ntry>\
         <Ntry><Amt Ccy=\"EUR\">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2026-11-25</Dt></BookgDt></Ntry>\
         </Stmt></BkToCstmrStmt></Document>",
        iban(1),
        iban(2)
    );
    let mut evidence = Evidence::default();
    evidence.read("camt.xml", report.as_bytes()).unwrap();
    evidence.read("old.xml", OLD.as_bytes()).unwrap();
    assert_eq!((evidence.paid.len(), evidence.opaque), (3, 1));
    assert!(
        evidence.paid[0]
            .debtor
            .as_ref()
            .is_some_and(|debtor| debtor.reveal() == iban(1))
    );
    assert_eq!(
        (evidence.paid[0].cents, evidence.paid[0].day.to_string().as_str()),
        (1_250, "2026-11-25")
    );
    assert_eq!(
        (evidence.paid[1].cents, evidence.paid[2].end_to_end.is_none()),
        (10_050, true)
    );
}
