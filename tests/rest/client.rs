//! An HTTP client of the tests' own: one connection, one request after the other.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::pbx::Pbx;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    key: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Client {
    /// A client with the administrator's key.
    pub(crate) fn of(pbx: &Pbx) -> Self {
        let key = fs::read_to_string(pbx.data().join("admin.key")).unwrap();
        Self::with_key(pbx, key.trim())
    }

    pub(crate) fn with_key(pbx: &Pbx, key: &str) -> Self {
        let stream = TcpStream::connect(pbx.http()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), key: key.to_owned() }
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.try_ask(method, path, body).expect("an answer")
    }

    /// Nothing when the server is gone.
    pub(crate) fn try_ask(&mut self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: pbx\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: String::new() };
        let length = match method {
            "HEAD" => 0,
            _ => answer.header("content-length").parse().unwrap_or(0),
        };
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).ok()?;
        answer.body = String::from_utf8(bytes).ok()?;
        Some(answer)
    }
}

impl Answer {
    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|it| it.split_once(':'));
        lines.find(|it| it.0.eq_ignore_ascii_case(name)).map_or("", |it| it.1.trim())
    }

    /// The first text of this field.
    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        self.texts(field).into_iter().next().expect(&self.body)
    }

    /// Every text of this field. Nothing here has quotes in it.
    pub(crate) fn texts(&self, field: &str) -> Vec<String> {
        let start = format!("\"{field}\":\"");
        let parts = self.body.split(&start).skip(1);
        parts.map(|it| it.split('"').next().unwrap().to_owned()).collect()
    }

    /// The first number of this field.
    #[track_caller]
    pub(crate) fn number(&self, field: &str) -> u64 {
        let start = format!("\"{field}\":");
        let rest = self.body.split_once(&start).expect(&self.body).1;
        rest[..rest.find([',', '}']).unwrap()].parse().unwrap()
    }
}
