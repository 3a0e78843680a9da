use memchr::memchr2;

/// What the surface of a JSON resource says, without parsing what is below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skimmed {
    /// `resourceType`.
    pub resource_type: String,
    /// `url`.
    pub url: String,
    /// `version`.
    pub version: String,
    /// `id`.
    pub id: String,
    /// `kind` (of a StructureDefinition).
    pub kind: String,
    /// `type` (of a StructureDefinition).
    pub type_name: String,
    /// `derivation` (of a StructureDefinition).
    pub derivation: String,
    /// Where the resources of a Bundle's entries are: byte ranges of the text.
    pub entries: Vec<(usize, usize)>,
    /// One past the last byte of the object.
    pub end: usize,
}

/// Skims the JSON object that begins at or after `start`. O(bytes), no recursion, one pass. `None` if it is no JSON object
/// or ends too early.
///
/// This trusts the inside of nested values to be JSON; a reader that parses the text must follow before it is used.
pub fn skim(text: &[u8], start: usize) -> Option<Skimmed> {
    let mut at = expect(text, start, b'{')?;
    let mut skimmed = Skimmed::default();
    at = space(text, at);
    if text.get(at) == Some(&b'}') {
        skimmed.end = at + 1;
        return Some(skimmed);
    }
    loop {
        let (key, after) = string(text, at)?;
        at = space(text, expect(text, after, b':')?);
        let key_value = match key {
            b"entry" if text.get(at) == Some(&b'[') => {
                at = entries(text, at, &mut skimmed.entries)?;
                None
            }
            _ if text.get(at) == Some(&b'"') => {
                let (value, after) = string(text, at)?;
                at = after;
                Some(value)
            }
            _ => {
                at = skip(text, at)?;
                None
            }
        };
        if let Some(value) = key_value {
            keep(&mut skimmed, key, value);
        }
        at = space(text, at);
        match text.get(at)? {
            b',' => at = space(text, at + 1),
            b'}' => {
                skimmed.end = at + 1;
                return Some(skimmed);
            }
            _ => return None,
        }
    }
}

fn keep(skimmed: &mut Skimmed, key: &[u8], value: &[u8]) {
    let target = match key {
        b"resourceType" => &mut skimmed.resource_type,
        b"url" => &mut skimmed.url,
        b"version" => &mut skimmed.version,
        b"id" => &mut skimmed.id,
        b"kind" => &mut skimmed.kind,
        b"type" => &mut skimmed.type_name,
        b"derivation" => &mut skimmed.derivation,
        _ => return,
    };
    *target = String::from_utf8_lossy(value).trim().replace("\\/", "/");
}

/// Notes the range of each `resource` in an array of entries.
fn entries(text: &[u8], start: usize, into: &mut Vec<(usize, usize)>) -> Option<usize> {
    let mut at = space(text, start + 1);
    if text.get(at) == Some(&b']') {
        return Some(at + 1);
    }
    loop {
        at = space(text, expect(text, at, b'{')?);
        while text.get(at) == Some(&b'"') {
            let (key, after) = string(text, at)?;
            let value_at = space(text, expect(text, after, b':')?);
            let end = skip(text, value_at)?;
            if key == b"resource" {
                into.push((value_at, end));
            }
            at = space(text, end);
            if text.get(at) == Some(&b',') {
                at = space(text, at + 1);
            }
        }
        at = space(text, expect(text, at, b'}')?);
        match text.get(at)? {
            b',' => at = space(text, at + 1),
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Passes over one value.
fn skip(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => string(text, start).map(|(_, end)| end),
        b'{' | b'[' => {
            let mut depth = 0usize;
            let mut at = start;
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = string(text, at)?.1;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let rest = text.get(start..)?;
            let length = rest
                .iter()
                .position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace())?;
            (length > 0).then_some(start + length)
        }
    }
}

/// Returns the raw inside of a string and what follows its closing quote.
fn string(text: &[u8], start: usize) -> Option<(&[u8], usize)> {
    if text.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        let found = at + memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[found] == b'"' {
            return Some((&text[start + 1..found], found + 1));
        }
        at = found + 2;
    }
}

fn space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

fn expect(text: &[u8], at: usize, byte: u8) -> Option<usize> {
    let at = space(text, at);
    (text.get(at) == Some(&byte)).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surface_is_read_and_the_depth_is_passed_over() {
        let text = br#" {"resourceType":"ValueSet","contained":[{"url":"no","a":"}]\""}],"url" : "http:\/\/x","version":"1.0","n":1.5e3,"b":true}"#;
        let skimmed = skim(text, 0).unwrap();
        assert_eq!(
            (skimmed.url.as_str(), skimmed.version.as_str(), skimmed.end),
            ("http://x", "1.0", text.len())
        );
    }

    #[test]
    fn a_bundle_gives_the_places_of_its_resources() {
        let text = br#"{"resourceType":"Bundle","entry":[{"fullUrl":"x","resource":{"id":"a"}},{"resource":{"id":"b"}}]}"#;
        let inner: Vec<String> = skim(text, 0)
            .unwrap()
            .entries
            .iter()
            .map(|r| skim(text, r.0).unwrap().id)
            .collect();
        assert_eq!(inner, ["a", "b"]);
    }

    #[test]
    fn nothing_cut_short_is_taken() {
        let text = br#"{"a":{"b":["c"]},"entry":[{"resource":{}}]}"#;
        assert!(skim(text, 0).is_some());
        for cut in 0..text.len() {
            assert_eq!(skim(&text[..cut], 0), None, "cut at {cut}");
        }
    }
}
