//! Real connections on a clock of ours: two doors that talk to each other, and peers that do not
//! know how.

use super::super::credentials::{Credentials, Files};
use super::super::forge::Forge;
use super::*;
use crate::config::Draft;
use crate::node::post::post;
use crate::node::tcp::listen;
use crate::sip::Connection;

#[test]
fn two_doors_open_to_each_other_and_each_knows_who_the_other_is() {
    let forge = Forge::new("CA");
    let mut ours = House::new("ours", &forge, "ours.example");
    let mut theirs = House::new("theirs", &forge, "x.example sip:theirs.example");
    ours.wish(1, theirs.at, Some("theirs.example"));
    ours.settle_with(&mut theirs, 0);
    let (here, there) = (ours.guest().unwrap(), theirs.guest().unwrap());
    assert_eq!(names(&here), ["theirs.example"]);
    assert_eq!(names(&there), ["ours.example"]);
    assert_eq!(here.wanted.unwrap().connection, Connection::ours(1));
    assert!(there.wanted.is_none());
    ours.nothing_is_left();
    theirs.nothing_is_left();
}

#[test]
fn who_is_not_the_domain_that_we_want_is_nobody() {
    let (forge, other) = (Forge::new("CA"), Forge::new("another CA"));
    let mut ours = House::new("wants", &forge, "ours.example");
    for (nth, signer, theirs, wanted) in [
        (0, &forge, "a.example", "b.example"),
        (1, &forge, "*.example", "b.example"),
        (2, &other, "b.example", "b.example"),
        (3, &forge, "b.example", "no domain!"),
    ] {
        let mut theirs = House::new(&format!("is-{nth}"), signer, theirs);
        ours.wish(nth, theirs.at, Some(wanted));
        ours.settle_with(&mut theirs, 0);
        assert!(ours.guest().is_none(), "{wanted}");
        assert!(theirs.guest().is_none(), "{wanted}");
        ours.nothing_is_left();
    }
}

#[test]
fn a_connection_that_is_not_to_be_had_is_told_in_time() {
    let mut house = House::new("opens", &Forge::new("CA"), "ours.example");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    house.wish(1, nobody, None);
    house.wish(2, nobody, Some("a.example"));
    house.settle(0);
    assert!(house.guest().is_none() && house.guest().is_none());
    house.wish(3, silent.local_addr().unwrap(), None);
    house.settle(0);
    assert!(house.guest().unwrap().session.is_none(), "over TCP nothing more is wanted");
    house.wish(4, silent.local_addr().unwrap(), Some("a.example"));
    house.settle(0);
    house.settle(2_999);
    assert_eq!(house.door.waiting.len(), 1);
    house.settle(3_000);
    assert!(house.guest().is_none());
    house.nothing_is_left();
}

#[test]
fn a_peer_that_is_slow_is_given_up_and_the_oldest_makes_room() {
    let mut house = House::new("slow", &Forge::new("CA"), "ours.example");
    let mut peers: Vec<_> = (0..PLACE_MAX + 5)
        .map(|_| {
            let peer = TcpStream::connect(house.at).unwrap();
            house.settle(0);
            peer
        })
        .collect();
    assert_eq!(house.door.waiting.len(), PLACE_MAX);
    assert!(is_closed(&mut peers[4]));
    peers[5].write_all(&[HANDSHAKE_RECORD, 3]).unwrap();
    house.settle(9_999);
    assert_eq!(house.door.waiting.len(), PLACE_MAX);
    house.settle(10_000);
    assert!(peers[5..].iter_mut().all(is_closed));
    house.nothing_is_left();
}

#[test]
fn whatever_comes_instead_of_a_handshake_leaves_nothing_behind() {
    let forge = Forge::new("CA");
    let mut house = House::new("cut", &forge, "ours.example");
    let hello = hello(&mut House::new("hello", &forge, "theirs.example"));
    assert!(hello.len() > 100 && hello[0] == HANDSHAKE_RECORD);
    let cut = (0..hello.len()).step_by(7).map(|it| hello[..it].to_vec());
    let bent = (0..hello.len()).step_by(11).map(|it| {
        let mut hello = hello.clone();
        hello[it] ^= 0xff;
        hello
    });
    let others = [
        b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 100_000],
        vec![HANDSHAKE_RECORD; 100_000],
        [22, 3, 1, 255, 255].to_vec(),
        hello.repeat(20),
    ];
    for bytes in cut.chain(bent).chain(others) {
        let mut peer = TcpStream::connect(house.at).unwrap();
        house.settle(0);
        for piece in bytes.chunks(10_000) {
            // It may be sent away before it has said all.
            _ = peer.write_all(piece);
            house.settle(0);
        }
        drop(peer);
        house.settle(0);
        house.nothing_is_left();
    }
}

#[test]
fn new_credentials_are_for_new_handshakes() {
    let forge = Forge::new("CA");
    let mut ours = House::new("asks", &forge, "ours.example");
    let mut theirs = House::new("changes", &forge, "before.example");
    for (nth, domain) in [(1, "before.example"), (2, "after.example")] {
        ours.wish(nth, theirs.at, Some(domain));
        ours.settle_with(&mut theirs, 0);
        assert_eq!(names(&ours.guest().unwrap()), [domain]);
        theirs.guest().unwrap();
        theirs.door.credentials.set(credentials("changed", &forge, "after.example"));
    }
}

#[test]
fn a_door_that_nobody_wants_closes() {
    let mut house = House::new("over", &Forge::new("CA"), "ours.example");
    assert!(house.door.serve(|| Mono::ZERO, EpollTimeout::ZERO).unwrap());
    house.wishes = post(1).unwrap().0;
    assert!(!house.door.serve(|| Mono::ZERO, EpollTimeout::ZERO).unwrap());
}

struct House {
    door: Door,
    wishes: Post<Wanted>,
    arrivals: Mailbox<Arrival>,
    at: SocketAddr,
}

impl House {
    /// A door with a certificate of this CA for these names, which lets in whom the CA has signed.
    fn new(folder: &str, forge: &Forge, names: &str) -> Self {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = listener.local_addr().unwrap();
        let (wishes, wished) = post(16).unwrap();
        let (guests, arrivals) = post(16).unwrap();
        let current = Current::new(credentials(folder, forge, names));
        let door = Door::new(Some(listener), wished, guests, current).unwrap();
        Self { door, wishes, arrivals, at }
    }

    fn wish(&self, nth: u64, remote: SocketAddr, domain: Option<&str>) {
        let connection = Connection::ours(nth);
        let domain = domain.map(str::to_owned);
        self.wishes.put(Wanted { connection, remote, domain }).unwrap();
        self.wishes.ring();
    }

    /// Serves at this millisecond until nothing is left to do.
    fn settle(&mut self, ms: u64) {
        for _ in 0..32 {
            self.door.serve(|| Mono::from_millis(ms), EpollTimeout::ZERO).unwrap();
        }
    }

    fn settle_with(&mut self, other: &mut Self, ms: u64) {
        for _ in 0..32 {
            self.settle(ms);
            other.settle(ms);
        }
    }

    /// Who comes next, or that it is nobody.
    #[track_caller]
    fn guest(&self) -> Option<Guest> {
        match self.arrivals.take() {
            Letter::Came(Arrival::Guest(it)) => Some(*it),
            Letter::Came(Arrival::Nobody(_)) => None,
            Letter::Empty | Letter::Over => None,
        }
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        let Door { waiting, strangers, places, timers, .. } = &self.door;
        assert!(waiting.is_empty() && strangers.is_empty() && places.is_empty());
        assert!(timers.is_empty());
    }
}

/// What a client begins with.
fn hello(house: &mut House) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    house.wish(1, listener.local_addr().unwrap(), Some("a.example"));
    house.settle(0);
    let mut bytes = [0; 4096];
    let length = listener.accept().unwrap().0.read(&mut bytes).unwrap();
    bytes[..length].to_vec()
}

/// Credentials out of files, as ever.
fn credentials(folder: &str, forge: &Forge, names: &str) -> Credentials {
    let folder = std::env::temp_dir().join(format!("moonswitch-{folder}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let forged = forge.issue(names, 2049);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (pair, ca) = (forged.certificate + &forged.key, forge.pem());
    let (pair, ca) = (write("pair.pem", &pair), write("ca.pem", &ca));
    let flags = ["--tls-cert", &pair, "--tls-client-ca", &ca, "--tls-ca", &ca];
    let mut draft = Draft::default();
    draft.flags(flags.map(str::to_owned));
    let files = Files::of(&draft.settle().unwrap());
    let made = files.credentials(&files.read().unwrap(), Duration::from_secs(1_790_000_000));
    std::fs::remove_dir_all(&folder).unwrap();
    made.unwrap()
}

fn names(guest: &Guest) -> Vec<&str> {
    guest.identities.iter().flat_map(Identities::iter).collect()
}

fn is_closed(peer: &mut TcpStream) -> bool {
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    match peer.read(&mut [0; 16]) {
        Ok(length) => length == 0,
        Err(e) => e.kind() == ErrorKind::ConnectionReset,
    }
}
