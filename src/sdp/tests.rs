//! Stories of phones that offer and answer.

use super::*;

mod again;
mod foreign;
mod matrix;
mod mutants;
mod peers;
mod reading;

/// A leg of ours that listens on 192.0.2.10.
fn local(port: u16) -> Local {
    Local { address: [192, 0, 2, 10].into(), port, session: 7, version: 1, ptime_ms: 20 }
}

/// A description of a phone at 198.51.100.4, from the lines after `t=`.
fn phone(lines: &[&str]) -> Session {
    let head = "v=0\r\no=- 1 1 IN IP4 198.51.100.4\r\ns=-\r\nc=IN IP4 198.51.100.4\r\nt=0 0\r\n";
    read(&(head.to_owned() + &lines.join("\r\n") + "\r\n"))
}

fn read(text: &str) -> Session {
    Session::parse(text.as_bytes()).unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What we agree to when a phone offers these lines and we want all codecs, both ways.
fn agree(lines: &[&str]) -> Result<Agreed, Refused> {
    let all = [Codec::Pcma, Codec::Pcmu, Codec::Opus];
    answer(&local(40000), &phone(lines), &all, Direction::SendRecv).map(|it| it.agreed)
}
