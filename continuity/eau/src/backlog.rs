/// How much waits and how fast it changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Messages not yet handed over.
    pub waiting: u64,
    /// Messages that arrive per hour.
    pub arrivals_per_hour: f64,
    /// Messages that the receiver takes per hour.
    pub drained_per_hour: f64,
}

impl Backlog {
    /// Returns the hours until nothing waits, or `None` if the backlog never ends at these rates.
    pub fn hours_until_empty(&self) -> Option<f64> {
        if self.waiting == 0 {
            return Some(0.0);
        }
        let net = self.drained_per_hour - self.arrivals_per_hour;
        (net > 0.0).then(|| self.waiting as f64 / net)
    }

    /// Returns how many will wait after `hours`, at the same rates.
    pub fn waiting_after(&self, hours: f64) -> u64 {
        let change = (self.arrivals_per_hour - self.drained_per_hour) * hours;
        // The cast saturates: below zero is zero.
        (self.waiting as f64 + change).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outage_of_54_hours_is_worked_off_only_if_draining_is_faster_than_arriving() {
        let mut backlog = Backlog {
            waiting: 350_000,
            arrivals_per_hour: 6_500.0,
            drained_per_hour: 20_000.0,
        };
        assert!((backlog.hours_until_empty().unwrap() - 25.9).abs() < 0.1);
        assert_eq!(backlog.waiting_after(10.0), 215_000);
        assert_eq!(backlog.waiting_after(100.0), 0);
        backlog.drained_per_hour = 6_500.0;
        assert_eq!(backlog.hours_until_empty(), None);
        backlog.waiting = 0;
        assert_eq!(backlog.hours_until_empty(), Some(0.0));
    }
}
