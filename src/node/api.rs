//! Requests for `/api/v1` on their way to the keeper and back: bodies, time limits and headers. What
//! a request means stands in [`crate::rest`].

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};

use crate::rest::{BODY_MAX, Request, Response};

use super::keeper::{Keeper, Served};

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the switch may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers a request.
pub(super) async fn answer(
    keeper: &Keeper,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Full<Bytes>> {
    let response = match read(request).await {
        Ok(request) => ask(keeper, request).await,
        Err(refused) => refused,
    };
    dress(response)
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let text = |name| head.headers.get(name)?.to_str().ok().map(str::to_owned);
    let reading = Limited::new(body, BODY_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(it)) => it.to_bytes().to_vec(),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            return Err(Response::problem(413, "too_large", "a body has at most 64 KiB"));
        }
        Ok(Err(_)) => return Err(Response::problem(400, "malformed", "the body cannot be read")),
        Err(_) => return Err(Response::problem(408, "too_slow", "the body takes too long")),
    };
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: text(AUTHORIZATION),
        content_type: text(CONTENT_TYPE),
        host: text(HOST),
        body,
    })
}

async fn ask(keeper: &Keeper, request: Request) -> Response {
    match keeper.serve(request).await {
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
