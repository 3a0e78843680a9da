use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leckwehr_crypt::{PkiError, listener_tls};
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};

/// One `[[source]]` of the configuration.
///
/// ```
/// use leckwehr_control::{SourceConfig, SourceKind};
/// let source: SourceConfig = serde_json::from_str(r#"{"name": "routers", "kind": "netflow", "listen": "127.0.0.1:2055"}"#).unwrap();
/// assert_eq!(source.kind, SourceKind::Netflow);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceConfig {
    /// Name by which events and accounts call it.
    pub name: String,
    /// What is spoken there.
    pub kind: SourceKind,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Certificate chain, PEM: needed for `syslog-tls`, makes HTTPS of `otlp`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Roots, PEM: senders must show a certificate of one of them.
    #[serde(default)]
    pub client_roots: Option<PathBuf>,
    /// Seconds east of UTC of senders that write local time without saying so.
    #[serde(default)]
    pub offset_s: i32,
    /// Limits.
    #[serde(default)]
    pub limits: ReceiveLimits,
}

/// What a source speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Syslog, a message a datagram (RFC 5426, RFC 3164).
    SyslogUdp,
    /// Syslog over TCP, counted or by lines (RFC 6587).
    SyslogTcp,
    /// Syslog over TLS (RFC 5425).
    SyslogTls,
    /// NetFlow 5 and 9, IPFIX over UDP.
    Netflow,
    /// OpenTelemetry logs over HTTP: `POST /v1/logs`.
    Otlp,
}

/// What a source takes at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReceiveLimits {
    /// Connections at a time; further ones are closed at once.
    pub connections_max: usize,
    /// Connections of one address at a time.
    pub connections_per_peer_max: usize,
    /// Bytes a second: of each connection, which is read no faster; of all datagrams together, beyond which they are dropped.
    pub bytes_per_second_max: u64,
    /// Milliseconds without a byte after which a connection is closed.
    pub idle_ms_max: u64,
    /// Milliseconds from a message's first byte to its last; then the connection is closed and what came is taken.
    pub message_ms_max: u64,
    /// Bytes of an OTLP request, unpacked.
    pub request_bytes_max: usize,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            connections_per_peer_max: 64,
            bytes_per_second_max: 64 << 20,
            idle_ms_max: 15 * 60_000,
            message_ms_max: 60_000,
            request_bytes_max: 16 << 20,
        }
    }
}

/// Why a source cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The address cannot be listened on.
    #[error("source {name:?} cannot listen on {address}: another program may hold it, or the port needs a privilege")]
    Listen {
        /// The source.
        name: String,
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A PEM file cannot be read.
    #[error("source {name:?}: {path} cannot be read")]
    File {
        /// The source.
        name: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Certificate, key or roots cannot be used.
    #[error("source {name:?}: its certificate, key or client roots cannot be used")]
    Tls {
        /// The source.
        name: String,
        /// The cause.
        #[source]
        source: PkiError,
    },
    /// `certificate` or `key` is missing.
    #[error("source {name:?} needs both certificate and key")]
    NoCertificate {
        /// The source.
        name: String,
    },
    /// Two sources have one name, or a source has none.
    #[error("{name:?} is no name of one source: give each a name of its own")]
    Name {
        /// The name.
        name: String,
    },
}

impl ReceiveError {
    /// Returns the code under which `docs/errors.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "LW-CONTROL-101",
            Self::File { .. } => "LW-CONTROL-102",
            Self::Tls { .. } => "LW-CONTROL-103",
            Self::NoCertificate { .. } => "LW-CONTROL-104",
            Self::Name { .. } => "LW-CONTROL-105",
        }
    }
}

impl SourceConfig {
    /// Builds a source without TLS and with the usual limits.
    pub fn new(name: &str, kind: SourceKind, listen: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            listen,
            certificate: None,
            key: None,
            client_roots: None,
            offset_s: 0,
            limits: ReceiveLimits::default(),
        }
    }

    /// Reads certificate and key, where the source has or needs them.
    pub(crate) fn tls(&self) -> Result<Option<Arc<ServerConfig>>, ReceiveError> {
        let name = || self.name.clone();
        let read = |path: &Path| {
            let path = path.to_owned();
            std::fs::read(&path).map_err(|source| ReceiveError::File {
                name: name(),
                path,
                source,
            })
        };
        let (chain, key) = match (&self.certificate, &self.key) {
            (Some(chain), Some(key)) => (read(chain)?, read(key)?),
            (None, None) if self.kind != SourceKind::SyslogTls => return Ok(None),
            _ => return Err(ReceiveError::NoCertificate { name: name() }),
        };
        let roots = self.client_roots.as_deref().map(read).transpose()?;
        let tls = listener_tls(&chain, &key, roots.as_deref());
        tls.map(Some).map_err(|source| ReceiveError::Tls { name: name(), source })
    }
}
