//! A certificate of our own, made on the first start, so that TLS works before anybody has thought
//! of certificates. Phones that check who signed it must be given it, or told not to check.

use std::net::IpAddr;
use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

use super::super::data::write_secret;
use super::super::start::Failure;

/// What phones on this machine call us.
const LOCAL: &str = "localhost";

/// Makes a certificate for these addresses and its key, unless both are there.
pub(super) fn make(
    (certificate, key): (&Path, &Path),
    domain: &str,
    addresses: &[IpAddr],
) -> Result<(), Failure> {
    if certificate.exists() && key.exists() {
        return Ok(());
    }
    let (text, secret) = generate(domain, addresses).map_err(|e| Failure::System {
        what: format!("cannot make {}", certificate.display()),
        error: std::io::Error::other(e),
    })?;
    // The key first: who is cut off between the two makes both again.
    write_secret(key, secret.as_bytes())?;
    write_secret(certificate, text.as_bytes())?;
    tracing::info!(
        "first start: a certificate for TLS was made and signed by itself; --tls-cert names a better one"
    );
    Ok(())
}

/// A certificate and its key, in PEM. It outlives the phones: one that ends before them would be
/// noticed when nobody can call any more.
fn generate(domain: &str, addresses: &[IpAddr]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([domain.to_owned(), LOCAL.to_owned()])?;
    params.subject_alt_names.extend(addresses.iter().map(|it| SanType::IpAddress(*it)));
    params.distinguished_name.push(DnType::CommonName, domain);
    (params.not_before, params.not_after) =
        (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
