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
use crate::wire::{MEDIA_TYPE, OPENC2_PATH, read_response, request_bytes};

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
    let body = request_bytes(envelope, name).map_err(|error| ClientError::Unreadable(error.to_string()))?;
    let request = Request::post(OPENC2_PATH)
        .header("content-type", MEDIA_TYPE)
        .header("accept", MEDIA_TYPE);
    let (status, bytes) = exchange(stream, tls, name, request, body).await?;
    match status {
        400..=499 => Err(ClientError::TurnedAway { status }),
        200..=299 => read_response(&bytes).map_err(|error| ClientError::Unreadable(error.to_string())),
        _ => Err(ClientError::Unreadable(format!("HTTP {status}"))),
    }
}

/// One request over mutual TLS and HTTP/1.1: status and body.
pub(crate) async fn exchange<S>(
    stream: S,
    tls: Arc<ClientConfig>,
    name: &str,
    request: hyper::http::request::Builder,
    body: Vec<u8>,
) -> Result<(u16, Bytes), ClientError>
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
    let request = request
        .header("host", name)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| ClientError::Unreadable(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(ClientError::Http)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ORDER_BYTES_MAX);
    let bytes = body
        .collect()
        .await
        .map_err(|error| ClientError::Unreadable(error.to_string()))?;
    Ok((status, bytes.to_bytes()))
}
