//! Web servers: the portal of the provider, and foreign static hosts that hold copies of the status site.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use crate::host::Host;
use crate::wire::{Net, Stream};

/// Port of every web server.
pub const WEB_PORT: u16 = 80;
/// Window over which the portal counts requests per source, in milliseconds.
const WINDOW_MS: u64 = 200;
/// Largest file that a foreign host takes, in bytes.
const UPLOAD_BYTES_MAX: usize = 8 << 20;

/// Starts the portal: one page, and a record of how often each source asks.
pub fn start(host: &Arc<Host>) -> io::Result<()> {
    let mut listener = host.net.listen(SocketAddrV4::new(host.role.address, WEB_PORT))?;
    let counts: Arc<Mutex<BTreeMap<Ipv4Addr, u64>>> = Arc::default();
    let reporting = Arc::clone(&counts);
    let host = Arc::clone(host);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(WINDOW_MS));
        loop {
            tick.tick().await;
            let window = std::mem::take(&mut *reporting.lock().unwrap_or_else(PoisonError::into_inner));
            for (from, count) in window {
                host.sensor.requests(from, count, WINDOW_MS);
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let counts = Arc::clone(&counts);
            tokio::spawn(serve_http(stream, move |_| {
                *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(peer).or_default() += 1;
                async {
                    page(
                        StatusCode::OK,
                        Bytes::from_static(b"<!doctype html><title>Portal</title><p>Willkommen"),
                    )
                }
            }));
        }
    });
    Ok(())
}

/// Starts a foreign static host: takes files by PUT from whoever holds `token`, gives them by GET.
pub fn start_foreign(net: &Net, address: Ipv4Addr, token: &str) -> io::Result<()> {
    let mut listener = net.listen(SocketAddrV4::new(address, WEB_PORT))?;
    let files: Arc<Mutex<BTreeMap<String, Bytes>>> = Arc::default();
    let token = token.to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let files = Arc::clone(&files);
            let token = token.clone();
            tokio::spawn(serve_http(stream, move |request| {
                store(Arc::clone(&files), token.clone(), request)
            }));
        }
    });
    Ok(())
}

async fn store(files: Arc<Mutex<BTreeMap<String, Bytes>>>, token: String, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    match *request.method() {
        Method::PUT if request.headers().get("authorization").map(|v| v.as_bytes()) != Some(token.as_bytes()) => {
            page(StatusCode::FORBIDDEN, Bytes::new())
        }
        Method::PUT => match Limited::new(request.into_body(), UPLOAD_BYTES_MAX).collect().await {
            Ok(body) => {
                files
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(path, body.to_bytes());
                page(StatusCode::CREATED, Bytes::new())
            }
            Err(_) => page(StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()),
        },
        Method::GET => match files.lock().unwrap_or_else(PoisonError::into_inner).get(&path) {
            Some(bytes) => page(StatusCode::OK, bytes.clone()),
            None => page(StatusCode::NOT_FOUND, Bytes::new()),
        },
        _ => page(StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    }
}

async fn serve_http<F, Fut>(stream: Stream, handler: F)
where
    F: Fn(Request<Incoming>) -> Fut + Send,
    Fut: Future<Output = Response<Full<Bytes>>> + Send,
{
    let service = service_fn(|request| {
        let response = handler(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    // A client that goes away in the middle is no event here.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn page(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
