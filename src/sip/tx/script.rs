//! Tells a machine's life as text, for tests.
//!
//! `> input` goes in, everything the machine does comes out with its time in milliseconds, and
//! `end` says when it is over. `> at 2000 ack` happens at that time, with every timer before it
//! fired in time; `> late 40000` is a driver that slept until then.

use std::fmt::{Debug, Write};
use std::time::Duration;

use bytes::Bytes;

use crate::base::Mono;

/// What the four machines have in common.
pub(super) trait Machine: Sized {
    type Input;
    type Output: Debug;

    fn open(reliable: bool, out: &mut Vec<Self::Output>) -> Self;
    /// What the words of a script line mean.
    fn input(verb: &str, status: u16, bytes: Bytes) -> Self::Input;
    fn handle(&mut self, now: Mono, input: Self::Input, out: &mut Vec<Self::Output>);
    fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Self::Output>);
    fn poll_timeout(&self) -> Option<Mono>;
    fn is_over(&self) -> bool;
}

/// Passes the common calls on to the machine's own.
macro_rules! machine {
    ($name:ident, $open:expr, $input:expr) => {
        impl $crate::sip::tx::script::Machine for $name {
            type Input = Input;
            type Output = Output;

            fn open(reliable: bool, out: &mut Vec<Output>) -> Self {
                let open: fn(bool, &mut Vec<Output>) -> Self = $open;
                open(reliable, out)
            }
            fn input(verb: &str, status: u16, bytes: bytes::Bytes) -> Input {
                let input: fn(&str, u16, bytes::Bytes) -> Input = $input;
                input(verb, status, bytes)
            }
            fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
                $name::handle(self, now, input, out);
            }
            fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
                $name::handle_timeout(self, now, out);
            }
            fn poll_timeout(&self) -> Option<Mono> {
                $name::poll_timeout(self)
            }
            fn is_over(&self) -> bool {
                $name::is_over(self)
            }
        }
    };
}
pub(super) use machine;

/// Plays the inputs of `script` and compares what is told with it.
#[track_caller]
pub(super) fn check<M: Machine>(transport: &str, script: &str) {
    let mut play = Play::<M>::open(transport == "tcp");
    for line in script.lines().map(str::trim).filter_map(|it| it.strip_prefix("> ")) {
        play.line(line);
    }
    play.run_until(play.now + Duration::from_secs(200));
    let told = plain(&play.told);
    assert_eq!(told, plain(script), "\n--- told ---\n{told}");
}

struct Play<M: Machine> {
    tx: M,
    now: Mono,
    told: String,
    out: Vec<M::Output>,
    ended: bool,
}

impl<M: Machine> Play<M> {
    fn open(reliable: bool) -> Self {
        let mut out = Vec::new();
        let tx = M::open(reliable, &mut out);
        let mut play = Self { tx, now: Mono::ZERO, told: String::new(), out, ended: false };
        play.tell();
        play
    }

    fn line(&mut self, line: &str) {
        let mut words = line.split(' ').peekable();
        if words.next_if_eq(&"late").is_some() {
            self.now = Mono::from_millis(words.next().unwrap().parse().unwrap());
            writeln!(self.told, "> {line}").unwrap();
            return self.wake();
        }
        if words.next_if_eq(&"at").is_some() {
            let at = Mono::from_millis(words.next().unwrap().parse().unwrap());
            self.run_until(at);
        }
        writeln!(self.told, "> {line}").unwrap();
        let verb = words.next().unwrap();
        let value = words.next().unwrap_or("0");
        let input =
            M::input(verb, value.parse().unwrap(), Bytes::copy_from_slice(value.as_bytes()));
        self.tx.handle(self.now, input, &mut self.out);
        self.tell();
    }

    fn run_until(&mut self, until: Mono) {
        while let Some(at) = self.tx.poll_timeout().filter(|at| *at < until) {
            self.now = self.now.max(at);
            self.wake();
        }
        self.now = until;
    }

    /// Fires all that is due; a machine that stays due would make the driver spin.
    fn wake(&mut self) {
        self.tx.handle_timeout(self.now, &mut self.out);
        assert!(self.tx.poll_timeout().is_none_or(|at| at > self.now), "still due");
        self.tell();
    }

    fn tell(&mut self) {
        let ms = self.now.as_millis();
        for it in self.out.drain(..) {
            writeln!(self.told, "{ms} {}", phrase(&it)).unwrap();
        }
        if self.tx.is_over() && !self.ended {
            assert_eq!(self.tx.poll_timeout(), None, "nothing is due once over");
            self.ended = true;
            writeln!(self.told, "{ms} end").unwrap();
        }
    }
}

/// `Send(b"486")` reads `send 486`, `PassAck` reads `pass ack`.
fn phrase(it: &impl Debug) -> String {
    let mut phrase = String::new();
    for letter in format!("{it:?}").replace("b\"", "").chars() {
        match letter {
            'A'..='Z' if phrase.is_empty() || phrase.ends_with(' ') => {
                phrase.push(letter.to_ascii_lowercase());
            }
            'A'..='Z' => phrase.extend([' ', letter.to_ascii_lowercase()]),
            '(' => phrase.push(' '),
            '"' | ')' => {}
            _ => phrase.push(letter),
        }
    }
    phrase
}

fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|it| !it.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}
