use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Crew, Estate, Need, Service};
use leckwehr_incident::Situation;

use crate::calendar::Clock;
use crate::forecast::{Awaited, Expectation, InsurerForecast, ServiceForecast};
use crate::means::{Means, Piece};
use crate::order::down;
use crate::outage::{OutageEffort, OutagePlan, OutageProblemError, Play, Spread, latest_starts, plan_outages};
use crate::plan::{RestoreConfig, Step, StepKind};
use crate::recovery::Recovery;
use crate::tasks::{Follows, Tasks};

/// Time units that the work of a plan is divided into at most; a unit is a minute as long as that is enough.
const UNITS_MAX: u64 = 20_000;
/// Orders of tasks tried times tasks, and scenarios played times tasks: both keep a new plan of 120 steps within some 20 ms.
const TRIES_TASKS: u64 = 24_000;
const TRIES_MAX: u64 = 500;
const SCENARIOS_TASKS: u64 = 10_000;
const SCENARIOS_MIN: u64 = 20;
const SCENARIOS_MAX: u64 = 100;
/// Where the choices of a plan come from: always the same, so that a plan is a function of facts.
const SEED: u64 = 1;
/// How a step turns out whose like was already measured, and then the whole recovery; percent of what is expected by that pace.
const AT_PACE_PERCENT: (u32, u32, u32) = (50, 100, 150);
const COMMON_AT_PACE_PERCENT: (u32, u32, u32) = (80, 100, 120);

/// Crews that are not there now, with the milliseconds until they are.
pub(crate) type Away = BTreeMap<String, u64>;

/// Returns who is away as far as the facts say.
pub(crate) fn away(situation: &Situation) -> Away {
    let now = situation.as_of;
    let gone = situation
        .absences
        .iter()
        .filter(|(_, since, until)| *since <= now && now < *until);
    let mut away = Away::new();
    for (who, _, until) in gone {
        let left_ms = away.entry(who.clone()).or_default();
        *left_ms = (until.0.abs_diff(now.0) / 1_000_000).max(*left_ms);
    }
    away
}

/// What is left of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Milliseconds of work; 0 if it is over.
    pub ms: u64,
    /// It is under way.
    pub is_begun: bool,
    /// The time is by the pace of steps of its kind, not only planned.
    pub is_paced: bool,
}

impl Rest {
    /// The whole step.
    pub fn of(step: &Step) -> Self {
        Self {
            ms: step.planned_ms,
            is_begun: false,
            is_paced: false,
        }
    }
}

/// What steps are done with, and by when nobody comes.
pub(crate) struct Scene<'a> {
    pub estate: &'a Estate,
    pub config: &'a RestoreConfig,
    pub away: &'a Away,
    /// Systems that these steps do not bring back.
    pub lost: BTreeSet<String>,
}

/// Steps as tasks.
pub(crate) struct Layout {
    pub recovery: Recovery,
    follows: Follows,
    /// First and last task of each step.
    spans: Vec<(usize, usize)>,
    /// Each service that is down, with the task after which it works and the needs of its degraded modes.
    services: Vec<Awaited>,
}

impl Layout {
    /// Lays out what is left of steps. Those of a system that are over bring it back no later than the others.
    pub fn new(steps: &[Step], rests: &[Rest], scene: &Scene, unit_minutes: u32) -> Result<Self, OutageProblemError> {
        let (estate, config) = (scene.estate, scene.config);
        let clock = Clock {
            start: config.clock,
            utc_offset_minutes: estate.utc_offset_minutes,
            unit_minutes,
        };
        let there = |id: &str, crew: &Crew| there_minutes(id, crew, scene);
        let means = Means::new(estate, clock, config.hands_without_crew, there);
        let is_open = |rest: &Rest| rest.ms > 0;
        let open = steps
            .iter()
            .zip(rests)
            .filter(|(_, rest)| is_open(rest))
            .map(|(s, _)| &s.target);
        let open = open.filter(|id| estate.systems.contains_key(*id) && !scene.lost.contains(*id));
        let mut affected: BTreeSet<String> = open.cloned().collect();
        affected.extend(scene.lost.iter().cloned());
        let (is_down, never) = (down(estate, &affected), down(estate, &scene.lost));
        let mut tasks = Tasks::new(means, is_down.clone(), never.clone());
        let mut spans: Vec<(usize, usize)> = Vec::with_capacity(steps.len());
        let mut begun = BTreeSet::new();
        for (step, rest) in steps.iter().zip(rests) {
            let before = step.after.iter().filter_map(|n| spans.get(*n as usize - 1));
            let after = before.map(|(_, last)| vec![*last]).collect();
            let is_first = estate.systems.contains_key(&step.target) && begun.insert(&step.target);
            let release = if is_first { release(step, scene) } else { 0 };
            let pieces = pieces(&tasks.means, step, rest, config);
            let span = tasks.chain(&step.target, pieces, after, release.div_ceil(unit_minutes));
            if rest.is_begun && is_open(rest) {
                tasks.is_under_way(span.0);
            }
            if affected.contains(&step.target) {
                tasks.back_with(&step.target, span.1);
            }
            spans.push(span);
        }
        let early = early(estate, steps, &affected, &tasks);
        tasks.add_followers(&early);
        let down_now = estate.services.iter().filter(|(id, _)| is_down.contains(*id));
        let alive = |needs: &[Need]| needs.iter().all(|n| n.any_of.iter().any(|id| !never.contains(id)));
        let modes = |service: &Service| {
            let possible = service.degraded.iter().filter(|mode| alive(&mode.needs));
            possible.map(|mode| tasks.groups(&mode.needs)).collect()
        };
        let services = down_now.map(|(id, service)| {
            let task = tasks.task_of(id).filter(|_| !never.contains(id));
            (id.clone(), task, modes(service))
        });
        let services = services.collect();
        let (recovery, follows) = tasks.finish()?;
        Ok(Self {
            recovery,
            follows,
            spans,
            services,
        })
    }
}

/// Systems that do not follow what they need, directly or through others, because a circle was broken or only a service stands
/// between: each with its last task.
fn early(estate: &Estate, steps: &[Step], affected: &BTreeSet<String>, tasks: &Tasks<'_>) -> BTreeMap<String, usize> {
    let mut early = BTreeMap::new();
    let mut settled = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for id in steps.iter().map(|s| &s.target).filter(|id| affected.contains(*id)) {
        let (Some(system), Some(last), true) = (estate.systems.get(id), tasks.task_of(id), seen.insert(id)) else {
            continue;
        };
        let is_met = |need: &Need| {
            need.any_of
                .iter()
                .any(|other| !tasks.is_down(other) || settled.contains(other))
        };
        match system.needs.iter().all(is_met) {
            true => drop(settled.insert(id.clone())),
            false => drop(early.insert(id.clone(), last)),
        }
    }
    early
}

/// Minutes until a crew is there.
fn there_minutes(id: &str, crew: &Crew, scene: &Scene) -> u32 {
    let config = scene.config;
    let reached = crew
        .reach_hours
        .saturating_mul(60)
        .saturating_sub(config.crews_called_minutes_ago);
    let back_ms = scene.away.get(id).copied().unwrap_or_default();
    let back = back_ms.div_ceil(config.minute_ms.max(1));
    reached.max(u32::try_from(back).unwrap_or(u32::MAX))
}

/// Minutes until work on a system can begin.
fn release(step: &Step, scene: &Scene) -> u32 {
    let system = scene.estate.systems.get(&step.target);
    let from_the_beginning = system.map_or(0, |s| s.available_after_hours.saturating_mul(60));
    from_the_beginning.saturating_sub(scene.config.crews_called_minutes_ago)
}

/// The pieces of what is left of a step; a restore is done by its recipe.
fn pieces(means: &Means<'_>, step: &Step, rest: &Rest, config: &RestoreConfig) -> Vec<Piece> {
    let minute_ms = config.minute_ms.max(1);
    let minutes = |ms: u64| u32::try_from(ms.div_ceil(minute_ms)).unwrap_or(u32::MAX);
    if rest.ms == 0 {
        return vec![Piece::nothing()];
    }
    let restored = (step.kind == StepKind::RestoreFiles)
        .then(|| means.estate.systems.get(&step.target))
        .flatten();
    let mut pieces = match restored.and_then(|system| means.of_recipe(system)) {
        Some(mut pieces) => {
            for piece in &mut pieces {
                let left = u128::from(piece.minutes) * u128::from(rest.ms);
                piece.minutes = u32::try_from(left.div_ceil(u128::from(step.planned_ms.max(1)))).unwrap_or(u32::MAX);
            }
            pieces
        }
        None => means.by_hand(step.kind.word(), step.crew.as_deref(), minutes(rest.ms), None, None),
    };
    if rest.is_paced {
        for piece in &mut pieces {
            piece.estimate = piece.estimate.or(Some(AT_PACE_PERCENT));
        }
    }
    pieces
}

/// When services and insurers have what they lack, by a schedule.
pub(crate) struct Schedule {
    pub services: Vec<ServiceForecast>,
    pub insurers: Vec<InsurerForecast>,
    /// Why times are not planned as they should be.
    pub warning: Option<String>,
}

/// Gives every step its wave, begin, end and slack, so that the outages of services cost least, and forecasts. Crews keep their
/// shifts if the configuration has a clock, stores their bandwidth, the clean room its places.
pub(crate) fn schedule(steps: &mut [Step], rests: &[Rest], scene: &Scene) -> Schedule {
    waves(steps);
    let unit_minutes = unit_minutes(rests, scene.config);
    let unit_ms = u64::from(unit_minutes).saturating_mul(scene.config.minute_ms.max(1));
    let planned = Layout::new(steps, rests, scene, unit_minutes).and_then(|layout| layout.schedule(steps, rests, scene, unit_ms));
    planned.unwrap_or_else(|error| one_after_another(steps, rests, scene, &error))
}

/// Minutes of a time unit: one, as long as the work is not too much for that.
pub(crate) fn unit_minutes(rests: &[Rest], config: &RestoreConfig) -> u32 {
    let minutes = rests.iter().map(|rest| rest.ms.div_ceil(config.minute_ms.max(1)));
    let unit = minutes.fold(0, u64::saturating_add).div_ceil(UNITS_MAX).max(1);
    u32::try_from(unit).unwrap_or(u32::MAX)
}

fn waves(steps: &mut [Step]) {
    for n in 0..steps.len() {
        let (before, rest) = steps.split_at_mut(n);
        let waited = rest[0].after.iter().filter_map(|number| before.get(*number as usize - 1));
        rest[0].wave = waited.map(|other| other.wave).max().unwrap_or(0) + 1;
    }
}

impl Layout {
    fn schedule(&self, steps: &mut [Step], rests: &[Rest], scene: &Scene, unit_ms: u64) -> Result<Schedule, OutageProblemError> {
        let problem = &self.recovery.problem;
        let tasks = problem.tasks.len().max(1) as u64;
        let effort = OutageEffort {
            evaluations: match problem.outages.is_empty() {
                true => 0,
                false => (TRIES_TASKS / tasks).min(TRIES_MAX),
            },
            seed: SEED,
            fixed: self.recovery.fixed.clone(),
            ..OutageEffort::default()
        };
        let plan = plan_outages(problem, &effort, &mut || false)?;
        let mut finish: Vec<u32> = plan.start.iter().zip(&problem.tasks).map(|(s, t)| s + t.duration).collect();
        let latest = latest_starts(problem, &plan, &self.recovery.fixed)?;
        for (step, (first, last)) in steps.iter_mut().zip(&self.spans) {
            step.start_ms = u64::from(plan.start[*first]) * unit_ms;
            step.end_ms = u64::from(finish[*last]) * unit_ms;
            step.slack_ms = u64::from(latest[*last] - plan.start[*last]) * unit_ms;
        }
        self.follows.settle(&mut finish);
        let spread = match rests.iter().any(|rest| rest.is_paced) {
            true => Spread {
                common_percent: COMMON_AT_PACE_PERCENT,
                ..scene.config.spread
            },
            false => scene.config.spread,
        };
        let mut ends = Expectation::new(scene.estate, &self.services, &finish);
        let scenarios = (SCENARIOS_TASKS / tasks).clamp(SCENARIOS_MIN, SCENARIOS_MAX);
        self.play(&plan, &spread, scenarios as u32).run(|_, _, finish| {
            self.follows.settle(finish);
            ends.add(finish);
        })?;
        let (services, insurers) = ends.forecasts(unit_ms);
        Ok(Schedule {
            services,
            insurers,
            warning: None,
        })
    }

    fn play<'p>(&'p self, plan: &'p OutagePlan, spread: &'p Spread, scenarios: u32) -> Play<'p> {
        Play {
            problem: &self.recovery.problem,
            order: &plan.order,
            spread,
            chances: &self.recovery.chances,
            fixed: &self.recovery.fixed,
            scenarios,
            seed: SEED,
        }
    }
}

/// Where nothing better can be planned: no two steps at a time, and services are back at the end.
fn one_after_another(steps: &mut [Step], rests: &[Rest], scene: &Scene, error: &OutageProblemError) -> Schedule {
    let mut end_ms = 0_u64;
    for (step, rest) in steps.iter_mut().zip(rests) {
        step.start_ms = end_ms;
        end_ms = end_ms.saturating_add(rest.ms);
        (step.end_ms, step.slack_ms) = (end_ms, 0);
    }
    let open = steps
        .iter()
        .zip(rests)
        .filter(|(_, rest)| rest.ms > 0)
        .map(|(s, _)| s.target.clone());
    let affected: BTreeSet<String> = open.chain(scene.lost.iter().cloned()).collect();
    let (is_down, never) = (scene.estate.services_down(&affected), scene.estate.services_down(&scene.lost));
    let services = is_down.iter().map(|id| {
        let at = (!never.contains(id)).then_some(end_ms);
        ServiceForecast {
            service: id.clone(),
            limited_ms: None,
            full_ms: at,
            full_p50_ms: at,
            full_p90_ms: at.map(|ms| ms.saturating_mul(2)),
        }
    });
    Schedule {
        services: services.collect(),
        insurers: Vec::new(),
        warning: Some(format!(
            "times are not planned, steps stand one after another: {error}; see recipes, shifts and crews in the estate"
        )),
    }
}
