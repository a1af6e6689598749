//! What is said of files that are wrong, and which certificate is shown to whom.

use std::fs;

use super::super::forge::Forge;
use super::*;
use crate::config::Draft;

#[test]
fn files_that_are_wrong_are_named_with_what_would_be_right() {
    let folder = Folder::new("wrong");
    let forge = Forge::new("CA");
    let (one, other) = (forge.issue("a.example", 2049), forge.issue("b.example", 2049));
    folder.write("a.pem", &one.certificate);
    folder.write("a.key", &one.key);
    folder.write("b.key", &other.key);
    folder.write("both.pem", &(one.key.clone() + &one.certificate));
    folder.write("text", "no certificate");
    folder.write("ca.pem", &forge.pem());
    for (flags, part) in [
        ("--tls-cert a.pem --tls-key a.key", ""),
        ("--tls-cert both.pem", ""),
        ("--tls-cert a.pem --tls-key a.key --tls-client-ca ca.pem --tls-ca ca.pem", ""),
        (
            "--tls-cert gone.pem --tls-key a.key",
            "--tls-cert \"DIR/gone.pem\" is wrong: it wants a file that can be read",
        ),
        (
            "--tls-cert text --tls-key a.key",
            "--tls-cert \"DIR/text\" is wrong: it wants certificates in PEM",
        ),
        (
            "--tls-cert a.pem --tls-key gone.key",
            "--tls-key \"DIR/gone.key\" is wrong: it wants a file that can",
        ),
        (
            "--tls-cert a.pem --tls-key text",
            "--tls-key \"DIR/text\" is wrong: it wants a private key in PEM",
        ),
        ("--tls-cert a.pem", "--tls-cert \"DIR/a.pem\" is wrong: it wants a private key in PEM"),
        (
            "--tls-cert a.pem --tls-key b.key",
            "--tls-key \"DIR/b.key\" is wrong: it wants the key of the certificate in DIR/a.pem",
        ),
        (
            "--tls-cert a.pem --tls-key a.key --tls-client-ca text",
            "--tls-client-ca \"DIR/text\" is wrong",
        ),
        ("--tls-cert a.pem --tls-key a.key --tls-ca text", "--tls-ca \"DIR/text\" is wrong"),
    ] {
        let settings = folder.settings(flags);
        let files = Files::of(&settings);
        let made = files.read().and_then(|texts| files.credentials(&texts, NOW));
        let told = made.map_or_else(|bad| bad.of(&settings).to_string(), |_| String::new());
        let told = told.replace(&folder.0.display().to_string(), "DIR");
        assert!(told.starts_with(part) && told.is_empty() == part.is_empty(), "{flags}: {told}");
    }
}

#[test]
fn the_log_says_for_whom_a_certificate_is_and_how_long() {
    let folder = Folder::new("about");
    let forge = Forge::new("CA");
    for (year, part) in [(2049, "; valid for 8"), (2025, "; IT HAS EXPIRED")] {
        let forged = forge.issue("a.example b.example", year);
        folder.write("a.pem", &forged.certificate);
        folder.write("a.key", &forged.key);
        let files = Files::of(&folder.settings("--tls-cert a.pem --tls-key a.key"));
        let about = files.credentials(&files.read().unwrap(), NOW).unwrap().about.remove(0);
        assert!(
            about.contains(" for a.example b.example, SHA-256 ") && about.contains(part),
            "{about}"
        );
    }
}

#[test]
fn a_fingerprint_is_written_like_everywhere() {
    let print = fingerprint(b"");
    assert!(print.starts_with("E3:B0:C4:42:98:FC:1C:14:") && print.len() == 95, "{print}");
}

/// In 2026.
const NOW: Duration = Duration::from_secs(1_790_000_000);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("moonswitch-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    /// Settings whose files lie here.
    fn settings(&self, flags: &str) -> Settings {
        let here = |it: &str| match it.starts_with("--") {
            true => it.to_owned(),
            false => self.0.join(it).display().to_string(),
        };
        let mut draft = Draft::default();
        draft.flags(flags.split_whitespace().map(here));
        draft.settle().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
