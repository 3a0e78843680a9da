use leckwehr_estate::{
    Connection, ConnectionKind, DegradedMode, Estate, Need, Party, PartyKind, Service, Site, Switch, System, SystemKind, Zone,
};
use leckwehr_incident::{Hop, HostAssessment, Impact, OutsideEndpoint, OutsideRole, Tier, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

/// Systems `s0` to `s7` in zones `z0` to `z2` of sites `a` and `b`, `s8` in the vendor's zone.
pub const SYSTEMS: usize = 9;
/// Services `v0` to `v4`.
pub const SERVICES: usize = 5;
/// Address in the vendor's zone.
pub const VENDOR_ADDRESS: &str = "192.0.2.7";

pub fn system(name: &str, zone: &str, needs: Vec<Need>) -> System {
    System {
        name: name.into(),
        kind: SystemKind::Application,
        zone: zone.into(),
        address: None,
        needs,
        backup: None,
        recipe: None,
        crew: None,
        data: vec![],
        probe_port: None,
        root_of_trust: false,
        available_after_hours: 0,
        restore_gb_per_hour: None,
    }
}

pub fn service(needs: Vec<Need>, degraded: Vec<DegradedMode>) -> Service {
    Service {
        name: "service".into(),
        priority: 1,
        vital: false,
        rto_minutes: 60,
        mtpd_minutes: 600,
        harm_eur_per_hour: 10,
        needs,
        degraded,
        probe: None,
        customers: vec![],
        arrivals_per_hour: 0,
    }
}

pub fn mode(needs: Vec<Need>) -> DegradedMode {
    DegradedMode {
        name: "spool only".into(),
        gives: "acceptance".into(),
        needs,
        ..DegradedMode::default()
    }
}

pub fn need(any_of: &[&str]) -> Need {
    Need {
        any_of: any_of.iter().map(|&id| id.to_owned()).collect(),
    }
}

fn zone(site: Option<&str>, party: &str, guard: Option<&str>) -> Zone {
    Zone {
        name: "zone".into(),
        site: site.map(str::to_owned),
        party: party.into(),
        network: None,
        guard: guard.map(str::to_owned),
        protected: false,
    }
}

pub fn connection(from: &str, to: &str, guard: Option<&str>, breaks: Vec<String>) -> Connection {
    let switch = Switch {
        guard: guard.map(str::to_owned),
        who: "net".into(),
        how: "drop".into(),
        takes_s: 1,
        breaks,
        verify: "probe".into(),
        undo: "load".into(),
    };
    Connection {
        name: "link".into(),
        kind: ConnectionKind::RemoteMaintenance,
        from: from.into(),
        to: to.into(),
        both_ways: false,
        ports: vec![],
        owner: None,
        switch: Some(switch),
    }
}

fn party(kind: PartyKind, insured: u64) -> Party {
    Party {
        name: "party".into(),
        kind,
        insured,
        healthcare: false,
        contact: "phone".into(),
    }
}

/// The fixed frame: sites, zones, parties; no systems yet.
pub fn frame() -> Estate {
    let mut estate = Estate {
        name: "made up".into(),
        ..Estate::default()
    };
    for site in ["a", "b"] {
        estate.sites.insert(
            site.into(),
            Site {
                name: site.into(),
                town: "Essen".into(),
            },
        );
    }
    estate.zones.insert("z0".into(), zone(Some("a"), "provider", Some("guard-a")));
    estate.zones.insert("z1".into(), zone(Some("a"), "provider", Some("guard-a")));
    estate.zones.insert("z2".into(), zone(Some("b"), "provider", None));
    let mut vendor = zone(None, "vendor", Some("guard-v"));
    vendor.network = Some(([192, 0, 2, 0].into(), 24));
    estate.zones.insert("zv".into(), vendor);
    for (id, kind, insured) in [
        ("provider", PartyKind::Provider, 0),
        ("vendor", PartyKind::ThirdParty, 0),
        ("kasse-1", PartyKind::Insurer, 1_000),
        ("kasse-2", PartyKind::Insurer, 200),
    ] {
        estate.parties.insert(id.into(), party(kind, insured));
    }
    estate
}

fn any_need() -> impl Strategy<Value = Need> {
    let id = prop_oneof![
        4 => (0..SYSTEMS).prop_map(|i| format!("s{i}")),
        1 => (0..SERVICES).prop_map(|i| format!("v{i}")),
    ];
    vec(id, 1..3).prop_map(|any_of| Need { any_of })
}

/// Any estate in the frame: needs may form cycles, name themselves, and cross between systems and services.
pub fn any_estate() -> impl Strategy<Value = Estate> {
    let systems = vec((0..3_usize, vec(any_need(), 0..3)), SYSTEMS);
    let services = vec(
        (vec(any_need(), 0..3), vec(vec(any_need(), 0..2), 0..2), any::<bool>()),
        SERVICES,
    );
    let connections = vec((0..SYSTEMS, any::<bool>(), vec(0..SERVICES, 0..2)), 0..3);
    (systems, services, connections).prop_map(|(systems, services, connections)| {
        let mut estate = frame();
        for (i, (zone, needs)) in systems.into_iter().enumerate() {
            let zone = if i == SYSTEMS - 1 {
                "zv".to_owned()
            } else {
                format!("z{zone}")
            };
            estate.systems.insert(format!("s{i}"), system("s", &zone, needs));
        }
        for (i, (needs, modes, vital)) in services.into_iter().enumerate() {
            let mut service = service(needs, modes.into_iter().map(mode).collect());
            service.vital = vital;
            service.customers = if i == 0 { vec!["kasse-2".into()] } else { vec![] };
            estate.services.insert(format!("v{i}"), service);
        }
        for (i, (to, guarded, breaks)) in connections.into_iter().enumerate() {
            let breaks = breaks.into_iter().map(|v| format!("v{v}")).collect();
            let guard = guarded.then_some("guard-a");
            estate
                .connections
                .insert(format!("c{i}"), connection("zv", &format!("s{to}"), guard, breaks));
        }
        estate
    })
}

pub fn host(system: &str, tier: Tier) -> HostAssessment {
    HostAssessment {
        system: system.into(),
        tier,
        since: None,
        via: None,
        reasons: vec![],
    }
}

pub fn hop(from: &str, to: &str) -> Hop {
    Hop {
        from: from.into(),
        to: to.into(),
        at: Timestamp(1),
        account: None,
        tier: Tier::Proven,
        means: "remote logon".into(),
        evidence: vec![],
    }
}

pub fn outside(address: &str, role: OutsideRole) -> OutsideEndpoint {
    OutsideEndpoint {
        address: address.into(),
        role,
        tier: Tier::Proven,
        bytes_out_max: 0,
        seen: None,
        evidence: vec![],
    }
}

/// Any impact on the systems of the frame, entered from the vendor.
pub fn any_impact() -> impl Strategy<Value = Impact> {
    let tier = prop::sample::select(vec![
        Tier::Proven,
        Tier::Probable,
        Tier::Possible,
        Tier::Excluded,
        Tier::Unknown,
    ]);
    (vec(tier, SYSTEMS), vec(0..SYSTEMS, 0..3)).prop_map(|(tiers, entered)| {
        let mut hosts: Vec<HostAssessment> = tiers
            .into_iter()
            .enumerate()
            .map(|(i, tier)| host(&format!("s{i}"), tier))
            .collect();
        hosts.push(host("198.51.100.9", Tier::Proven));
        Impact {
            hosts,
            hops: entered.iter().map(|i| hop(VENDOR_ADDRESS, &format!("s{i}"))).collect(),
            outside: vec![
                outside(VENDOR_ADDRESS, OutsideRole::Entry),
                outside("198.51.100.9", OutsideRole::Unknown),
            ],
            ..Impact::default()
        }
    })
}
