use crate::{Target, payments};

/// Standing orders as CSV.
pub const TARGET: Target = Target {
    name: "payments_csv",
    run: |bytes| payments::pay("orders.csv", bytes),
    seeds: &[
        "debtor_name,debtor_iban,creditor_name,creditor_iban,amount,remittance,every,first_due\nKasse,DE89370400440532013000,\"M\u{fc}ller, A\",AT611904300234573201,12.50,Rente {month},monthly,2026-01-31\n",
        "debtor_name;debtor_iban;debtor_town;debtor_country;creditor_name;creditor_iban;creditor_bic;amount;first_due;end_to_end;purpose;shift\r\nKasse;DE89370400440532013000;Essen;DE;Klinik;CH9300762011623852957;UBSWCHZH80A;1,5;28.11.2026;RF18;BENE;previous\r\n\r\n",
    ],
    words: payments::ORDER_WORDS,
};
