//! Time as a value. The driver says what time it is; nobody else asks.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of the driver's monotonic clock: nanoseconds since the driver began.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The moment the driver began.
    pub const ZERO: Self = Self(0);

    /// The moment `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `millis` milliseconds after the beginning.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the beginning.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time passed since `earlier`; zero when `earlier` lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Mono {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Mono {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}ms", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A moment of the calendar: microseconds since 1970-01-01 UTC. It may jump; durations never come
/// from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

impl Wall {
    /// Whole seconds since 1970-01-01 UTC.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The moment as SIP writes it (RFC 3261 §20.17): `Sat, 13 Nov 2010 23:29:00 GMT`.
    pub fn date(self) -> String {
        // 1970-01-01 was a Thursday.
        let day = (self.as_secs() / 86_400 + 4) % 7;
        let name = |all: &'static str, nth: u64| {
            let at = usize::try_from(nth * 3).unwrap_or_default();
            all.get(at..at + 3).unwrap_or_default()
        };
        let text = self.to_string();
        let part = |range| text.get(range).unwrap_or_default();
        let month = part(5..7).parse::<u64>().map_or(0, |it| it - 1);
        format!(
            "{}, {} {} {} {} GMT",
            name("SunMonTueWedThuFriSat", day),
            part(8..10),
            name("JanFebMarAprMayJunJulAugSepOctNovDec", month),
            part(0..4),
            part(11..19)
        )
    }

    /// Reads what RFC 3339 writes, of 1970 to 9999; a day alone is its beginning in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, rest) = (text.get(..10)?, text.get(10..)?);
        let seconds = days_of(day)? * 86_400;
        if rest.is_empty() {
            return Some(Self(seconds * 1_000_000));
        }
        let time = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, zone) = time.split_at(time.find(['Z', 'z', '+', '-'])?);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [hour, minute, second] = numbers(clock, ':', [23, 59, 60])?;
        let ahead = match zone.split_at(1) {
            ("Z" | "z", "") => 0,
            (sign, offset) => {
                let [hours, minutes] = numbers(offset, ':', [23, 59])?;
                let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
                if sign == "-" { -seconds } else { seconds }
            }
        };
        let is_number = (1..=9).contains(&fraction.len()) && digits(fraction);
        let micros: u64 = is_number.then(|| format!("{fraction:0<6}"))?.get(..6)?.parse().ok()?;
        let seconds = seconds + hour * 3600 + minute * 60 + second;
        let seconds = seconds.checked_add_signed(ahead.checked_neg()?)?;
        Some(Self(seconds * 1_000_000 + micros))
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
fn days_of(text: &str) -> Option<u64> {
    let [year, month, day] = numbers(text, '-', [9999, 12, 31])?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if year < 1970 || day == 0 || day > *days.get(before)? {
        return None;
    }
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + days.iter().take(before).sum::<u64>() + day - 1)
}

/// Numbers with a sign between them, each of two digits (a year has four) and not above its limit.
fn numbers<const N: usize>(text: &str, between: char, limits: [u64; N]) -> Option<[u64; N]> {
    let mut parts = text.split(between);
    let mut all = [0; N];
    for (at, limit) in all.iter_mut().zip(limits) {
        let part = parts.next()?;
        let width = if limit > 99 { 4 } else { 2 };
        let it = (part.len() == width && digits(part)).then(|| part.parse().ok())??;
        *at = (it <= limit).then_some(it)?;
    }
    parts.next().is_none().then_some(all)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_digit())
}

impl fmt::Display for Wall {
    /// As RFC 3339 writes it, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.as_secs() / 86_400, self.as_secs() % 86_400);
        // Days since 1 March of the year 0, in eras of 400 years that all have the same length.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + year + next;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millis = self.0 / 1000 % 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// What the driver says of the time, with every input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers and durations.
    pub mono: Mono,
    /// For what people read.
    pub wall: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_of_the_calendar() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_827_696, "2000-02-29T12:34:56.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (1_893_456_000, "2030-01-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Wall(seconds * 1_000_000).to_string(), want);
            assert_eq!(Wall::parse(want), Some(Wall(seconds * 1_000_000)));
        }
    }

    #[test]
    fn a_moment_is_read_as_people_write_it_or_refused() {
        let micros = |text| Wall::parse(text).map(|it| it.0);
        assert_eq!(micros("1970-01-02"), Some(86_400_000_000));
        assert_eq!(micros("1970-01-01T01:00:00.25+01:00"), Some(250_000));
        assert_eq!(micros("1970-01-01 00:00:00.123456789z"), Some(123_456));
        assert_eq!(micros("1969-12-31T23:00:00-01:00"), None);
        assert_eq!(micros("1970-01-01T00:00:00-01:30"), Some(5_400_000_000));
        for bad in [
            "",
            "1970",
            "1970-01-01T",
            "1970-01-01T00:00:00",
            "1970-02-29",
            "1970-13-01",
            "1970-00-01",
            "1970-01-00",
            "70-01-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00Zulu",
            "1970-01-01T00:00:00+00:30",
            "+970-01-01",
            "1970-01-0ü",
            "1970-01-01T00:00:00\u{fc}",
        ] {
            assert_eq!(Wall::parse(bad), None, "{bad}");
        }
    }
}
