//! Certificates and keys: which files the settings mean, what stands in them, and the two
//! configurations that are made of them, for those who come to us and for those we go to.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage};

use crate::config::{Clients, Settings, Wrong};

use super::chosen::Chosen;
use super::names::SipServers;

/// No file of ours is larger; the system's list of those whom it believes has 250 KiB.
const FILE_MAX: u64 = 1 << 20;
/// Where systems keep that list.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// A certificate that ends within this is worth a word.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// The one provider of cryptography in this house. A browser stack that brings another one later
/// changes it here and in `Cargo.toml`.
pub(super) fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// Which files hold what we prove ourselves with, and what others prove themselves by.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// Each certificate, with its key.
    pairs: Vec<(PathBuf, PathBuf)>,
    clients: Option<(PathBuf, Clients)>,
    roots: Option<PathBuf>,
    /// The pair is one that we make ourselves.
    pub(super) is_own: bool,
}

/// What stands in these files.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    clients: Option<Vec<u8>>,
    roots: Option<Vec<u8>>,
}

/// A file that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    setting: &'static str,
    file: PathBuf,
    want: String,
}

/// What is made of the files: the configuration of handshakes.
#[derive(Clone)]
pub(super) struct Credentials {
    /// For who comes to us.
    pub(super) server: Arc<ServerConfig>,
    /// For those we go to.
    pub(super) client: Arc<ClientConfig>,
    /// A line about each certificate, for the log.
    pub(super) about: Vec<String>,
}

/// The credentials that new handshakes get. A handshake under way keeps those that it began with,
/// and a connection needs none any more.
#[derive(Clone)]
pub(in crate::node) struct Current(Arc<Mutex<Credentials>>);

impl Current {
    pub(super) fn new(first: Credentials) -> Self {
        Self(Arc::new(Mutex::new(first)))
    }

    pub(super) fn get(&self) -> Credentials {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, next: Credentials) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl Files {
    /// The files that the settings mean.
    pub(super) fn of(settings: &Settings) -> Self {
        let Settings { data, tls_cert, tls_key, .. } = settings;
        let keys = if tls_key.is_empty() { tls_cert } else { tls_key };
        let mut pairs: Vec<_> = tls_cert.iter().cloned().zip(keys.iter().cloned()).collect();
        let is_own = pairs.is_empty();
        if is_own {
            pairs.push((data.join("tls.pem"), data.join("tls.key")));
        }
        let clients = settings.tls_client.unwrap_or(Clients::Require);
        Self {
            pairs,
            clients: settings.tls_client_ca.clone().map(|it| (it, clients)),
            roots: settings.tls_ca.clone(),
            is_own,
        }
    }

    /// Each of them.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let pairs = self.pairs.iter().flat_map(|(certificate, key)| [certificate, key]);
        let mut all: Vec<_> =
            pairs.chain(self.clients.iter().map(|it| &it.0)).chain(&self.roots).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// The first certificate, which is the one that most phones see, and its key.
    pub(super) fn first(&self) -> (&Path, &Path) {
        let first = self.pairs.first().expect("there is a pair, ours if nobody names one");
        (&first.0, &first.1)
    }

    /// Reads all of them.
    pub(super) fn read(&self) -> Result<Texts, Bad> {
        let pairs = self
            .pairs
            .iter()
            .map(|(certificate, key)| Ok((read("tls-cert", certificate)?, read("tls-key", key)?)));
        let clients = self.clients.as_ref().map(|it| read("tls-client-ca", &it.0));
        let roots = self.roots.as_ref().map(|it| read("tls-ca", it));
        Ok(Texts {
            pairs: pairs.collect::<Result<_, _>>()?,
            clients: clients.transpose()?,
            roots: roots.transpose()?,
        })
    }

    /// Makes credentials of what was read of them.
    pub(super) fn credentials(&self, texts: &Texts, now: Duration) -> Result<Credentials, Bad> {
        let provider = Arc::new(provider());
        let mut all = Vec::new();
        let mut about = Vec::new();
        for ((certificate, key), (chain_text, key_text)) in self.pairs.iter().zip(&texts.pairs) {
            let bad = |want| Bad { setting: "tls-cert", file: certificate.clone(), want };
            let chain = certificates(chain_text).map_err(bad)?;
            let leaf = chain.first().expect("there is a certificate").clone();
            about.push(describe(certificate, &leaf, now).map_err(bad)?);
            let bad = |want: &str| Bad { setting: "tls-key", file: key.clone(), want: want.into() };
            let secret = PrivateKeyDer::from_pem_slice(key_text);
            let secret = secret.map_err(|_| bad("a private key in PEM, without a password"))?;
            let pair = CertifiedKey::from_der(chain, secret, &provider).map_err(|e| match e {
                rustls::Error::InconsistentKeys(_) => {
                    bad(&format!("the key of the certificate in {}", certificate.display()))
                }
                _ => bad("a key of ECDSA (P-256, P-384), RSA (2048 bits or more) or Ed25519"),
            })?;
            all.push(Arc::new(pair));
        }
        let first = Arc::clone(all.first().expect("there is a pair, ours if nobody names one"));

        let bad = |setting, file: &Path, want| Bad { setting, file: file.to_owned(), want };
        let versions = "the versions stand in the library itself";
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = server.with_safe_default_protocol_versions().expect(versions);
        let server = match self.clients.as_ref().zip(texts.clients.as_ref()) {
            None => server.with_no_client_auth(),
            Some(((file, clients), text)) => {
                let roots = roots(text).map_err(|it| bad("tls-client-ca", file, it))?;
                let verifier = WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(&provider),
                );
                let verifier = match clients {
                    Clients::Require => verifier,
                    Clients::Ask => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build();
                server.with_client_cert_verifier(
                    verifier.map_err(|e| bad("tls-client-ca", file, format!("CAs ({e})")))?,
                )
            }
        };
        let mut server = server.with_cert_resolver(Arc::new(Chosen::among(all)));
        // Without tickets a phone that comes back costs us a whole handshake; with the next
        // credentials come other tickets, so nobody returns on what an older CA has signed.
        if let Ok(it) = ring::Ticketer::new() {
            server.ticketer = it;
        }

        let believed = match (&self.roots, &texts.roots) {
            (Some(file), Some(text)) => roots(text).map_err(|it| bad("tls-ca", file, it))?,
            _ => system_roots(),
        };
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let client = client.with_safe_default_protocol_versions().expect(versions);
        let client = client
            .dangerous()
            .with_custom_certificate_verifier(SipServers::new(believed, &provider))
            // A server that asks who we are is shown what we show to phones.
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from((*first).clone())));
        Ok(Credentials { server: Arc::new(server), client: Arc::new(client), about })
    }
}

impl Bad {
    /// As a complaint about the setting that names the file.
    pub(super) fn of(self, settings: &Settings) -> Wrong {
        let missing_own =
            matches!(self.setting, "tls-cert" | "tls-key") && settings.tls_cert.is_empty();
        let setting = match self.setting {
            "tls-key" if settings.tls_key.is_empty() && !missing_own => "tls-cert",
            it => it,
        };
        settings.wrong(setting, self.file.display().to_string(), self.want)
    }
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is wrong: --{} wants {}", self.file.display(), self.setting, self.want)
    }
}

fn read(setting: &'static str, file: &Path) -> Result<Vec<u8>, Bad> {
    let bad = |want| Bad { setting, file: file.to_owned(), want };
    let mut text = Vec::new();
    let opened = File::open(file).and_then(|it| it.take(FILE_MAX + 1).read_to_end(&mut text));
    match opened {
        Err(e) => Err(bad(format!("a file that can be read ({e})"))),
        Ok(_) if text.len() as u64 > FILE_MAX => Err(bad("a file of at most 1 MiB".into())),
        Ok(_) => Ok(text),
    }
}

/// All certificates of a text; at least one.
fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err("certificates in PEM (-----BEGIN CERTIFICATE-----)".to_owned()),
    }
}

fn roots(text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for it in certificates(text)? {
        roots.add(it).map_err(|e| format!("certificates of CAs ({e})"))?;
    }
    Ok(roots)
}

/// Whom this system believes. Nobody, where it keeps no list: then no server is believed either.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let text = SYSTEM_ROOTS.iter().find_map(|it| fs::read(it).ok()).unwrap_or_default();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
    roots
}

/// A line about a certificate: for whom, how it is recognised, and until when.
fn describe(file: &Path, leaf: &CertificateDer<'_>, now: Duration) -> Result<String, String> {
    let unreadable = |e| format!("a certificate of X.509 version 3 ({e})");
    let certificate = EndEntityCert::try_from(leaf).map_err(unreadable)?;
    let names: Vec<_> = certificate.valid_dns_names().collect();
    let print = fingerprint(leaf);
    let end = end_of(&certificate);
    let days = end.saturating_sub(now).as_secs() / 86_400;
    let until = match end {
        it if it <= now => "; IT HAS EXPIRED, and phones refuse it".to_owned(),
        it if it <= now + SOON => format!("; it EXPIRES in {days} days"),
        _ => format!("; valid for {days} days"),
    };
    Ok(format!("{} for {}, SHA-256 {print}{until}", file.display(), names.join(" ")))
}

/// The SHA-256 of a certificate, as browsers and `openssl x509 -fingerprint` write it.
fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<_> = Sha256::digest(certificate).iter().map(|it| format!("{it:02X}")).collect();
    pairs.join(":")
}

/// The last moment of a certificate, since 1970. The library tells it to whom it refuses for coming
/// too late, so we come as late as can be.
fn end_of(certificate: &EndEntityCert<'_>) -> Duration {
    let latest = UnixTime::since_unix_epoch(Duration::from_secs(u64::from(u32::MAX) * 60));
    let algorithms = provider().signature_verification_algorithms.all;
    let usage = KeyUsage::server_auth();
    match certificate.verify_for_usage(algorithms, &[], &[], latest, usage, None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            Duration::from_secs(not_after.as_secs())
        }
        _ => Duration::MAX,
    }
}

#[cfg(test)]
mod tests;
