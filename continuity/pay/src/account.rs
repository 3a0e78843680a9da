use leckwehr_crypt::Redacted;

use crate::fault::Defect;

/// Countries of SEPA with the length of their IBANs in characters (SWIFT IBAN registry; EPC409-09).
const COUNTRIES: [(&str, usize); 43] = [
    ("AD", 24),
    ("AL", 28),
    ("AT", 20),
    ("BE", 16),
    ("BG", 22),
    ("CH", 21),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FR", 27),
    ("GB", 22),
    ("GI", 23),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IS", 26),
    ("IT", 27),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("RS", 22),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("VA", 22),
    ("FO", 18),
];

/// Of these the ones outside the European Economic Area: the payer's address must go with the payment.
const OUTSIDE_EEA: [&str; 12] = ["AD", "AL", "CH", "GB", "GI", "MC", "MD", "ME", "MK", "RS", "SM", "VA"];

/// First digits of German bank codes (Bundesbank: clearing areas 1 to 8).
const BLZ_FIRST: std::ops::RangeInclusive<u8> = b'1'..=b'8';

/// An International Bank Account Number of a SEPA country (ISO 13616), checked. It has no `Debug` and no `Display`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iban(Redacted<String>);

impl Iban {
    /// Reads an IBAN; blanks between its characters are left out.
    ///
    /// # Errors
    /// Form, country, length, check digits (ISO 7064 mod 97-10), or a German bank code that is none.
    pub fn parse(text: &str) -> Result<Self, Defect> {
        let iban: String = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
        let bytes = iban.as_bytes();
        let (Some(country), Some(check)) = (bytes.get(..2), bytes.get(2..4)) else {
            return Err(Defect::NotIban);
        };
        let letters = country.iter().all(u8::is_ascii_uppercase);
        if !letters || !check.iter().all(u8::is_ascii_digit) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(Defect::NotIban);
        }
        let known = COUNTRIES.iter().find(|(code, _)| code.as_bytes() == country);
        let (country, length) = known.ok_or(Defect::IbanCountry)?;
        if bytes.len() != *length {
            return Err(Defect::IbanLength);
        }
        if remainder_97(bytes) != 1 {
            return Err(Defect::IbanCheck);
        }
        let german_digits = || bytes.iter().skip(4).all(u8::is_ascii_digit);
        if *country == "DE" && !(german_digits() && bytes.get(4).is_some_and(|b| BLZ_FIRST.contains(b))) {
            return Err(Defect::IbanBank);
        }
        Ok(Self(Redacted::new(iban)))
    }

    /// Returns the IBAN without blanks to code that has a reason to see it.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Returns whether the account is outside the European Economic Area.
    pub fn is_outside_eea(&self) -> bool {
        OUTSIDE_EEA.iter().any(|country| self.reveal().starts_with(country))
    }
}

/// Remainder by 97 with the first four characters moved to the end and letters as two digits.
fn remainder_97(iban: &[u8]) -> u32 {
    let (front, rest) = iban.split_at(iban.len().min(4));
    let digits = |sum: u32, byte: &u8| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    };
    rest.iter().chain(front).fold(0, digits)
}

/// A Business Identifier Code of 8 or 11 characters (ISO 9362, as the pattern of pain.001.001.09 has it).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bic(Redacted<String>);

impl Bic {
    /// Reads a BIC.
    ///
    /// # Errors
    /// Anything but four letters or digits, a country, two and at most three more letters or digits.
    pub fn parse(text: &str) -> Result<Self, Defect> {
        let bic = text.trim().to_ascii_uppercase();
        let bytes = bic.as_bytes();
        let country = bytes.get(4..6).is_some_and(|c| c.iter().all(u8::is_ascii_uppercase));
        if !matches!(bytes.len(), 8 | 11) || !country || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(Defect::NotBic);
        }
        Ok(Self(Redacted::new(bic)))
    }

    /// Returns the BIC to code that has a reason to see it.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defect(text: &str) -> Option<Defect> {
        Iban::parse(text).err()
    }

    #[test]
    fn examples_of_the_registry_pass_and_each_rule_can_fail() {
        for good in [
            "DE89 3704 0044 0532 0130 00",
            "AT611904300234573201",
            "GB29NWBK60161331926819",
            "FR1420041010050500013M02606",
            "NL91ABNA0417164300",
            "CH9300762011623852957",
            "MT84MALT011000012345MTLCAST001S",
            "NO9386011117947",
        ] {
            assert_eq!(defect(good), None, "{good}");
        }
        assert_eq!(defect("DE88370400440532013000"), Some(Defect::IbanCheck));
        assert_eq!(defect("DE8937040044053201300"), Some(Defect::IbanLength));
        assert_eq!(defect("US64SVBKUS6S3300958879"), Some(Defect::IbanCountry));
        assert_eq!(defect("Kölner Bank"), Some(Defect::NotIban));
        assert_eq!(defect(""), Some(Defect::NotIban));
        // Sound by its check digits, but no bank code begins with 9.
        let made = (0..97)
            .map(|check| format!("DE{check:02}970400440532013000"))
            .find(|iban| remainder_97(iban.as_bytes()) == 1);
        assert_eq!(defect(&made.unwrap()), Some(Defect::IbanBank));
        assert!(Iban::parse("CH9300762011623852957").is_ok_and(|iban| iban.is_outside_eea()));
    }

    #[test]
    fn a_bic_has_8_or_11_characters_and_a_country() {
        assert!(Bic::parse("COBADEFFXXX").is_ok() && Bic::parse("cobadeff").is_ok());
        for bad in ["COBADEFFX", "COBA1EFF", "COBADE", "COBADEFFXX-", "ÜOBADEF"] {
            assert_eq!(Bic::parse(bad).err(), Some(Defect::NotBic), "{bad}");
        }
    }
}
