use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

use crate::executor::{Executor, Refusal, Warrant};
use crate::order::{Envelope, ORDER_BYTES_MAX, Reply};

/// The path that the OpenC2 HTTPS transfer specification fixes (v1.1, § 3.2).
pub(crate) const OPENC2_PATH: &str = "/.well-known/openc2";

/// A connection that ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No TLS, no certificate of our root, or the peer went away.
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
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
    let router = Router::new()
        .route(OPENC2_PATH, post(receive::<E>))
        .layer(axum::extract::DefaultBodyLimit::max(ORDER_BYTES_MAX))
        .with_state(executor);
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
        .map_err(ServerError::Http)
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
