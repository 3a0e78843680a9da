use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

use crate::executor::{Executor, Refusal, Warrant};
use crate::order::{Envelope, ORDER_BYTES_MAX, Reply};

/// The path that the OpenC2 HTTPS transfer specification fixes (v1.1, § 3.2).
pub(crate) const OPENC2_PATH: &str = "/.well-known/openc2";

/// The name in the certificate of the one client that guards and agents listen to.
///
/// Every agent has a certificate of the same root, and every executor is handed the whole approved plan with its approvals:
/// without this, whoever holds one host could have the plan's other steps carried out in his own way.
pub const CONTROL_ROOM: &str = "control-room";

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
    let stream = TlsAcceptor::from(tls).accept(stream).await.map_err(ServerError::Handshake)?;
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
    Json(envelope): Json<Envelope>,
) -> (StatusCode, Json<Reply>) {
    let mut executor = executor.lock().await;
    let (warrant, executor) = &mut *executor;
    let outcome = match warrant.check(&envelope) {
        Ok(step) => executor.execute(&envelope.order, step).await,
        Err(refusal) => Err(refusal),
    };
    let reply = outcome.unwrap_or_else(|refusal: Refusal| Reply {
        status: refusal.status(),
        status_text: refusal.to_string(),
        results: serde_json::Value::Null,
    });
    // The HTTP status says that the order arrived; the OpenC2 status says what became of it.
    (StatusCode::OK, Json(reply))
}
