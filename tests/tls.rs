//! SIP over TLS through the binary: certificates of its own and of others, who is let in and who is
//! not, and what a peer that does not shake hands properly can do to the others: nothing.
#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

#[path = "../src/node/tls/forge.rs"]
mod forge;
#[path = "interop/pbx.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod pbx;
#[path = "tcp/peer.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod peer;
#[path = "interop/scratch.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod scratch;
#[path = "../benches/load/sip.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod sip;
#[path = "interop/wait.rs"]
#[allow(dead_code, reason = "each test program uses its part of the driver")]
mod wait;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};

use forge::{Forge, Forged};
use pbx::Pbx;
use peer::{Over, Peer, anyone, options};
use scratch::Scratch;
use wait::{timed, wait_for};

/// How long something may take that another thread does.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_certificate_is_made_on_the_first_start_and_kept() {
    let pbx = Pbx::start();
    let (certificate, key) = (pbx.file("tls.pem"), pbx.file("tls.key"));
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    assert!(pbx.log().contains("a certificate for TLS was made"), "{}", pbx.log());
    let print = fingerprint(&pbx.log());
    assert!(pbx.log().contains(&format!("our certificate {} for", certificate.display())));
    let shown = leaf(&Over::Tls.to(&pbx));
    assert_eq!(shown, CertificateDer::from_pem_file(&certificate).unwrap());
    // A phone that is given the file believes it.
    let config = client(&fs::read_to_string(&certificate).unwrap(), None);
    for name in ["moonswitch", "127.0.0.1"] {
        assert!(Peer::over_tls(pbx.sip_tls(), Arc::clone(&config), name).is_ok(), "{name}");
    }
    let pbx = Pbx::start_in(pbx.into_scratch());
    assert_eq!(fingerprint(&pbx.log()), print);
    assert!(!pbx.log().contains("was made"));
}

#[test]
fn a_call_goes_from_tls_to_udp_and_back() {
    let pbx = Pbx::start();
    let (mut ann, mut bob) = (Over::Tls.to(&pbx), Peer::over_udp(pbx.sip()));
    ann.register(0);
    bob.register(1);
    let ok = talk(&mut ann, &mut bob);
    assert!(ok.contact().ends_with(";transport=tls"), "{}", ok.contact());
    assert!(ok.contact().contains(&format!(":{}", pbx.sip_tls().port())), "{}", ok.contact());
    bob.invite(1, "1001");
    let invite = ann.hear();
    assert!(invite.header("via").starts_with("SIP/2.0/TLS "), "{}", invite.header("via"));
    assert!(invite.contact().ends_with(";transport=tls"), "{}", invite.contact());
}

#[test]
fn new_certificates_are_for_new_connections_and_those_that_are_bad_for_nobody() {
    let forge = Forge::new("CA");
    let folder = Scratch::new("reload");
    let [before, after, here] = ["before", "after", "here"].map(|it| folder.file(it));
    for (path, name) in [(&before, "one.example"), (&after, "three.example")] {
        fs::create_dir(path).unwrap();
        forge.issue(name, 2049).write(path);
    }
    symlink(&before, &here).unwrap();
    let [pem, key] = ["pbx.pem", "pbx.key"].map(|it| here.join(it).display().to_string());
    let pbx = Pbx::start_with("127.0.0.1:0", &["--tls-cert", &pem, "--tls-key", &key]);
    let config = client(&forge.pem(), None);
    let is = |name: &str| Peer::over_tls(pbx.sip_tls(), Arc::clone(&config), name).is_ok();
    assert!(is("one.example") && !is("two.example"));

    let (mut ann, mut bob) = (Over::Tls.to(&pbx), Over::Tls.to(&pbx));
    ann.register(0);
    bob.register(1);
    let ok = talk(&mut ann, &mut bob);

    forge.issue("two.example", 2049).write(&before);
    wait_for("the new certificate", SOON, || is("two.example").then_some(()));
    assert!(!is("one.example"));
    // A key that is another's, until somebody notices.
    fs::write(&key, forge.issue("x", 2049).key).unwrap();
    wait_for("a complaint", SOON, || {
        pbx.log().contains("the certificates before it").then_some(())
    });
    assert!(pbx.log().contains(&format!("{key} is wrong: --tls-key wants the key of")));
    assert!(is("two.example"));
    // What the system does not tell of: a link further up leads elsewhere.
    symlink(&after, folder.file("draft")).unwrap();
    fs::rename(folder.file("draft"), &here).unwrap();
    pbx.signal("HUP");
    wait_for("the third certificate", SOON, || is("three.example").then_some(()));

    // Who has talked all the time goes on, until it is enough.
    assert_eq!(pbx.health("calls"), 1);
    for it in [&mut ann, &mut bob] {
        assert_eq!(it.ask(&options("OPTIONS", 1)).status(), Some(200));
    }
    ann.register(0);
    assert_eq!(ann.ask(&within(&ok, "BYE", 99)).status(), Some(200));
    assert!(bob.hear().first().starts_with("BYE "));
    wait_for("the end of the call", SOON, || (pbx.health("calls") == 0).then_some(()));
}

#[test]
fn a_phone_is_shown_the_certificate_of_the_name_that_it_asks_for() {
    let forge = Forge::new("CA");
    let folder = Scratch::new("names");
    let names = ["first.example", "second.example *.wild.example", "third.example"];
    let files: Vec<_> = (0..)
        .zip(names)
        .map(|(nth, names)| {
            let name = format!("{nth}.pem");
            let Forged { certificate, key } = forge.issue(names, 2049);
            fs::write(folder.file(&name), certificate + &key).unwrap();
            folder.file(&name).display().to_string()
        })
        .collect();
    let pbx = Pbx::start_with("127.0.0.1:0", &["--tls-cert", &files.join(",")]);
    for (asked, nth) in [
        ("first.example", 0),
        ("SECOND.example", 1),
        ("a.wild.example", 1),
        ("third.example", 2),
        ("elsewhere.example", 0),
        ("127.0.0.1", 0),
    ] {
        let peer = Peer::over_tls(pbx.sip_tls(), anyone::config(), asked).unwrap();
        assert_eq!(leaf(&peer), CertificateDer::from_pem_file(&files[nth]).unwrap(), "{asked}");
    }
}

#[test]
fn a_client_certificate_is_required_or_asked_for_and_a_wrong_one_never_lets_in() {
    let (forge, other) = (Forge::new("CA"), Forge::new("another CA"));
    let folder = Scratch::new("mutual");
    let ca = folder.file("ca.pem").display().to_string();
    fs::write(&ca, forge.pem()).unwrap();
    let right = forge.issue("phone.example", 2049);
    let expired = forge.issue("phone.example", 2025);
    let wrong = other.issue("phone.example", 2049);
    for (words, absent_is_let_in) in [
        (vec!["--tls-client-ca", &ca], false),
        (vec!["--tls-client-ca", &ca, "--tls-client", "require"], false),
        (vec!["--tls-client-ca", &ca, "--tls-client", "ask"], true),
    ] {
        let pbx = Pbx::start_with("127.0.0.1:0", &words);
        let own = fs::read_to_string(pbx.file("tls.pem")).unwrap();
        for (certificate, is_let_in, told) in [
            (Some(&right), true, ""),
            (Some(&expired), false, "the peer's certificate is refused"),
            (Some(&wrong), false, "the peer's certificate is refused"),
            (None, absent_is_let_in, "the peer has no certificate"),
        ] {
            let config = client(&own, certificate);
            let peer = Peer::over_tls(pbx.sip_tls(), config, "moonswitch");
            let is_in = peer.is_ok_and(|mut it| it.try_ask(&options("OPTIONS", 1)).is_some());
            assert_eq!(is_in, is_let_in, "{words:?} {told}");
            if !is_let_in {
                wait_for(told, SOON, || pbx.log().contains(told).then_some(()));
            }
        }
    }
}

#[test]
fn files_that_are_wrong_keep_it_from_starting_and_an_expired_certificate_does_not() {
    let folder = Scratch::new("wrong");
    fs::write(folder.file("text"), "no certificate").unwrap();
    let text = folder.file("text").display().to_string();
    for (words, part) in [
        (
            vec!["--tls-cert", "/nowhere.pem"],
            "--tls-cert \"/nowhere.pem\" is wrong: it wants a file",
        ),
        (vec!["--tls-cert", &text], "it wants certificates in PEM"),
        (vec!["--tls-client-ca", &text], "--tls-client-ca"),
        (vec!["--tls-client", "ask"], "--tls-client-ca beside it"),
        (vec!["--sip-tls", "5061"], "ADDR:PORT"),
    ] {
        let data = Scratch::new("wrong-data");
        let output = pbx::run(data.path(), &words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(part), "{told}");
    }
    let expired = Forge::new("CA").issue("pbx.example", 2025);
    fs::write(folder.file("text"), expired.certificate + &expired.key).unwrap();
    let pbx = Pbx::start_with("127.0.0.1:0", &["--tls-cert", &text]);
    assert!(pbx.log().contains("IT HAS EXPIRED"), "{}", pbx.log());
    assert_eq!(Over::Tls.to(&pbx).ask(&options("OPTIONS", 1)).status(), Some(200));
}

#[test]
fn without_tls_there_is_none() {
    let pbx = Pbx::start_with("127.0.0.1:0", &["--sip-tls", "off"]);
    assert!(!pbx.ready().contains("sip-tls="), "{}", pbx.ready());
    assert_eq!(Over::Tcp.to(&pbx).ask(&options("OPTIONS", 1)).status(), Some(200));
}

#[test]
fn a_phone_that_comes_back_need_not_shake_hands_at_length() {
    let pbx = Pbx::start();
    let config = anyone::config();
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let at = pbx.sip_tls();
        let mut peer = Peer::over_tls(at, Arc::clone(&config), "pbx.test").unwrap();
        // Its tickets come with the answer.
        assert_eq!(peer.ask(&options("OPTIONS", 1)).status(), Some(200));
        assert_eq!(peer.session().handshake_kind(), Some(kind));
    }
}

#[test]
fn who_mistakes_the_port_is_told_about_in_the_log_and_let_go() {
    let pbx = Pbx::start();
    for _ in 0..3 {
        let mut plain = Peer::over_tcp(pbx.sip_tls());
        plain.say(options("OPTIONS", 1));
        assert!(plain.is_refused());
        assert!(Peer::over_tls(pbx.sip(), anyone::config(), "pbx.test").is_err());
    }
    for told in ["what comes is not TLS", "speaks TLS to the port of plain SIP"] {
        wait_for(told, SOON, || pbx.log().contains(told).then_some(()));
        assert_eq!(pbx.log().matches(told).count(), 1, "it is told once");
    }
}

#[test]
fn three_hundred_slow_handshakes_keep_no_phone_out() {
    let pbx = Pbx::start();
    let before = pbx.memory_kib();
    let mut slow: Vec<_> = (0..300).map(|_| TcpStream::connect(pbx.sip_tls()).unwrap()).collect();
    let mut steady = Over::Tls.to(&pbx);
    // The head of a record of 512 bytes, and then one byte after the other.
    for byte in [22, 3, 1, 2, 0, 1, 0, 1, 252, 3] {
        for it in &mut slow {
            // The oldest were sent away to let others in.
            _ = it.write_all(&[byte]);
        }
        let (_, span) = timed(|| {
            let mut newcomer = Over::Tls.to(&pbx);
            newcomer.register(0);
            steady.register(1);
        });
        assert!(span < Duration::from_secs(2), "{span:?}");
    }
    let grown = pbx.memory_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "grown by {grown} KiB");
}

/// A second implementation, where there is one.
#[test]
fn openssl_is_understood_in_both_versions_and_older_ones_are_refused() {
    if Command::new("openssl").arg("version").output().is_err() {
        return eprintln!("skipped: there is no openssl");
    }
    let pbx = Pbx::start();
    let own = pbx.file("tls.pem").display().to_string();
    for (version, is_understood) in [("-tls1_2", true), ("-tls1_3", true), ("-tls1_1", false)] {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-CAfile", &own, version])
            .args(["-connect", &pbx.sip_tls().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        _ = input.write_all(options("OPTIONS", 1).as_bytes());
        let mut answer = [0; 15];
        let answered = child.stdout.take().unwrap().read_exact(&mut answer);
        drop(input);
        _ = child.kill();
        _ = child.wait();
        assert_eq!(answered.is_ok() && answer == *b"SIP/2.0 200 OK\r", is_understood, "{version}");
    }
}

/// The first calls the second, who answers; the 200 that the first gets.
#[track_caller]
fn talk(ann: &mut Peer, bob: &mut Peer) -> sip::Message {
    ann.invite(0, "1002");
    let invite = bob.hear();
    assert!(invite.first().starts_with("INVITE sip:1002@"), "{}", invite.first());
    let contact = "Contact: <sip:1002@127.0.0.1:9>\r\n";
    bob.say(invite.reply("200 OK", "bob", contact, &sip::sdp(40_002)));
    let ok = ann.hear_final_or(0);
    assert_eq!(ok.status(), Some(200));
    assert!(bob.hear().first().starts_with("ACK "));
    ann.say(within(&ok, "ACK", ok.cseq().0));
    ok
}

/// A request of the caller within the call that this 200 has begun.
fn within(ok: &sip::Message, method: &str, cseq: u32) -> String {
    format!(
        "{method} {} SIP/2.0\r\nVia: SIP/2.0/TLS peer;branch=z9hG4bK{method}{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
         Content-Length: 0\r\n\r\n",
        ok.contact(),
        ok.header("from"),
        ok.header("to"),
        ok.header("call-id"),
    )
}

/// A client that believes what this CA signs, and shows this certificate.
fn client(ca: &str, own: Option<&Forged>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    match own {
        None => config.with_no_client_auth(),
        Some(Forged { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    }
    .into()
}

/// What the PBX has shown.
fn leaf(peer: &Peer) -> CertificateDer<'static> {
    peer.session().peer_certificates().unwrap()[0].clone().into_owned()
}

fn fingerprint(log: &str) -> String {
    log.split_once("SHA-256 ").unwrap().1.get(..95).unwrap().to_owned()
}

impl Forged {
    fn write(&self, folder: &Path) {
        // Each at once, so that nobody reads half of one.
        for (ending, text) in [("key", &self.key), ("pem", &self.certificate)] {
            let draft = folder.join("draft");
            fs::write(&draft, text).unwrap();
            fs::rename(&draft, folder.join(format!("pbx.{ending}"))).unwrap();
        }
    }
}
