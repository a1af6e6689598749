//! HTTP: `GET /health` for monitors, from the view, and `/api/` for everybody with a key, which the
//! keeper answers. What a request means stands in [`crate::rest`]; here are bytes and time limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::base::Mono;
use crate::rest::{BODY_MAX, Request, Response};

use super::clock::Clock;
use super::keeper::{Keeper, Served};
use super::switch::View;

/// Connections at a time; more wait in the listener's queue until one ends.
const CONNECTIONS_MAX: usize = 128;
/// The largest request line and headers, together.
const HEAD_MAX: usize = 16 << 10;
/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// How long a client may take to send its request, or be silent between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the switch may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection may last.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long we wait when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens.
pub(super) async fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(at).await
}

/// Serves until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    view: Arc<View>,
    keeper: Keeper,
    clock: Clock,
) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let desk = Arc::new(Desk { view, keeper, clock });
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    _ = tokio::time::timeout(LIFETIME, converse(stream, &desk)).await;
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

/// What every connection works with.
struct Desk {
    view: Arc<View>,
    keeper: Keeper,
    clock: Clock,
}

async fn converse(stream: TcpStream, desk: &Desk) {
    // An answer leaves in two pieces; the second must not wait until the first is acknowledged.
    _ = stream.set_nodelay(true);
    let answer = |request: hyper::Request<Incoming>| async {
        Ok::<_, Infallible>(dress(desk.answer(request).await))
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

impl Desk {
    async fn answer(&self, request: hyper::Request<Incoming>) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if path == "/health" {
            return health(&head.method, &self.view, self.clock.mono());
        }
        if !path.starts_with("/api/") {
            // The path is not repeated: it is the client's, and says nothing new to it.
            return Response::problem(404, "not_found", "there is no such thing here");
        }
        let text = |name| head.headers.get(name)?.to_str().ok().map(str::to_owned);
        let reading = Limited::new(body, BODY_MAX).collect();
        let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
            Ok(Ok(it)) => it.to_bytes().to_vec(),
            Ok(Err(e)) if e.is::<LengthLimitError>() => {
                return Response::problem(413, "too_large", "a body has at most 64 KiB");
            }
            Ok(Err(_)) => return Response::problem(400, "malformed", "the body cannot be read"),
            Err(_) => return Response::problem(408, "too_slow", "the body takes too long"),
        };
        let request = Request {
            method: head.method.as_str().to_owned(),
            path: path.to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            authorization: text(AUTHORIZATION),
            content_type: text(CONTENT_TYPE),
            host: text(HOST),
            body,
        };
        match self.keeper.serve(request).await {
            Some(Served::Now(response)) => response,
            Some(Served::Then(answer, finish)) => {
                match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
                    Ok(Ok(answer)) => finish.with(answer),
                    // What was to be changed is changed, and will be seen when it can.
                    _ => Response::problem(503, "stuck", "the switch does not answer in time"),
                }
            }
            None => Response::problem(503, "busy", "too many requests wait"),
        }
    }
}

/// The answer as hyper wants it.
fn dress(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut dressed =
        hyper::Response::builder().status(response.status).header(CACHE_CONTROL, "no-store");
    if response.status != 204 {
        dressed = dressed.header(CONTENT_TYPE, response.kind);
    }
    for (name, value) in response.headers {
        dressed = dressed.header(name, value);
    }
    let dressed = dressed.body(Full::new(Bytes::from(response.body)));
    dressed.expect("the headers are ours and right")
}

fn health(method: &Method, view: &View, now: Mono) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Response::problem(404, "not_found", "there is no such thing here");
    }
    let (status, word) = if view.is_alive(now) { (200, "ok") } else { (503, "stuck") };
    let body = numbers(word, view);
    Response { status, kind: "application/json", headers: Vec::new(), body }
}

fn numbers(status: &str, view: &View) -> String {
    format!(
        r#"{{"status":"{status}","version":"{}","generation":"{}","calls":{},"registrations":{}}}"#,
        env!("CARGO_PKG_VERSION"),
        view.generation(),
        view.calls(),
        view.registrations(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_only() {
        let view = View::default();
        let status = |method| health(&method, &view, Mono::ZERO).status;
        assert_eq!((status(Method::GET), status(Method::HEAD)), (200, 200));
        assert_eq!(status(Method::POST), 404);
    }

    #[test]
    fn health_tells_numbers() {
        assert_eq!(
            numbers("ok", &View::default()),
            concat!(
                r#"{"status":"ok","version":""#,
                env!("CARGO_PKG_VERSION"),
                r#"","generation":"00000000","calls":0,"registrations":0}"#,
            ),
        );
    }
}
