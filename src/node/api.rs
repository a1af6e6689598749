//! Requests for `/api/v1` on their way to the keeper and back: bodies, time limits and headers. What
//! a request means stands in [`crate::rest`].

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, IF_MATCH};

use crate::call::trace::Depth;
use crate::rest::{BODY_MAX, Code, Request, Response, Sight};

use super::http::Shelf;
use super::keeper::{Keeper, Served};
use super::loads;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the switch may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers a request.
pub(super) async fn answer(
    keeper: &Keeper,
    shelf: &Shelf,
    peer: IpAddr,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Full<Bytes>> {
    let response = match read(peer, request).await {
        Ok(request) => ask(keeper, shelf, request).await,
        Err(refused) => refused,
    };
    dress(response)
}

async fn read(peer: IpAddr, request: hyper::Request<Incoming>) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let text = |name| head.headers.get(name)?.to_str().ok().map(str::to_owned);
    let reading = Limited::new(body, BODY_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(it)) => it.to_bytes().to_vec(),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            return Err(Response::problem(Code::TooLarge, "a body has at most 64 KiB"));
        }
        Ok(Err(_)) => return Err(Response::problem(Code::Malformed, "the body cannot be read")),
        Err(_) => return Err(Response::problem(Code::TooSlow, "the body takes too long")),
    };
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: text(AUTHORIZATION),
        content_type: text(CONTENT_TYPE),
        host: text(HOST),
        accept: text(ACCEPT),
        if_match: text(IF_MATCH),
        source: Some(peer),
        body,
    })
}

async fn ask(keeper: &Keeper, shelf: &Shelf, request: Request) -> Response {
    match keeper.serve(request).await {
        Some(Served::Now(response)) => response,
        Some(Served::Look(sight)) => look(shelf, sight),
        Some(Served::Then(answer, finish)) => {
            match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
                Ok(Ok(answer)) => finish.with(answer),
                // What was to be changed is changed, and will be seen when it can.
                _ => Response::problem(Code::Stuck, "the switch does not answer in time"),
            }
        }
        None => Response::problem(Code::Busy, "too many requests wait"),
    }
}

/// What the process remembers.
fn look(shelf: &Shelf, sight: Sight) -> Response {
    let told =
        |kind, body| Response { status: 200, kind, headers: Vec::new(), body, trouble: None };
    match sight {
        Sight::Scripts => told("application/json", loads::json(&shelf.view.loads())),
        Sight::Trace { call, is_json, is_full } => match shelf.traces.find(&call) {
            None => Response::problem(Code::NotFound, "no such call is remembered"),
            Some(trace) if is_json => told("application/json", trace.json()),
            Some(trace) => {
                let depth = if is_full { Depth::Messages } else { Depth::Lines };
                told("text/plain; charset=utf-8", trace.ladder(depth))
            }
        },
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
