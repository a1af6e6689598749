//! Whom we talk to: the names in a certificate, and the verifier for servers that we connect to,
//! which wants the SIP domain that was asked for among them (RFC 5922 §7.3).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use crate::sip::Identities;

/// The SIP domains that a certificate names; whether it is to be believed is another question.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Identities {
    let Ok(it) = EndEntityCert::try_from(certificate) else { return Identities::default() };
    Identities::of(it.valid_uri_names(), it.valid_dns_names())
}

/// Believes a server whose chain ends in one of the roots and which is the domain that we want.
#[derive(Debug)]
pub(super) struct SipServers {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl SipServers {
    pub(super) fn new(roots: RootCertStore, provider: &CryptoProvider) -> Arc<Self> {
        Arc::new(Self { roots, algorithms: provider.signature_verification_algorithms })
    }
}

impl ServerCertVerifier for SipServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        let identities = of(end_entity);
        if identities.include(&server_name.to_str()) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected: server_name.to_owned(),
            presented: identities.iter().map(str::to_owned).collect(),
        }))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
