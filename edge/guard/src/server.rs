use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use axum::routing::post;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::carry::{carry_out, turn_away};
use crate::executor::Executor;
use crate::order::ORDER_BYTES_MAX;
use crate::warrant::Warrant;
use crate::wire::{MEDIA_TYPE, OPENC2_PATH, read_request, response_bytes};

/// The name in the certificate of the one client that guards and agents listen to.
///
/// Every agent has a certificate of the same root, and every executor is handed the whole approved plan with its approvals:
/// without this, whoever holds one host could have the plan's other steps carried out in his own way.
pub const CONTROL_ROOM: &str = "control-room";

/// Longest handshake, in milliseconds: who does not show a certificate soon keeps no place.
const HANDSHAKE_MS_MAX: u64 = 5_000;

/// A connection that ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No TLS, no certificate of our root, or the peer went away.
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    /// A certificate of our root, but not the control room's: an agent's, say, whose host the attacker holds.
    #[error("the client is not {CONTROL_ROOM}")]
    Stranger,
    /// HTTP failed.
    #[error("the connection failed")]
    Http(#[source] hyper::Error),
}

/// Serves one connection until the peer closes it: mutual TLS, then OpenC2 over HTTP/1.1.
///
/// Orders of all connections share `executor`, one at a time, the warrant checked first.
pub async fn serve_connection<S, E>(
    stream: S,
    tls: Arc<ServerConfig>,
    executor: Arc<Mutex<(Warrant, E)>>,
) -> Result<(), ServerError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    E: Executor + 'static,
{
    let handshake = timeout(Duration::from_millis(HANDSHAKE_MS_MAX), TlsAcceptor::from(tls).accept(stream)).await;
    let stream = handshake
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        .map_err(ServerError::Handshake)?;
    if !is_control_room(stream.get_ref().1.peer_certificates()) {
        return Err(ServerError::Stranger);
    }
    let router = Router::new()
        .route(OPENC2_PATH, post(receive::<E>))
        .layer(axum::extract::DefaultBodyLimit::max(ORDER_BYTES_MAX))
        .with_state(executor);
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
        .map_err(ServerError::Http)
}

fn is_control_room(chain: Option<&[CertificateDer<'_>]>) -> bool {
    let Some(certificate) = chain.and_then(<[_]>::first) else {
        return false;
    };
    let (Ok(certificate), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(CONTROL_ROOM)) else {
        return false;
    };
    verify_server_name(&certificate, &name).is_ok()
}

async fn receive<E: Executor>(
    State(executor): State<Arc<Mutex<(Warrant, E)>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(HeaderName, &'static str); 1], Vec<u8>) {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("application/openc2+json") {
        return (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            [(CONTENT_TYPE, "text/plain")],
            MEDIA_TYPE.into(),
        );
    }
    let mut executor = executor.lock().await;
    let (warrant, executor) = &mut *executor;
    let (status, request_id, reply) = match read_request(&body) {
        // The HTTP status says that the order arrived; the OpenC2 status says what became of it.
        Ok(envelope) => {
            let reply = carry_out(warrant, executor, &envelope).await;
            (StatusCode::OK, envelope.request_id, reply)
        }
        Err(fault) => (StatusCode::BAD_REQUEST, String::new(), turn_away(warrant, &fault)),
    };
    match response_bytes(&request_id, &warrant.executor, &reply) {
        Ok(bytes) => (status, [(CONTENT_TYPE, MEDIA_TYPE)], bytes),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(CONTENT_TYPE, "text/plain")],
            error.to_string().into_bytes(),
        ),
    }
}
