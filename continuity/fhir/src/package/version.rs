use std::cmp::Ordering;

/// Splits `url|version`; an empty version counts as none. A fragment (`#id`) stays with the URL.
pub fn split_canonical(canonical: &str) -> (&str, Option<&str>) {
    match canonical.split_once('|') {
        Some((url, version)) if !version.is_empty() => (url, Some(version)),
        Some((url, _)) => (url, None),
        None => (canonical, None),
    }
}

/// Whether a version that is there answers a version that is asked for: the same, or its beginning up to a dot
/// (`1.2` is answered by `1.2.1`, a *partial canonical*), or with `x` as the last part (`1.2.x`), or `latest`.
pub fn satisfies(there: &str, asked: &str) -> bool {
    if there == asked || asked == "latest" || asked == "*" {
        return true;
    }
    let asked = asked.strip_suffix(".x").unwrap_or(asked);
    match there.strip_prefix(asked) {
        Some(rest) => rest.is_empty() || rest.starts_with('.'),
        None => false,
    }
}

/// Orders versions as people mean it: numbers by value, a pre-release (`-rc1`) before its release. Total order; O(length).
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a_release, a_label) = a.split_once('-').unwrap_or((a, ""));
    let (b_release, b_label) = b.split_once('-').unwrap_or((b, ""));
    let mut a_parts = a_release.split('.');
    let mut b_parts = b_release.split('.');
    loop {
        match (a_parts.next(), b_parts.next()) {
            (None, None) => break,
            (Some(_), None) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(x), Some(y)) => {
                let order = compare_parts(x, y);
                if order.is_ne() {
                    return order;
                }
            }
        }
    }
    match (a_label.is_empty(), b_label.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => compare_parts(a_label, b_label),
    }
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(x), Ok(y)) => x.cmp(&y).then_with(|| a.cmp(b)),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_versions_stop_at_a_dot() {
        assert!(satisfies("1.2.1", "1.2"));
        assert!(satisfies("1.2", "1.2"));
        assert!(satisfies("1.2.7", "1.2.x"));
        assert!(!satisfies("1.20.1", "1.2"));
        assert!(!satisfies("1.2", "1.2.1"));
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert_eq!(compare_versions("1.10.0", "1.9.0"), Ordering::Greater);
        assert_eq!(compare_versions("1.2", "1.2.0"), Ordering::Less);
        assert_eq!(compare_versions("2.0.0-rc1", "2.0.0"), Ordering::Less);
        assert_eq!(split_canonical("u|1.2"), ("u", Some("1.2")));
        assert_eq!(split_canonical("u|"), ("u", None));
    }
}
