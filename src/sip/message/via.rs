//! Via: the way back (RFC 3261 §20.42, RFC 3581).

use super::scan::{cut, is_token, trim, trim_start};
use super::uri::host_and_port;
use super::{Fault, Name, Params};

/// One Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `WSS` … as written.
    pub transport: &'a str,
    /// The host of the sender, as it sees itself; an IPv6 address in its brackets.
    pub host: &'a str,
    /// Its port, if given.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
    sent_by: &'a str,
}

impl<'a> Via<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        Self::read(value).ok_or(Fault::Malformed(Name::Via))
    }

    /// The `branch` parameter, unless it is empty.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the sender wants to know its port (RFC 3581 §3). A value it wrote itself is no reason
    /// to withhold the true one.
    pub fn rport_asked(&self) -> bool {
        self.params.has("rport")
    }

    /// Host and port as written, a part of the transaction key (RFC 3261 §17.2.3).
    pub fn sent_by(&self) -> &'a str {
        self.sent_by
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        // "SIP / 2.0 / UDP host : port ;branch=…", white space around each slash being allowed.
        let (protocol, rest) = cut(value, b'/');
        let (version, rest) = cut(rest?, b'/');
        let rest = trim_start(rest?);
        let transport_end =
            rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))?;
        let (transport, rest) = rest.split_at_checked(transport_end)?;
        let (sent_by, params) = cut(rest, b';');
        if !trim(protocol).eq_ignore_ascii_case(b"SIP")
            || !is_token(trim(version))
            || !is_token(transport)
        {
            return None;
        }
        let sent_by = str::from_utf8(trim(sent_by)).ok()?;
        let (host, port) = host_and_port(sent_by)?;
        let params = Params::new(params.unwrap_or_default());
        if !params.is_well_formed() {
            return None;
        }
        Some(Self { transport: str::from_utf8(transport).ok()?, host, port, params, sent_by })
    }
}
