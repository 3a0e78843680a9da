use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use leckwehr_telemetry::OtlpEncoding;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::receive::account::count;
use crate::receive::listener::{Context, Stop};
use crate::receive::queue::Payload;

/// Seconds after which a sender that was put off may try again.
const RETRY_AFTER_S: u64 = 2;

/// Serves OTLP/HTTP (opentelemetry.io, *OTLP Specification*) on one connection.
pub(crate) async fn serve<S>(stream: S, peer: IpAddr, context: &Arc<Context>, mut stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let context = Arc::clone(context);
        async move { Ok::<_, std::convert::Infallible>(answer(request, peer, &context).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(
            context.limits.idle_ms_max.min(context.limits.message_ms_max),
        ))
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = stop.told() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    match outcome {
        Err(error) if error.is_timeout() => count(&context.counters.connections_idle),
        Err(_) => count(&context.counters.socket_errors),
        Ok(()) => {}
    }
}

/// Why a request is refused.
struct Refusal(StatusCode, &'static str);

async fn answer(request: Request<Incoming>, peer: IpAddr, context: &Context) -> Response<Full<Bytes>> {
    match take(request, peer, context).await {
        // An empty message says in both encodings that all was accepted.
        Ok(OtlpEncoding::Protobuf) => response(StatusCode::OK, "application/x-protobuf", ""),
        Ok(OtlpEncoding::Json) => response(StatusCode::OK, "application/json", "{}"),
        Err(Refusal(status, reason)) => {
            let mut answer = response(status, "text/plain; charset=utf-8", reason);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                count(&context.counters.requests_put_off);
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            } else {
                count(&context.counters.requests_refused);
            }
            answer
        }
    }
}

async fn take(request: Request<Incoming>, peer: IpAddr, context: &Context) -> Result<OtlpEncoding, Refusal> {
    if request.uri().path() != "/v1/logs" {
        return Err(Refusal(StatusCode::NOT_FOUND, "logs are taken at /v1/logs\n"));
    }
    if request.method() != Method::POST {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "logs are taken by POST\n"));
    }
    let encoding = encoding(request.headers())?;
    let packed = is_packed(request.headers())?;
    let bytes_max = context.limits.request_bytes_max;
    let body = Limited::new(request.into_body(), bytes_max).collect();
    let body = timeout(Duration::from_millis(context.limits.message_ms_max), body).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(Refusal(StatusCode::BAD_REQUEST, "the body ended early\n")),
        Err(_) => return Err(Refusal(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n")),
    };
    let body = if packed { unpack(&body, bytes_max)? } else { body };
    let bytes = body.len();
    let arrival = context.arrival(peer, Payload::Otlp(body, encoding));
    let full = |_| {
        Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "too much is waiting to be read: try again later\n",
        )
    };
    context.queue.try_send(arrival).map_err(full)?;
    context.counters.handed_on(bytes);
    Ok(encoding)
}

fn too_large() -> Refusal {
    Refusal(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the request has more bytes than the limit: send smaller batches\n",
    )
}

fn encoding(headers: &HeaderMap) -> Result<OtlpEncoding, Refusal> {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    match value.split(';').next().unwrap_or("").trim() {
        "application/x-protobuf" => Ok(OtlpEncoding::Protobuf),
        "application/json" => Ok(OtlpEncoding::Json),
        _ => Err(Refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "application/x-protobuf and application/json are taken\n",
        )),
    }
}

fn is_packed(headers: &HeaderMap) -> Result<bool, Refusal> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(_) => Err(Refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "gzip is the one content encoding taken\n",
        )),
    }
}

fn unpack(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(bytes_max as u64 + 1);
    match reader.read_to_end(&mut body) {
        Ok(_) if body.len() > bytes_max => Err(too_large()),
        Ok(_) => Ok(body),
        Err(_) => Err(Refusal(StatusCode::BAD_REQUEST, "the body is no gzip\n")),
    }
}

fn response(status: StatusCode, kind: &'static str, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
