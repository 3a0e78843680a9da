use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Form, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use leckwehr_estate::Estate;
use leckwehr_incident::{Decision, Timestamp};
use leckwehr_publish::Language;
use tokio::net::TcpListener;

use crate::alarm_page::render_alarm;
use crate::desk::{self, Desk, FORM_BYTES_MAX};
use crate::page::{Page, render};
use crate::watch::{Watch, WatchError};

/// Seconds after which an open page asks again.
const REFRESH_S: u32 = 10;

/// A console that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The ledger cannot be shown.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// An address that others can reach.
    #[error("{address} is not a loopback address; the console has no log-in and stays on this machine")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Serving ended with an error.
    #[error("the console stopped")]
    Serve(#[source] std::io::Error),
}

/// The console, listening.
pub struct Console {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

#[derive(Clone)]
struct Shared {
    watch: Arc<Mutex<Watch>>,
    estate: Arc<Estate>,
    clock: fn() -> Timestamp,
    desk: Option<Desk>,
}

impl Console {
    /// Reads the ledger and listens. `clock` is asked for every page: how old is the state, how long until a duty is due.
    pub async fn open(
        ledger: PathBuf,
        estate: Estate,
        address: SocketAddr,
        clock: fn() -> Timestamp,
    ) -> Result<Self, ConsoleError> {
        Self::open_with_desk(ledger, estate, address, clock, None).await
    }

    /// The same, with a way for decisions about alarms to whoever writes the ledger.
    pub async fn open_with_desk(
        ledger: PathBuf,
        estate: Estate,
        address: SocketAddr,
        clock: fn() -> Timestamp,
        desk: Option<Desk>,
    ) -> Result<Self, ConsoleError> {
        if !address.ip().is_loopback() {
            return Err(ConsoleError::NotLoopback { address });
        }
        let watch = Watch::open(&ledger)?;
        let listen = |source| ConsoleError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let shared = Shared {
            watch: Arc::new(Mutex::new(watch)),
            estate: Arc::new(estate),
            clock,
            desk,
        };
        Ok(Self {
            listener,
            address: bound,
            router: router(shared),
        })
    }

    /// Returns where to point a browser.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves until `stop` is done.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ConsoleError> {
        let server = axum::serve(self.listener, self.router).with_graceful_shutdown(stop);
        server.await.map_err(ConsoleError::Serve)
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(screen))
        .route("/api/situation", get(situation))
        .route("/alarms/{id}", get(alarm))
        .route("/alarms/{id}/close", post(close))
        .route("/alarms/{id}/suppress", post(suppress))
        .route("/suppressions/{id}/lift", post(lift))
        .route("/healthz", get(health))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn(guard))
        .with_state(shared)
}

/// Refuses requests that do not name this machine, and tells browsers to trust nothing.
async fn guard(request: Request, next: Next) -> Response {
    if !names_loopback(request.headers()) {
        return (StatusCode::MISDIRECTED_REQUEST, "this console answers to localhost only\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'"));
    response
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Reads what is new in the ledger, then answers from the situation; reading blocks, so it is off the runtime's thread.
async fn with_watch(shared: Shared, answer: impl FnOnce(&Watch, &Shared) -> Response + Send + 'static) -> Response {
    let work = move || {
        let mut watch = shared.watch.lock().unwrap_or_else(PoisonError::into_inner);
        match watch.refresh() {
            Ok(()) => answer(&watch, &shared),
            Err(error) => trouble(&error),
        }
    };
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR.into_response();
    tokio::task::spawn_blocking(work).await.unwrap_or_else(failed)
}

fn trouble(error: &dyn std::error::Error) -> Response {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\n  because: {cause}"));
        source = cause.source();
    }
    text.push('\n');
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn screen(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let has = |pair: &str| query.split('&').any(|p| p == pair);
    let language = language_of(&query);
    let refresh_s = if has("refresh=off") { 0 } else { REFRESH_S };
    with_watch(shared, move |watch, shared| {
        show(render(watch, &shared.estate, (shared.clock)(), language, refresh_s))
    })
    .await
}

fn language_of(query: &str) -> Language {
    if query.split('&').any(|pair| pair == "lang=de") {
        Language::De
    } else {
        Language::En
    }
}

fn show(page: askama::Result<Page>) -> Response {
    let page = match page {
        Ok(page) => page,
        Err(error) => return trouble(&error),
    };
    let mut response = Response::new(Body::from(page.html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn alarm(State(shared): State<Shared>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let language = language_of(&query.unwrap_or_default());
    with_watch(shared, move |watch, shared| {
        let page = render_alarm(watch, &id, shared.desk.as_ref(), language);
        page.map_or_else(|| (StatusCode::NOT_FOUND, "no such alarm\n").into_response(), show)
    })
    .await
}

async fn close(State(shared): State<Shared>, Path(id): Path<String>, Form(form): Form<desk::Form>) -> Response {
    let back = format!("/alarms/{id}");
    decide(shared, form, &back, |form, _| form.close(id)).await
}

async fn suppress(State(shared): State<Shared>, Path(id): Path<String>, Form(form): Form<desk::Form>) -> Response {
    decide(shared, form, &format!("/alarms/{id}"), desk::Form::suppress).await
}

async fn lift(State(shared): State<Shared>, Path(id): Path<String>, Form(form): Form<desk::Form>) -> Response {
    decide(shared, form, "/", |form, _| form.lift(id)).await
}

/// Hands a decision to whoever writes the ledger, and leads back to the page once it is written down.
async fn decide(
    shared: Shared,
    form: desk::Form,
    back: &str,
    read: impl FnOnce(desk::Form, Timestamp) -> Result<Decision, String>,
) -> Response {
    let Some(desk) = &shared.desk else {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            "this console only reads: decide in the console of `leckwehr watch`\n",
        )
            .into_response();
    };
    if !desk.knows(&form) {
        let text = "the form is not of this console, or of an earlier run: load the page again\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let language = language_of(&format!("lang={}", form.lang));
    let done = match read(form, (shared.clock)()) {
        Ok(decision) => desk.ask(decision).await,
        Err(reason) => Err(reason),
    };
    match done {
        Ok(()) => {
            let back = HeaderValue::from_str(&format!("{back}?lang={}", language.tag()));
            let back = back.unwrap_or(HeaderValue::from_static("/"));
            (StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response()
        }
        Err(reason) => (StatusCode::UNPROCESSABLE_ENTITY, format!("not done: {reason}\n")).into_response(),
    }
}

async fn situation(State(shared): State<Shared>) -> Response {
    with_watch(shared, |watch, _| {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (json, watch.situation().to_json()).into_response()
    })
    .await
}

async fn health(State(shared): State<Shared>) -> Response {
    with_watch(shared, |watch, _| format!("ok, {} entries\n", watch.size()).into_response()).await
}
