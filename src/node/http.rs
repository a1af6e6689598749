//! HTTP: `GET /health` for monitors, and for everybody with a key `/api/v1`, which the keeper
//! answers. Everything else is not found.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::base::Mono;

use super::api;
use super::clock::Clock;
use super::keeper::Keeper;
use super::switch::View;
use super::traces::Traces;

/// Connections at a time; more wait in the listener's queue until one ends.
const CONNECTIONS_MAX: usize = 128;
/// The largest request line and headers, together.
const HEAD_MAX: usize = 16 << 10;
/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// How long a client may take to send its request, or be silent between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may last.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long we wait when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What HTTP may read.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// Numbers of the switch.
    pub(super) view: Arc<View>,
    /// What is remembered of its calls.
    pub(super) traces: Arc<Traces>,
}

/// Listens.
pub(super) async fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(at).await
}

/// Serves until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    shelf: Shelf,
    keeper: Keeper,
    clock: Clock,
) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (shelf, keeper) = (shelf.clone(), keeper.clone());
                tokio::spawn(async move {
                    let conversation = converse(stream, peer.ip(), &shelf, &keeper, clock);
                    _ = tokio::time::timeout(LIFETIME, conversation).await;
                    drop(place);
                });
            }
            Err(e) => {
                tracing::debug!("HTTP: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, peer: IpAddr, shelf: &Shelf, keeper: &Keeper, clock: Clock) {
    // An answer leaves in two pieces; the second must not wait until the first is acknowledged.
    _ = stream.set_nodelay(true);
    let answer = |request: Request<Incoming>| async move {
        Ok::<_, Infallible>(match is_for_keeper(request.uri().path()) {
            true => api::answer(keeper, shelf, peer, request).await,
            false => route(&request, shelf, clock.mono()),
        })
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
    if let Err(e) = served {
        tracing::debug!("HTTP: {e}");
    }
}

fn is_for_keeper(path: &str) -> bool {
    path.starts_with("/api/v1/")
}

fn route<B>(request: &Request<B>, shelf: &Shelf, now: Mono) -> Response<Full<Bytes>> {
    match (request.uri().path(), request.method()) {
        ("/health", &Method::GET | &Method::HEAD) => {
            let (status, word) = match shelf.view.is_alive(now) {
                true => (StatusCode::OK, "ok"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
            };
            respond(status, JSON, health(word, &shelf.view))
        }
        ("/health", _) => {
            let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused
        }
        _ => problem(StatusCode::NOT_FOUND),
    }
}

fn health(status: &str, view: &View) -> String {
    format!(
        r#"{{"status":"{status}","version":"{}","generation":"{}","calls":{},"registrations":{}}}"#,
        env!("CARGO_PKG_VERSION"),
        view.generation(),
        view.calls(),
        view.registrations(),
    )
}

/// RFC 9457. The path is not repeated: it is the client's, and says nothing new to it.
fn problem(status: StatusCode) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{code}}}"#);
    respond(status, "application/problem+json", body)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(Bytes::from(body)));
    response.expect("the headers are ours and right")
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_open_and_nothing_else_is_there() {
        assert_eq!(check("GET", "/health"), 200);
        assert_eq!(check("HEAD", "/health"), 200);
        assert_eq!(check("POST", "/health"), 405);
        assert_eq!(check("GET", "/"), 404);
        assert_eq!(check("GET", "/api/v1"), 404);
        assert_eq!(check("GET", "/health/../etc/passwd"), 404);
    }

    #[test]
    fn health_tells_numbers() {
        assert_eq!(
            health("ok", &View::default()),
            concat!(
                r#"{"status":"ok","version":""#,
                env!("CARGO_PKG_VERSION"),
                r#"","generation":"00000000","calls":0,"registrations":0}"#,
            ),
        );
    }

    fn check(method: &str, path: &str) -> u16 {
        let shelf = Shelf { view: Arc::default(), traces: Arc::new(Traces::new(1 << 20)) };
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        route(&request, &shelf, Mono::ZERO).status().as_u16()
    }
}
