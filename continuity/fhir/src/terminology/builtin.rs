use super::Membership;

/// Code systems that are grammars, not lists: the code's form decides.
pub(super) fn has_code(system: &str, code: &str) -> Option<Membership> {
    let holds = match system {
        "urn:ietf:bcp:13" => is_media_type(code),
        "urn:ietf:bcp:47" => is_language_tag(code),
        _ => return None,
    };
    Some(if holds { Membership::Yes } else { Membership::No })
}

/// Value sets that are the whole of such a code system.
pub(super) fn member(value_set: &str, code: &str) -> Option<Membership> {
    match super::super::package::split_canonical(value_set).0 {
        "http://hl7.org/fhir/ValueSet/mimetypes" => has_code("urn:ietf:bcp:13", code),
        "http://hl7.org/fhir/ValueSet/all-languages" => has_code("urn:ietf:bcp:47", code),
        _ => None,
    }
}

/// `type/subtype` with parameters (RFC 6838, RFC 2045), or one of the short forms that FHIR allows.
fn is_media_type(code: &str) -> bool {
    let is_token = |t: &str| {
        !t.is_empty()
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*%'`|~".contains(&b))
    };
    let (kind, parameters) = code.split_once(';').unwrap_or((code, ""));
    let form = match kind.trim().split_once('/') {
        Some((kind, subtype)) => is_token(kind) && is_token(subtype),
        None => matches!(kind, "xml" | "json" | "ttl"),
    };
    form && (parameters.is_empty()
        || parameters
            .split(';')
            .all(|p| p.trim().split_once('=').is_some_and(|(n, v)| is_token(n) && !v.is_empty())))
}

/// The form of a language tag (RFC 5646): a language of 2 to 8 letters, then subtags of 1 to 8 letters and digits.
fn is_language_tag(code: &str) -> bool {
    let mut tags = code.split('-');
    let language = tags.next().unwrap_or_default();
    let is_private = language.eq_ignore_ascii_case("x") || language.eq_ignore_ascii_case("i");
    let is_language = (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
    let is_tag = |t: &str| (1..=8).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_language || is_private && code.contains('-')) && tags.all(is_tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        for good in ["application/pdf", "text/plain; charset=UTF-8", "application/fhir+xml"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["pdf", "application/", "a b/c", "text/plain;x"] {
            assert!(!is_media_type(bad), "{bad}");
        }
        for good in ["de", "de-DE", "zh-Hant-TW", "x-klingon"] {
            assert!(is_language_tag(good), "{good}");
        }
        for bad in ["", "d", "de_DE", "deutschland", "de-"] {
            assert!(!is_language_tag(bad), "{bad}");
        }
    }
}
