use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::order::{Envelope, ORDER_BYTES_MAX, Reply};
use crate::server::OPENC2_PATH;

/// An order without an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The executor's name is no DNS name.
    #[error("{0:?} cannot be an executor's name")]
    BadName(String),
    /// The executor could not be reached or is not who it should be. The order was certainly not applied.
    #[error("cannot reach the executor")]
    Handshake(#[source] std::io::Error),
    /// The connection broke. Whether the order was applied is not known.
    #[error("the connection broke before the answer came")]
    Http(#[source] hyper::Error),
    /// No answer came in time. Whether the order was applied is not known.
    #[error("no answer within {patience_ms} ms")]
    Late {
        /// Time waited in milliseconds.
        patience_ms: u64,
    },
    /// The server turned the request away before anybody read the order (HTTP 4xx). It was certainly not applied.
    #[error("the request was turned away with HTTP {status}")]
    TurnedAway {
        /// HTTP status.
        status: u16,
    },
    /// The answer was not one. Whether the order was applied is not known.
    #[error("the answer could not be read: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// Returns whether the order certainly did nothing.
    pub fn is_certainly_not_applied(&self) -> bool {
        matches!(self, Self::BadName(_) | Self::Handshake(_) | Self::TurnedAway { .. })
    }
}

/// Sends one order to the executor called `name` over an open stream.
pub async fn send_order<S>(stream: S, tls: Arc<ClientConfig>, name: &str, envelope: &Envelope) -> Result<Reply, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| ClientError::BadName(name.to_owned()))?;
    let stream = TlsConnector::from(tls)
        .connect(server_name, stream)
        .await
        .map_err(ClientError::Handshake)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ClientError::Http)?;
    tokio::spawn(connection);
    let body = serde_json::to_vec(envelope).map_err(|error| ClientError::Unreadable(error.to_string()))?;
    let request = Request::post(OPENC2_PATH)
        .header("host", name)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| ClientError::Unreadable(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(ClientError::Http)?;
    let status = response.status();
    if status.is_client_error() {
        return Err(ClientError::TurnedAway { status: status.as_u16() });
    }
    if !status.is_success() {
        return Err(ClientError::Unreadable(format!("HTTP {status}")));
    }
    let body = Limited::new(response.into_body(), ORDER_BYTES_MAX);
    let bytes = body
        .collect()
        .await
        .map_err(|error| ClientError::Unreadable(error.to_string()))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| ClientError::Unreadable(error.to_string()))
}
