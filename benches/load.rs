//! What a registration, a call and a relayed packet cost the binary that ships, in processor time,
//! and what a phone and a call cost in memory.
//!
//! The generator is one process on the same machine and speaks SIP and RTP over loopback in its
//! own words: it shares no code with the switch. It prints figures and judges none of them; it
//! fails only when units of work failed. Beside the relay stands the floor: a bare forwarder with
//! a socket for each leg and the same packets, measured in the same minutes. Beside registrations
//! and calls stands Kamailio, where the machine has it.
//!
//! `LOAD_SECONDS` says how long each measurement takes (8), `LOAD_BINARY` which binary it is,
//! `LOAD_ONLY` which part: `sip`, `limit`, `peer`, `relay`, `memory`.

#![allow(clippy::print_stdout, reason = "a table is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures the real clock")]

#[path = "load/callee.rs"]
mod callee;
#[path = "load/calls.rs"]
mod calls;
#[path = "load/delay.rs"]
mod delay;
#[path = "load/floor.rs"]
mod floor;
#[path = "load/house.rs"]
mod house;
#[path = "load/kamailio.rs"]
mod kamailio;
#[path = "load/media.rs"]
mod media;
#[path = "load/pbx.rs"]
mod pbx;
#[path = "load/register.rs"]
mod register;
#[path = "load/report.rs"]
mod report;
#[path = "load/sent.rs"]
mod sent;
#[path = "load/sip.rs"]
mod sip;

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use callee::Ending;
use calls::{Hold, Phones, Plan};
use kamailio::Kamailio;
use pbx::{Cpu, Pbx};
use report::{Figure, Report};
use sip::Account;

/// Extensions on each side: as many calls can stand at once.
const PAIRS: usize = 1_000;
/// Registrations a second, and by how much more they become until some fail.
const REGISTER_RATE: u32 = 300;
const REGISTER_STEPS: [u32; 6] = [2_000, 4_000, 6_000, 8_000, 11_000, 15_000];
/// Calls a second, the same, and how long each is held.
const CALL_RATE: u32 = 50;
const CALL_STEPS: [u32; 7] = [200, 400, 600, 800, 1_000, 1_300, 1_600];
const HOLD: Duration = Duration::from_millis(200);
/// How long each step towards the limit takes.
const STEP_SECONDS: u32 = 2;
/// Standing calls whose audio is relayed, and packets a second from each side of each.
const RELAYED: [usize; 3] = [100, 200, 1_000];
const PACKET_RATE: u32 = 50;
/// Packets a second whose delay is measured: so few that each wakes the relay, and so many that it
/// works in ticks.
const DELAYED: [u32; 2] = [200, 2_000];

fn main() -> ExitCode {
    match run() {
        Ok(report) if report.failed() == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<Report> {
    let seconds = std::env::var("LOAD_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(8);
    let only = std::env::var("LOAD_ONLY").ok();
    let wanted = |part: &str| only.as_deref().is_none_or(|it| it == part);
    let mut report = Report::begin();
    let media = media::Sockets::bind()?;
    if wanted("sip") || wanted("limit") || wanted("relay") {
        let pbx = Pbx::start(&everybody(), &[])?;
        let server = Server { name: "", sip: pbx.sip, cpu: &|| pbx.cpu() };
        if wanted("sip") {
            report.add(server.registrations(REGISTER_RATE, seconds)?);
        }
        if wanted("limit") {
            report.add(server.limit("REGISTER, near the limit", &REGISTER_STEPS, |rate| {
                server.registrations(rate, STEP_SECONDS)
            })?);
        }
        let mut phones = phones(pbx.sip, &media)?;
        if wanted("sip") {
            report.add(bridged(&server, &mut phones, CALL_RATE, seconds)?);
            thread::sleep(Duration::from_secs(1));
            report.add(written(&pbx)?);
        }
        if wanted("limit") {
            let step = |rate| bridged(&server, &mut phones, rate, STEP_SECONDS);
            report.add(server.limit("call, near the limit", &CALL_STEPS, step)?);
        }
        if wanted("relay") {
            for calls in RELAYED {
                for it in relayed(&pbx, &mut phones, &media, calls, seconds)? {
                    report.add(it);
                }
            }
        }
        pbx.stop().and_then(fs::remove_dir_all)?;
    }
    if wanted("peer") {
        peer(&mut report, &media, seconds)?;
    }
    if wanted("memory") {
        house::large()?.into_iter().for_each(|it| report.add(it));
        house::calls()?.into_iter().for_each(|it| report.add(it));
    }
    Ok(report)
}

fn callers() -> Vec<Account> {
    Account::many(1_001, PAIRS)
}

fn everybody() -> Vec<Account> {
    [callers(), Account::many(50_001, PAIRS)].concat()
}

/// Callers and callees at a server, the callees registered.
fn phones(sip: SocketAddr, media: &media::Sockets) -> io::Result<Phones> {
    let ears = |it| (media.caller(it).port(), media.callee(it).port());
    let callees = Account::many(50_001, PAIRS);
    let phones = Phones::new(sip, callers(), callees, ears, |_| Ending::Caller)?;
    let there = register::run(sip, phones.callee_socket(), phones.callees(), 500, PAIRS)?;
    match there.failures.first() {
        None => Ok(phones),
        Some(it) => Err(io::Error::other(format!("callees cannot register: {it}"))),
    }
}

/// What is measured: the switch, or its peer.
struct Server<'a> {
    name: &'a str,
    sip: SocketAddr,
    cpu: &'a dyn Fn() -> io::Result<Cpu>,
}

impl Server<'_> {
    fn registrations(&self, rate: u32, seconds: u32) -> io::Result<Figure> {
        let units = (rate * seconds) as usize;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let before = (self.cpu)()?;
        let done = register::run(self.sip, &socket, &callers(), rate, units)?;
        let cpu = (self.cpu)()?.since(&before);
        let what = format!("{}REGISTER with digest", self.name);
        let figure = Figure::cpu(what, format!("{rate}/s"), units, cpu.total());
        Ok(figure.with(done.failures, format!("{} resent; {}", done.resent, cpu.split(units))))
    }

    /// The highest rate at which none failed and none waited so long that it was sent again.
    fn limit(
        &self,
        what: &str,
        steps: &[u32],
        mut step: impl FnMut(u32) -> io::Result<Figure>,
    ) -> io::Result<Figure> {
        let mut best = Figure::failed(what, vec!["not even the first step".to_owned()]);
        for rate in steps {
            let figure = step(*rate)?;
            if !figure.failures.is_empty() || !figure.note.starts_with("0 resent") {
                best.note += &format!("; too much: {rate}/s");
                break;
            }
            best = Figure { what: format!("{}{what}", self.name), ..figure };
        }
        Ok(best)
    }
}

fn bridged(
    server: &Server<'_>,
    phones: &mut Phones,
    rate: u32,
    seconds: u32,
) -> io::Result<Figure> {
    let units = (rate * seconds) as usize;
    let before = (server.cpu)()?;
    let done = phones.call(Plan { units, rate, crowd: PAIRS, hold: Hold::For(HOLD) })?;
    let cpu = (server.cpu)()?.since(&before);
    let per_call = done.datagrams as f64 / units as f64;
    let what = format!("{}bridged call, silent", server.name);
    let figure = Figure::cpu(what, format!("{rate}/s"), units, cpu.total());
    let note = format!("{} resent; {per_call:.1} datagrams; {}", done.resent, cpu.split(units));
    Ok(figure.with(done.failures, note))
}

/// How many rows each call has left in the store.
fn written(pbx: &Pbx) -> io::Result<Figure> {
    let count = || -> rusqlite::Result<(i64, i64)> {
        let db = rusqlite::Connection::open(pbx.directory.join("moonswitch.db"))?;
        let one = |table| {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
        };
        Ok((one("fact")?, one("cdr")?))
    };
    let (facts, calls) = count().map_err(io::Error::other)?;
    let each = facts as f64 / calls.max(1) as f64;
    let units = usize::try_from(calls).unwrap_or_default();
    Ok(Figure { units, ..Figure::plain("facts of a call", format!("{each:.1}")) })
}

/// The relay, what it costs to hold its calls in silence, how late its packets are, and the floor.
fn relayed(
    pbx: &Pbx,
    phones: &mut Phones,
    media: &media::Sockets,
    calls: usize,
    seconds: u32,
) -> io::Result<Vec<Figure>> {
    let hold = Hold::UntilToldOtherwise;
    let done = phones.call(Plan { units: calls, rate: 200, crowd: PAIRS, hold })?;
    if !done.failures.is_empty() {
        phones.hang_up()?;
        return Ok(vec![Figure::failed(&format!("{calls} standing calls"), done.failures)]);
    }
    let routes = phones.routes();
    let mut figures = Vec::new();
    if calls == RELAYED[0] {
        for rate in DELAYED {
            figures.push(late(&routes, media, rate)?);
        }
    }
    let silence = {
        let before = pbx.cpu()?;
        thread::sleep(Duration::from_secs(1));
        pbx.cpu()?.since(&before).total().as_secs_f64() * 1e3
    };
    let rate = format!("{}/s", calls as u32 * PACKET_RATE * 2);
    let before = pbx.cpu()?;
    let heard = media.talk(&routes, PACKET_RATE, seconds)?;
    let cpu = pbx.cpu()?.since(&before).total();
    let note = format!("{silence:.1} ms CPU/s in silence");
    figures.push(heard.figure(format!("RTP packet, {calls} calls"), rate.clone(), cpu, &note));
    let gone = phones.hang_up()?;

    let floor = floor::Forwarder::start(media, calls)?;
    let heard = media.talk(&floor.routes, PACKET_RATE, seconds)?;
    let bare = floor.stop()?;
    let note = format!("the relay is {:.2} of it", cpu.as_secs_f64() / bare.as_secs_f64());
    figures.push(heard.figure(format!("  bare forwarder, {calls}"), rate, bare, &note));
    if !gone.failures.is_empty() {
        figures.push(Figure::failed("hanging up", gone.failures));
    }
    Ok(figures)
}

fn late(routes: &[calls::Route], media: &media::Sockets, rate: u32) -> io::Result<Figure> {
    let relay = delay::through(routes, media, rate, 3)?;
    let straight = delay::straight(media, rate, 3)?;
    let value = format!("{:.2} ms p99", relay.percentile(99) - straight.percentile(99));
    let note = format!(
        "added: p50 {:.2} p99 {:.2} ms through, {:.2} {:.2} straight",
        relay.percentile(50),
        relay.percentile(99),
        straight.percentile(50),
        straight.percentile(99),
    );
    let (units, rate) = (relay.packets(), format!("{rate}/s"));
    let figure = Figure { units, rate, ..Figure::plain("RTP packet, delay", value) };
    Ok(figure.with(Vec::new(), note))
}

/// The same with another server, as far as it does the same.
fn peer(report: &mut Report, media: &media::Sockets, seconds: u32) -> io::Result<()> {
    let Some(kamailio) = Kamailio::start()? else {
        println!("kamailio is not on this machine (Debian's package has its name): left out");
        return Ok(());
    };
    let server = Server { name: "kamailio: ", sip: kamailio.sip, cpu: &|| kamailio.cpu() };
    report.add(server.registrations(REGISTER_RATE, seconds)?);
    report.add(server.limit("REGISTER, limit", &REGISTER_STEPS, |rate| {
        server.registrations(rate, STEP_SECONDS)
    })?);
    let mut phones = phones(kamailio.sip, media)?;
    report.add(bridged(&server, &mut phones, CALL_RATE, seconds)?);
    let step = |rate| bridged(&server, &mut phones, rate, STEP_SECONDS);
    report.add(server.limit("call, limit", &CALL_STEPS, step)?);
    Ok(())
}
