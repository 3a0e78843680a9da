use leckwehr_estate::Estate;
use leckwehr_incident::{ForecastView, ServiceLevel, Situation};
use serde::Serialize;

use crate::insurer::{InsurerWay, insurer_ways};
use crate::outage::{quantile, until};
use crate::plan::restorations;

/// When a service that is down now is planned to be back, in milliseconds from the start of the plan.
///
/// Median and 90th percentile come from playing the plan through with other durations: as the estate's recipes estimate them,
/// at the pace of what was done, else with an assumed spread. No step fails its gate for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceForecast {
    /// Service id.
    pub service: String,
    /// Some degraded mode is planned to work; `None` if there is none or it never does.
    pub limited_ms: Option<u64>,
    /// Everything that it needs is planned to work; `None` if this plan does not bring it back.
    pub full_ms: Option<u64>,
    /// The same at the median.
    pub full_p50_ms: Option<u64>,
    /// The same in nine of ten cases.
    pub full_p90_ms: Option<u64>,
}

/// Returns when a service that is not back is expected, as it was forecast with the newest order of a restoration. `None` if that
/// order does not bring it back, whatever was forecast before.
pub fn expected<'s>(situation: &'s Situation, service: &str) -> Option<&'s ForecastView> {
    let ordered = restorations(situation).filter_map(|view| view.ordered_at).max()?;
    let level = situation.services.get(service)?.level;
    let newest = situation.forecasts.get(service)?.last()?;
    (newest.at >= ordered && level < ServiceLevel::Provisional).then_some(newest)
}

/// When an insurer has back what it lacks now, in milliseconds from the start of the plan. `None`: this plan does not bring all of
/// it back, or it lacks nothing of that kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsurerForecast {
    /// Party id.
    pub insurer: String,
    /// All vital services, at the median.
    pub essential_p50_ms: Option<u64>,
    /// The same in nine of ten cases.
    pub essential_p90_ms: Option<u64>,
    /// All services, at the median.
    pub all_p50_ms: Option<u64>,
    /// The same in nine of ten cases.
    pub all_p90_ms: Option<u64>,
}

/// A service that is down, with the task after which it works, if any, and what each degraded mode waits for.
pub(crate) type Awaited = (String, Option<usize>, Vec<Vec<Vec<usize>>>);

/// Collects when services and insurers have back what they lack, over many scenarios.
pub(crate) struct Expectation<'a> {
    services: &'a [Awaited],
    planned: &'a [u32],
    ends: Vec<Vec<u32>>,
    insurers: Vec<InsurerWay>,
    insurer_ends: Vec<[Vec<u32>; 2]>,
}

impl<'a> Expectation<'a> {
    /// `planned` are the planned ends of all tasks.
    pub fn new(estate: &Estate, services: &'a [Awaited], planned: &'a [u32]) -> Self {
        let ids: Vec<String> = services.iter().map(|(id, ..)| id.clone()).collect();
        let insurers = insurer_ways(estate, &ids);
        Self {
            services,
            planned,
            ends: vec![Vec::new(); services.len()],
            insurer_ends: vec![[Vec::new(), Vec::new()]; insurers.len()],
            insurers,
        }
    }

    /// Takes the ends of all tasks in one scenario.
    pub fn add(&mut self, finish: &[u32]) {
        let end = |s: &usize| self.services[*s].1.map_or(0, |task| finish[task]);
        for (service, ends) in self.ends.iter_mut().enumerate() {
            ends.push(end(&service));
        }
        for (insurer, [essential, all]) in self.insurers.iter().zip(&mut self.insurer_ends) {
            essential.push(insurer.essential.iter().map(end).max().unwrap_or(0));
            all.push(insurer.services.iter().map(end).max().unwrap_or(0));
        }
    }

    /// What all scenarios amount to.
    pub fn forecasts(mut self, unit_ms: u64) -> (Vec<ServiceForecast>, Vec<InsurerForecast>) {
        let in_ms = |units: u32| u64::from(units).saturating_mul(unit_ms);
        let comes = |s: &usize| self.services[*s].1.is_some();
        let services = self.services.iter().zip(&mut self.ends).map(|((id, task, modes), ends)| {
            let limited = modes.iter().map(|groups| until(groups, self.planned)).min();
            ServiceForecast {
                service: id.clone(),
                limited_ms: limited.map(in_ms),
                full_ms: task.map(|task| in_ms(self.planned[task])),
                full_p50_ms: task.map(|_| in_ms(quantile(ends, 50))),
                full_p90_ms: task.map(|_| in_ms(quantile(ends, 90))),
            }
        });
        let services = services.collect();
        let insurers = self
            .insurers
            .iter()
            .zip(&mut self.insurer_ends)
            .map(|(way, [essential, all])| {
                let at = |of: &[usize], ends: &mut Vec<u32>, percent| {
                    let comes = !of.is_empty() && of.iter().all(comes);
                    comes.then(|| in_ms(quantile(ends, percent)))
                };
                InsurerForecast {
                    insurer: way.insurer.clone(),
                    essential_p50_ms: at(&way.essential, essential, 50),
                    essential_p90_ms: at(&way.essential, essential, 90),
                    all_p50_ms: at(&way.services, all, 50),
                    all_p90_ms: at(&way.services, all, 90),
                }
            });
        (services, insurers.collect())
    }
}
