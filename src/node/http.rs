//! HTTP: `GET /health` and `GET /api/v1/scripts` for monitors, `GET /api/v1/calls/{id}/trace` for
//! whoever sits at this machine, and for everybody with a key the rest of `/api/v1`, which the
//! keeper answers. Everything else is not found.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, FORWARDED, HOST, HeaderMap, VIA};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::base::Mono;
use crate::call::trace::Depth;

use super::clock::Clock;
use super::keeper::Keeper;
use super::switch::View;
use super::traces::Traces;
use super::{api, loads};

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
            true => api::answer(keeper, request).await,
            false => route(&request, peer, shelf, clock.mono()),
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

/// Scripts and traces are read from memory and have rules of their own.
fn is_for_keeper(path: &str) -> bool {
    let is_trace = path.starts_with("/api/v1/calls/") && path.ends_with("/trace");
    path.starts_with("/api/v1/") && path != "/api/v1/scripts" && !is_trace
}

fn route<B>(request: &Request<B>, peer: IpAddr, shelf: &Shelf, now: Mono) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return problem(StatusCode::NOT_FOUND, "");
    }
    let path = request.uri().path();
    let call = path.strip_prefix("/api/v1/calls/").and_then(|it| it.strip_suffix("/trace"));
    match (path, call) {
        ("/api/v1/scripts", _) => respond(StatusCode::OK, JSON, loads::json(&shelf.view.loads())),
        ("/health", _) => {
            let (status, word) = match shelf.view.is_alive(now) {
                true => (StatusCode::OK, "ok"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
            };
            respond(status, JSON, health(word, &shelf.view))
        }
        (_, Some(call)) => trace(request, peer, &shelf.traces, call),
        _ => problem(StatusCode::NOT_FOUND, ""),
    }
}

/// The trace of a call, as text or, for who accepts nothing else, as JSON. `?full` tells it with
/// whole messages.
fn trace<B>(
    request: &Request<B>,
    peer: IpAddr,
    traces: &Traces,
    call: &str,
) -> Response<Full<Bytes>> {
    if !is_local(peer, request.headers()) {
        let detail = "traces are read on the machine itself: moonswitch trace, or a tunnel";
        return problem(StatusCode::FORBIDDEN, detail);
    }
    let Some(trace) = decoded(call).and_then(|it| traces.find(&it)) else {
        return problem(StatusCode::NOT_FOUND, "no such call is remembered");
    };
    let accept = request.headers().get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if accept.contains("json") && !accept.contains("text/") {
        return respond(StatusCode::OK, JSON, trace.json());
    }
    let is_full = request.uri().query().is_some_and(|it| it.split('&').any(|it| it == "full"));
    let depth = if is_full { Depth::Messages } else { Depth::Lines };
    respond(StatusCode::OK, "text/plain; charset=utf-8", trace.ladder(depth))
}

/// Whether somebody at this machine asks. Until there are users with rights, this is what keeps
/// traces from strangers: the peer is this machine, it speaks for nobody else (a proxy says so), and
/// it means us (a page in a browser here would come under a name of its own, which it made point to
/// this machine).
fn is_local(peer: IpAddr, headers: &HeaderMap) -> bool {
    let speaks_for_another = headers.contains_key(FORWARDED)
        || headers.contains_key(VIA)
        || headers.keys().any(|it| it.as_str().starts_with("x-forwarded-"));
    let means_us = headers.get(HOST).is_none_or(|it| {
        let host = it.to_str().unwrap_or_default();
        let is_address = host.parse::<SocketAddr>().is_ok()
            || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        is_address || host == "localhost" || host.starts_with("localhost:")
    });
    peer.to_canonical().is_loopback() && !speaks_for_another && means_us
}

/// A piece of a path without its percents (RFC 3986 §2.1).
fn decoded(piece: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
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
fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let detail = match detail {
        "" => String::new(),
        text => format!(r#","detail":"{text}""#),
    };
    let code = status.as_u16();
    let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{code}{detail}}}"#);
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
    fn what_there_is_is_read_only_and_nothing_else_is_there() {
        assert_eq!(check("GET", "/health", "127.0.0.1", &[]), 200);
        assert_eq!(check("HEAD", "/health", "203.0.113.9", &[]), 200);
        assert_eq!(check("POST", "/health", "127.0.0.1", &[]), 404);
        assert_eq!(check("GET", "/api/v1/scripts", "203.0.113.9", &[]), 200);
        assert_eq!(check("DELETE", "/api/v1/scripts", "127.0.0.1", &[]), 404);
        assert_eq!(check("GET", "/", "127.0.0.1", &[]), 404);
        assert_eq!(check("GET", "/health/../etc/passwd", "127.0.0.1", &[]), 404);
    }

    #[test]
    fn a_trace_is_read_on_the_machine_itself_and_nowhere_else() {
        let path = "/api/v1/calls/last/trace";
        // Whoever may read is told that there is no call.
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "localhost", "127.0.0.1"] {
            assert_eq!(check("GET", path, "127.0.0.1", &[("host", host)]), 404, "{host}");
        }
        assert_eq!(check("GET", path, "::ffff:127.0.0.1", &[]), 404);
        for peer in ["203.0.113.9", "2001:db8::1", "10.0.0.1"] {
            assert_eq!(check("GET", path, peer, &[]), 403, "{peer}");
        }
        for (name, value) in [
            ("host", "evil.example:8080"),
            ("host", "localhost.evil.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9"),
            ("via", "1.1 proxy"),
        ] {
            assert_eq!(check("GET", path, "127.0.0.1", &[(name, value)]), 403, "{name}: {value}");
        }
    }

    #[test]
    fn a_name_in_a_path_is_decoded_or_refused() {
        assert_eq!(decoded("a%40b%2Fc").as_deref(), Some("a@b/c"));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
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

    fn check(method: &str, path: &str, peer: &str, headers: &[(&str, &str)]) -> u16 {
        let shelf = Shelf { view: Arc::default(), traces: Arc::new(Traces::new(1 << 20)) };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        route(&request, peer.parse().unwrap(), &shelf, Mono::ZERO).status().as_u16()
    }
}
