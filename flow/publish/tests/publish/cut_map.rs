use leckwehr_publish::{CutPicture, Language, cut_map, cut_page};

use crate::fixture::estate;
use crate::site::assert_well_formed;

#[test]
fn the_picture_says_in_signs_and_words_what_is_held_cut_and_protected() {
    let mut estate = estate(20);
    let ids: Vec<String> = estate.systems.keys().cloned().collect();
    if let Some(zone) = estate.zones.values_mut().next() {
        zone.name = "<script>&\"'\u{1}".into();
    }
    let connection = estate.connections.keys().next().cloned();
    let one = |id: &String| [id.clone()].into();
    let picture = CutPicture {
        held: one(&ids[0]),
        in_reach: one(&ids[1]),
        protected: one(&ids[19]),
        systems: one(&ids[2]),
        connections: connection.iter().cloned().collect(),
        life_lines: one(&ids[18]),
    };
    for (language, words) in [
        (Language::De, ["Seite des Angreifers", "geschützt"]),
        (Language::En, ["attacker&#39;s side", "protected"]),
    ] {
        let svg = cut_map(&picture, &estate, language);
        assert_well_formed("cut.svg", &svg);
        assert!(!svg.contains("<script>") && !svg.contains('\u{1}'));
        let named = [
            format!("● {}", ids[0]),
            format!("✂ {}", ids[2]),
            format!("◆ {}", ids[19]),
            format!("━ {}", ids[18]),
        ];
        for wanted in named.iter().map(String::as_str).chain(words) {
            assert!(svg.contains(wanted), "{wanted} is not in the picture");
        }
        assert_eq!(connection.is_some(), svg.contains("7 5"), "a cut connection is dashed");
        let row = ["system:a".to_owned(), "<b>".to_owned(), "50 EUR".to_owned()];
        let page = cut_page(&picture, &estate, &[row], "<i>", language);
        assert_well_formed(
            "cut.html",
            page.trim_start_matches("<!doctype html>")
                .replace("<meta charset=\"utf-8\">", "")
                .as_str(),
        );
        assert!(!page.contains("<b>") && !page.contains("<i>") && page.contains("50 EUR"));
    }
}
