//! Secrets at rest: sealed with the house's key and bound to the row that they belong to, so that
//! one that is copied to another row opens as little as one that is altered.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::Error;
use crate::base::Rng;
use crate::directory::Uuid;

/// The length of the nonce that stands before each sealed secret. 192 random bits never repeat.
const NONCE_LEN: usize = 24;

/// The key of the house, which stands in a file beside the database, never in it.
#[derive(Clone)]
pub struct Key(XChaCha20Poly1305);

impl Key {
    /// The key that a key file holds.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&bytes.into()))
    }

    /// Seals a secret of the row `of`.
    pub(super) fn seal(&self, secret: &str, of: Uuid, rng: &mut Rng) -> Result<Vec<u8>, Error> {
        let mut sealed = vec![0; NONCE_LEN];
        rng.fill(&mut sealed);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&sealed);
        let payload = Payload { msg: secret.as_bytes(), aad: &of.0 };
        let text = self.0.encrypt(&XNonce::from(nonce), payload);
        sealed.extend(text.map_err(|_| Error::Unexpected("a secret cannot be sealed".into()))?);
        Ok(sealed)
    }

    /// Opens a sealed secret of the row `of`.
    pub(super) fn open(&self, sealed: &[u8], of: Uuid) -> Result<String, Error> {
        let damaged = || Error::Corrupt(format!("the secret of {of} does not open"));
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let payload = Payload { msg: text, aad: &of.0 };
        let open = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?;
        String::from_utf8(open).map_err(|_| damaged())
    }
}

/// Never shows the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_with_its_key_for_its_row_and_not_otherwise() {
        let mut rng = Rng::from_seed(1);
        let (key, other) = (Key::new([1; 32]), Key::new([2; 32]));
        let row = Uuid([7; 16]);
        let sealed = key.seal("geheim", row, &mut rng).unwrap();
        assert_eq!(key.open(&sealed, row).unwrap(), "geheim");
        assert!(other.open(&sealed, row).is_err());
        assert!(key.open(&sealed, Uuid([8; 16])).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(key.open(&bent, row).is_err());
            assert!(key.open(&sealed[..at], row).is_err());
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let mut rng = Rng::from_seed(1);
        let key = Key::new([1; 32]);
        let mut seal = || key.seal("geheim", Uuid::NIL, &mut rng).unwrap();
        assert_ne!(seal(), seal());
        assert_eq!(format!("{key:?}"), "Key");
    }
}
