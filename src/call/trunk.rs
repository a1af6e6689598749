//! Trunks at work: each enabled trunk of the directory is a [`Line`] that registers, asks from time to
//! time whether its carrier is there, and knows at which addresses the carrier is.
//!
//! What a line wants to say is an errand ([`errand`]): a request that needs a way first. A line whose
//! trunk is changed or deleted leaves: it is kept until its carrier knows.

mod errand;
mod incoming;
mod outgoing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::errand::{Errand, Task};
use self::outgoing::Rest;
pub(in crate::call) use self::outgoing::is_outside;
use super::Output;
use super::plan::Plan;
use super::switch::{Settings, Switch};
use crate::base::{Bucket, LegId, Mono, Now, Rng, Timers, Wall};
use crate::directory::{Trunk, TrunkId, TrunkKind, TrunkTransport};
use crate::sip::Flow;
use crate::sip::auth::client::Account;
use crate::sip::enrol::{self, Enrol, State};
use crate::sip::resolve::{Destination, Protocol, Reach, Resolver, Target};

/// What a switch knows of its carriers.
#[derive(Debug)]
pub(super) struct Trunks {
    resolver: Resolver,
    lines: BTreeMap<LineId, Line>,
    errands: BTreeMap<u64, Errand>,
    /// Connections of ours that are open, by where they lead.
    ways: BTreeMap<(LineId, Destination), Flow>,
    timers: Timers<Due>,
    /// Whether the Contact names the address that a carrier sees.
    rewrite: bool,
    calls_per_extension: usize,
}

/// The name of a line. A trunk that is changed gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineId(u64);

/// What has a deadline here; the resolver and registrations have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ping(LineId),
    Errand(u64),
}

/// A trunk at work.
#[derive(Debug)]
struct Line {
    trunk: Arc<Trunk>,
    target: Option<Target>,
    enrol: Option<Enrol>,
    health: Health,
    /// Addresses of the carrier, as DNS has told last.
    found: BTreeSet<IpAddr>,
    /// The last way on which the carrier has answered.
    flow: Option<Flow>,
    /// The last way on which it was asked.
    tried: Option<Flow>,
    leaving: bool,
    /// Legs to the carrier, and whose calls they are. Some may be over.
    calls: BTreeMap<LegId, String>,
    pace: Bucket,
    rests: BTreeMap<Destination, Rest>,
}

/// What people see of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrunkSeen {
    /// How its registration stands, if it registers.
    pub registration: Option<State>,
    /// Whether its carrier answers.
    pub health: Health,
}

/// Whether a carrier answers when it is asked (OPTIONS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Nothing while nobody knows.
    pub reachable: Option<bool>,
    /// Since when.
    pub since: Option<Wall>,
    /// The last status; 408 when nothing came.
    pub status: Option<u16>,
}

impl Trunks {
    pub(super) fn new(rng: Rng, settings: &Settings) -> Self {
        let is_v6 = settings.is_v6;
        let reach = Reach { v4: !is_v6, v6: is_v6, protocols: PROTOCOLS };
        Self {
            resolver: Resolver::new(rng, reach),
            lines: BTreeMap::new(),
            errands: BTreeMap::new(),
            ways: BTreeMap::new(),
            timers: Timers::new(),
            rewrite: settings.advertise.is_none(),
            calls_per_extension: settings.trunk_calls,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let enrols = self.lines.values().filter_map(|it| it.enrol.as_ref()?.poll_timeout()).min();
        [self.resolver.poll_timeout(), self.timers.next(), enrols].into_iter().flatten().min()
    }

    /// Lines that have something left to say before we may go.
    pub(super) fn leaving(&self) -> usize {
        self.lines.values().filter(|it| it.leaving).count()
    }

    fn line_of(&self, trunk: TrunkId) -> Option<LineId> {
        let mut all = self.lines.iter();
        all.find(|(_, it)| it.trunk.id == trunk && !it.leaving).map(|it| *it.0)
    }
}

impl<P: Plan> Switch<P> {
    /// A trunk is new, has changed or is gone.
    pub(super) fn trunk_changed(&mut self, now: Now, trunk: TrunkId, out: &mut Vec<Output>) {
        let after = self.directory.trunk(trunk).filter(|it| it.terms.enabled).cloned();
        let before = self.trunks.line_of(trunk);
        let old = before.and_then(|it| Some((it, self.trunks.lines.get(&it)?)));
        if let (Some((_, old)), Some(after)) = (old, &after)
            && old.trunk == *after
        {
            return;
        }
        if let Some((id, old)) = old {
            // The same binding goes on when only its terms have changed.
            let stays = after.as_ref().is_some_and(|it| is_same_binding(&old.trunk, it));
            self.end_line(now, id, !stays, out);
        }
        if let Some(trunk) = after.filter(|_| !self.closing) {
            self.begin_line(now, trunk, out);
        }
    }

    /// Everybody whom we have registered with hears that we go.
    pub(super) fn leave_trunks(&mut self, now: Now, out: &mut Vec<Output>) {
        let all: Vec<LineId> = self.trunks.lines.keys().copied().collect();
        for id in all {
            self.end_line(now, id, true, out);
        }
    }

    /// What falls due at carriers.
    pub(super) fn trunks_due(&mut self, now: Now, out: &mut Vec<Output>) {
        let mut found = Vec::new();
        self.trunks.resolver.handle_timeout(now.mono, &mut found);
        self.resolved(now, found, out);
        while let Some(due) = self.trunks.timers.pop(now.mono) {
            match due {
                Due::Ping(id) => self.ping(now, id, out),
                Due::Errand(id) => self.errand_late(now, id, out),
            }
        }
        let is_due =
            |it: &Line| it.enrol.as_ref()?.poll_timeout().filter(|at| *at <= now.mono).map(|_| ());
        let due: Vec<LineId> =
            self.trunks.lines.iter().filter_map(|(id, it)| is_due(it).map(|()| *id)).collect();
        for id in due {
            self.drive_enrol(now, id, out, |enrol, told| enrol.handle_timeout(now, told));
        }
    }

    /// What is to be seen of a trunk; nothing when it is not at work.
    pub(super) fn trunk_seen(&self, trunk: TrunkId) -> Option<TrunkSeen> {
        let line = self.trunks.lines.get(&self.trunks.line_of(trunk)?)?;
        let registration = line.enrol.as_ref().map(Enrol::state);
        Some(TrunkSeen { registration, health: line.health })
    }

    fn begin_line(&mut self, now: Now, trunk: Arc<Trunk>, out: &mut Vec<Output>) {
        let id = LineId(self.next_id());
        let registers = trunk.terms.kind == TrunkKind::Register;
        let pings = trunk.terms.ping > 0;
        let config = registers.then(|| enrolment(&trunk, self.trunks.rewrite));
        let mut told = Vec::new();
        let rng = self.rng.fork();
        let enrol = config.map(|it| Enrol::new(now, it, rng, &mut told));
        let line = Line {
            target: target(&trunk),
            trunk,
            enrol,
            health: Health::default(),
            found: BTreeSet::new(),
            flow: None,
            tried: None,
            leaving: false,
            calls: BTreeMap::new(),
            pace: Bucket::default(),
            rests: BTreeMap::new(),
        };
        self.trunks.lines.insert(id, line);
        self.enrol_told(now, id, told, out);
        if pings {
            self.trunks.timers.set(Due::Ping(id), Some(now.mono));
        }
    }

    fn end_line(&mut self, now: Now, id: LineId, unregister: bool, out: &mut Vec<Output>) {
        let Some(line) = self.trunks.lines.get_mut(&id).filter(|it| !it.leaving) else { return };
        line.leaving = true;
        self.trunks.timers.set(Due::Ping(id), None);
        let mine: Vec<u64> =
            self.trunks.errands.iter().filter(|it| it.1.line == id).map(|it| *it.0).collect();
        for errand in mine {
            // A call that rings goes on; one that does not yet has other trunks to try.
            if let Some(Task::Call(it)) = self.drop_errand(now, errand) {
                self.call_not_carried(now, *it, out);
            }
        }
        if unregister {
            self.drive_enrol(now, id, out, |it, told| it.handle(now, enrol::Input::Stop, told));
        }
        let is_over = |it: &Line| it.enrol.as_ref().is_none_or(Enrol::is_over);
        if !unregister || self.trunks.lines.get(&id).is_some_and(is_over) {
            self.forget_line(id);
        }
    }

    fn forget_line(&mut self, id: LineId) {
        self.trunks.lines.remove(&id);
        self.trunks.ways.retain(|it, _| it.0 != id);
    }

    fn drive_enrol(
        &mut self,
        now: Now,
        id: LineId,
        out: &mut Vec<Output>,
        drive: impl FnOnce(&mut Enrol, &mut Vec<enrol::Output>),
    ) {
        let enrol = self.trunks.lines.get_mut(&id).and_then(|it| it.enrol.as_mut());
        let Some(enrol) = enrol else { return };
        let mut told = Vec::new();
        drive(enrol, &mut told);
        self.enrol_told(now, id, told, out);
    }

    fn enrol_told(
        &mut self,
        now: Now,
        id: LineId,
        told: Vec<enrol::Output>,
        out: &mut Vec<Output>,
    ) {
        for it in told {
            match it {
                enrol::Output::Send(register) => {
                    self.begin_errand(now, id, Task::Register(Box::new(register)), out);
                }
                // People ask for it when they want to see it.
                enrol::Output::Changed => {}
            }
        }
    }

    /// Asks a carrier whether it is there.
    fn ping(&mut self, now: Now, id: LineId, out: &mut Vec<Output>) {
        let Some(line) = self.trunks.lines.get(&id) else { return };
        let every = Duration::from_secs(u64::from(line.trunk.terms.ping));
        self.trunks.timers.set(Due::Ping(id), Some(now.mono + every));
        let asks = |it: &Errand| it.line == id && matches!(it.task, Task::Ping);
        if !self.trunks.errands.values().any(asks) {
            self.begin_errand(now, id, Task::Ping, out);
        }
    }
}

impl Line {
    fn healthy(&mut self, now: Now, status: u16) {
        let reachable = Some(!errand::is_failure(status));
        if self.health.reachable != reachable {
            self.health.since = Some(now.wall);
        }
        self.health = Health { reachable, status: Some(status), ..self.health };
    }
}

const PROTOCOLS: &[Protocol] = &[Protocol::Udp, Protocol::Tcp, Protocol::Tls];

/// Where requests to a carrier go.
fn target(trunk: &Trunk) -> Option<Target> {
    let terms = &trunk.terms;
    let protocol = terms.transport.map(|it| match it {
        TrunkTransport::Udp => Protocol::Udp,
        TrunkTransport::Tcp => Protocol::Tcp,
        TrunkTransport::Tls => Protocol::Tls,
    });
    let Some(proxy) = &terms.proxy else { return Target::new(&terms.host, terms.port, protocol) };
    match proxy.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            Target::new(host, port.parse().ok(), protocol)
        }
        _ => Target::new(proxy, None, protocol),
    }
}

/// The carrier's URI without a user.
fn carrier(trunk: &Trunk) -> String {
    let host = in_uri(&trunk.terms.host);
    match trunk.terms.port {
        Some(port) => format!("sip:{host}:{port}"),
        None => format!("sip:{host}"),
    }
}

/// Who we are to the carrier.
fn aor(trunk: &Trunk) -> String {
    let terms = &trunk.terms;
    let host = in_uri(terms.from_domain.as_ref().unwrap_or(&terms.host));
    match &terms.username {
        Some(user) => format!("sip:{user}@{host}"),
        None => format!("sip:{host}"),
    }
}

/// RFC 3261 §25.1: an IPv6 address stands in brackets.
fn in_uri(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// The name and the password, and who may ask for them: nobody but the carrier.
fn account(trunk: &Trunk) -> Option<Account> {
    let terms = &trunk.terms;
    let own = [Some(&terms.host), terms.from_domain.as_ref(), terms.realm.as_ref()];
    Some(Account {
        username: terms.username.clone()?,
        password: Some(trunk.password.clone()).filter(|it| !it.is_empty())?,
        realms: own.into_iter().flatten().cloned().collect(),
    })
}

fn enrolment(trunk: &Trunk, rewrite: bool) -> enrol::Config {
    enrol::Config {
        registrar: carrier(trunk),
        aor: aor(trunk),
        user: trunk.terms.username.clone().unwrap_or_default(),
        expires: trunk.terms.expires,
        account: account(trunk),
        bulk: trunk.terms.bulk,
        rewrite,
    }
}

/// Whether both keep the same binding at the same carrier.
fn is_same_binding(a: &Trunk, b: &Trunk) -> bool {
    let binding = |it: &Trunk| (it.terms.kind, carrier(it), aor(it), it.terms.bulk);
    binding(a) == binding(b)
}
