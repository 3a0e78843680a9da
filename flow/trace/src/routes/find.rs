use std::collections::BTreeSet;

use leckwehr_detect::AddressBook;
use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Impact, Tier, Timestamp};
use leckwehr_telemetry::Events;

use crate::TraceConfig;
use crate::reach::{Contact, Contacts, forward};
use crate::routes::gap::{Anchor, Gap, Network, SENSITIVITY, Way, between, gaps};
use crate::routes::link::Links;
use crate::routes::model::{Aside, Bridge, Leg, Route, RouteHop, RouteHost, Routes};
use crate::routes::search::Step;
use crate::routes::sight;
use crate::scene::Scene;

/// Ways shown per leg and end, unless told otherwise.
pub const WAYS_SHOWN: usize = 3;
/// Ways weighed against each other per host.
pub const WAYS_WEIGHED: usize = 64;
/// Unseen steps in a row of contacts between two held hosts.
pub const BRIDGES: usize = 2;
/// Ways and hosts that have a smaller share are not named.
pub const SHARE_MIN: f64 = 0.01;
/// From this share on a host between two held ones is probable, if records show the steps to it and from it.
pub const SHARE_PROBABLE: f64 = 0.8;
/// Hosts aside listed one by one; more are counted in one sentence.
pub const ASIDE_MAX: usize = 2_000;

/// Finds the ways in, through and out, with hypotheses where no record shows a step.
///
/// `impact` is what [`crate::assess`] says about the same events, findings and estate: no hop is more certain here than
/// there. Ways through come from [`gaps`]; ways out are the contacts of held hosts with the addresses that `impact` names,
/// split by port; a way in that no record shows is *unknown*, with what is missing. Pure and independent of the order of
/// records with equal times. O(events × log events + held hosts × contacts × ways weighed).
pub fn routes(events: &Events, findings: &[Finding], estate: &Estate, config: &TraceConfig, impact: &Impact, k: usize) -> Routes {
    let scene = Scene::new(events, findings, AddressBook::new(estate));
    let links = Links::new(&scene, impact);
    let finder = Finder {
        missed: sight::missed(&scene, &config.accounts),
        outside: scene.names.len() as u32,
        scene: &scene,
        links: &links,
        impact,
        k: k.max(1),
    };
    finder.find()
}

struct Finder<'a> {
    scene: &'a Scene<'a>,
    links: &'a Links<'a>,
    impact: &'a Impact,
    missed: Vec<f64>,
    /// The number that stands for all addresses outside.
    outside: u32,
    k: usize,
}

impl Finder<'_> {
    fn find(&self) -> Routes {
        let anchors = self.anchors();
        let sightings = sight::sightings(self.scene, self.links);
        // What comes to one of our hosts from outside by mail or web is fetched by the host itself: no contact shows it.
        let mut missed = self.missed.clone();
        missed.push(0.0);
        let entry = self.impact.window.map(|(from, _)| Anchor {
            since: from.0,
            node: self.outside,
        });
        let gaps = gaps(&Network {
            sightings: &sightings,
            missed: &missed,
            anchors: &anchors,
            entry,
            sensitivity: SENSITIVITY,
            k: WAYS_WEIGHED,
            bridges: BRIDGES,
        });
        let mut routes: Vec<Route> = gaps.iter().flat_map(|g| self.ways_to(g)).collect();
        routes.extend(self.further(&routes));
        routes.extend(self.ways_out());
        routes.sort_by(|a, b| (a.leg, end(a), &a.to, a.rank, &a.from).cmp(&(b.leg, end(b), &b.to, b.rank, &b.from)));
        let hosts = self.hosts(&gaps);
        Routes {
            window: self.impact.window,
            aside: self.aside(&anchors, &hosts),
            unknowns: self.unknowns(&gaps),
            routes,
            hosts,
        }
    }

    fn anchors(&self) -> Vec<Anchor> {
        let held = self
            .impact
            .hosts
            .iter()
            .filter(|h| matches!(h.tier, Tier::Proven | Tier::Probable));
        let anchor = |h: &leckwehr_incident::HostAssessment| {
            Some(Anchor {
                since: h.since?.0,
                node: self.scene.node(&h.system)?,
            })
        };
        held.filter_map(anchor).collect()
    }

    fn name(&self, node: u32) -> &str {
        if node == self.outside {
            "outside"
        } else {
            self.scene.name(node)
        }
    }

    fn ways_to(&self, gap: &Gap) -> Vec<Route> {
        let shown = gap.ways.iter().filter(|w| w.share >= SHARE_MIN).take(self.k);
        shown.enumerate().map(|(i, way)| self.route(i + 1, way)).collect()
    }

    fn route(&self, rank: usize, way: &Way) -> Route {
        let hops: Vec<RouteHop> = way.trail.steps.iter().flat_map(|s| self.step(s, way)).collect();
        let leg = if way.trail.start.node == self.outside {
            Leg::In
        } else {
            Leg::Through
        };
        let mut would_change: Vec<String> = hops
            .iter()
            .filter_map(|h| h.bridge.as_ref())
            .flat_map(|b| b.confirm.clone())
            .collect();
        if way.share < 1.0 - SHARE_MIN {
            would_change.push(format!(
                "this way has {:.0} % of the likelihood of all that were weighed; a record that speaks for or against one of \
                 the others moves it",
                way.share * 100.0
            ));
        }
        Route {
            leg,
            from: hops.first().map_or_else(String::new, |h| h.from.clone()),
            to: hops.last().map_or_else(String::new, |h| h.to.clone()),
            rank,
            tier: hops.iter().map(|h| h.tier).max().unwrap_or(Tier::Unknown),
            share: Some(way.share),
            cost_nats: Some(f64::from(way.trail.cost) / 1e3),
            hops,
            would_change,
        }
    }

    /// A seen step becomes the hops of the impact analysis by port where there are any; else what the record itself says.
    fn step(&self, step: &Step, way: &Way) -> Vec<RouteHop> {
        let lead = match step {
            Step::Bridge {
                from,
                to,
                earliest,
                latest,
            } => return vec![self.bridge(*from, *to, Timestamp(*earliest), Timestamp(*latest))],
            Step::Seen(lead) => lead,
        };
        let Some(touch) = self.scene.touches.get(lead.record) else {
            return Vec::new();
        };
        let hops = self.links.hops(touch.from, touch.to);
        if !hops.is_empty() {
            return hops;
        }
        let likely = way.share >= SHARE_PROBABLE && way.trail.bridges() == 0;
        let account = self.scene.account(touch.account);
        let port = self.scene.events.get(touch.row).map_or(0, |e| e.port());
        vec![RouteHop {
            from: self.scene.name(touch.from).to_owned(),
            to: self.scene.name(touch.to).to_owned(),
            earliest: touch.at,
            latest: touch.at,
            port: (port != 0).then_some(port),
            account: (!account.is_empty()).then(|| account.to_owned()),
            tier: if likely { Tier::Probable } else { Tier::Possible },
            means: touch.means.words().to_owned(),
            bytes: touch.bytes,
            evidence: vec![
                self.scene.reference(touch.row),
                "a contact at the right time, without marks of its own".to_owned(),
            ],
            bridge: None,
        }]
    }

    fn bridge(&self, from: u32, to: u32, earliest: Timestamp, latest: Timestamp) -> RouteHop {
        let (a, b) = (self.name(from), self.name(to));
        let entry = from == self.outside;
        // What comes by mail or web is fetched by the host itself: no contact shows it as a step.
        let missed = if entry {
            1.0
        } else {
            self.missed.get(to as usize).copied().unwrap_or(1.0)
        };
        let why = match entry {
            true => format!("the attacker was on {b} at {latest}, and no record shows how he came there"),
            false => format!("the attacker was on {b} by {latest}, and no record shows a step that explains it better"),
        };
        let confirm = match entry {
            true => vec![
                format!("records of programs and files on {b} before {latest}: what ran first, and who put it there"),
                format!("mail and web records for the people of {b} before {latest}"),
                format!("everything before {earliest}, where the examined window begins"),
            ],
            false => vec![
                format!("log-ons (Security 4624, 4648) and connections (5156, Sysmon 3) on {b}, {earliest} – {latest}"),
                format!("connections and tickets (Security 4769) from {a}, {earliest} – {latest}"),
            ],
        };
        RouteHop {
            from: a.to_owned(),
            to: b.to_owned(),
            earliest,
            latest,
            port: None,
            account: None,
            tier: if entry { Tier::Unknown } else { Tier::Possible },
            means: "not seen".to_owned(),
            bytes: 0,
            evidence: Vec::new(),
            bridge: Some(Bridge { missed, why, confirm }),
        }
    }

    /// Returns the hops of the impact analysis that lie on no way shown so far: second ways to hosts held already.
    fn further(&self, routes: &[Route]) -> Vec<Route> {
        let shown: BTreeSet<(&str, &str)> = routes
            .iter()
            .flat_map(|r| &r.hops)
            .map(|h| (h.from.as_str(), h.to.as_str()))
            .collect();
        let mut further = Vec::new();
        for (from, to) in self.links.pairs() {
            let (a, b) = (self.scene.name(from), self.scene.name(to));
            if shown.contains(&(a, b)) {
                continue;
            }
            let hops = self.links.hops(from, to);
            let leg = if self.scene.is_inside(from) { Leg::Through } else { Leg::In };
            let before = routes.iter().filter(|r| r.leg == leg && r.to == b).count();
            further.push(seen(leg, before + 1, a, b, hops));
        }
        for ((from, to), hops) in self.links.sessions_in() {
            let (a, b) = (self.scene.name(from), self.scene.name(to));
            if !shown.contains(&(a, b)) {
                let before = routes
                    .iter()
                    .chain(&further)
                    .filter(|r| r.leg == Leg::In && r.to == b)
                    .count();
                further.push(seen(Leg::In, before + 1, a, b, hops));
            }
        }
        further
    }

    fn ways_out(&self) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for ((from, to), hops) in self.links.ways_out() {
            let (a, b) = (self.scene.name(from).to_owned(), self.scene.name(to).to_owned());
            let best = hops.iter().map(|h| h.tier).min();
            let mut route = seen(Leg::Out, 1, &a, &b, hops);
            // Ports to one address are no steps one after the other: the most certain one speaks for the way.
            route.tier = best.unwrap_or(Tier::Unknown);
            routes.push(route);
        }
        routes
    }

    fn hosts(&self, gaps: &[Gap]) -> Vec<RouteHost> {
        let held = self
            .impact
            .hosts
            .iter()
            .filter(|h| matches!(h.tier, Tier::Proven | Tier::Probable));
        let mut hosts: Vec<RouteHost> = held
            .map(|h| RouteHost {
                system: h.system.clone(),
                tier: h.tier,
                since: h.since,
                share: 1.0,
                hypothesis: false,
            })
            .collect();
        let named = between(gaps)
            .into_iter()
            .filter(|(n, b)| *n != self.outside && b.share >= SHARE_MIN);
        hosts.extend(named.map(|(node, between)| RouteHost {
            system: self.name(node).to_owned(),
            tier: between.tier(),
            since: None,
            share: between.share,
            hypothesis: true,
        }));
        hosts.sort_by(|a, b| {
            (a.tier, a.hypothesis, a.since)
                .cmp(&(b.tier, b.hypothesis, b.since))
                .then(b.share.total_cmp(&a.share))
                .then(a.system.cmp(&b.system))
        });
        hosts
    }

    /// Says of each host of the provider that no route names whether that excludes it.
    fn aside(&self, anchors: &[Anchor], hosts: &[RouteHost]) -> Vec<Aside> {
        let named: BTreeSet<&str> = hosts.iter().map(|h| h.system.as_str()).collect();
        let contacts = self.scene.touches.iter().map(|t| Contact {
            at: t.at.0,
            from: t.from,
            to: t.to,
        });
        let seeds: Vec<(u32, i64)> = anchors.iter().map(|a| (a.node, a.since)).collect();
        let reach = forward(self.scene.names.len(), &Contacts::new(contacts.collect()), &seeds);
        let mut aside = Vec::new();
        for node in 0..self.outside {
            let name = self.scene.name(node);
            if named.contains(name) || !self.scene.is_inside(node) || anchors.is_empty() {
                continue;
            }
            let seen = 1.0 - self.missed.get(node as usize).copied().unwrap_or(1.0);
            let at = reach.time.get(node as usize).copied().flatten();
            let (tier, why) = verdict(at, seen, &self.too_early(node, anchors));
            aside.push(Aside {
                system: name.to_owned(),
                tier,
                why,
                seen,
            });
        }
        for host in self.impact.hosts.iter().filter(|h| h.tier == Tier::Unknown) {
            aside.push(Aside {
                system: host.system.clone(),
                tier: Tier::Unknown,
                why: host.reasons.join("; "),
                seen: 0.0,
            });
        }
        aside.sort_by(|a, b| (a.tier, &a.system).cmp(&(b.tier, &b.system)));
        aside.dedup_by(|a, b| a.system == b.system);
        aside.truncate(ASIDE_MAX);
        aside
    }

    /// Says which contacts with held hosts came before these were held: no step of the attacker's.
    fn too_early(&self, node: u32, anchors: &[Anchor]) -> String {
        let since = |from: u32| anchors.iter().find(|a| a.node == from).map(|a| a.since);
        let early = self
            .scene
            .touches
            .iter()
            .filter(|t| t.to == node && since(t.from).is_some_and(|s| t.at.0 < s));
        let times: Vec<Timestamp> = early.map(|t| t.at).collect();
        match times.iter().max() {
            Some(last) => format!(
                "; {} from hosts held later, the last at {last}, came before these were held",
                times.len()
            ),
            None => String::new(),
        }
    }

    fn unknowns(&self, gaps: &[Gap]) -> Vec<String> {
        let mut unknowns = self.impact.unknowns.clone();
        unknowns.extend(
            self.impact
                .exits_unobserved
                .iter()
                .map(|e| format!("A way out that nothing observed: {e}.")),
        );
        let lost = gaps.iter().filter(|g| g.ways.is_empty());
        unknowns.extend(lost.map(|g| format!("No way to {} was found, seen or unseen.", self.name(g.anchor.node))));
        unknowns.push(
            "A host that was reached and left unseen, and on which nothing fired, is on no route: no record names it.".to_owned(),
        );
        unknowns
    }
}

fn seen(leg: Leg, rank: usize, from: &str, to: &str, hops: Vec<RouteHop>) -> Route {
    Route {
        leg,
        from: from.to_owned(),
        to: to.to_owned(),
        rank,
        tier: hops.iter().map(|h| h.tier).max().unwrap_or(Tier::Unknown),
        share: None,
        cost_nats: None,
        hops,
        would_change: Vec::new(),
    }
}

fn end(route: &Route) -> Option<Timestamp> {
    match route.leg {
        Leg::Out => route.hops.first().map(|h| h.earliest),
        _ => route.hops.last().map(|h| h.latest),
    }
}

fn verdict(reached: Option<i64>, seen: f64, early: &str) -> (Tier, String) {
    let percent = seen * 100.0;
    match reached {
        Some(at) => {
            let at = Timestamp(at);
            (
                Tier::Possible,
                format!("contacts lead there from held hosts, the first at {at}, none with the attacker's marks"),
            )
        }
        None if seen >= 1.0 => (
            Tier::Excluded,
            format!(
                "no contact leads there from a held host in time{early}; its connection records are complete, by their own numbers"
            ),
        ),
        None => (
            Tier::Unknown,
            format!(
                "no contact leads there from a held host in time{early}; but only {percent:.0} % of such steps are sure to \
                 leave a record: not excluded"
            ),
        ),
    }
}
