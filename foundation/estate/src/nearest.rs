/// Farthest distance at which a name is still offered, in edits.
const EDITS_MAX: usize = 3;

/// Returns the candidate nearest to `name` by edits (insert, delete, replace, swap neighbours), if any is near enough.
///
/// Near enough is a third of the name, at most [`EDITS_MAX`]. Ties go to the first candidate. O(candidates · length²).
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let reach = (name.len() / 3).clamp(1, EDITS_MAX);
    let near = candidates.into_iter().filter(|c| c.len().abs_diff(name.len()) <= EDITS_MAX);
    let scored = near.map(|c| (distance(&name, &c.chars().collect::<Vec<_>>()), c));
    scored.filter(|(d, _)| *d <= reach).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Optimal string alignment distance, three rows at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit_and_far_names_are_not_offered() {
        assert_eq!(nearest("dircetory", ["dns", "directory"]), Some("directory"));
        assert_eq!(nearest("Eau-Intake", ["eau-intake"]), Some("eau-intake"));
        assert_eq!(nearest("db-9", ["mail-1", "portal"]), None);
        assert_eq!(nearest("", ["a"]), Some("a"));
    }
}
