//! The flows of phones as text, for the store: `udp 192.0.2.1:5060 192.0.2.7:5062`, ours first.

use std::net::SocketAddr;

use crate::sip::{Flow, Transport};

/// The text of a flow that outlives us. A connection does not.
pub(super) fn print(flow: Flow) -> Option<String> {
    match flow.transport {
        Transport::Udp => Some(format!("udp {} {}", flow.local, flow.remote)),
        Transport::Tcp(_) | Transport::Tls(_) => None,
    }
}

/// The flow of a text, as it is now that our socket is bound to this address: the phone is where it
/// was, and we may have moved.
pub(super) fn read(text: &str, bound: SocketAddr) -> Option<Flow> {
    let (local, remote) = text.strip_prefix("udp ")?.split_once(' ')?;
    let (local, remote): (SocketAddr, SocketAddr) = (local.parse().ok()?, remote.parse().ok()?);
    if remote.is_ipv4() != bound.is_ipv4() {
        return None;
    }
    let ip = if bound.ip().is_unspecified() { local.ip() } else { bound.ip() };
    Some(Flow { transport: Transport::Udp, local: SocketAddr::new(ip, bound.port()), remote })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Connection;

    #[test]
    fn a_flow_is_read_as_it_was_written_but_from_where_we_are_now() {
        let at = |it: &str| -> SocketAddr { it.parse().unwrap() };
        let (local, remote) = (at("192.0.2.1:5060"), at("192.0.2.7:5062"));
        let flow = Flow { transport: Transport::Udp, local, remote };
        let text = print(flow).unwrap();
        assert_eq!(read(&text, at("0.0.0.0:5060")), Some(flow));
        let moved = read(&text, at("198.51.100.1:5070")).unwrap();
        assert_eq!((moved.local, moved.remote), (at("198.51.100.1:5070"), remote));
        assert_eq!(read(&text, at("[::]:5060")), None);
        assert_eq!(read("udp x y", local), None);
        assert_eq!(print(Flow { transport: Transport::Tcp(Connection(1)), ..flow }), None);
    }
}
