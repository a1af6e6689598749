//! Where a SIP URI leads: RFC 3263 as questions and answers.
//!
//! A [`Resolver`] turns a [`Target`] into an ordered list of [`Destination`]s. It opens no socket:
//! what it wants to know of DNS leaves as [`Output::Question`] and comes back as
//! [`Input::Answer`], whoever answers. How to drive it:
//!
//! 1. [`Input::Find`] begins a look-up under an id of the asker's choice.
//! 2. Do what the outputs say; each look-up ends with one [`Output::Found`] or [`Output::Lost`].
//! 3. Call [`Resolver::handle_timeout`] when [`Resolver::poll_timeout`] says so.
//!
//! ```text
//!              address, or port given                    port given
//!   Target ----------------------------------------------------------+
//!     | neither port nor transport                                   |
//!     v                 transport given                              v
//!   NAPTR ------> SRV of each service ------> A/AAAA of each host --> Found
//!                   none: the name itself ----^
//! ```
//!
//! There are no loops: a look-up takes these three steps at most, each of which waits [`PATIENCE`].
//! So it ends within four seconds whatever a name server does. What a server fails to say counts
//! as not there, unless an older answer is remembered; only when nothing at all is found is the
//! asker told which failure it was. Redirections inside DNS (CNAME) are followed by those who answer.
//!
//! It does not know what the destinations are for, and which of them work: that is a trunk's business.

mod cache;
mod order;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::cache::Cache;
pub use self::target::{Protocol, Target, is_name};
use crate::base::{Mono, Rng};

/// How long a question may take before the look-up goes on without its answer. An answer that comes
/// later still serves the next one.
pub const PATIENCE: Duration = Duration::from_millis(1_300);
/// Look-ups at a time; more are refused at once.
const LOOKUPS_MAX: usize = 256;
/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 16;
/// Destinations of one look-up.
const DESTINATIONS_MAX: usize = 16;
/// Hosts whose addresses are asked for in one look-up.
const HOSTS_MAX: usize = 8;

/// Finds destinations.
#[derive(Debug)]
pub struct Resolver {
    rng: Rng,
    reach: Reach,
    cache: Cache,
    lookups: BTreeMap<LookupId, Lookup>,
    /// What is asked, and until when its answer is waited for.
    asked: BTreeMap<Question, Mono>,
}

/// What we can send over.
#[derive(Clone, Debug)]
pub struct Reach {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
    /// The protocols, the preferred first.
    pub protocols: &'static [Protocol],
}

/// The name of a look-up, as its asker calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// What may happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody wants to know where this leads.
    Find(LookupId, Target),
    /// Nobody waits for it any more.
    Forget(LookupId),
    /// DNS has spoken, or has not.
    Answer(Question, Answer),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask DNS; one answer is expected.
    Question(Question),
    /// It leads to these, the best first. There is at least one.
    Found(LookupId, Vec<Destination>),
    /// It leads nowhere.
    Lost(LookupId, Why),
}

/// Where to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// Over what.
    pub protocol: Protocol,
    /// To whom.
    pub address: SocketAddr,
}

/// Why a look-up found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The name is there with nothing that we look for, or it is not there at all.
    Empty,
    /// It is there, but wants a protocol or an address family that we do not have.
    Unsupported,
    /// A name server said that it cannot tell (SERVFAIL and its like).
    Broken,
    /// No name server has answered in time.
    Silent,
    /// Too many look-ups run.
    Busy,
}

/// What is asked of DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// Which records.
    pub kind: Kind,
    /// Of which name: lower case, without the last dot.
    pub name: String,
}

/// The kinds of records that RFC 3263 needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// RFC 1035 §3.4.1.
    A,
    /// RFC 3596.
    Aaaa,
    /// RFC 2782.
    Srv,
    /// RFC 3403.
    Naptr,
}

/// What DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These, for so long. CNAMEs are followed already.
    Records(Vec<Record>, Duration),
    /// There is nothing of this kind (NXDOMAIN or an empty answer), for so long (RFC 2308 §5).
    Nothing(Duration),
    /// A server answered that it cannot tell.
    Broken,
    /// No server answered.
    Silent,
}

/// A record, as far as it says where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A host that offers the service (RFC 2782).
    Srv {
        /// The lowest is tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its name; empty says that the service is decidedly not offered.
        host: String,
    },
    /// A service that the domain offers (RFC 3403 §4).
    Naptr {
        /// The lowest alone counts.
        order: u16,
        /// The lowest is tried first.
        preference: u16,
        /// `s`: the replacement has SRV records.
        flags: String,
        /// `SIP+D2U` and its like.
        service: String,
        /// The name to go on with.
        replacement: String,
    },
}

/// A look-up under way.
#[derive(Debug)]
struct Lookup {
    target: Target,
    /// Draws the same order of servers each time that the look-up is gone through.
    rng: Rng,
    /// What it has learned; the cache may have forgotten it meanwhile.
    known: BTreeMap<Question, Answer>,
    /// What it waits for.
    waits: Vec<Question>,
}

/// A service of a domain: the name that has its SRV records.
#[derive(Clone, Debug)]
struct Service {
    protocol: Protocol,
    name: String,
}

/// A host at which something listens.
#[derive(Clone, Debug)]
struct Place {
    protocol: Protocol,
    host: String,
    port: u16,
}

/// Why a look-up cannot go on.
#[derive(Debug)]
enum Halt {
    /// These are to be asked first.
    Ask(Vec<Question>),
    /// There is something, and nothing for us.
    Unsupported,
}

impl Resolver {
    /// A resolver that knows nothing.
    pub fn new(rng: Rng, reach: Reach) -> Self {
        Self { rng, reach, cache: Cache::new(), lookups: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Find(id, _) if self.lookups.len() >= LOOKUPS_MAX => {
                out.push(Output::Lost(id, Why::Busy));
            }
            Input::Find(id, target) => {
                let rng = self.rng.fork();
                let lookup = Lookup { target, rng, known: BTreeMap::new(), waits: Vec::new() };
                self.go_on(now, id, lookup, out);
            }
            Input::Forget(id) => {
                self.lookups.remove(&id);
            }
            Input::Answer(question, answer) => {
                let answer = self.cache.learn(now, &question, answer);
                self.asked.remove(&question);
                self.tell(now, &question, &answer, out);
            }
        }
    }

    /// Goes on without the answers that did not come in time.
    pub fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
        let late: Vec<Question> =
            self.asked.iter().filter(|it| *it.1 <= now).map(|it| it.0.clone()).collect();
        for question in late {
            self.asked.remove(&question);
            let answer = self.cache.learn(now, &question, Answer::Silent);
            self.tell(now, &question, &answer, out);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.asked.values().min().copied()
    }

    /// Gives an answer to the look-ups that wait for it.
    fn tell(&mut self, now: Mono, question: &Question, answer: &Answer, out: &mut Vec<Output>) {
        let waiting = self.lookups.iter().filter(|it| it.1.waits.contains(question));
        let ids: Vec<LookupId> = waiting.map(|it| *it.0).collect();
        for id in ids {
            let Some(mut lookup) = self.lookups.remove(&id) else { continue };
            lookup.waits.retain(|it| it != question);
            lookup.known.insert(question.clone(), answer.clone());
            match lookup.waits.is_empty() {
                true => self.go_on(now, id, lookup, out),
                false => _ = self.lookups.insert(id, lookup),
            }
        }
    }

    /// Takes the next steps of a look-up, as far as its answers are known.
    fn go_on(&mut self, now: Mono, id: LookupId, mut lookup: Lookup, out: &mut Vec<Output>) {
        loop {
            let missing = match self.destinations(&lookup) {
                Ok(found) if found.is_empty() => return out.push(Output::Lost(id, lookup.why())),
                Ok(found) => return out.push(Output::Found(id, found)),
                Err(Halt::Unsupported) => return out.push(Output::Lost(id, Why::Unsupported)),
                Err(Halt::Ask(missing)) => missing,
            };
            for question in missing {
                match self.cache.get(now, &question) {
                    Some(answer) => _ = lookup.known.insert(question, answer.clone()),
                    None => lookup.waits.push(question),
                }
            }
            if !lookup.waits.is_empty() {
                break;
            }
        }
        for question in &lookup.waits {
            if !self.asked.contains_key(question) {
                self.asked.insert(question.clone(), now + PATIENCE);
                out.push(Output::Question(question.clone()));
            }
        }
        self.lookups.insert(id, lookup);
    }

    /// RFC 3263 §4, with what is known.
    fn destinations(&self, lookup: &Lookup) -> Result<Vec<Destination>, Halt> {
        let target = &lookup.target;
        let protocol = target.usual_protocol();
        let port = target.port.unwrap_or(protocol.usual_port());
        if target.protocol.is_some_and(|it| !self.reach.protocols.contains(&it)) {
            return Err(Halt::Unsupported);
        }
        if let Some(ip) = target.address() {
            let it = Destination { protocol, address: SocketAddr::new(ip, port) };
            let found = self.reachable([it]);
            return if found.is_empty() { Err(Halt::Unsupported) } else { Ok(found) };
        }
        // §4.2: with a port there are no SRV records.
        let places = match target.port {
            Some(_) => vec![Place { protocol, host: target.host.clone(), port }],
            None => self.places(lookup)?,
        };
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for Place { protocol, host, port } in places {
            for kind in self.families() {
                match lookup.records(kind, &host) {
                    Ok(records) => found.extend(records.iter().filter_map(|it| match it {
                        Record::Address(ip) => {
                            Some(Destination { protocol, address: SocketAddr::new(*ip, port) })
                        }
                        _ => None,
                    })),
                    Err(question) if missing.contains(&question) => {}
                    Err(question) => missing.push(question),
                }
            }
        }
        if missing.is_empty() { Ok(self.reachable(found)) } else { Err(Halt::Ask(missing)) }
    }

    /// The hosts of a name without a port (§4.1, §4.2).
    fn places(&self, lookup: &Lookup) -> Result<Vec<Place>, Halt> {
        let mut missing = Vec::new();
        let mut places = Vec::new();
        let mut refused = false;
        let mut rng = lookup.rng.clone();
        for Service { protocol, name } in self.services(lookup)? {
            match lookup.records(Kind::Srv, &name) {
                Ok(records) => {
                    for (host, port) in order::of_servers(records, &mut rng) {
                        match host.is_empty() {
                            true => refused = true,
                            false => places.push(Place { protocol, host: host.to_owned(), port }),
                        }
                    }
                }
                Err(question) => missing.push(question),
            }
        }
        if !missing.is_empty() {
            return Err(Halt::Ask(missing));
        }
        places.truncate(HOSTS_MAX);
        if places.is_empty() && !refused {
            // §4.2: no SRV record at all, so the name itself is the host.
            let protocol = lookup.target.usual_protocol();
            let (host, port) = (lookup.target.host.clone(), protocol.usual_port());
            places.push(Place { protocol, host, port });
        }
        Ok(places)
    }

    /// The services whose SRV records are to be asked for, the best first (§4.1).
    fn services(&self, lookup: &Lookup) -> Result<Vec<Service>, Halt> {
        let target = &lookup.target;
        let usable = |it: Protocol| {
            target.protocol.is_none_or(|wanted| wanted == it)
                && (!target.secure || it.is_secure())
                && self.reach.protocols.contains(&it)
        };
        if target.protocol.is_none() {
            let naptr = lookup.records(Kind::Naptr, &target.host);
            let offered = order::of_services(naptr.map_err(|it| Halt::Ask(vec![it]))?);
            if !offered.is_empty() {
                let usable: Vec<_> = offered.into_iter().filter(|it| usable(it.1)).collect();
                // RFC 3403 §4.1: once one of an order fits, those of a higher one do not count.
                let lowest = usable.first().ok_or(Halt::Unsupported)?.0;
                let first = usable.into_iter().take_while(|it| it.0 == lowest);
                return Ok(first
                    .map(|(_, protocol, name)| Service { protocol, name: name.to_owned() })
                    .collect());
            }
        }
        let guessed = self.reach.protocols.iter().copied().filter(|it| usable(*it));
        let name = |it: Protocol| format!("{}.{}", it.srv_prefix(), target.host);
        Ok(guessed.map(|it| Service { protocol: it, name: name(it) }).collect())
    }

    /// Those that we have a way to, each once.
    fn reachable(&self, all: impl IntoIterator<Item = Destination>) -> Vec<Destination> {
        let mut found = Vec::new();
        for it in all {
            let family = if it.address.is_ipv4() { self.reach.v4 } else { self.reach.v6 };
            let known = found.contains(&it) || !self.reach.protocols.contains(&it.protocol);
            if family && !known && found.len() < DESTINATIONS_MAX {
                found.push(it);
            }
        }
        found
    }

    fn families(&self) -> impl Iterator<Item = Kind> + use<> {
        let v6 = self.reach.v6.then_some(Kind::Aaaa);
        v6.into_iter().chain(self.reach.v4.then_some(Kind::A))
    }
}

impl Lookup {
    /// The records of a kind that a name has, if its answer is known.
    fn records(&self, kind: Kind, name: &str) -> Result<&[Record], Question> {
        let question = Question { kind, name: name.to_owned() };
        match self.known.get(&question) {
            Some(Answer::Records(records, _)) => Ok(records),
            Some(_) => Ok(&[]),
            None => Err(question),
        }
    }

    /// Why it has found nothing: the failure that somebody can do most about.
    fn why(&self) -> Why {
        let failures = self.known.values().filter_map(|it| match it {
            Answer::Silent => Some(Why::Silent),
            Answer::Broken => Some(Why::Broken),
            Answer::Records(..) | Answer::Nothing(_) => None,
        });
        failures.max().unwrap_or(Why::Empty)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.address)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "DNS has no address for it",
            Self::Unsupported => "it wants a transport or an address family that we do not have",
            Self::Broken => "the name server cannot tell",
            Self::Silent => "no name server answers",
            Self::Busy => "too many look-ups are under way",
        })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)
    }
}

impl Kind {
    /// As zone files write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
            Self::Naptr => "NAPTR",
        }
    }
}

#[cfg(test)]
mod tests;
