use crate::{Target, payments};

/// Standing orders as TOML.
pub const TARGET: Target = Target {
    name: "payments_toml",
    run: |bytes| payments::pay("orders.toml", bytes),
    seeds: &[
        "[default]\ndebtor_name = \"Kasse\"\ndebtor_iban = \"DE89370400440532013000\"\n\n[[order]]\ncreditor_name = \"A\"\ncreditor_iban = \"AT611904300234573201\"\namount = 12.50\nevery = \"weekly\"\nfirst_due = 2026-01-31\n",
    ],
    words: payments::ORDER_WORDS,
};
