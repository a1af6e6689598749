//! Whom we believe: certificates of a CA of ours, for the domains of RFC 5922.

use rustls::pki_types::pem::PemObject;

use super::super::credentials::provider;
use super::super::forge::{Forge, Forged};
use super::*;

#[test]
fn the_names_of_a_certificate_are_those_of_rfc_5922() {
    let forge = Forge::new("CA");
    for (names, identities) in [
        ("a.example b.example", "a.example b.example"),
        ("a.example sip:b.example", "b.example"),
        ("a.example sip:bob@b.example sips:c.example", "a.example"),
        ("*.a.example", "*.a.example"),
        ("", ""),
    ] {
        let found = of(&der(&forge.issue(names, 2049)));
        assert_eq!(found.iter().collect::<Vec<_>>().join(" "), identities);
    }
    assert!(of(&CertificateDer::from_slice(b"nonsense")).is_empty());
}

#[test]
fn a_server_is_believed_as_the_domain_that_a_ca_says_it_is() {
    let (forge, other) = (Forge::new("CA"), Forge::new("another CA"));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(forge.pem().as_bytes()).unwrap()).unwrap();
    let verifier = SipServers::new(roots, &provider());
    for (certificate, domain, is_believed) in [
        (forge.issue("a.example", 2049), "a.example", true),
        (forge.issue("a.example", 2049), "A.EXAMPLE", true),
        (forge.issue("other.example sip:a.example", 2049), "a.example", true),
        (forge.issue("a.example sip:other.example", 2049), "a.example", false),
        (forge.issue("b.example", 2049), "a.example", false),
        (forge.issue("*.example", 2049), "a.example", false),
        (forge.issue("a.example", 2049), "b.a.example", false),
        (forge.issue("a.example", 2025), "a.example", false),
        (other.issue("a.example", 2049), "a.example", false),
    ] {
        let name = ServerName::try_from(domain).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_790_000_000));
        let answer = verifier.verify_server_cert(&der(&certificate), &[], &name, &[], now);
        assert_eq!(answer.is_ok(), is_believed, "{domain}: {answer:?}");
    }
}

fn der(forged: &Forged) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(forged.certificate.as_bytes()).unwrap()
}
