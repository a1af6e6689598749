//! TLS over bytes: what a peer has sealed is opened, and what we say is sealed. It knows neither
//! sockets nor clocks; who owns the connection moves the bytes.

use std::io::{Read, Write};

use rustls::pki_types::CertificateDer;
use rustls::{Connection, Error, HandshakeKind};

use crate::sip::Identities;

use super::names;

/// One end of a TLS connection.
pub(in crate::node) struct Session(Connection);

/// Whether more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Heard {
    /// It may.
    More,
    /// The peer has said that it is done (RFC 8446 §6.1).
    End,
}

impl Session {
    /// Either end, before its handshake.
    pub(super) fn new(mut connection: Connection) -> Self {
        // How much may be unsent is for the owner to say, who holds it.
        connection.set_buffer_limit(None);
        Self(connection)
    }

    /// Opens what has come; `plain` gets what the peer says, `sealed_out` what TLS itself has to
    /// answer, an alert before an error too.
    ///
    /// # Errors
    /// When the peer does not keep to TLS, or is not whom we want.
    pub(in crate::node) fn open(
        &mut self,
        mut sealed: &[u8],
        plain: &mut Vec<u8>,
        sealed_out: &mut Vec<u8>,
    ) -> Result<Heard, Error> {
        let heard = self.take(&mut sealed, plain);
        self.drain(sealed_out);
        heard
    }

    fn take(&mut self, sealed: &mut &[u8], plain: &mut Vec<u8>) -> Result<Heard, Error> {
        loop {
            let before = sealed.len();
            if before > 0 {
                self.0.read_tls(sealed).map_err(|e| Error::General(e.to_string()))?;
            }
            let state = self.0.process_new_packets()?;
            // It ends with WouldBlock, or with nothing when the peer is done.
            _ = self.0.reader().read_to_end(plain);
            if state.peer_has_closed() {
                return Ok(Heard::End);
            }
            if sealed.is_empty() || sealed.len() == before {
                return Ok(Heard::More);
            }
        }
    }

    /// Seals what we say.
    pub(in crate::node) fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) {
        // It has room without limit, and a peer that has broken TLS does not read us any more.
        _ = self.0.writer().write_all(plain);
        self.drain(sealed);
    }

    /// Says that we are done.
    pub(in crate::node) fn say_goodbye(&mut self, sealed: &mut Vec<u8>) {
        self.0.send_close_notify();
        self.drain(sealed);
    }

    /// Whether nothing can be said yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Who the peer's certificate, which was verified, says that it is.
    pub(super) fn identities(&self) -> Identities {
        let chain = self.0.peer_certificates();
        chain.and_then(<[CertificateDer<'_>]>::first).map(names::of).unwrap_or_default()
    }

    /// Whether the peer has shown a certificate of its own.
    pub(super) fn has_peer_certificate(&self) -> bool {
        self.0.peer_certificates().is_some()
    }

    /// What was agreed on, in words for the log.
    pub(super) fn describe(&self) -> String {
        let version = self.0.protocol_version().and_then(|it| it.as_str()).unwrap_or("TLS");
        let suite = self.0.negotiated_cipher_suite().and_then(|it| it.suite().as_str());
        let is_resumed = self.0.handshake_kind() == Some(HandshakeKind::Resumed);
        let kind = if is_resumed { ", resumed" } else { "" };
        format!("{version} {}{kind}", suite.unwrap_or_default())
    }

    fn drain(&mut self, sealed: &mut Vec<u8>) {
        // A vector takes everything.
        while self.0.wants_write() && self.0.write_tls(sealed).is_ok() {}
    }
}
