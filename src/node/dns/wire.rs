//! DNS messages (RFC 1035 §4): a question as bytes, and what a server answers to it.
//!
//! Whatever the bytes are, reading them is bounded: a name jumps a few times only, and records are
//! as many as fit into the message.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::sip::resolve::{Answer, Kind, Question, Record, is_name};

/// RFC 1035 §4.1.4: how often a name may jump. Real ones jump twice.
const JUMPS_MAX: usize = 16;
/// RFC 1035 §2.3.4.
const NAME_MAX: usize = 255;
/// How many aliases are followed in one answer.
const ALIASES_MAX: usize = 8;
/// RFC 9715: what passes every network in one piece.
const DATAGRAM_SIZE: u16 = 1232;
/// "There is none" without a word about how long that stays true.
const NOTHING: Duration = Duration::from_secs(10);

const HEADER: usize = 12;
const CLASS_IN: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_SOA: u16 = 6;
const TYPE_OPT: u16 = 41;

/// What a message turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Not an answer to our question: forged, late, or no DNS at all.
    Nothing,
    /// It does not fit into a datagram (TC): ask again over TCP.
    Cut,
    /// The name is another name, and that is all there is about it.
    Alias(String),
    /// An answer.
    Answer(Answer),
}

/// A question in bytes. `extended` says that we take long answers (RFC 6891).
pub(super) fn question(id: u16, question: &Question, extended: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let numbers = [id, 0x0100, 1, 0, 0, u16::from(extended)];
    numbers.iter().for_each(|it| out.extend(it.to_be_bytes()));
    for label in question.name.split('.') {
        // The resolver lets no longer one pass.
        out.push(u8::try_from(label.len()).unwrap_or_default());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(code(question.kind).to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    if extended {
        out.push(0);
        [TYPE_OPT, DATAGRAM_SIZE, 0, 0, 0].iter().for_each(|it| out.extend(it.to_be_bytes()));
    }
    out
}

/// Reads what claims to be the answer to a question of this id.
pub(super) fn answer(bytes: &[u8], id: u16, question: &Question) -> Heard {
    read(&mut Reader { bytes, at: 0 }, id, question).unwrap_or(Heard::Nothing)
}

fn read(reader: &mut Reader<'_>, id: u16, question: &Question) -> Option<Heard> {
    let (its_id, flags) = (reader.u16()?, reader.u16()?);
    let [questions, answers, authorities] = [reader.u16()?, reader.u16()?, reader.u16()?];
    reader.at = HEADER;
    let (is_answer, opcode, code) = (flags & 0x8000 != 0, flags >> 11 & 15, flags & 15);
    if its_id != id || !is_answer || opcode != 0 {
        return None;
    }
    match questions {
        1 => {
            let same = reader.name()? == question.name
                && reader.u16()? == self::code(question.kind)
                && reader.u16()? == CLASS_IN;
            if !same {
                return None;
            }
        }
        // Some servers that do not understand a question do not repeat it either.
        0 if code != 0 => {}
        _ => return None,
    }
    if flags & 0x0200 != 0 {
        return Some(Heard::Cut);
    }
    if !matches!(code, 0 | 3) {
        return Some(Heard::Answer(Answer::Broken));
    }
    let all: Option<Vec<Raw>> = (0..answers).map(|_| reader.record()).collect();
    let all = all?;
    let mut name = question.name.clone();
    let mut ttl = u32::MAX;
    for _ in 0..ALIASES_MAX {
        let alias = all.iter().find(|it| it.kind == TYPE_CNAME && it.name == name);
        let Some(alias) = alias else { break };
        ttl = ttl.min(alias.ttl);
        name = reader.at(alias.at).name()?;
    }
    let ours = all.iter().filter(|it| it.kind == self::code(question.kind) && it.name == name);
    let mut records = Vec::new();
    for raw in ours {
        ttl = ttl.min(raw.ttl);
        records.push(reader.at(raw.at).value(question.kind)?);
    }
    if !records.is_empty() {
        return Some(Heard::Answer(Answer::Records(records, Duration::from_secs(ttl.into()))));
    }
    let nothing = (0..authorities).find_map(|_| reader.end_of_nothing());
    match (name != question.name && code == 0, nothing) {
        (true, None) if is_name(&name) => Some(Heard::Alias(name)),
        (_, nothing) => Some(Heard::Answer(Answer::Nothing(nothing.unwrap_or(NOTHING)))),
    }
}

/// A record whose value is not read yet.
struct Raw {
    name: String,
    kind: u16,
    ttl: u32,
    /// Where its value begins.
    at: usize,
}

/// Reads a message from front to back; names jump back in it.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    const fn at(&self, at: usize) -> Reader<'a> {
        Reader { bytes: self.bytes, at }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let it = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(it)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A name in lower case without its last dot. One that holds what no host name holds comes out
    /// as something that nobody asks for.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut inside = self.at(self.at);
        let mut end = None;
        let mut jumps = 0;
        loop {
            match inside.u8()? {
                0 => break,
                jump if jump & 0xc0 == 0xc0 => {
                    let to = usize::from(jump & 0x3f) << 8 | usize::from(inside.u8()?);
                    end.get_or_insert(inside.at);
                    jumps += 1;
                    if jumps > JUMPS_MAX {
                        return None;
                    }
                    inside.at = to;
                }
                length if length & 0xc0 == 0 => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    let label = inside.take(length.into())?;
                    name.extend(label.iter().map(|it| match it {
                        b'.' => '\u{fffd}',
                        it => char::from(it.to_ascii_lowercase()),
                    }));
                    if name.chars().count() > NAME_MAX {
                        return None;
                    }
                }
                _ => return None,
            }
        }
        self.at = end.unwrap_or(inside.at);
        Some(name)
    }

    /// A counted text (RFC 1035 §3.3).
    fn text(&mut self) -> Option<String> {
        let length = self.u8()?;
        Some(String::from_utf8_lossy(self.take(length.into())?).into_owned())
    }

    fn record(&mut self) -> Option<Raw> {
        let name = self.name()?;
        let (kind, class, ttl, length) = (self.u16()?, self.u16()?, self.u32()?, self.u16()?);
        let at = self.at;
        self.take(length.into())?;
        // RFC 2181 §8: a time with its highest bit set is none at all.
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        let kind = if class == CLASS_IN { kind } else { 0 };
        Some(Raw { name, kind, ttl, at })
    }

    fn value(&mut self, kind: Kind) -> Option<Record> {
        Some(match kind {
            Kind::A => {
                let four: [u8; 4] = self.take(4)?.try_into().ok()?;
                Record::Address(Ipv4Addr::from(four).into())
            }
            Kind::Aaaa => {
                let sixteen: [u8; 16] = self.take(16)?.try_into().ok()?;
                Record::Address(Ipv6Addr::from(sixteen).into())
            }
            Kind::Srv => Record::Srv {
                priority: self.u16()?,
                weight: self.u16()?,
                port: self.u16()?,
                host: self.name()?,
            },
            Kind::Naptr => {
                let (order, preference) = (self.u16()?, self.u16()?);
                let (flags, service) = (self.text()?, self.text()?);
                // Not looked at: the services of RFC 3263 have none.
                self.text()?;
                Record::Naptr { order, preference, flags, service, replacement: self.name()? }
            }
        })
    }

    /// RFC 2308 §5: how long "there is none" is true, from a record of the zone (SOA).
    fn end_of_nothing(&mut self) -> Option<Duration> {
        let raw = self.record()?;
        if raw.kind != TYPE_SOA {
            return None;
        }
        let mut soa = self.at(raw.at);
        soa.name()?;
        soa.name()?;
        soa.take(16)?;
        Some(Duration::from_secs(soa.u32()?.min(raw.ttl).into()))
    }
}

const fn code(kind: Kind) -> u16 {
    match kind {
        Kind::A => 1,
        Kind::Aaaa => 28,
        Kind::Srv => 33,
        Kind::Naptr => 35,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;

    fn asked(kind: Kind, name: &str) -> Question {
        Question { kind, name: name.into() }
    }

    /// The answer to a question with the given counts and records.
    fn message(it: &Question, flags: u16, counts: [u16; 2], records: &[u8]) -> Vec<u8> {
        let mut bytes = question(7, it, false);
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        bytes[6..8].copy_from_slice(&counts[0].to_be_bytes());
        bytes[8..10].copy_from_slice(&counts[1].to_be_bytes());
        bytes.extend(records);
        bytes
    }

    /// A record of the name that was asked for (it stands at byte 12).
    fn record(kind: u16, ttl: u32, value: &[u8]) -> Vec<u8> {
        let mut out = vec![0xc0, 12];
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        out.extend(value);
        out
    }

    const OK: u16 = 0x8180;

    #[test]
    fn records_of_every_kind_are_read() {
        let it = asked(Kind::A, "a.test");
        let two = [record(1, 60, &[192, 0, 2, 1]), record(1, 30, &[192, 0, 2, 2])].concat();
        let records = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|it| Record::Address(it.into()));
        let want = Heard::Answer(Answer::Records(records.to_vec(), Duration::from_secs(30)));
        assert_eq!(answer(&message(&it, OK, [2, 0], &two), 7, &it), want);

        let it = asked(Kind::Srv, "_sip._udp.a.test");
        // The host is `b.` before the name that was asked for, from its third label on.
        let value = [0, 1, 0, 2, 0x13, 0xc4, 1, b'B', 0xc0, 12 + 10];
        let want = Record::Srv { priority: 1, weight: 2, port: 5060, host: "b.a.test".into() };
        let heard = answer(&message(&it, OK, [1, 0], &record(33, 60, &value)), 7, &it);
        assert_eq!(heard, Heard::Answer(Answer::Records(vec![want], Duration::from_secs(60))));

        let it = asked(Kind::Naptr, "a.test");
        let value = b"\0\x0a\0\x14\x01S\x07SIP+D2U\0\x04_sip\x04_udp\xc0\x0c";
        let want = Record::Naptr {
            order: 10,
            preference: 20,
            flags: "S".into(),
            service: "SIP+D2U".into(),
            replacement: "_sip._udp.a.test".into(),
        };
        let heard = answer(&message(&it, OK, [1, 0], &record(35, 60, value)), 7, &it);
        assert_eq!(heard, Heard::Answer(Answer::Records(vec![want], Duration::from_secs(60))));
    }

    #[test]
    fn an_alias_is_followed_or_told() {
        let it = asked(Kind::A, "a.test");
        let alias = record(5, 20, b"\x01b\xc0\x0e");
        let told = answer(&message(&it, OK, [1, 0], &alias), 7, &it);
        assert_eq!(told, Heard::Alias("b.test".into()));
        let mut address = record(1, 60, &[192, 0, 2, 1]);
        address.splice(0..2, *b"\x01b\x04test\0");
        let both = [alias.clone(), address].concat();
        let want = vec![Record::Address([192, 0, 2, 1].into())];
        let want = Heard::Answer(Answer::Records(want, Duration::from_secs(20)));
        assert_eq!(answer(&message(&it, OK, [2, 0], &both), 7, &it), want);
        // One that leads back to itself leads nowhere, in bounded time.
        let round = record(5, 20, b"\xc0\x0c");
        let heard = answer(&message(&it, OK, [1, 0], &round), 7, &it);
        assert_eq!(heard, Heard::Answer(Answer::Nothing(NOTHING)));
    }

    #[test]
    fn that_there_is_none_is_true_for_as_long_as_the_zone_says() {
        let it = asked(Kind::A, "a.test");
        let mut soa = vec![0, 0];
        soa.extend([0; 16]);
        soa.extend(300_u32.to_be_bytes());
        let zone = record(6, 3_600, &soa);
        for flags in [OK, OK | 3] {
            let heard = answer(&message(&it, flags, [0, 1], &zone), 7, &it);
            assert_eq!(heard, Heard::Answer(Answer::Nothing(Duration::from_secs(300))));
        }
        let heard = answer(&message(&it, OK | 3, [0, 0], &[]), 7, &it);
        assert_eq!(heard, Heard::Answer(Answer::Nothing(NOTHING)));
    }

    #[test]
    fn what_is_not_the_answer_is_not_heard() {
        let it = asked(Kind::A, "a.test");
        let good = message(&it, OK, [1, 0], &record(1, 60, &[192, 0, 2, 1]));
        assert!(matches!(answer(&good, 7, &it), Heard::Answer(_)));
        assert_eq!(answer(&good, 8, &it), Heard::Nothing);
        assert_eq!(answer(&good, 7, &asked(Kind::Aaaa, "a.test")), Heard::Nothing);
        assert_eq!(answer(&good, 7, &asked(Kind::A, "b.test")), Heard::Nothing);
        assert_eq!(answer(&question(7, &it, true), 7, &it), Heard::Nothing);
        assert_eq!(answer(&message(&it, OK | 0x200, [0, 0], &[]), 7, &it), Heard::Cut);
        for code in [1, 2, 4, 5] {
            let heard = answer(&message(&it, OK | code, [0, 0], &[]), 7, &it);
            assert_eq!(heard, Heard::Answer(Answer::Broken));
        }
    }

    #[test]
    fn no_bytes_do_harm() {
        let it = asked(Kind::Naptr, "a.test");
        let value = b"\0\x0a\0\x14\x01S\x07SIP+D2U\0\x04_sip\x04_udp\xc0\x0c";
        let whole = message(&it, OK, [1, 0], &record(35, 60, value));
        for at in 0..whole.len() {
            assert!(!matches!(
                answer(&whole[..at], 7, &it),
                Heard::Answer(Answer::Records(..)) | Heard::Alias(_)
            ));
        }
        let mut rng = Rng::from_seed(1);
        for _ in 0..50_000 {
            let mut bent = whole.clone();
            for _ in 0..1 + rng.below(6) {
                let at = rng.below(bent.len() as u64) as usize;
                bent[at] = rng.bits32().to_le_bytes()[0];
            }
            answer(&bent, 7, &it);
        }
        // A name that jumps onto itself.
        let mut trap = message(&it, OK, [1, 0], &record(35, 60, value));
        let length = trap.len();
        trap[length - 1] = u8::try_from(length - 2).unwrap();
        assert_eq!(answer(&trap, 7, &it), Heard::Nothing);
    }
}
