//! CSeq: the order of requests (RFC 3261 §20.16).

use super::scan::{is_token, number, trim_start};
use super::{Fault, Method, Name};

/// A CSeq value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as written.
    pub token: &'a str,
}

/// RFC 3261 §8.1.1.5: "The sequence number value MUST be expressible as a 32-bit unsigned integer
/// and MUST be less than 2**31."
const LIMIT: u64 = 1 << 31;

impl<'a> CSeq<'a> {
    /// Reads the value.
    pub(super) fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::read(value).ok_or(Fault::Malformed(Name::CSeq))
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        let digits = value.iter().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = value.split_at_checked(digits)?;
        let token = trim_start(rest);
        if token.len() == rest.len() || !is_token(token) {
            return None;
        }
        let number = number(digits).filter(|number| *number < LIMIT)?;
        let token = str::from_utf8(token).ok()?;
        Some(Self { number: number as u32, method: Method::from_token(token), token })
    }
}
