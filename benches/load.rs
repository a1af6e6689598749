//! What a registration, a call and a relayed packet cost the binary that ships, in processor time.
//!
//! The generator is one process on the same machine and speaks SIP and RTP over loopback in its
//! own words: it shares no code with the switch. It prints figures and judges none of them; it
//! fails only when units of work failed. Beside the relay stands the floor: a bare forwarder with
//! a socket for each leg and the same packets, measured in the same minutes.
//!
//! `LOAD_SECONDS` says how long each measurement takes (10), `LOAD_BINARY` which binary it is.

#![allow(clippy::print_stdout, reason = "a table is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures the real clock")]

#[path = "load/calls.rs"]
mod calls;
#[path = "load/floor.rs"]
mod floor;
#[path = "load/media.rs"]
mod media;
#[path = "load/pbx.rs"]
mod pbx;
#[path = "load/register.rs"]
mod register;
#[path = "load/report.rs"]
mod report;
#[path = "load/sip.rs"]
mod sip;

use std::io;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use calls::{Hold, Phones};
use pbx::{Account, Pbx};
use report::{Figure, Report};

/// Extensions on each side: as many calls can stand at once.
const PAIRS: usize = 200;
/// Registrations a second.
const REGISTER_RATE: u32 = 300;
/// Calls a second, and how long each is held.
const CALL_RATE: u32 = 50;
const HOLD: Duration = Duration::from_millis(200);
/// Standing calls whose audio is relayed, and packets a second from each side of each.
const RELAYED: [usize; 2] = [100, 200];
const PACKET_RATE: u32 = 50;

fn main() -> ExitCode {
    let report = run();
    match report {
        Ok(report) => {
            println!("{report}");
            if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<Report> {
    let seconds = std::env::var("LOAD_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(10);
    let callers = Account::many(1001, PAIRS);
    let callees = Account::many(2001, PAIRS);
    let pbx = Pbx::start(&[callers.as_slice(), &callees].concat())?;
    let mut report = Report::new();

    let socket = UdpSocket::bind("127.0.0.1:0")?;
    report.add(registrations(&pbx, &socket, &callers, seconds)?);

    let media = media::Sockets::bind()?;
    let mut phones = Phones::new(pbx.sip, callers, callees, &media)?;
    let there = register::run(pbx.sip, phones.callee_socket(), phones.callees(), 200, PAIRS)?;
    if !there.failures.is_empty() {
        report.add(Figure::failed("callees that register", there.failures));
        return Ok(report);
    }
    report.add(bridged(&pbx, &mut phones, seconds)?);
    for calls in RELAYED {
        for it in relayed(&pbx, &mut phones, &media, calls, seconds)? {
            report.add(it);
        }
    }
    pbx.stop()?;
    Ok(report)
}

fn registrations(
    pbx: &Pbx,
    socket: &UdpSocket,
    accounts: &[Account],
    seconds: u32,
) -> io::Result<Figure> {
    let units = (REGISTER_RATE * seconds) as usize;
    let before = pbx.cpu()?;
    let done = register::run(pbx.sip, socket, accounts, REGISTER_RATE, units)?;
    Ok(Figure {
        what: "REGISTER with digest".to_owned(),
        rate: format!("{REGISTER_RATE}/s"),
        units,
        failures: done.failures,
        cpu: pbx.cpu()? - before,
        note: format!("{} resent", done.resent),
    })
}

fn bridged(pbx: &Pbx, phones: &mut Phones, seconds: u32) -> io::Result<Figure> {
    let units = (CALL_RATE * seconds) as usize;
    let before = pbx.cpu()?;
    let done = phones.call(units, CALL_RATE, Hold::For(HOLD))?;
    let per_call = done.datagrams as f64 / units as f64;
    Ok(Figure {
        what: "bridged call, silent".to_owned(),
        rate: format!("{CALL_RATE}/s"),
        units,
        failures: done.failures,
        cpu: pbx.cpu()? - before,
        note: format!("{per_call:.1} datagrams a call, {} resent", done.resent),
    })
}

/// The relay, what it costs to hold its calls in silence, and the floor.
fn relayed(
    pbx: &Pbx,
    phones: &mut Phones,
    media: &media::Sockets,
    calls: usize,
    seconds: u32,
) -> io::Result<Vec<Figure>> {
    let done = phones.call(calls, CALL_RATE, Hold::UntilToldOtherwise)?;
    if !done.failures.is_empty() {
        phones.hang_up()?;
        return Ok(vec![Figure::failed(&format!("{calls} standing calls"), done.failures)]);
    }
    let routes = phones.routes();
    let silence = {
        let before = pbx.cpu()?;
        thread::sleep(Duration::from_secs(seconds.into()) / 2);
        (pbx.cpu()? - before).as_secs_f64() * 2000.0 / f64::from(seconds)
    };
    let rate = format!("{}/s", calls as u32 * PACKET_RATE * 2);
    let before = pbx.cpu()?;
    let heard = media.talk(&routes, PACKET_RATE, seconds)?;
    let relay = heard.figure(
        format!("RTP packet, {calls} calls"),
        rate.clone(),
        pbx.cpu()? - before,
        format!("{silence:.1} ms CPU/s in silence"),
    );
    let gone = phones.hang_up()?;

    let floor = floor::Forwarder::start(media, calls)?;
    let heard = media.talk(&floor.routes, PACKET_RATE, seconds)?;
    let cpu = floor.stop()?;
    let bare = heard.figure(format!("  bare forwarder, {calls}"), rate, cpu, String::new());
    let mut figures = vec![relay, bare];
    if !gone.failures.is_empty() {
        figures.push(Figure::failed("hanging up", gone.failures));
    }
    Ok(figures)
}
