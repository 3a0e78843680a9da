use std::net::Ipv4Addr;
use std::path::PathBuf;

use leckwehr_estate::{Estate, Party, PartyKind, Site, System, SystemKind, Zone};

/// Builds an estate with one site and nothing else.
pub fn empty() -> Estate {
    let mut estate = Estate {
        name: "test".to_owned(),
        ..Estate::default()
    };
    estate.sites.insert(
        "site-1".to_owned(),
        Site {
            name: "Site 1".to_owned(),
            town: "Essen".to_owned(),
        },
    );
    for (id, kind) in [("provider", PartyKind::Provider), ("vendor", PartyKind::ThirdParty)] {
        let party = Party {
            name: id.to_owned(),
            kind,
            insured: 0,
            healthcare: false,
            contact: "phone".to_owned(),
        };
        estate.parties.insert(id.to_owned(), party);
    }
    estate
}

/// Adds a zone; one without a site is outside.
pub fn zone(estate: &mut Estate, id: &str, site: Option<&str>, network: [u8; 4], prefix: u8) {
    let party = if site.is_some() { "provider" } else { "vendor" };
    let zone = Zone {
        name: id.to_owned(),
        site: site.map(str::to_owned),
        party: party.to_owned(),
        network: Some((Ipv4Addr::from(network), prefix)),
        guard: None,
        protected: false,
    };
    estate.zones.insert(id.to_owned(), zone);
}

/// Adds a system.
pub fn system(estate: &mut Estate, id: &str, kind: SystemKind, zone: &str, address: [u8; 4]) {
    let system = System {
        name: id.to_owned(),
        kind,
        zone: zone.to_owned(),
        address: Some(Ipv4Addr::from(address)),
        needs: Vec::new(),
        backup: None,
        recipe: None,
        crew: None,
        data: Vec::new(),
        probe_port: None,
        root_of_trust: false,
        available_after_hours: 0,
        restore_gb_per_hour: None,
    };
    estate.systems.insert(id.to_owned(), system);
}

/// Returns the file of the shared data, or says that the test is skipped.
#[expect(clippy::disallowed_methods, reason = "tests learn from the environment where the data lies")]
pub fn data(name: &str) -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var("LECKWEHR_DATA").map_or(default, PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var("LECKWEHR_REQUIRE_DATA").as_deref() != Ok("1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is not there", path.display());
    None
}
