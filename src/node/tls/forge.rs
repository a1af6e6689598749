//! Certificates for tests: a CA of ours that signs what it is asked to.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

/// A CA.
pub(crate) struct Forge(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Forge {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these DNS names and URIs that ends with this year.
    pub(crate) fn issue(&self, names: &str, last_year: i32) -> Forged {
        let (uris, dns): (Vec<_>, Vec<_>) =
            names.split_whitespace().partition(|it| it.contains(':'));
        let dns: Vec<String> = dns.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(dns).unwrap();
        let uris = uris.into_iter().map(|it| SanType::URI(it.try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(last_year, 12, 31));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Forged { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}
