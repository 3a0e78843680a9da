//! Netlink as it is on the wire (linux/netlink.h): attributes, messages, and a socket that waits for every answer.
//!
//! Written by hand because what the guard needs of nftables, conntrack and sock_diag is a few dozen attributes, of which the
//! packet crates lack some (reject, counters in elements, socket destruction) and lose others when reading.

use std::io;

use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};

/// linux/netlink.h
pub(crate) const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
pub(crate) const NLM_F_REQUEST: u16 = 1;
pub(crate) const NLM_F_ACK: u16 = 4;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;
const NLA_F_NESTED: u16 = 0x8000;
/// Without the nested and byte-order flags.
const NLA_TYPE_MASK: u16 = 0x3fff;
const HEADER_BYTES: usize = 16;
/// asm-generic/errno.h: the answer was too short to hold a code.
const EPROTO: i32 = 71;
/// Bytes that a socket may have on its way to the kernel: a transaction of 16,384 elements.
const SEND_BYTES: usize = 8 << 20;

/// Attributes being written: length, kind, value, padding to four bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a value of less than 64 KiB.
    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds what `inner` writes, without a copy. Less than 64 KiB.
    pub(crate) fn within(mut self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let start = self.0.len();
        self.0.extend([0; 4]);
        self = inner(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        if let Some(header) = self.0.get_mut(start..start + 4) {
            let [l0, l1] = length.to_ne_bytes();
            let [k0, k1] = (kind | NLA_F_NESTED).to_ne_bytes();
            header.copy_from_slice(&[l0, l1, k0, k1]);
        }
        self
    }

    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(crate) fn long(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(crate) fn nest(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Attributes of a body, by kind without flags; a malformed tail ends the walk.
pub(crate) fn attributes(mut body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = body.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = body.get(4..length)?;
        body = body.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([header[2], header[3]]) & NLA_TYPE_MASK, value))
    })
}

/// The first attribute of a kind.
pub(crate) fn attribute(body: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(body).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// A text attribute without its terminating zero.
pub(crate) fn text_of(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

/// One request: kind, flags, and a body with its protocol's own header.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: Vec<u8>,
}

/// One message of the kernel's.
pub(crate) struct Answer {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The answer's error as a positive errno, 0 for success: `nlmsgerr` begins with the negative code in host order.
    pub(crate) fn error_code(&self) -> i32 {
        self.body
            .first_chunk::<4>()
            .map_or(EPROTO, |code| i32::from_ne_bytes(*code).saturating_neg())
    }
}

/// A socket to one of the kernel's netlink services, in the network namespace of the thread that opened it.
pub(crate) struct Channel {
    socket: Socket,
    sequence: u32,
}

impl Channel {
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Without the right to go beyond net.core.wmem_max, larger transactions are refused.
        let _ = setsockopt(&socket, sockopt::SndBuf, &SEND_BYTES);
        let _ = setsockopt(&socket, sockopt::SndBufForce, &SEND_BYTES);
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends requests in one piece and returns their sequence numbers, first and last.
    pub(crate) fn send(&mut self, requests: &[Request]) -> io::Result<(u32, u32)> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(requests.iter().map(|r| r.body.len() + HEADER_BYTES).sum());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let length = u32::try_from(HEADER_BYTES + request.body.len()).map_err(io::Error::other)?;
            bytes.extend(length.to_ne_bytes());
            bytes.extend(request.kind.to_ne_bytes());
            bytes.extend(request.flags.to_ne_bytes());
            bytes.extend(self.sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(&request.body);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.socket.send(&bytes, 0)?;
        Ok((first, self.sequence))
    }

    /// Reads the messages of the next datagram.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<Answer>> {
        let (datagram, _) = self.socket.recv_from_full()?;
        let mut answers = Vec::new();
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let unreadable = || io::Error::from(io::ErrorKind::InvalidData);
            let header = rest.first_chunk::<HEADER_BYTES>().ok_or_else(unreadable)?;
            let [l0, l1, l2, l3, k0, k1, _, _, s0, s1, s2, s3, ..] = *header;
            let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            answers.push(Answer {
                kind: u16::from_ne_bytes([k0, k1]),
                sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
                body: rest.get(HEADER_BYTES..length).ok_or_else(unreadable)?.to_vec(),
            });
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(answers)
    }

    /// Asks for a list and hands every entry's body to `take`.
    pub(crate) fn dump(&mut self, request: Request, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let (_, sequence) = self.send(&[request])?;
        loop {
            for answer in self.receive()? {
                match answer.kind {
                    // Left over from an earlier exchange.
                    _ if answer.sequence != sequence => {}
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return Err(io::Error::from_raw_os_error(answer.error_code())),
                    _ => take(&answer.body),
                }
            }
        }
    }

    /// Sends requests that each want an answer; returns the errors by place, 0 for success.
    pub(crate) fn each(&mut self, requests: &[Request]) -> io::Result<Vec<i32>> {
        let (first, last) = self.send(requests)?;
        let mut codes = vec![0; requests.len()];
        let mut open = requests.len();
        while open > 0 {
            for answer in self.receive()? {
                if answer.kind == NLMSG_ERROR && (first..=last).contains(&answer.sequence) {
                    if let Some(code) = codes.get_mut((answer.sequence - first) as usize) {
                        *code = answer.error_code();
                    }
                    open = open.saturating_sub(1);
                }
            }
        }
        Ok(codes)
    }
}
