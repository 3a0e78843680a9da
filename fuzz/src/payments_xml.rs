use crate::{Target, payments};

/// Payment files, and reports of accounts as evidence.
pub const TARGET: Target = Target {
    name: "payments_xml",
    run: |bytes| payments::pay("orders.xml", bytes),
    seeds: &[
        r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn><GrpHdr><NbOfTxs>1</NbOfTxs><CtrlSum>1.50</CtrlSum></GrpHdr>
<PmtInf><PmtMtd>TRF</PmtMtd><ReqdExctnDt><Dt>2026-11-30</Dt></ReqdExctnDt><Dbtr><Nm>Kasse</Nm></Dbtr><DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>
<DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt><CdtTrfTxInf><PmtId><EndToEndId>E1</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">1.50</InstdAmt></Amt>
<Cdtr><Nm>A &amp; B</Nm></Cdtr><CdtrAcct><Id><IBAN>AT611904300234573201</IBAN></Id></CdtrAcct><Purp><Cd>BENE</Cd></Purp><RmtInf><Ustrd>Rente</Ustrd></RmtInf></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>"#,
        r#"<d:Document xmlns:d="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><d:BkToCstmrStmt><d:Stmt><d:Acct><d:Id><d:IBAN>DE89370400440532013000</d:IBAN></d:Id></d:Acct>
<d:Ntry><d:Amt Ccy="EUR">1.50</d:Amt><d:CdtDbtInd>DBIT</d:CdtDbtInd><d:BookgDt><d:Dt>2026-11-30</d:Dt></d:BookgDt><d:NtryDtls><d:TxDtls><d:RltdPties><d:CdtrAcct><d:Id>
<d:IBAN>AT611904300234573201</d:IBAN></d:Id></d:CdtrAcct></d:RltdPties></d:TxDtls></d:NtryDtls></d:Ntry></d:Stmt></d:BkToCstmrStmt></d:Document>"#,
    ],
    words: &[
        "<!DOCTYPE a [",
        "<!ENTITY a \"b\">",
        "]>",
        "&a;",
        "&amp;",
        "&#0;",
        "&#x10FFFF;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<PmtInf>",
        "</PmtInf>",
        "<CdtTrfTxInf>",
        "</CdtTrfTxInf>",
        "<UltmtDbtr/>",
        "<Strd/>",
        "<NbOfTxs>2</NbOfTxs>",
        "<CtrlSum>3.00</CtrlSum>",
        "<ReqdExctnDt>2026-11-30</ReqdExctnDt>",
        "<RmtInf><Ustrd>x</Ustrd></RmtInf>",
        "pain.001.001.03",
        "pain.001.003.03",
        "camt.052.001.08",
        "camt.054.001.02",
        " Ccy=\"USD\"",
        "</",
        "/>",
        "\u{fc}",
    ],
};
