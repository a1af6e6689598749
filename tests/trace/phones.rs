//! The phones of the simulation, on real sockets.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use moonswitch::base::{Mono, Rng};
use moonswitch::sim::phone::{Behaviour, Frame, Identity, Letter, Out, Phone, Registered};
use moonswitch::sim::voice::Voice;

use crate::pbx::EXTENSIONS;
use crate::wait::{Watch, wait_for};

/// How long anything may take that phones do at once.
const PATIENCE: Duration = Duration::from_secs(15);

/// Two phones of the known extensions. Each lives on a loopback address of its own, because a
/// simulated phone has its ports of audio to itself.
pub(crate) struct Phones {
    watch: Watch,
    both: Vec<Seat>,
}

struct Seat {
    phone: Phone,
    sip: UdpSocket,
    audio: UdpSocket,
}

impl Phones {
    /// They are registered.
    pub(crate) fn two(server: SocketAddr) -> Self {
        let both = (0..2).map(|nth| Seat::take(nth, server)).collect();
        let mut phones = Self { watch: Watch::start(), both };
        let now = phones.now();
        phones.both.iter_mut().for_each(|it| it.with(|phone, out| phone.register(now, out)));
        phones.until("two registrations", |it| {
            it.both.iter().all(|it| it.phone.registered == Registered::Yes)
        });
        phones
    }

    /// The first calls the second; they talk, and the first hangs up.
    pub(crate) fn talk(&mut self, span: Duration) {
        let now = self.now();
        self.both[0].with(|phone, out| phone.dial(now, "1002", out));
        self.until("an answer", |it| it.both[0].phone.calls()[0].ear.heard(Voice::nth(1)) > 0);
        let end = self.watch.passed() + span;
        self.until("the conversation", |it| it.watch.passed() >= end);
        let now = self.now();
        self.both[0].with(|phone, out| phone.hang_up(now, out));
        self.until("the end", |it| it.both.iter().all(|it| it.phone.calls()[0].ending().is_some()));
        let end = self.watch.passed() + Duration::from_millis(200);
        self.until("the last answers", |it| it.watch.passed() >= end);
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        wait_for(what, PATIENCE, || {
            let now = self.now();
            self.both.iter_mut().for_each(|it| it.live(now));
            holds(self).then_some(())
        });
    }

    fn now(&self) -> Mono {
        Mono::ZERO + self.watch.passed()
    }
}

impl Seat {
    fn take(nth: usize, server: SocketAddr) -> Self {
        let (number, password) = EXTENSIONS[nth];
        let id = std::process::id();
        let free = (0..200_u8).find_map(|it| {
            let ip = IpAddr::from([127, 1 + nth as u8, it, (id % 250) as u8 + 1]);
            let bind = |port| UdpSocket::bind((ip, port)).ok();
            bind(4001).and(Some((bind(5060)?, bind(4000)?)))
        });
        let (sip, audio) = free.expect("a loopback address without phones");
        for socket in [&sip, &audio] {
            socket.set_nonblocking(true).unwrap();
        }
        let identity = Identity {
            number: number.to_owned(),
            password: password.to_owned(),
            voice: Voice::nth(nth as u8),
            address: sip.local_addr().unwrap(),
            inside: None,
            server,
        };
        let rng = Rng::from_seed(u64::from(id) * 2 + nth as u64);
        Self { phone: Phone::new(identity, Behaviour::default(), rng), sip, audio }
    }

    /// Takes what has come and does what is due.
    fn live(&mut self, now: Mono) {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
            let to = self.phone.identity.address;
            let letter = Letter { from, to, bytes: Bytes::copy_from_slice(&buffer[..length]) };
            self.with(|phone, out| phone.handle(now, letter, out));
        }
        while let Ok((length, from)) = self.audio.recv_from(&mut buffer) {
            let to = self.audio.local_addr().unwrap();
            self.phone.hear(&Frame { from, to, bytes: buffer[..length].to_vec() });
        }
        if self.phone.poll_timeout().is_some_and(|at| at <= now) {
            self.with(|phone, out| phone.handle_timeout(now, out));
        }
    }

    fn with(&mut self, act: impl FnOnce(&mut Phone, &mut Out)) {
        let mut out = Out::default();
        act(&mut self.phone, &mut out);
        for letter in out.letters {
            self.sip.send_to(&letter.bytes, letter.to).unwrap();
        }
        for frame in out.frames {
            // What it reports about what it hears may be refused when the other end is gone.
            _ = self.audio.send_to(&frame.bytes, frame.to);
        }
    }
}
