/// Where in a file: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column in characters.
    pub column: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Finds the place of nested keys in a YAML text, beginning with document `document` (from 0).
///
/// The parser gives no places. Each key is looked for behind the one above it, at a line's beginning; what is not found
/// leaves the place of the key above. A key that ends in `|` is found with any modifiers. O(text × keys).
pub(crate) fn locate(text: &str, document: usize, path: &[&str]) -> Position {
    let mut lines = text.lines().enumerate().peekable();
    let mut passed = 0;
    let mut found = Position { line: 1, column: 1 };
    let mut begun = false;
    while let Some((_, line)) = lines.peek() {
        let separator = line.starts_with("---");
        if passed == document && !separator && !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            break;
        }
        begun |= !separator && !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if separator && begun {
            passed += 1;
            begun = false;
        }
        lines.next();
    }
    if let Some((i, _)) = lines.peek() {
        found.line = i + 1;
    }
    let mut path = path.iter().peekable();
    for (i, line) in lines {
        let Some(key) = path.peek() else { break };
        if line.starts_with("---") {
            break;
        }
        let rest = line.trim_start_matches([' ', '-', '\t']);
        let bare = rest.trim_start_matches(['"', '\'']);
        if begins_with_key(bare, key) {
            let column = line.chars().count() - rest.chars().count() + 1;
            found = Position { line: i + 1, column };
            path.next();
        }
    }
    found
}

fn begins_with_key(line: &str, key: &str) -> bool {
    let Some(rest) = line.strip_prefix(key) else { return false };
    if key.ends_with('|') {
        return true;
    }
    rest.trim_start_matches(['"', '\'']).trim_start().starts_with([':', '|'])
}

/// Returns the place that a parser names in its message as `line N column M` or `N:M`.
pub(crate) fn position_in(message: &str) -> Option<Position> {
    let after = message.split("line ").nth(1)?;
    let mut numbers = after.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
    let line = numbers.next()?.parse().ok()?;
    let column = after
        .contains("column")
        .then(|| numbers.next().and_then(|n| n.parse().ok()))
        .flatten();
    let column = column.unwrap_or(1);
    Some(Position { line, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# first\ntitle: a\ndetection:\n  s:\n    X|re: 1\n    - 'Y': 2\n  condition: s\n---\ntitle: b\ndetection:\n  t:\n    X: 1\n";

    #[test]
    fn keys_are_found_in_their_document() {
        let at = |document, path: &[&str]| locate(TEXT, document, path).to_string();
        assert_eq!(at(0, &["detection", "s", "X|"]), "5:5");
        assert_eq!(at(0, &["detection", "s", "Y"]), "6:7");
        assert_eq!(at(0, &["detection", "condition"]), "7:3");
        assert_eq!(at(1, &["detection", "t", "X"]), "12:5");
        assert_eq!(at(0, &["detection", "nothing"]), "3:1");
        assert_eq!(at(1, &[]), "9:1");
        assert_eq!(locate("", 0, &["x"]).to_string(), "1:1");
    }

    #[test]
    fn places_of_the_parser_are_read() {
        let at = |message| position_in(message).map(|p| p.to_string());
        assert_eq!(at("did not find ':' at line 5 column 3, while"), Some("5:3".to_owned()));
        assert_eq!(at("no place"), None);
    }
}
