//! Why a connection does not come through the door, in words that say what to do about it.

use std::fmt;
use std::io;

use rustls::{AlertDescription, Error};

/// Why.
#[derive(Debug)]
pub(super) enum Failure {
    /// It takes too long.
    Slow,
    /// Newer ones want to be served.
    MakesRoom,
    /// The peer has left; in the middle of the handshake, or without a word.
    Left(bool),
    /// What it says is not TLS.
    NoTls,
    /// The handshake failed.
    Tls(Error),
    /// The system says so.
    Io(io::Error),
    /// Too many connections of ours are being opened.
    TooMany,
    /// The name of the server that we want is none.
    NoDomain(String),
}

impl Failure {
    /// The kind of it, for a log that tells each kind seldom; none when it is not worth a line.
    pub(super) fn kind(&self) -> Option<&'static str> {
        match self {
            // Whoever looks whether a port is open does this.
            Self::Left(false) => None,
            Self::Left(true) => Some("left"),
            Self::Slow => Some("slow"),
            Self::MakesRoom => Some("room"),
            Self::NoTls => Some("no tls"),
            Self::Tls(Error::AlertReceived(_)) => Some("alert"),
            Self::Tls(Error::NoCertificatesPresented) => Some("no certificate"),
            Self::Tls(Error::InvalidCertificate(_)) => Some("certificate"),
            Self::Tls(Error::PeerIncompatible(_)) => Some("incompatible"),
            Self::Tls(_) => Some("tls"),
            Self::Io(_) => Some("io"),
            Self::TooMany => Some("many"),
            Self::NoDomain(_) => Some("domain"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow => f.write_str("the connection took too long"),
            Self::MakesRoom => f.write_str("its handshake made room for newer ones"),
            Self::Left(_) => f.write_str(
                "the peer left in the middle of the handshake; perhaps it does not trust the \
                 certificate",
            ),
            Self::NoTls => f.write_str("what comes is not TLS: the plain port is that of --sip"),
            Self::Tls(Error::AlertReceived(alert)) => match alert {
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired => write!(
                    f,
                    "the peer refuses our certificate ({alert:?}): it must be told to trust it, or \
                     --tls-cert be one that it trusts"
                ),
                _ => write!(f, "the peer refuses: {alert:?}"),
            },
            Self::Tls(Error::NoCertificatesPresented) => {
                f.write_str("the peer has no certificate, and --tls-client require wants one")
            }
            Self::Tls(Error::InvalidCertificate(e)) => {
                write!(f, "the peer's certificate is refused: {e}")
            }
            Self::Tls(Error::PeerIncompatible(e)) => {
                write!(f, "the peer and we have no TLS in common ({e:?}); we speak 1.2 and 1.3")
            }
            Self::Tls(e) => write!(f, "the handshake failed: {e}"),
            Self::Io(e) => write!(f, "the connection failed: {e}"),
            Self::TooMany => f.write_str("too many connections are being opened"),
            Self::NoDomain(domain) => write!(f, "{domain:?} is no name of a server"),
        }
    }
}
