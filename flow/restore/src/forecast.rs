use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Estate, Service};
use leckwehr_incident::{ForecastView, ServiceLevel, Situation};
use serde::Serialize;

use crate::order::{down, met};
use crate::plan::restorations;

/// When a service that is down now is planned to be back, in milliseconds from the start of the plan.
///
/// Assumption, until measured times of past drills replace it: steps take what is planned at the median, and the 90th
/// percentile is [`crate::RestoreConfig::p90_percent`] of it. No step fails its gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceForecast {
    /// Service id.
    pub service: String,
    /// Some degraded mode works; `None` if there is none or it never does.
    pub limited_ms: Option<u64>,
    /// Everything that it needs works, as planned and at the median; `None` if this plan does not bring it back.
    pub full_ms: Option<u64>,
    /// The same at the 90th percentile.
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

/// Forecasts every service that is down while the affected systems are; `ready_ms` says when each of them is back, `u64::MAX`
/// that it is not. O(affected · needs of the estate).
pub(crate) fn forecast(estate: &Estate, ready_ms: &BTreeMap<String, u64>, p90_percent: u32) -> Vec<ServiceForecast> {
    let affected: BTreeSet<String> = ready_ms.keys().cloned().collect();
    let down_now = down(estate, &affected);
    let mut forecasts: Vec<(&Service, ServiceForecast)> = estate
        .services
        .iter()
        .filter(|(id, _)| down_now.contains(*id))
        .map(|(id, service)| {
            let limited = service.degraded.iter().any(|mode| met(&mode.needs, &down_now));
            let forecast = ServiceForecast {
                service: id.clone(),
                limited_ms: limited.then_some(0),
                full_ms: None,
                full_p90_ms: None,
            };
            (service, forecast)
        })
        .collect();
    let times: BTreeSet<u64> = ready_ms.values().copied().filter(|at| *at < u64::MAX).collect();
    for at in times {
        let remaining = affected.iter().filter(|id| ready_ms[*id] > at).cloned().collect();
        let down_then = down(estate, &remaining);
        for (service, forecast) in &mut forecasts {
            if forecast.full_ms.is_none() && !down_then.contains(&forecast.service) {
                forecast.full_ms = Some(at);
                forecast.full_p90_ms = Some(at.saturating_mul(u64::from(p90_percent)) / 100);
            }
            if forecast.limited_ms.is_none() && service.degraded.iter().any(|mode| met(&mode.needs, &down_then)) {
                forecast.limited_ms = Some(at);
            }
        }
    }
    forecasts.into_iter().map(|(_, forecast)| forecast).collect()
}
