//! A world: phones, a network, the engine, and a clock that only moves when everything that is due
//! has been done. One seed decides the rest: who is first when two things are due at once, what the
//! network does, how long the engine's two halves take to hear of each other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::base::{CallId, Mono, Rng};
use crate::call::event::{Fact, What};
use crate::call::trace::Ring;
use crate::call::{Answer, Census, Input, Output, Plan, Question, Ticket};
use crate::directory::{Delta, Extension, ExtensionId, Number};
use crate::sip::{Flow, Transport, Wanted};

use super::carrier::{Carrier, Names};
use super::house::{House, PORTS, door, now, window};
use super::memory::Memory;
use super::net::{Fate, Link, Weather};
use super::phone::{Behaviour, Frame, Identity, Letter, Out, Phone};
use super::trace::{Line, Told, Trace};
use super::voice::Voice;

/// A world.
pub struct World {
    /// Everything that the switch told for keeps.
    pub facts: Vec<Fact>,
    /// What happened.
    pub trace: Trace,
    /// What the engine remembers of its calls, when somebody wants to read what happened.
    pub ring: Ring,
    now: Mono,
    rng: Rng,
    phones: Vec<Phone>,
    /// When each phone wants to act.
    due: Vec<Option<Mono>>,
    letters: Link<Letter>,
    frames: Link<Frame>,
    /// RTP and RTCP packets to addresses where nobody is.
    pub astray: u64,
    /// RTP and RTCP packets that set out.
    frames_sent: u64,
    house: Option<House>,
    memory: Memory,
    /// How many RTP ports a switch has.
    ports: u16,
    /// The facts of switches before this one.
    past: usize,
    /// How many extensions the switch was told of.
    provisioned: i64,
    /// What name servers know.
    pub names: Names,
    carriers: Vec<Carrier>,
    /// The last answer of the switch.
    told: Option<Answer>,
    inspector: Option<Inspector>,
    eavesdropper: Option<Eavesdropper>,
    meddler: Option<Meddler>,
    out: Out,
}

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Decides everything.
    pub seed: u64,
    /// What happens to SIP messages.
    pub letters: Weather,
    /// What happens to RTP packets.
    pub frames: Weather,
    /// Whether somebody wants to read what happened.
    pub traced: bool,
    /// How many RTP ports the switch has: each is the first of a pair.
    pub ports: u16,
}

/// Reads every SIP message that sets out.
pub type Inspector = Box<dyn FnMut(&[u8])>;

/// Hears every RTP and RTCP packet that sets out.
pub type Eavesdropper = Box<dyn FnMut(&Frame)>;

/// Decides what becomes of each SIP message that sets out, before the weather does.
pub type Meddler = Box<dyn FnMut(Mono, &Letter) -> Fate>;

/// One thing that may be done next.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Letter,
    Frame,
    ToPlane,
    ToSwitch,
    Switch,
    Plane,
    Phone(usize),
    Name,
    Carrier(usize),
}

impl World {
    /// Phones and a network, and no switch: see [`World::point`].
    pub fn without_switch(config: Config) -> Self {
        let rng = Rng::from_seed(config.seed);
        Self::new(config, rng, None)
    }

    /// A world around a switch with this dial plan.
    pub fn with_switch(config: Config, plan: impl Plan + 'static) -> Self {
        let mut rng = Rng::from_seed(config.seed);
        let house = House::new(plan, config.ports, &mut rng);
        Self::new(config, rng, Some(house))
    }

    fn new(config: Config, mut rng: Rng, house: Option<House>) -> Self {
        Self {
            facts: Vec::new(),
            trace: if config.traced { Trace::kept() } else { Trace::default() },
            ring: Ring::new(if config.traced { RING_BYTES } else { 0 }),
            now: Mono::ZERO,
            phones: Vec::new(),
            due: Vec::new(),
            letters: Link::new(config.letters, rng.fork()),
            frames: Link::new(config.frames, rng.fork()),
            astray: 0,
            frames_sent: 0,
            house,
            memory: Memory::default(),
            ports: config.ports,
            past: 0,
            provisioned: 0,
            names: Names::default(),
            carriers: Vec::new(),
            told: None,
            inspector: None,
            eavesdropper: None,
            meddler: None,
            out: Out::default(),
            rng,
        }
    }

    /// From now on somebody reads every SIP message that sets out.
    pub fn inspect(&mut self, inspector: impl FnMut(&[u8]) + 'static) {
        self.inspector = Some(Box::new(inspector));
    }

    /// From now on somebody hears every RTP and RTCP packet that sets out.
    pub fn overhear(&mut self, eavesdropper: impl FnMut(&Frame) + 'static) {
        self.eavesdropper = Some(Box::new(eavesdropper));
    }

    /// From now on somebody decides what becomes of each SIP message that sets out.
    pub fn meddle(&mut self, meddler: impl FnMut(Mono, &Letter) -> Fate + 'static) {
        self.meddler = Some(Box::new(meddler));
    }

    /// Somebody who is no phone of this world sends a SIP message, in whose name he likes. Neither
    /// inspector nor meddler sees it.
    pub fn forge(&mut self, letter: Letter) {
        self.trace.note(
            self.now,
            letter.from,
            format_args!("?> {} {}", letter.to, Line(&letter.bytes)),
        );
        self.letters.send(self.now, letter);
    }

    /// The same for an RTP or RTCP packet.
    pub fn forge_frame(&mut self, frame: Frame) {
        self.frames.send(self.now, frame);
    }

    /// What the switch holds, if there is one.
    pub fn census(&self) -> Option<Census> {
        self.house.as_ref().map(|it| it.switch.census())
    }

    /// Adds a phone whose number is provisioned. Phones are known by what this returns.
    ///
    /// # Panics
    /// When the number is none.
    pub fn add(&mut self, number: &str, behaviour: Behaviour) -> usize {
        self.provision(number, "secret");
        self.add_stranger(number, "secret", behaviour)
    }

    /// Adds a phone that may not be known, or not with this password.
    pub fn add_stranger(&mut self, number: &str, password: &str, behaviour: Behaviour) -> usize {
        let nth = self.phones.len();
        let identity = Identity {
            number: number.to_owned(),
            password: password.to_owned(),
            voice: Voice::nth(nth as u8),
            address: home(nth),
            server: door(),
        };
        self.phones.push(Phone::new(identity, behaviour, self.rng.fork()));
        self.due.push(None);
        nth
    }

    /// The switch learns of an extension.
    ///
    /// # Panics
    /// When the number is none.
    pub fn provision(&mut self, number: &str, password: &str) {
        self.provisioned += 1;
        let extension = Extension::new(
            ExtensionId(self.provisioned),
            Number::parse(number).expect("a world is given numbers"),
            format!("Phone {number}"),
            password.to_owned(),
        );
        self.tell(Input::Directory(Delta::Extension(extension)));
    }

    /// A carrier begins to listen. Carriers are known by what this returns.
    pub fn open_carrier(&mut self, carrier: Carrier) -> usize {
        self.carriers.push(carrier);
        self.carriers.len() - 1
    }

    /// All carriers.
    pub fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    /// A carrier.
    pub fn carrier(&mut self, nth: usize) -> &mut Carrier {
        &mut self.carriers[nth]
    }

    /// The switch learns of something.
    pub fn tell(&mut self, input: Input) {
        self.memory.heard(&input);
        let Some(house) = &mut self.house else { return };
        self.ring.heard(now(self.now), &input);
        house.switch.handle(now(self.now), input, &mut house.wanted);
        self.carry_out();
    }

    /// What the switch answers when it is asked.
    ///
    /// # Panics
    /// When there is no switch.
    pub fn ask(&mut self, question: Question) -> Answer {
        self.tell(Input::Ask { ticket: Ticket(0), question });
        self.told.take().expect("a switch answers at once")
    }

    /// The power fails and comes back: another switch, with this dial plan, that knows what a store
    /// has kept. The calls of the one before are gone without a word.
    pub fn restart(&mut self, plan: impl Plan + 'static) {
        self.trace.note(self.now, "world", format_args!("the switch restarts"));
        self.house = Some(House::new(plan, self.ports, &mut self.rng));
        self.past = self.facts.len();
        for input in self.memory.recall(self.now) {
            self.tell(input);
        }
    }

    /// One phone sends its requests to another from now on, instead of to the switch.
    pub fn point(&mut self, phone: usize, to: usize) {
        self.phones[phone].identity.server = self.phones[to].identity.address;
    }

    /// A phone's owner behaves like this from now on.
    pub fn behave(&mut self, phone: usize, behaviour: Behaviour) {
        self.phones[phone].behaviour = behaviour;
    }

    /// What time it is.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// A phone.
    pub fn phone(&self, phone: usize) -> &Phone {
        &self.phones[phone]
    }

    /// A phone registers.
    pub fn register(&mut self, phone: usize) {
        self.with(phone, Phone::register);
    }

    /// A phone calls a number.
    pub fn dial(&mut self, phone: usize, number: &str) {
        self.trace.note(
            self.now,
            &self.phones[phone].identity.number,
            format_args!("dials {number}"),
        );
        self.with(phone, |phone, now, out| phone.dial(now, number, out));
    }

    /// A phone does something that its owner wants of it.
    pub fn order(&mut self, phone: usize, act: impl FnOnce(&mut Phone, Mono, &mut Out)) {
        self.with(phone, act);
    }

    /// A phone watches a number; see [`Phone::watch`].
    pub fn watch(&mut self, phone: usize, number: &str, package: &str) {
        self.with(phone, |phone, now, out| phone.watch(now, number, package, 3600, out));
    }

    /// A phone gives up watching everything.
    pub fn unwatch(&mut self, phone: usize) {
        self.with(phone, Phone::unwatch);
    }

    /// A phone leaves the network without a word.
    pub fn vanish(&mut self, phone: usize) {
        self.with(phone, |phone, _, _| phone.vanish());
    }

    /// A phone ends its calls, in whatever way their states ask for.
    pub fn hang_up(&mut self, phone: usize) {
        self.with(phone, Phone::hang_up);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets time pass until something holds, but not longer than `limit`; whether it holds.
    pub fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let until = self.now + limit;
        while !holds(self) {
            if !self.step(until) {
                self.now = until;
                return holds(self);
            }
        }
        true
    }

    /// Lets everything come to rest: nobody registers any more, and every transaction may end. One
    /// takes 64 * T1 at most (RFC 3261 §17), but the end of one may be the beginning of another: a
    /// dead phone's INVITE, the refusal of the caller, its BYE. Tells what is left after four of them.
    pub fn settle(&mut self) -> Vec<String> {
        for nth in 0..self.phones.len() {
            self.with(nth, |phone, _, _| phone.rest());
        }
        for _ in 0..4 {
            self.run_for(Duration::from_secs(35));
            if self.leftovers().is_empty() {
                break;
            }
        }
        self.trace.note(self.now, "world", format_args!("{} frames were sent", self.frames_sent));
        self.leftovers()
    }

    /// What is not over: phones' transactions and calls, whatever the engine still holds, calls that
    /// began and did not end once.
    fn leftovers(&self) -> Vec<String> {
        let mut left = self.house.as_ref().map(House::leftovers).unwrap_or_default();
        for phone in self.phones.iter().filter(|it| it.unfinished() > 0) {
            let (number, count) = (&phone.identity.number, phone.unfinished());
            left.push(format!("{number} has {count} transactions or calls open"));
        }
        let facts = self.facts.get(self.past..).unwrap_or_default();
        let count = |call: CallId, wanted: fn(&What) -> bool| {
            facts.iter().filter(|it| it.call == Some(call) && wanted(&it.what)).count()
        };
        for fact in facts {
            let Some(call) = fact.call.filter(|_| matches!(fact.what, What::Began { .. })) else {
                continue;
            };
            let began = count(call, |it| matches!(it, What::Began { .. }));
            let ended = count(call, |it| matches!(it, What::Ended { .. }));
            if (began, ended) != (1, 1) {
                left.push(format!("call {call} began {began} times and ended {ended} times"));
            }
        }
        left
    }

    /// Does the next thing, unless it lies behind `until`.
    fn step(&mut self, until: Mono) -> bool {
        let Some((at, turn)) = self.next() else { return false };
        if at > until {
            return false;
        }
        self.now = at;
        match turn {
            Turn::Letter => self.deliver_letter(),
            Turn::Frame => self.deliver_frame(),
            Turn::Phone(nth) => self.with(nth, Phone::handle_timeout),
            Turn::Name => {
                if let Some((question, answer)) = self.names.answer() {
                    self.tell(Input::Dns(question, answer));
                }
            }
            Turn::Carrier(nth) => {
                if let Some(letter) = self.carriers[nth].send() {
                    self.send_letter(letter);
                }
            }
            Turn::ToPlane | Turn::ToSwitch | Turn::Switch | Turn::Plane => self.work(turn),
        }
        true
    }

    /// What is due first; among equals the seed decides.
    fn next(&mut self) -> Option<(Mono, Turn)> {
        let mut first: Option<(Mono, Turn)> = None;
        let mut equals = 0;
        let (now, rng) = (self.now, &mut self.rng);
        let mut offer = |at: Option<Mono>, turn: Turn| {
            // What should have been done already is done now.
            let Some(at) = at.map(|it| it.max(now)) else { return };
            match &first {
                Some((before, _)) if *before < at => {}
                Some((before, _)) if *before == at => {
                    equals += 1;
                    if rng.below(equals) == 0 {
                        first = Some((at, turn));
                    }
                }
                _ => (first, equals) = (Some((at, turn)), 1),
            }
        };
        offer(self.letters.poll_timeout(), Turn::Letter);
        offer(self.frames.poll_timeout(), Turn::Frame);
        if let Some(house) = &self.house {
            offer(house.to_plane.poll_timeout(), Turn::ToPlane);
            offer(house.to_switch.poll_timeout(), Turn::ToSwitch);
            offer(house.switch.poll_timeout(), Turn::Switch);
            offer(house.plane.poll_timeout(), Turn::Plane);
        }
        offer(self.names.poll_timeout(), Turn::Name);
        for (nth, carrier) in self.carriers.iter().enumerate() {
            offer(carrier.poll_timeout(), Turn::Carrier(nth));
        }
        for (nth, due) in self.due.iter().enumerate() {
            offer(*due, Turn::Phone(nth));
        }
        first
    }

    /// Something happens at a phone, and what it wants sent sets out.
    fn with(&mut self, nth: usize, act: impl FnOnce(&mut Phone, Mono, &mut Out)) {
        let phone = &mut self.phones[nth];
        act(phone, self.now, &mut self.out);
        self.due[nth] = phone.poll_timeout();
        let mut out = std::mem::take(&mut self.out);
        for letter in out.letters.drain(..) {
            self.send_letter(letter);
        }
        for frame in out.frames.drain(..) {
            self.send_frame(frame);
        }
        self.out = out;
    }

    fn send_letter(&mut self, letter: Letter) {
        if let Some(inspector) = &mut self.inspector {
            inspector(&letter.bytes);
        }
        self.trace.note(
            self.now,
            letter.from,
            format_args!("-> {} {}", letter.to, Line(&letter.bytes)),
        );
        let fate = self.meddler.as_mut().map_or(Fate::Fly, |it| it(self.now, &letter));
        self.letters.send_to(self.now, fate, letter);
    }

    fn send_frame(&mut self, frame: Frame) {
        if let Some(eavesdropper) = &mut self.eavesdropper {
            eavesdropper(&frame);
        }
        self.frames_sent += 1;
        self.frames.send(self.now, frame);
    }

    fn deliver_letter(&mut self) {
        let Some(letter) = self.letters.receive(self.now) else { return };
        self.trace.note(
            self.now,
            letter.to,
            format_args!("<- {} {}", letter.from, Line(&letter.bytes)),
        );
        if letter.to == door() {
            let flow = Flow { transport: Transport::Udp, local: letter.to, remote: letter.from };
            self.tell(Input::Message { flow, bytes: letter.bytes });
        } else if let Some(nth) = self.at(letter.to) {
            self.with(nth, |phone, now, out| phone.handle(now, letter, out));
        } else if let Some(it) = self.carriers.iter_mut().find(|it| it.address == letter.to) {
            it.receive(self.now, &letter);
        }
    }

    fn deliver_frame(&mut self) {
        let Some(mut frame) = self.frames.receive(self.now) else { return };
        if let Some(nth) = self.at(frame.to) {
            self.phones[nth].hear(&frame);
        } else if let Some(house) = self.house.as_mut().filter(|_| frame.to.ip() == door().ip()) {
            let (port, from) = (frame.to.port(), frame.from);
            let House { plane, heard, .. } = house;
            if let Some(relayed) = plane.receive(self.now, port, from, &mut frame.bytes, heard) {
                frame.bytes.truncate(relayed.len);
                (frame.from, frame.to) = (window(relayed.port), relayed.to);
                self.send_frame(frame);
            }
            self.carry_out();
        } else {
            self.astray += 1;
        }
    }

    /// A turn of the engine.
    fn work(&mut self, turn: Turn) {
        let Some(house) = &mut self.house else { return };
        match turn {
            Turn::ToPlane => {
                if let Some(command) = house.to_plane.receive() {
                    self.trace.note(self.now, "plane", Told(&command));
                    house.plane.handle(self.now, command, &mut house.heard);
                }
            }
            Turn::ToSwitch => {
                if let Some(event) = house.to_switch.receive() {
                    self.trace.note(self.now, "switch", format_args!("hears {event:?}"));
                    house.switch.handle(now(self.now), Input::Media(event), &mut house.wanted);
                }
            }
            Turn::Switch => house.switch.handle_timeout(now(self.now), &mut house.wanted),
            _ => house.plane.handle_timeout(self.now, &mut house.heard),
        }
        self.carry_out();
    }

    /// Does what the engine wants done.
    fn carry_out(&mut self) {
        let Some(house) = &mut self.house else { return };
        for event in house.heard.events.drain(..) {
            house.to_switch.send(self.now, &mut self.rng, event);
        }
        if house.heard.packets.is_empty() && house.wanted.is_empty() {
            return;
        }
        let mut packets = std::mem::take(&mut house.heard.packets);
        let mut wanted = std::mem::take(&mut house.wanted);
        for packet in packets.drain(..) {
            let (from, to, bytes) = (window(packet.port), packet.to, packet.bytes);
            self.send_frame(Frame { from, to, bytes });
        }
        for output in wanted.drain(..) {
            self.ring.done(now(self.now), &output);
            self.memory.done(self.now, &output);
            self.carry_out_one(output);
        }
        if let Some(house) = &mut self.house {
            (house.heard.packets, house.wanted) = (packets, wanted);
        }
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Send { flow, bytes } => {
                self.send_letter(Letter { from: flow.local, to: flow.remote, bytes });
            }
            Output::Media { command, .. } => {
                if let Some(house) = &mut self.house {
                    house.to_plane.send(self.now, &mut self.rng, command);
                }
            }
            Output::Route(remote) => {
                self.tell(Input::Routed { remote, local: Some(door()) });
            }
            Output::Dns(question) => self.names.ask(self.now, question),
            // In this world there are datagrams only.
            Output::Connect(Wanted { connection, remote, .. }) => {
                let transport = Transport::Tcp(connection);
                let flow = Flow { transport, local: door(), remote };
                self.tell(Input::Disconnected { flow });
            }
            Output::Trusted { .. }
            | Output::Close { .. }
            | Output::Phone { .. }
            | Output::Watch { .. } => {}
            Output::Told { answer, .. } => self.told = Some(answer),
            Output::Fact(fact) => {
                self.trace.note(self.now, "fact", format_args!("{:?} {:?}", fact.call, fact.what));
                self.facts.push(fact);
            }
            Output::Traced(traced) => {
                self.trace.note(self.now, "traced", format_args!("{traced:?}"));
            }
        }
    }

    /// Which phone is there.
    fn at(&self, address: SocketAddr) -> Option<usize> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let [10, 1, high, low] = ip.octets() else { return None };
        let nth = usize::from(u16::from_be_bytes([high, low]));
        (nth < self.phones.len()).then_some(nth)
    }
}

impl Config {
    /// Quiet weather.
    pub const fn clear(seed: u64) -> Self {
        Self { seed, letters: Weather::CLEAR, frames: Weather::CLEAR, traced: true, ports: PORTS }
    }

    /// Terrible weather.
    pub const fn storm(seed: u64) -> Self {
        Self { seed, letters: Weather::STORM, frames: Weather::STORM, traced: false, ports: PORTS }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).finish_non_exhaustive()
    }
}

/// How much the engine of a world remembers of its calls.
const RING_BYTES: usize = 16 << 20;

/// Where the `nth` phone lives.
fn home(nth: usize) -> SocketAddr {
    let [high, low] = u16::try_from(nth).unwrap_or(u16::MAX).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), 5060)
}
