use leckwehr_incident::{Tier, Timestamp};
use serde::Serialize;

/// Which part of the way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// From outside to the first host.
    In,
    /// From host to host.
    Through,
    /// From a host to an address outside: commands, data.
    Out,
}

/// Why a step that no record shows is thought to have happened, and how to find out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bridge {
    /// Share of such steps that leave no record, 0 to 1: 1 − coverage × sensitivity, at the host it came to.
    pub missed: f64,
    /// Why a step is needed here.
    pub why: String,
    /// Which records of which host would confirm or exclude it.
    pub confirm: Vec<String>,
}

/// One step of a route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteHop {
    /// Host or address it starts from.
    pub from: String,
    /// Host or address it arrives at.
    pub to: String,
    /// When it happened; of a bridge, not before.
    pub earliest: Timestamp,
    /// When what belongs to it was last seen; of a bridge, not after.
    pub latest: Timestamp,
    /// Destination port, where records tell it.
    pub port: Option<u16>,
    /// Account, where records tell it.
    pub account: Option<String>,
    /// How sure; never *proven* unless the impact analysis proves it.
    pub tier: Tier,
    /// What it was.
    pub means: String,
    /// Bytes from `from` to `to` by the records; 0 where they do not say.
    pub bytes: u64,
    /// Evidence references and sentences.
    pub evidence: Vec<String>,
    /// Set where no record shows the step.
    pub bridge: Option<Bridge>,
}

/// One way in, through or out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// Which part of the way.
    pub leg: Leg,
    /// Host or address it starts from.
    pub from: String,
    /// Host or address it ends at.
    pub to: String,
    /// Place among the ways to the same end, from 1; ways out have no rank beside 1.
    pub rank: usize,
    /// As sure as its least certain hop.
    pub tier: Tier,
    /// Likelihood relative to the other ways to the same end, 0 to 1; `None` where there was nothing to weigh: ways out, and
    /// further ways to a host that was held already.
    pub share: Option<f64>,
    /// −ln of its likelihood, likewise; below 0 where evidence speaks for it.
    pub cost_nats: Option<f64>,
    /// Steps in order of time.
    pub hops: Vec<RouteHop>,
    /// What would make it more or less certain.
    pub would_change: Vec<String>,
}

/// A host on some route.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteHost {
    /// Estate id or address.
    pub system: String,
    /// Proven and probable as in the impact analysis; a host named only by a way between others is probable or possible.
    pub tier: Tier,
    /// First sign of the attacker, where there is one of its own.
    pub since: Option<Timestamp>,
    /// Share of the likely ways that lead over it, 0 to 1; 1 for hosts held by their own evidence.
    pub share: f64,
    /// Named by ways between other hosts, not by evidence of its own.
    pub hypothesis: bool,
}

/// A host that no route names, and whether that says anything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aside {
    /// Estate id or address.
    pub system: String,
    /// *Excluded* only if every step to it would have been seen; else *possible* or *unknown*.
    pub tier: Tier,
    /// Why.
    pub why: String,
    /// Share of steps to it that would have left a record, 0 to 1.
    pub seen: f64,
}

/// The routes in, through and out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Routes {
    /// Start and end of the examined window.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Ways by leg, by the time of their end, by rank.
    pub routes: Vec<Route>,
    /// Hosts on the routes, most certain first.
    pub hosts: Vec<RouteHost>,
    /// Hosts of the provider on no route.
    pub aside: Vec<Aside>,
    /// What the routes cannot know, one sentence each.
    pub unknowns: Vec<String>,
}

impl Routes {
    /// Returns the hops of this tier, each once, in order of time.
    pub fn hops(&self, tier: Tier) -> Vec<&RouteHop> {
        let mut hops: Vec<&RouteHop> = self.routes.iter().flat_map(|r| &r.hops).filter(|h| h.tier == tier).collect();
        let key = |h: &RouteHop| (h.earliest, h.from.clone(), h.to.clone(), h.port, h.account.clone());
        hops.sort_by_cached_key(|h| key(h));
        hops.dedup_by(|a, b| key(a) == key(b));
        hops
    }
}
