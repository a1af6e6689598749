//! HTTP for monitors: `GET /health` and `GET /api/v1/scripts`. Everything else is not found.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::base::Mono;

use super::clock::Clock;
use super::loads;
use super::switch::View;

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

/// Listens.
pub(super) async fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(at).await
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, view: Arc<View>, clock: Clock) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let view = Arc::clone(&view);
                tokio::spawn(async move {
                    _ = tokio::time::timeout(LIFETIME, converse(stream, &view, clock)).await;
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

async fn converse(stream: TcpStream, view: &View, clock: Clock) {
    let answer = |request: Request<Incoming>| {
        let response = route(request.method(), request.uri().path(), view, clock.mono());
        async { Ok::<_, Infallible>(response) }
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

fn route(method: &Method, path: &str, view: &View, now: Mono) -> Response<Full<Bytes>> {
    let is_read = method == Method::GET || method == Method::HEAD;
    match path {
        "/api/v1/scripts" if is_read => {
            respond(StatusCode::OK, "application/json", loads::json(&view.loads()))
        }
        "/health" if is_read => {
            let (status, word) = match view.is_alive(now) {
                true => (StatusCode::OK, "ok"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
            };
            respond(status, "application/json", health(word, view))
        }
        _ => {
            // RFC 9457. The path is not repeated: it is the client's, and says nothing new to it.
            let problem = r#"{"type":"about:blank","title":"Not Found","status":404}"#;
            respond(StatusCode::NOT_FOUND, "application/problem+json", problem.to_owned())
        }
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

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(Bytes::from(body)));
    response.expect("the headers are ours and right")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_read_only_and_nothing_else_is_there() {
        let view = View::default();
        let status = |method, path| route(&method, path, &view, Mono::ZERO).status().as_u16();
        assert_eq!(status(Method::GET, "/health"), 200);
        assert_eq!(status(Method::HEAD, "/health"), 200);
        assert_eq!(status(Method::POST, "/health"), 404);
        assert_eq!(status(Method::GET, "/api/v1/scripts"), 200);
        assert_eq!(status(Method::DELETE, "/api/v1/scripts"), 404);
        assert_eq!(status(Method::GET, "/"), 404);
        assert_eq!(status(Method::GET, "/health/../etc/passwd"), 404);
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
}
