//! Framing of syslog over streams (RFC 6587; RFC 5425 for TLS).

/// Longest message of a stream, in bytes; the rest of a longer one is skipped and counted.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Digits of a message's length.
const LENGTH_DIGITS_MAX: usize = 9;

/// What a framer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole message.
    Whole(&'a [u8]),
    /// The first [`MESSAGE_BYTES_MAX`] bytes of a message that was longer.
    Cut(&'a [u8]),
}

/// Cuts a byte stream into syslog messages, by octet counts (`5 <1>hi`) and by line ends, each message told apart by how it
/// starts: senders mix both.
///
/// Memory: at most [`MESSAGE_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub struct SyslogFramer {
    held: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between messages, or within the digits of a count.
    #[default]
    Start,
    /// In a message of which so many bytes are still to come.
    Counted(usize),
    /// In a message that ends with its line.
    Line,
}

impl SyslogFramer {
    /// Builds a framer for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the bytes that are held back until their message is whole.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Returns whether a message has begun that is not whole yet.
    pub fn is_within(&self) -> bool {
        self.state != State::Start || !self.held.is_empty()
    }

    /// Takes bytes as they come and gives every message that they complete to `sink`. O(bytes).
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Frame<'_>)) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Start => self.start(bytes),
                State::Counted(left) => self.counted(bytes, left, sink),
                State::Line => self.line(bytes, sink),
            };
        }
    }

    /// Ends the stream: what was held is a message without its end.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Frame<'_>)) {
        self.emit(sink);
        self.state = State::Start;
    }

    /// Decides how the next message is framed; takes one byte at most.
    fn start<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some((&first, rest)) = bytes.split_first() else {
            return bytes;
        };
        match first {
            b'\n' | b'\r' | b'\0' if self.held.is_empty() => rest,
            b'0'..=b'9' if self.held.len() < LENGTH_DIGITS_MAX && (first != b'0' || !self.held.is_empty()) => {
                self.held.push(first);
                rest
            }
            b' ' if !self.held.is_empty() => {
                let length = self.held.iter().fold(0_usize, |n, b| n * 10 + usize::from(b - b'0'));
                self.held.clear();
                self.state = State::Counted(length);
                rest
            }
            // Not a count after all: digits that start a line of text.
            _ => {
                self.state = State::Line;
                bytes
            }
        }
    }

    fn counted<'b>(&mut self, bytes: &'b [u8], left: usize, sink: &mut dyn FnMut(Frame<'_>)) -> &'b [u8] {
        let taken = left.min(bytes.len());
        let (message, rest) = bytes.split_at(taken);
        self.hold(message);
        self.state = State::Counted(left - taken);
        if left == taken {
            self.emit(sink);
            self.state = State::Start;
        }
        rest
    }

    fn line<'b>(&mut self, bytes: &'b [u8], sink: &mut dyn FnMut(Frame<'_>)) -> &'b [u8] {
        let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\0')) else {
            self.hold(bytes);
            return &[];
        };
        let (message, rest) = bytes.split_at(end);
        self.hold(message);
        self.emit(sink);
        self.state = State::Start;
        rest
    }

    /// Keeps one byte more than the limit, as the sign that the message was longer.
    fn hold(&mut self, bytes: &[u8]) {
        let free = (MESSAGE_BYTES_MAX + 1).saturating_sub(self.held.len());
        self.held.extend_from_slice(bytes.get(..free.min(bytes.len())).unwrap_or(&[]));
    }

    fn emit(&mut self, sink: &mut dyn FnMut(Frame<'_>)) {
        match self.held.get(..MESSAGE_BYTES_MAX) {
            Some(first) if self.held.len() > MESSAGE_BYTES_MAX => sink(Frame::Cut(first)),
            _ if self.held.is_empty() => {}
            _ => sink(Frame::Whole(&self.held)),
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut the stream into two reads must give the same messages.
    fn messages(stream: &[u8]) -> Vec<String> {
        let read = |parts: &[&[u8]]| {
            let (mut framer, mut found) = (SyslogFramer::new(), Vec::new());
            let mut sink = |frame: Frame<'_>| {
                let (Frame::Whole(bytes) | Frame::Cut(bytes)) = frame;
                found.push(String::from_utf8_lossy(bytes).into_owned());
            };
            for part in parts {
                framer.push(part, &mut sink);
            }
            framer.finish(&mut sink);
            found
        };
        let whole = read(&[stream]);
        for cut in 0..stream.len() {
            let (a, b) = stream.split_at(cut);
            assert_eq!(read(&[a, b]), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn counted_and_ended_messages_may_follow_each_other() {
        assert_eq!(
            messages(b"5 <1>hi7 <2>a\nb\n<3>c\r\n<4>d\0<5>e"),
            ["<1>hi", "<2>a\nb\n", "<3>c\r", "<4>d", "<5>e"][..].to_vec()
        );
        assert_eq!(
            messages(b"2023-04-24 no count\n0 zero\n12"),
            ["2023-04-24 no count", "0 zero", "12"]
        );
        assert!(messages(b"\n\n\r\n").is_empty());
    }

    #[test]
    fn a_message_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
        let mut stream = vec![b'x'; MESSAGE_BYTES_MAX + 5];
        stream.extend_from_slice(b"\n<1>next\n999999999 y");
        stream.extend(std::iter::repeat_n(b'z', 3 * MESSAGE_BYTES_MAX));
        let (mut framer, mut found) = (SyslogFramer::new(), Vec::new());
        let mut sink = |frame: Frame<'_>| {
            found.push(match frame {
                Frame::Whole(bytes) => (bytes.len(), false),
                Frame::Cut(bytes) => (bytes.len(), true),
            })
        };
        for part in stream.chunks(1_000) {
            framer.push(part, &mut sink);
        }
        assert!(framer.held_bytes() <= MESSAGE_BYTES_MAX + 1);
        framer.finish(&mut sink);
        assert_eq!(found, [(MESSAGE_BYTES_MAX, true), (7, false), (MESSAGE_BYTES_MAX, true)]);
    }
}
