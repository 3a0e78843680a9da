use serde::{Deserialize, Serialize};

/// When the behaviour detectors fire.
///
/// The defaults of the scores are calibrated on generated traffic with known truth (`leckwehr bench detect`, seeds 101 to 103)
/// and reported on other seeds in `docs/detectors.md`: each is the smallest round value whose false-positive rate there was
/// at most 1 % of the subjects (data in names, with its many subjects: none). What is no score was set by judgement, and small
/// enough for a drill that learns for seconds: what was learned raises it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Thresholds {
    /// Failed log-ons from one origin within `failed_logons_window_ms`; three times what was learned there if that is more.
    pub failed_logons_min: usize,
    /// See above.
    pub failed_logons_window_ms: i64,
    /// How long after a log-on or credential access another account's log-on from there counts as caused by it (Hopper).
    pub causal_window_ms: i64,
    /// Bits of surprise of a log-on (−log₂ of the smoothed probabilities of what is new about it) that make a finding.
    pub logon_bits_min: f64,
    /// Snapshot deletions within `backup_window_ms` that are destruction even where deletions are routine; twice the
    /// largest learned burst if that is more. Judgement.
    pub deletions_min: usize,
    /// See above.
    pub backup_window_ms: i64,
    /// Failed backup jobs in a row on one host, and two more than were learned. Judgement.
    pub failed_jobs_min: usize,
    /// Files with suspicious content that one account changes on one host within `encryption_window_ms`; three times what was learned if
    /// that is more.
    pub encrypted_files_min: usize,
    /// Bits per byte from which on content is suspicious if no sensor looked at its structure.
    pub entropy_min: f32,
    /// See above.
    pub encryption_window_ms: i64,
    /// The same for encryption that takes its time: files whose *structure* was found damaged, within ten minutes.
    pub encrypted_files_slow_min: usize,
    /// Changed files within 10 s by one account on one host, whatever their content, and eight times what was learned.
    pub changed_files_min: usize,
    /// Folders in which one account creates a file of the same new name within a minute: a ransom note.
    pub note_folders_min: usize,
    /// Bytes to a destination outside that was never seen before, and three times the most that the host was seen to send
    /// to a new one while learning.
    pub egress_new_bytes_min: u64,
    /// Bytes per 10 s to a known destination, and that many times its highest learned value.
    pub egress_known_bytes_min: u64,
    /// See above.
    pub egress_factor: u64,
    /// Robust deviations of the logarithm of an hour's bytes to a known destination from what is usual at that hour, or the
    /// same summed over hours (CUSUM).
    pub egress_score_min: f64,
    /// Connections to one port of one address outside that make a channel, and twice what the host was seen to open to a
    /// new address while learning.
    pub channel_connections_min: u64,
    /// Duration of one connection that makes a channel, and twice the longest learned to a new address.
    pub channel_duration_ms_min: i64,
    /// Beacon score after RITA's model, modifiers included.
    pub beacon_score_min: f64,
    /// Bytes of information per hour in names that one host looks up below one registered domain.
    pub tunnel_bytes_per_h_min: f64,
    /// Requests per second at a portal below which nothing is a flood, and five times its highest learned value.
    pub requests_per_s_min: u64,
    /// Robust deviations of the logarithm of a minute's requests from what is usual at that hour.
    pub flood_score_min: f64,
    /// How many times faster than allowed a portal may use up its budget of slow and failed requests (multi-window burn rate, Google
    /// SRE workbook, chapter 5).
    pub burn_rate_min: f64,
    /// Share of requests that may be slow or fail.
    pub burn_budget: f64,
    /// Silence of a sensor, and `silence_factor` times its longest learned pause.
    pub silence_ms_min: i64,
    /// See above.
    pub silence_factor: f64,
    /// Seconds by which a sensor's clock may move against its learned distance from the others or from the arrival of its records.
    pub skew_s_min: f64,
    /// How long the same finding on the same entities is not repeated.
    pub repeat_ms: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failed_logons_min: 8,
            failed_logons_window_ms: 60_000,
            causal_window_ms: 15 * 60_000,
            logon_bits_min: 6.0,
            deletions_min: 3,
            backup_window_ms: 60_000,
            failed_jobs_min: 3,
            encrypted_files_min: 8,
            entropy_min: 7.2,
            encryption_window_ms: 10_000,
            encrypted_files_slow_min: 12,
            changed_files_min: 200,
            note_folders_min: 5,
            egress_new_bytes_min: 100_000,
            egress_known_bytes_min: 1_000_000,
            egress_factor: 10,
            egress_score_min: 8.0,
            channel_connections_min: 30,
            channel_duration_ms_min: 300_000,
            beacon_score_min: 0.8,
            tunnel_bytes_per_h_min: 1_000.0,
            requests_per_s_min: 200,
            flood_score_min: 6.0,
            burn_rate_min: 14.4,
            burn_budget: 0.01,
            silence_ms_min: 5_000,
            silence_factor: 5.0,
            skew_s_min: 2.0,
            repeat_ms: 600_000,
        }
    }
}
