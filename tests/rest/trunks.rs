//! A trunk through the binary: a carrier of our own, over UDP on loopback.

use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use moonswitch::base::{Mono, Rng};
use moonswitch::sip::auth::{Guard, Verdict};
use moonswitch::sip::message::{Message, Method, Name, Writer};
use moonswitch::sip::{Flow, Transport};

use crate::client::Client;
use crate::pbx::Pbx;
use crate::scratch::Scratch;
use crate::wait::wait_for;

const TRUNKS: &str = "/api/v1/sip/trunks";
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_trunk_registers_is_seen_survives_a_restart_and_leaves() {
    let (port, bound) = open_carrier();
    let pbx = Pbx::start_in(Scratch::new("trunk"));
    let mut client = Client::of(&pbx);
    let body = format!(
        r#"{{"name":"carrier","host":"127.0.0.1","port":{port},"transport":"udp",
            "username":"4930123","password":"secret","realm":"carrier.test"}}"#
    );
    let made = client.ask("POST", TRUNKS, &body);
    assert_eq!(made.status, 201, "{}", made.body);
    let one = format!("{TRUNKS}/{}", made.number("id"));
    assert_eq!(bound.recv_timeout(SOON), Ok(600));
    let state = |client: &mut Client, part: &str| client.ask("GET", &one, "").body.contains(part);
    for part in [r#""state":"registered""#, r#""reachable":true"#] {
        wait_for(part, SOON, || state(&mut client, part).then_some(()));
    }
    // A stop takes the binding away, a start brings it back.
    let scratch = pbx.into_scratch();
    assert_eq!(bound.recv_timeout(SOON), Ok(0));
    let pbx = Pbx::start_in(scratch);
    assert_eq!(bound.recv_timeout(SOON), Ok(600));
    assert_eq!(Client::of(&pbx).ask("DELETE", &one, "").status, 204);
    assert_eq!(bound.recv_timeout(SOON), Ok(0));
}

/// A carrier that asks for a password; its port, and the expiry of each registration that it takes.
fn open_carrier() -> (u16, Receiver<u32>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut guard = Guard::new(&mut Rng::from_seed(1), "carrier.test");
        let mut buffer = [0; 4096];
        while let Ok((length, remote)) = socket.recv_from(&mut buffer) {
            let Ok(request) = Message::parse(buffer[..length].to_vec().into()) else { continue };
            let flow = Flow { transport: Transport::Udp, local, remote };
            let mut status = 200;
            if request.method() == Method::Register {
                let values = request.values(Name::Authorization);
                let uri = request.request_uri().unwrap();
                let verdict =
                    guard.check(Mono::ZERO, flow, "REGISTER", uri, values, |_| Some("secret"));
                status = if matches!(verdict, Verdict::Known(_)) { 200 } else { 401 };
            }
            let mut reply = Writer::reply(&request, status, remote, Some("carrier"));
            if status == 401 {
                let ask = guard.challenge(Mono::ZERO, flow, false);
                reply = reply.header(Name::WwwAuthenticate, ask);
            } else if request.method() == Method::Register {
                let contact = request.text(Name::Contact).unwrap();
                reply = reply.header(Name::Contact, contact);
                reply = reply.header(Name::Expires, request.expires().unwrap());
                if tell.send(request.expires().unwrap()).is_err() {
                    return;
                }
            }
            socket.send_to(&reply.finish(), remote).unwrap();
        }
    });
    (local.port(), told)
}
