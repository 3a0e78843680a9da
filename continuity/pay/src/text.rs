/// Most characters of a name (EPC132-08: 70).
pub const NAME_CHARS_MAX: usize = 70;
/// Most characters of unstructured remittance information.
pub const REMITTANCE_CHARS_MAX: usize = 140;
/// Most characters of an id of a message, payment information or payment.
pub const ID_CHARS_MAX: usize = 35;

/// Returns whether every bank of SEPA takes this character (EPC217-08, the Latin set).
pub fn is_sepa_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '?' | ':' | '(' | ')' | '.' | ',' | '\'' | '+' | ' ')
}

/// Returns whether a text can be an id: 1 to 35 characters of the set, no slash at its ends and no two in a row (EPC132-08).
pub fn is_id(text: &str) -> bool {
    let length = (1..=ID_CHARS_MAX).contains(&text.chars().count());
    let slashes = text.starts_with('/') || text.ends_with('/') || text.contains("//");
    length && !slashes && text.chars().all(is_sepa_char) && text.trim() == text
}

/// Writes a text in the characters that every bank takes: umlauts as two letters, accents left out, `&` as `+`, anything else
/// as a dot (EPC217-08). White space becomes one blank. Already fit text stays as it is.
pub fn transliterate(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if is_sepa_char(c) {
            out.push(c);
        } else if c == DIAERESIS && out.ends_with(['a', 'o', 'u', 'A', 'O', 'U']) {
            out.push('e');
        } else if !is_combining(c) {
            out.push_str(replacement(c));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The dots of an umlaut as a character of its own, as some systems export it.
const DIAERESIS: char = '\u{308}';

/// Accents that stand behind their letter.
fn is_combining(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

fn replacement(c: char) -> &'static str {
    match c {
        'Ä' | 'Æ' => "Ae",
        'ä' | 'æ' => "ae",
        'Ö' | 'Ø' | 'Œ' => "Oe",
        'ö' | 'ø' | 'œ' => "oe",
        'Ü' => "Ue",
        'ü' => "ue",
        'ß' => "ss",
        'ẞ' => "SS",
        'À'..='Ã' | 'Å' | 'Ā' | 'Ă' | 'Ą' | 'Ǎ' => "A",
        'à'..='ã' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' | 'ª' => "a",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'Ð' | 'Ď' | 'Đ' => "D",
        'ð' | 'ď' | 'đ' => "d",
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' => "E",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' => "G",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'Ĥ' | 'Ħ' => "H",
        'ĥ' | 'ħ' => "h",
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' => "I",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'Ĵ' => "J",
        'ĵ' => "j",
        'Ķ' => "K",
        'ķ' => "k",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ŀ' | 'Ł' => "L",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' | 'Ŋ' => "N",
        'ñ' | 'ń' | 'ņ' | 'ň' | 'ŋ' => "n",
        'Ò'..='Õ' | 'Ō' | 'Ŏ' | 'Ő' => "O",
        'ò'..='õ' | 'ō' | 'ŏ' | 'ő' | 'º' => "o",
        'Ŕ' | 'Ŗ' | 'Ř' => "R",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => "S",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'Ţ' | 'Ť' | 'Ŧ' | 'Ț' => "T",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'Þ' => "Th",
        'þ' => "th",
        'Ù'..='Û' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ù'..='û' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'Ŵ' => "W",
        'ŵ' => "w",
        'Ý' | 'Ŷ' | 'Ÿ' => "Y",
        'ý' | 'ŷ' | 'ÿ' => "y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ź' | 'ż' | 'ž' => "z",
        '&' => "+",
        '€' => "EUR",
        '§' => "Par.",
        '‐' | '‑' | '–' | '—' | '_' | '~' => "-",
        '‘' | '’' | '‚' | '“' | '”' | '„' | '"' | '`' | '´' => "'",
        '[' | '{' | '<' => "(",
        ']' | '}' | '>' => ")",
        '\\' | '|' => "/",
        ';' => ",",
        _ => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn umlauts_become_two_letters_and_nothing_outside_the_set_stays() {
        assert_eq!(transliterate("Müller & Söhne GmbH, Straße"), "Mueller + Soehne GmbH, Strasse");
        assert_eq!(transliterate("  Łódź\t\n Čapek "), "Lodz Capek");
        assert_eq!(transliterate("Mu\u{308}ller e\u{301} 山"), "Mueller e .");
        let every: String = (' '..='\u{2fff}').collect();
        let out = transliterate(&every);
        assert!(out.chars().all(is_sepa_char));
        assert_eq!(transliterate(&out), out);
    }

    #[test]
    fn an_id_keeps_the_rules_of_the_scheme() {
        assert!(is_id("RF18-5390/0754") && is_id(&"x".repeat(35)));
        for bad in ["", "/a", "a/", "a//b", "ä", " a", &"x".repeat(36)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
