use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Event, Kind, Outcome};

/// Requests named one by one per hop, the largest; the rest is summed.
const UPLOADS_SHOWN: usize = 4;
/// Characters shown of what a request was for.
const OBJECT_CHARS_MAX: usize = 120;

/// Requests that carried a body out, between two hosts over one port.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads {
    sent: Vec<(u64, Timestamp, String)>,
}

impl Uploads {
    /// Returns whether the record is of a request that hands something over, by its method and the length of its body.
    pub(crate) fn is_upload(event: &Event<'_>) -> bool {
        let hands_over = ["PUT", "POST"].iter().any(|m| event.action().eq_ignore_ascii_case(m));
        event.kind() == Kind::Web && hands_over && event.bytes_out().is_some_and(|bytes| bytes > 0)
    }

    /// Notes such a request.
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        let bytes = event.bytes_out().unwrap_or(0);
        let object: String = event.object().chars().take(OBJECT_CHARS_MAX).collect();
        let answer = match event.outcome() {
            Outcome::Success => "accepted",
            Outcome::Failure => "refused, but sent",
            Outcome::Unknown => "no answer on record",
        };
        let method = event.action().to_ascii_uppercase();
        let sentence = format!("{method} {object}: {bytes} bytes, {answer} [{}]", event.reference());
        self.sent.push((bytes, event.time(), sentence));
    }

    /// Returns one sentence per request with its own size, the largest first, and one for the rest. O(n log n).
    pub(crate) fn sentences(&self) -> Vec<String> {
        let mut sent: Vec<&(u64, Timestamp, String)> = self.sent.iter().collect();
        sent.sort_by(|a, b| (b.0, a.1, &a.2).cmp(&(a.0, b.1, &b.2)));
        let (shown, rest) = sent.split_at(sent.len().min(UPLOADS_SHOWN));
        let mut sentences: Vec<String> = shown.iter().map(|(.., sentence)| sentence.clone()).collect();
        if !rest.is_empty() {
            let bytes = rest.iter().fold(0, |sum: u64, (bytes, ..)| sum.saturating_add(*bytes));
            sentences.push(format!("{} more requests with a body, {bytes} bytes together", rest.len()));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use leckwehr_telemetry::Intake;

    use super::*;

    #[test]
    fn requests_with_a_body_are_told_the_largest_first_and_the_rest_summed() {
        let mut intake = Intake::new();
        let requests = [
            ("PUT", 7, "201"),
            ("POST", 900, "403"),
            ("post", 30, ""),
            ("PUT", 0, "201"),
            ("LOCK", 195, "200"),
            ("PUT", 5, "200"),
            ("PUT", 30, "200"),
            ("PUT", 6, "200"),
        ];
        for (i, (method, bytes, status)) in requests.iter().enumerate() {
            let status = if status.is_empty() {
                String::new()
            } else {
                format!(r#","status_code":{status}"#)
            };
            let line = format!(
                r#"{{"_path":"http","ts":{}.0,"uid":"C{i}","id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.1","id.resp_p":80,"method":"{method}","uri":"/{i}","request_body_len":{bytes}{status}}}"#,
                1_588_206_741 + i
            );
            intake.push_line("zeek", line.as_bytes());
        }
        let events = intake.take();
        let mut uploads = Uploads::default();
        events.iter().filter(Uploads::is_upload).for_each(|e| uploads.add(&e));
        let said: Vec<String> = uploads.sentences();
        let said: Vec<&str> = said.iter().filter_map(|s| s.split(" [").next()).collect();
        let expected = [
            "POST /1: 900 bytes, refused, but sent",
            "POST /2: 30 bytes, no answer on record",
            "PUT /6: 30 bytes, accepted",
            "PUT /0: 7 bytes, accepted",
            "2 more requests with a body, 11 bytes together",
        ];
        assert_eq!(said, expected);
    }
}
