use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::request::Builder;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::exchange;
use crate::switch::SwitchError;

/// Longest wait for one answer, in milliseconds.
const PATIENCE_MS: u64 = 20_000;

/// Somebody else's HTTPS service: an address, not a name, because no name service may be needed in an emergency.
pub struct HttpsPeer {
    address: SocketAddr,
    name: String,
    tls: Arc<ClientConfig>,
}

impl HttpsPeer {
    /// Takes the address, the name in the peer's certificate, and whom to trust as whom.
    pub fn new(address: SocketAddr, name: String, tls: Arc<ClientConfig>) -> Self {
        Self { address, name, tls }
    }

    /// One request: HTTP status and body.
    pub(crate) async fn ask(&self, request: Builder, body: Vec<u8>) -> Result<(u16, Bytes), SwitchError> {
        let what = format!("{} at {}", self.name, self.address);
        let answer = async {
            let stream = TcpStream::connect(self.address)
                .await
                .map_err(SwitchError::io(what.clone()))?;
            let answer = exchange(stream, Arc::clone(&self.tls), &self.name, request, body).await;
            answer.map_err(|error| SwitchError::Refused {
                what: what.clone(),
                reason: match std::error::Error::source(&error) {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                },
            })
        };
        let in_time = timeout(Duration::from_millis(PATIENCE_MS), answer).await;
        in_time.unwrap_or(Err(SwitchError::Stuck {
            what: what.clone(),
            patience_ms: PATIENCE_MS,
        }))
    }

    pub(crate) fn refused(&self, status: u16, body: &[u8]) -> SwitchError {
        /// What is kept of a complaint, in characters.
        const COMPLAINT_CHARS_MAX: usize = 200;
        let body = String::from_utf8_lossy(body);
        SwitchError::Refused {
            what: format!("{} at {}", self.name, self.address),
            reason: format!("HTTP {status} {}", body.chars().take(COMPLAINT_CHARS_MAX).collect::<String>()),
        }
    }
}
