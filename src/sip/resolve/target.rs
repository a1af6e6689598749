//! What is to be found: a name, and what is said of the way to it (RFC 3263 §4).

use std::fmt;
use std::net::IpAddr;

use crate::sip::message::{Scheme, Uri};

/// What can carry SIP to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection that nobody else reads.
    Tls,
}

/// A host and how it is to be reached, as far as that is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name in lower case without the last dot, or an address without brackets.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) protocol: Option<Protocol>,
    /// `sips:`: nobody on the way may read it.
    pub(super) secure: bool,
}

/// RFC 1035 §2.3.4, without the root.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

impl Target {
    /// A host, with what is known of the way to it; `None` when no name can be such.
    pub fn new(host: &str, port: Option<u16>, protocol: Option<Protocol>) -> Option<Self> {
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
        let secure = protocol == Some(Protocol::Tls);
        if bare.parse::<IpAddr>().is_ok() {
            return Some(Self { host: bare.to_owned(), port, protocol, secure });
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        (is_name(&host) && port != Some(0)).then_some(Self { host, port, protocol, secure })
    }

    /// Where a request to this URI goes; `None` when it cannot be said: another scheme, a transport
    /// that we do not know, or `sips` over datagrams (RFC 3261 §26.2.2).
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        let secure = match uri.scheme {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other => return None,
        };
        let protocol = match uri.params.get("transport") {
            None => None,
            Some(word) => Some(match (Protocol::from_word(word)?, secure) {
                (Protocol::Udp, true) => return None,
                // §26.2.2: in a sips URI `tcp` says what TLS runs over.
                (Protocol::Tcp, true) => Protocol::Tls,
                (protocol, _) => protocol,
            }),
        };
        // RFC 3261 §19.1.1: maddr overrides the address derived from the host.
        let host = uri.params.get("maddr").unwrap_or(uri.host);
        let it = Self::new(host, uri.port, protocol)?;
        Some(Self { secure: secure || it.secure, ..it })
    }

    /// The address, when it needs no look-up.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// §4.1: what is used when nothing and nobody says more.
    pub(super) fn usual_protocol(&self) -> Protocol {
        self.protocol.unwrap_or(if self.secure { Protocol::Tls } else { Protocol::Udp })
    }
}

/// Whether DNS can be asked for this name: labels of letters, digits and `-`, with the `_` of RFC 2782.
pub fn is_name(text: &str) -> bool {
    let fits = |label: &str| {
        let letter = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
        !label.is_empty() && label.len() <= LABEL_MAX && label.bytes().all(letter)
    };
    text.len() <= NAME_MAX && text.split('.').all(fits)
}

impl Protocol {
    /// The protocol of a `transport` parameter.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls]
            .into_iter()
            .find(|it| it.word().eq_ignore_ascii_case(word))
    }

    /// As a `transport` parameter names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// RFC 3261 §19.1.2.
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    pub(super) const fn is_secure(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// RFC 3263 §4.1: what stands before the domain.
    pub(super) const fn srv_prefix(self) -> &'static str {
        match self {
            Self::Udp => "_sip._udp",
            Self::Tcp => "_sip._tcp",
            Self::Tls => "_sips._tcp",
        }
    }

    /// RFC 3263 §4.1: the service of a NAPTR record.
    pub(super) fn from_service(service: &str) -> Option<Self> {
        let all = [("SIP+D2U", Self::Udp), ("SIP+D2T", Self::Tcp), ("SIPS+D2T", Self::Tls)];
        all.into_iter().find(|it| it.0.eq_ignore_ascii_case(service)).map(|it| it.1)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
