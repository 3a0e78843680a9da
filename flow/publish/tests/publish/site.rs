use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use leckwehr_incident::{Fact, Situation, Timestamp, What};
use leckwehr_publish::{LintFinding, PublishError, Site, SiteConfig, build_site};
use quick_xml::events::Event;

use crate::fixture::{config, estate, key, situation, time};

fn site() -> Site {
    let estate = estate(24);
    build_site(&situation(&estate), &estate, &config(), &key()).unwrap()
}

fn text(site: &Site, path: &str) -> String {
    String::from_utf8(site.files[path].clone()).unwrap()
}

/// The words that a reader sees, one line per block.
fn words(html: &str) -> String {
    let body = &html[html.find("<main>").unwrap()..html.find("</main>").unwrap()];
    let mut out = String::new();
    for part in body.replace("</td>", "</td> | ").replace("</th>", "</th> | ").split('<') {
        out.push_str(part.split_once('>').map_or(part, |(_, shown)| shown));
    }
    let lines = out.lines().map(|line| line.trim().trim_end_matches(" |"));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

pub fn assert_well_formed(path: &str, text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut depth = 0;
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|e| panic!("{path} at {}: {e}", reader.error_position()))
        {
            Event::Start(start) => {
                depth += 1;
                start.attributes().for_each(|a| assert!(a.is_ok(), "{path}: {a:?}"));
            }
            Event::Empty(empty) => empty.attributes().for_each(|a| assert!(a.is_ok(), "{path}: {a:?}")),
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{path}");
}

#[test]
fn one_page_per_service_and_customer_in_both_languages() {
    let site = site();
    assert_eq!(site.files.len(), 2 * (1 + 20 + 1 + 80) + 2);
    for path in [
        "index.html",
        "en/index.html",
        "service/eau.html",
        "en/customer/k80.html",
        "feed.atom",
    ] {
        assert!(site.files.contains_key(path), "{path}");
    }
    let last: Vec<&str> = site.in_order().iter().rev().take(2).map(|(path, _)| *path).collect();
    assert_eq!(last, ["manifest.json", "manifest.json.sig"]);
}

#[test]
fn equal_arguments_give_equal_bytes() {
    assert_eq!(site(), site());
}

#[test]
fn every_page_and_the_feed_are_well_formed() {
    for (path, bytes) in &site().files {
        let text = std::str::from_utf8(bytes).unwrap();
        if path.ends_with(".json") {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        } else {
            assert_well_formed(path, text);
        }
    }
}

#[test]
fn pages_ask_nobody_and_run_nothing() {
    for (path, bytes) in &site().files {
        let text = std::str::from_utf8(bytes).unwrap();
        if path.ends_with(".html") {
            assert!(
                text.contains("default-src &#39;none&#39;") || text.contains("default-src 'none'"),
                "{path}"
            );
            for forbidden in ["<script", "src=", "href=\"http", "url(", "style=\"", "@import"] {
                assert!(!text.contains(forbidden), "{path} has {forbidden}");
            }
        }
    }
}

#[test]
fn links_lead_to_files_of_the_site() {
    let site = site();
    for (path, bytes) in site.files.iter().filter(|(path, _)| path.ends_with(".html")) {
        let text = std::str::from_utf8(bytes).unwrap();
        for target in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let mut folder: Vec<&str> = path.split('/').collect();
            folder.pop();
            for part in target.split('/') {
                if part == ".." {
                    assert!(folder.pop().is_some(), "{path} → {target}");
                } else {
                    folder.push(part);
                }
            }
            assert!(site.files.contains_key(&folder.join("/")), "{path} → {target}");
        }
    }
}

#[test]
fn the_index_fits_the_first_tcp_window() {
    let site = site();
    for path in ["index.html", "en/index.html"] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
        gzip.write_all(&site.files[path]).unwrap();
        let bytes = gzip.finish().unwrap().len();
        println!("{path}: {} bytes, {bytes} gzip", site.files[path].len());
        assert!(bytes <= 14_000, "{path} takes {bytes} bytes");
    }
}

#[test]
fn german_index_reads_as_intended() {
    insta::assert_snapshot!(words(&text(&site(), "index.html")));
}

#[test]
fn english_customer_page_reads_as_intended() {
    insta::assert_snapshot!(words(&text(&site(), "en/customer/k02.html")));
}

#[test]
fn feed_and_summary_stay_as_they_are() {
    let site = site();
    insta::assert_snapshot!("feed", text(&site, "feed.atom"));
    let summary: serde_json::Value = serde_json::from_str(&text(&site, "api/v2/summary.json")).unwrap();
    insta::assert_snapshot!("incidents", format!("{:#}", summary["incidents"][0]["status"]));
    assert_eq!(summary["status"]["indicator"], "critical");
}

#[test]
fn a_claim_that_fails_the_lint_is_left_out_and_named() {
    let site = site();
    let named: Vec<(&str, &str)> = site
        .warnings
        .iter()
        .map(|w| (w.claim.as_str(), w.language.as_str()))
        .collect();
    assert_eq!(named, [("claim-epa", "de"), ("claim-epa", "en")]);
    assert_eq!(site.warnings[1].findings, [LintFinding::Absolute { phrase: "never" }]);
    for path in ["index.html", "en/index.html", "feed.atom"] {
        let text = text(&site, path);
        assert!(!text.contains("zu keinem Zeitpunkt") && !text.contains("never"), "{path}");
    }
}

#[test]
fn a_correction_carries_the_old_text_on_page_and_feed() {
    let site = site();
    assert!(text(&site, "en/index.html").contains("<del>No more than 4 MB left through observed exits.</del>"));
    assert!(text(&site, "feed.atom").contains("Höchstens 4 MB"));
}

#[test]
fn hosts_accounts_and_operators_words_stay_inside() {
    for (path, bytes) in &site().files {
        let text = std::str::from_utf8(bytes).unwrap();
        for secret in [
            "data-a-01",
            "mgmt-a",
            "svc-backup",
            "LTE modem",
            "two people",
            "alarm-1",
            "10.24.",
        ] {
            assert!(!text.contains(secret), "{path} tells {secret}");
        }
    }
}

#[test]
fn a_service_that_nobody_observed_is_unknown() {
    let site = site();
    let page = text(&site, "en/service/statistics.html");
    assert!(page.contains("unknown") && page.contains("cannot measure"), "{page}");
    let empty = build_site(&Situation::default(), &estate(24), &config(), &key()).unwrap();
    let index = text(&empty, "en/index.html");
    assert!(index.contains("state unknown: 80"), "{index}");
    assert!(!index.contains("> works<"), "nothing may look healthy without an observation");
}

/// Red if a forecast outlives the order that it was made with, or if one that did not hold is shown as if it still could.
#[test]
fn a_date_is_given_as_long_as_the_newest_order_stands_by_it() {
    let estate = estate(24);
    let mut situation = situation(&estate);
    let hours = |n: i64| situation.as_of.plus_ms(n * 3_600_000);
    let (now, p50, p90, after) = (situation.as_of, hours(1), hours(2), hours(3));
    let ordered = || What::PlanOrdered {
        plan: "b2".repeat(32),
        begins: true,
        steps: Vec::new(),
        reason: "a step failed".to_owned(),
    };
    let foretold = What::Forecasted {
        service: "epa".to_owned(),
        p50,
        p90,
    };
    let mut page_after = |at: Timestamp, what: What| {
        situation.apply(&Fact::new(at, "restore", what)).unwrap();
        let site = build_site(&situation, &estate, &config(), &key()).unwrap();
        words(&text(&site, "en/service/epa.html"))
    };
    assert!(!page_after(now, ordered()).contains("xpected"));
    let page = page_after(now, foretold);
    assert!(
        page.contains("Expected at") && page.contains("in nine of ten cases by"),
        "{page}"
    );
    let what = "nothing yet".to_owned();
    let room = "restore".to_owned();
    let page = page_after(after, What::DecisionOpen { room, what });
    assert!(page.contains("did not come true") && !page.contains("Expected at"), "{page}");
    assert!(!page_after(after, ordered()).contains("xpected"));
}

#[test]
fn impossible_configurations_are_refused() {
    let build = |change: &dyn Fn(&mut SiteConfig)| {
        let mut config = config();
        change(&mut config);
        build_site(&Situation::default(), &estate(8), &config, &key())
    };
    assert!(matches!(build(&|c| c.languages.clear()), Err(PublishError::NoLanguage)));
    assert!(matches!(
        build(&|c| c.valid_until = c.issued),
        Err(PublishError::StaleAtBirth { .. })
    ));
    assert!(matches!(build(&|c| c.seq = 2), Err(PublishError::BrokenChain { seq: 2 })));
    assert!(matches!(
        build(&|c| c.prev_manifest_hash = Some("a".repeat(64))),
        Err(PublishError::BrokenChain { seq: 1 })
    ));
    assert!(build(&|c| c.issued = time(0)).is_ok());
}

#[test]
fn hostile_names_cannot_break_out_of_page_or_folder() {
    let mut estate = estate(8);
    let evil = estate.services["eau"].clone();
    estate.services.insert(
        "../../etc/<x>".to_owned(),
        leckwehr_estate::Service {
            name: "<script>alert('x')</script>]]>\u{1}".to_owned(),
            ..evil
        },
    );
    let site = build_site(&Situation::default(), &estate, &config(), &key()).unwrap();
    for (path, bytes) in &site.files {
        assert!(!path.contains("..") && !path.contains('<'), "{path}");
        assert!(
            path.ends_with(".json") || !String::from_utf8_lossy(bytes).contains("<script"),
            "{path}"
        );
    }
    assert_well_formed("feed.atom", &text(&site, "feed.atom"));
}

#[test]
fn write_the_site_for_a_look() {
    let site = site();
    let root = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("site");
    for (path, bytes) in site.in_order() {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    assert!(root.join("manifest.json").is_file());
}
