use std::collections::BTreeMap;

use leckwehr_estate::{Crew, Shift};
use leckwehr_incident::Timestamp;

/// Weeks for which shifts are laid out; after that a crew is taken to be there around the clock.
const CALENDAR_WEEKS: i64 = 26;
const MINUTE_NS: i64 = 60_000_000_000;
const DAY_MINUTES: i64 = 24 * 60;
const WEEK_MINUTES: i64 = 7 * DAY_MINUTES;
/// 1970-01-01 was a Thursday.
const EPOCH_WEEKDAY: i64 = 3;

/// How times of a schedule stand to clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// When the schedule begins; without it crews work around the clock.
    pub start: Option<Timestamp>,
    /// Minutes that the clocks of shifts are ahead of UTC.
    pub utc_offset_minutes: i32,
    /// Minutes of one time unit.
    pub unit_minutes: u32,
}

/// Returns how many people of a crew are there from when on, in time units after the start of the clock: nobody for the first
/// `there_minutes`, then its shifts. Without a start, or without shifts, it is there around the clock. The first entry is from 0.
///
/// Summer time is not known here: shifts are by a clock that is `utc_offset_minutes` ahead of UTC all year.
pub(crate) fn presence(crew: &Crew, clock: &Clock, there_minutes: u32) -> Vec<(u32, u32)> {
    let unit = i64::from(clock.unit_minutes.max(1));
    let reached = i64::from(there_minutes.div_ceil(clock.unit_minutes.max(1)));
    let Some(start) = clock.start.filter(|_| !crew.shifts.is_empty()) else {
        return steps(&BTreeMap::from([(reached, i64::from(crew.size.max(1)))]), 0, i64::MAX);
    };
    let local = start.0.div_euclid(MINUTE_NS) + i64::from(clock.utc_offset_minutes);
    let into_week = (local + EPOCH_WEEKDAY * DAY_MINUTES).rem_euclid(WEEK_MINUTES);
    let mut changes: BTreeMap<i64, i64> = BTreeMap::new();
    let end = (CALENDAR_WEEKS * WEEK_MINUTES - into_week).div_euclid(unit);
    // The week before as well: a night shift may reach into this one.
    for week in -1..CALENDAR_WEEKS {
        for shift in &crew.shifts {
            for day in &shift.days {
                let begins = week * WEEK_MINUTES + i64::from(*day) * DAY_MINUTES + i64::from(shift.from_minute) - into_week;
                // Whole units only: nobody works five minutes of which three are before the shift.
                let (from, until) = (-(-begins).div_euclid(unit), (begins + length(shift)).div_euclid(unit));
                let (from, until) = (from.max(reached), until.min(end));
                if from < until {
                    *changes.entry(from).or_default() += i64::from(shift.people);
                    *changes.entry(until).or_default() -= i64::from(shift.people);
                }
            }
        }
    }
    *changes.entry(end.max(reached)).or_default() += i64::from(crew.size.max(1));
    steps(&changes, 0, i64::from(crew.size.max(1)))
}

/// Returns the longest shift in units: the longest time for which somebody is there before nobody is. Without such an end it has none.
pub(crate) fn longest(presence: &[(u32, u32)]) -> u32 {
    let (mut since, mut longest) = (None, None);
    for (at, people) in presence {
        match (since, *people) {
            (None, 1..) => since = Some(*at),
            (Some(begun), 0) => {
                longest = longest.max(Some(at - begun));
                since = None;
            }
            _ => {}
        }
    }
    longest.unwrap_or(u32::MAX)
}

fn length(shift: &Shift) -> i64 {
    let (from, until) = (i64::from(shift.from_minute), i64::from(shift.until_minute));
    if until > from {
        until - from
    } else {
        until + DAY_MINUTES - from
    }
}

/// Sums changes up to levels of at most `most`, the first from 0.
fn steps(changes: &BTreeMap<i64, i64>, least: i64, most: i64) -> Vec<(u32, u32)> {
    let (mut level, mut steps) = (0_i64, vec![(0_u32, 0_u32)]);
    for (at, change) in changes {
        level += change;
        let people = u32::try_from(level.clamp(least, most)).unwrap_or(u32::MAX);
        let at = u32::try_from(*at).unwrap_or_default();
        match steps.last_mut() {
            Some(last) if last.0 == at => last.1 = people,
            Some(last) if last.1 == people => {}
            _ => steps.push((at, people)),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::{Clock, longest};
    use leckwehr_estate::{Crew, Shift};
    use leckwehr_incident::Timestamp;

    fn crew(reach_hours: u32, shifts: &[(&[u8], u16, u16, u32)]) -> Crew {
        let shift = |(days, from, until, people): &(&[u8], u16, u16, u32)| Shift {
            days: days.to_vec(),
            from_minute: *from,
            until_minute: *until,
            people: *people,
        };
        Crew {
            name: String::new(),
            size: 3,
            out_of_band: String::new(),
            reach_hours,
            shifts: shifts.iter().map(shift).collect(),
        }
    }

    /// Thursday 2026-11-26, 09:00 UTC: 10:00 where the offset is an hour.
    const THURSDAY: Timestamp = Timestamp(1_795_683_600_000_000_000);

    fn presence(crew: &Crew, start: Option<Timestamp>, utc_offset_minutes: i32) -> Vec<(u32, u32)> {
        let clock = Clock {
            start,
            utc_offset_minutes,
            unit_minutes: 5,
        };
        super::presence(crew, &clock, crew.reach_hours * 60)
    }

    #[test]
    fn without_shifts_or_a_start_a_crew_is_there_once_it_is_reached() {
        assert_eq!(presence(&crew(2, &[]), Some(THURSDAY), 60), [(0, 0), (24, 3)]);
        assert_eq!(presence(&crew(0, &[(&[0], 0, 60, 1)]), None, 60), [(0, 3)]);
        assert_eq!(longest(&[(0, 0), (24, 3)]), u32::MAX);
    }

    #[test]
    fn shifts_are_laid_out_from_the_start_on_by_the_clock_of_the_estate() {
        let day = crew(0, &[(&[3, 4], 8 * 60, 16 * 60, 2)]);
        let there = presence(&day, Some(THURSDAY), 60);
        // Six more hours on Thursday, eight on Friday after sixteen hours of nobody; then Thursday of the next week.
        assert_eq!(there[..4], [(0, 2), (72, 0), (264, 2), (360, 0)]);
        assert_eq!(there[4], (264 + 6 * 288, 2));
        assert_eq!(longest(&there[..6]), 96);
        // An hour until they come: five hours are left.
        assert_eq!(
            presence(&crew(1, &[(&[3], 480, 960, 2)]), Some(THURSDAY), 60)[..3],
            [(0, 0), (12, 2), (72, 0)]
        );
    }

    #[test]
    fn a_night_shift_that_began_in_the_week_before_is_still_on() {
        // Monday 2026-11-30, 02:00 UTC.
        let monday = THURSDAY.plus_ms((3 * 24 + 17) * 3_600_000);
        let night = crew(0, &[(&[6], 22 * 60, 6 * 60, 1)]);
        assert_eq!(presence(&night, Some(monday), 0)[..2], [(0, 1), (48, 0)]);
        // More on shift than the crew has people: its people.
        let both = crew(0, &[(&[6], 22 * 60, 6 * 60, 2), (&[0], 0, 6 * 60, 2)]);
        assert_eq!(presence(&both, Some(monday), 0)[..2], [(0, 3), (48, 0)]);
    }
}
