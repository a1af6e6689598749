//! Which certificate a phone is shown: the first one that names what it asks for (SNI) and that it
//! can read, else the first that it can read, else the first.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// All certificates with their names.
#[derive(Debug)]
pub(super) struct Chosen(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl Chosen {
    pub(super) fn among(all: Vec<Arc<CertifiedKey>>) -> Self {
        Self(all.into_iter().map(|it| (names(&it), it)).collect())
    }
}

impl ResolvesServerCert for Chosen {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let wanted = hello.server_name();
        let rank = |(names, pair): &&(Vec<String>, Arc<CertifiedKey>)| {
            let is_named = wanted.is_some_and(|it| names.iter().any(|name| is_for(name, it)));
            let is_readable = pair.key.choose_scheme(schemes).is_some();
            // A certificate that it cannot read is of no use, whatever stands in it.
            (!is_readable, !is_named)
        };
        self.0.iter().min_by_key(rank).map(|it| Arc::clone(&it.1))
    }
}

fn names(pair: &CertifiedKey) -> Vec<String> {
    let certificate = pair.cert.first().and_then(|it| EndEntityCert::try_from(it).ok());
    certificate.map(|it| it.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// Whether a certificate's name covers what is asked for. Here a wildcard stands for one label
/// (RFC 6125 §6.4.3): the phone judges, and we only guess which certificate will please it.
fn is_for(name: &str, wanted: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(domain) => {
            wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        }
        None => name.eq_ignore_ascii_case(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (name, wanted, is_covered) in [
            ("pbx.example", "PBX.example", true),
            ("pbx.example", "a.pbx.example", false),
            ("*.example", "pbx.example", true),
            ("*.example", "a.pbx.example", false),
            ("*.example", "example", false),
        ] {
            assert_eq!(is_for(name, wanted), is_covered, "{name} {wanted}");
        }
    }
}
