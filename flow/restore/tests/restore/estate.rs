//! Small estates and situations to plan for.

use leckwehr_estate::{
    Connection, ConnectionKind, Crew, Estate, Need, Party, PartyKind, Service, Switch, System, SystemKind, Zone,
};
use leckwehr_incident::{CredentialAssessment, HostAssessment, HostView, Situation, Tier, Timestamp};

pub fn needs(words: &[&str]) -> Vec<Need> {
    let need = |word: &&str| Need {
        any_of: word.split('|').map(str::to_owned).collect(),
    };
    words.iter().map(need).collect()
}

pub fn system(kind: SystemKind, zone: &str, wants: &[&str]) -> System {
    System {
        name: String::new(),
        kind,
        zone: zone.to_owned(),
        address: None,
        needs: needs(wants),
        backup: None,
        recipe: None,
        crew: Some("crew".to_owned()),
        data: Vec::new(),
        probe_port: Some(443),
        root_of_trust: kind == SystemKind::Directory,
        available_after_hours: 0,
        restore_gb_per_hour: None,
    }
}

pub fn service(priority: u8, wants: &[&str]) -> Service {
    Service {
        name: String::new(),
        priority,
        vital: false,
        rto_minutes: 60,
        mtpd_minutes: 600,
        harm_eur_per_hour: 1000,
        needs: needs(wants),
        degraded: Vec::new(),
        probe: None,
        customers: Vec::new(),
        arrivals_per_hour: 0,
    }
}

pub fn crew(size: u32) -> Crew {
    Crew {
        name: String::new(),
        size,
        out_of_band: String::new(),
        reach_hours: 0,
        shifts: Vec::new(),
    }
}

pub fn party(kind: PartyKind) -> Party {
    Party {
        name: "Party".to_owned(),
        kind,
        insured: 0,
        healthcare: false,
        contact: String::new(),
    }
}

pub fn zone(party: &str) -> Zone {
    Zone {
        name: String::new(),
        site: Some("s".to_owned()),
        party: party.to_owned(),
        network: None,
        guard: Some("guard-1".to_owned()),
        protected: false,
    }
}

pub fn connection(from: &str, to: &str) -> Connection {
    Connection {
        name: String::new(),
        kind: ConnectionKind::SiteToSite,
        from: from.to_owned(),
        to: to.to_owned(),
        both_ways: false,
        ports: Vec::new(),
        owner: None,
        switch: Some(Switch {
            guard: Some("guard-1".to_owned()),
            who: String::new(),
            how: String::new(),
            takes_s: 1,
            breaks: Vec::new(),
            verify: String::new(),
            undo: String::new(),
        }),
    }
}

/// A provider in one zone: a directory, a backup server, a database, two application servers, a vendor, two services.
pub fn provider() -> Estate {
    let mut estate = Estate::default();
    let mut add = |id: &str, kind, wants: &[&str]| estate.systems.insert(id.to_owned(), system(kind, "lan", wants));
    add("ad", SystemKind::Directory, &[]);
    add("db", SystemKind::Database, &["ad"]);
    add("app-a", SystemKind::EauIntake, &["ad", "db"]);
    add("app-b", SystemKind::EauIntake, &["ad", "db"]);
    add("web", SystemKind::Portal, &["app-a|app-b"]);
    estate.services.insert("eau".to_owned(), service(1, &["app-a|app-b"]));
    estate.services.insert("portal".to_owned(), service(5, &["web", "eau"]));
    estate.zones.insert("lan".to_owned(), zone("us"));
    estate.zones.insert("vendor".to_owned(), zone("vendor"));
    estate.crews.insert("crew".to_owned(), crew(2));
    estate.parties.insert("us".to_owned(), party(PartyKind::Provider));
    estate.parties.insert("vendor".to_owned(), party(PartyKind::ThirdParty));
    estate
        .connections
        .insert("maintenance".to_owned(), connection("vendor", "db"));
    estate.connections.insert("inside".to_owned(), connection("web", "db"));
    estate
}

/// A situation in which these systems are isolated, with what is known of the attacker there.
pub fn isolated(hosts: &[(&str, Option<Tier>)]) -> Situation {
    let mut situation = Situation::default();
    for (id, tier) in hosts {
        let view = HostView {
            tier: *tier,
            isolated: true,
            ..HostView::default()
        };
        situation.hosts.insert((*id).to_owned(), view);
        if let Some(tier) = tier {
            situation.impact.hosts.push(HostAssessment {
                system: (*id).to_owned(),
                tier: *tier,
                since: Some(Timestamp(1_682_391_129_000_000_000)),
                via: None,
                reasons: Vec::new(),
            });
        }
    }
    situation
}

pub fn stolen(account: &str) -> CredentialAssessment {
    CredentialAssessment {
        account: account.to_owned(),
        tier: Tier::Proven,
        used_on: Vec::new(),
    }
}
