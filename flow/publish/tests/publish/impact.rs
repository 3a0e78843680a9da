use leckwehr_estate::Estate;
use leckwehr_incident::{Coverage, Hop, HostAssessment, Impact, OutsideEndpoint, OutsideRole, Tier, Timestamp};
use leckwehr_publish::Language;
use leckwehr_publish::impact_report::{CoverageTrack, Hypothesis, ImpactInput, Sight, render_impact};
use leckwehr_publish::report::Annex;

use crate::fixture::{claim, estate, impact, time};
use crate::site::assert_well_formed;

const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{1}";

/// Twenty hosts in a row and abreast, of all tiers, with an entry, a command server and a drop.
fn drill(estate: &Estate) -> Impact {
    let systems: Vec<&String> = estate.systems.keys().take(20).collect();
    let tier = |n: usize| match n {
        0..=8 => Tier::Proven,
        9..=13 => Tier::Probable,
        _ => Tier::Possible,
    };
    let parent = |n: usize| if n % 4 == 3 { n / 2 } else { n - 1 };
    let at = |n: usize| time(n as i64 * 47 + if n > 10 { 9_000 } else { 0 });
    let host = |n: usize| HostAssessment {
        system: systems[n].clone(),
        tier: tier(n),
        since: Some(at(n)),
        via: (n > 0).then(|| systems[parent(n)].clone()),
        reasons: vec![format!("remote execution (WinRM) [winlog#{n}]")],
    };
    let hop = |n: usize| Hop {
        from: systems[parent(n)].clone(),
        to: systems[n].clone(),
        at: at(n),
        account: Some("adm-operations".to_owned()),
        tier: tier(n),
        means: "remote execution (WinRM)".to_owned(),
        evidence: vec![format!("winlog#{n}")],
    };
    let entry = Hop {
        from: "198.51.100.23".to_owned(),
        to: systems[0].clone(),
        ..hop(1)
    };
    let command = Hop {
        from: "203.0.113.80".to_owned(),
        to: systems[4].clone(),
        at: at(5),
        means: "command channel".to_owned(),
        ..hop(1)
    };
    let outside = |address: &str, role, bytes: u64, evidence: String| OutsideEndpoint {
        address: address.to_owned(),
        role,
        tier: Tier::Proven,
        bytes_out_max: bytes,
        seen: Some((at(0), at(13))),
        evidence: vec![evidence],
    };
    let told = format!(
        "{}: 40 connections to port 443 from {} to {}, 3011002 bytes out, 88 back",
        systems[7],
        at(8),
        at(13)
    );
    let mut hops: Vec<Hop> = (1..14).map(hop).collect();
    hops.extend([Hop { at: at(0), ..entry }, command]);
    Impact {
        window: Some((time(-600), time(12_000))),
        hosts: (0..20).map(host).collect(),
        hops,
        outside: vec![
            outside("198.51.100.23", OutsideRole::Entry, 0, "a session".to_owned()),
            outside("203.0.113.80", OutsideRole::CommandAndExfiltration, 3_011_002, told),
        ],
        bytes_out_max: 3_172_129,
        ..impact(estate)
    }
}

fn input<'a>(
    impact: &'a Impact,
    estate: &'a Estate,
    claims: &'a [leckwehr_incident::Claim],
    language: Language,
) -> ImpactInput<'a> {
    ImpactInput {
        title: "Drill: the vendor's door".to_owned(),
        source: "vendor-door, seed 7".to_owned(),
        impact,
        claims,
        estate,
        hypotheses: Vec::new(),
        tracks: Vec::new(),
        annexes: Vec::new(),
        generated_at: time(12_000),
        language,
    }
}

fn hypothesis(from: &str, to: &str, second: i64) -> Hypothesis {
    Hypothesis {
        from: from.to_owned(),
        to: to.to_owned(),
        earliest: time(second),
        latest: time(second + 400),
        why: "no record shows the step; 31 % of such steps leave none".to_owned(),
    }
}

fn track(asset: &str, seen: f64, middle: Sight) -> CoverageTrack {
    CoverageTrack {
        asset: asset.to_owned(),
        class: "logon".to_owned(),
        seen,
        spans: vec![
            (time(-600), time(4_000), Sight::Seen),
            (time(4_000), time(6_000), middle),
            (time(6_000), time(12_000), Sight::Seen),
        ],
    }
}

#[test]
fn twenty_hosts_are_drawn_without_losing_one() {
    let estate = estate(24);
    let impact = drill(&estate);
    let claims = [claim(
        "c",
        "Nicht mehr als 3 MB.",
        "No more than 3 MB.",
        leckwehr_incident::Confidence::Assessed,
    )];
    for language in [Language::De, Language::En] {
        let mut input = input(&impact, &estate, &claims, language);
        let hosts: Vec<&String> = estate.systems.keys().collect();
        input.hypotheses = vec![hypothesis(hosts[2], hosts[9], 300), hypothesis(hosts[13], hosts[15], 9_620)];
        input.tracks = vec![
            track("jump-1", 0.87, Sight::Gap),
            track("app-1", 1.0, Sight::Seen),
            track("fs-1", 0.8, Sight::Never),
        ];
        let html = render_impact(&input).unwrap();
        assert_well_formed("impact", &html);
        let map = html.split("<svg").skip(1).find(|part| part.contains("t-badge")).unwrap();
        for host in &impact.hosts {
            assert!(map.contains(&format!("{}:", host.system)), "{} is not drawn", host.system);
        }
        let badges: Vec<usize> = map
            .split("t-badge\"")
            .skip(1)
            .filter_map(|part| part.split(['>', '<']).nth(1)?.parse().ok())
            .collect();
        // 13 hops, entry, command channel, 6 arrivals by reach, outflow, 2 hypotheses: numbered in order of time.
        assert_eq!(badges, (1..=24).collect::<Vec<_>>());
        assert_eq!(map.matches("hop h-hypothesis").count(), 2);
        assert_eq!(map.matches("hop h-outflow h-proven").count(), 1);
        assert_eq!(
            html.matches("class=\"c-gap\"").count() + html.matches("class=\"c-never\"").count(),
            2
        );
        for words in [
            language.pick("Lücke: 2027", "gap: 2027"),
            language.pick("Vermutung", "hypothesis"),
            "3\u{202f}011\u{202f}002 B",
            "87.0 %",
        ] {
            assert!(html.contains(words), "{words}");
        }
        for forbidden in ["<script", "src=", "href=\"http", "style=\"", "url("] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        std::fs::write(
            format!("{}/impact-{}.html", env!("CARGO_TARGET_TMPDIR"), language.tag()),
            &html,
        )
        .unwrap();
    }
}

/// Names come from an attacker's machines.
#[test]
fn hostile_names_stay_text() {
    let estate = estate(8);
    let mut impact = drill(&crate::fixture::estate(24));
    impact.hosts[0].system = HOSTILE.to_owned();
    impact.hops[0].to = HOSTILE.to_owned();
    impact.hops[0].means = HOSTILE.to_owned();
    impact.outside[0].address = HOSTILE.to_owned();
    impact.unknowns.push(HOSTILE.to_owned());
    impact.coverage.push(Coverage {
        asset: HOSTILE.to_owned(),
        class: HOSTILE.to_owned(),
        seen: f64::NAN,
        missing: HOSTILE.to_owned(),
    });
    let mut input = input(&impact, &estate, &[], Language::En);
    input.title = HOSTILE.to_owned();
    input.hypotheses = vec![hypothesis(HOSTILE, "nowhere", 5)];
    input.annexes = vec![Annex {
        title: HOSTILE.to_owned(),
        note: HOSTILE.to_owned(),
        head: vec![HOSTILE.to_owned()],
        rows: vec![vec![HOSTILE.to_owned()]],
    }];
    let html = render_impact(&input).unwrap().replace('\u{1}', "");
    assert!(!html.contains("<script"));
    assert_well_formed("impact", &html);
}

#[test]
fn nothing_known_gives_a_report_that_says_so() {
    let (impact, estate) = (Impact::default(), Estate::default());
    let html = render_impact(&input(&impact, &estate, &[], Language::En)).unwrap();
    assert_well_formed("impact", &html);
    for words in [
        "no step found",
        "no host named",
        "No claim can be made",
        "nothing is observed",
        "does not mean that everything is known",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

/// A thousand possible hosts do not make a drawing that nobody can read, and none of them vanishes.
#[test]
fn what_is_not_drawn_is_counted() {
    let estate = estate(24);
    let mut impact = drill(&estate);
    for n in 0..1_000 {
        impact.hosts.push(HostAssessment {
            system: format!("desk-{n}"),
            tier: Tier::Possible,
            since: Some(Timestamp(time(10_000).0 + n)),
            via: Some(impact.hosts[0].system.clone()),
            reasons: Vec::new(),
        });
    }
    let html = render_impact(&input(&impact, &estate, &[], Language::En)).unwrap();
    assert!(
        html.contains("not drawn, in the tables: 982 hosts, 982 steps"),
        "the drawing says what it leaves out"
    );
    assert!(html.contains("<th scope=\"row\">desk-999</th>"));
}
