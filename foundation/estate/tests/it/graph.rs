use std::collections::BTreeSet;

use leckwehr_estate::{Estate, Need, Recipe, RecipeStep, Service, System, SystemKind};
use proptest::prelude::*;

/// Needs by number, systems first: all of these, each any one of those.
pub type Needs = Vec<Vec<Vec<usize>>>;

/// Returns an estate of systems `s0…` and services `v0…` with these needs.
pub fn estate(systems: usize, needs: &Needs) -> Estate {
    let id = |n: usize| {
        if n < systems {
            format!("s{n}")
        } else {
            format!("v{}", n - systems)
        }
    };
    let mut estate = Estate::default();
    for (n, needs) in needs.iter().enumerate() {
        let any = |any_of: &Vec<usize>| Need {
            any_of: any_of.iter().map(|&a| id(a)).collect(),
        };
        let needs: Vec<Need> = needs.iter().map(any).collect();
        if n < systems {
            estate.systems.insert(id(n), system(needs));
        } else {
            estate.services.insert(id(n), service(needs));
        }
    }
    estate
}

/// Gives system `s<n>` a recipe of so many minutes.
pub fn give_recipe(estate: &mut Estate, n: usize, minutes: u32) {
    let step = RecipeStep {
        action: String::new(),
        minutes,
        restores: false,
        clean_room: false,
        estimate: None,
    };
    let recipe = Recipe {
        name: String::new(),
        steps: vec![step],
    };
    estate.recipes.insert(format!("r{n}"), recipe);
    if let Some(system) = estate.systems.get_mut(&format!("s{n}")) {
        system.recipe = Some(format!("r{n}"));
    }
}

fn system(needs: Vec<Need>) -> System {
    System {
        name: String::new(),
        kind: SystemKind::Application,
        zone: "z".into(),
        address: None,
        needs,
        backup: None,
        recipe: None,
        crew: None,
        data: Vec::new(),
        probe_port: None,
        root_of_trust: false,
        available_after_hours: 0,
        restore_gb_per_hour: None,
    }
}

fn service(needs: Vec<Need>) -> Service {
    Service {
        name: String::new(),
        priority: 1,
        vital: false,
        rto_minutes: 0,
        mtpd_minutes: 0,
        harm_eur_per_hour: 0,
        needs,
        degraded: Vec::new(),
        probe: None,
        customers: Vec::new(),
        arrivals_per_hour: 0,
    }
}

/// Small graphs: the number of systems, all needs, and the systems that are lost.
pub fn graphs() -> impl Strategy<Value = (usize, Needs, BTreeSet<usize>)> {
    (1_usize..6, 1_usize..5).prop_flat_map(|(systems, services)| {
        let n = systems + services;
        let needs = proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(0..n, 1..4), 0..3), n);
        let lost = proptest::collection::btree_set(0..systems, 0..=systems);
        (Just(systems), needs, lost)
    })
}
