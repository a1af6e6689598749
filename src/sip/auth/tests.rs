//! A phone that knows digest, and what a guard makes of it.

use std::time::Duration;

use super::*;

#[test]
fn the_arithmetic_is_that_of_rfc_2617_section_3_5() {
    let header = br#"Digest username="Mufasa", realm="testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, nc=00000001,
        cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1",
        opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
    let Read::Ours(answer) = credentials::pick([&header[..]].into_iter(), "testrealm@host.com")
    else {
        panic!("unreadable");
    };
    let expected = answer.expected("testrealm@host.com", "GET", "Circle Of Life");
    assert_eq!(expected, "6629fae49393a05397450978507c4ef1");
    assert_eq!(expected, answer.response);
}

#[test]
fn a_phone_answers_and_is_known() {
    let mut story = Story::new();
    let answer = story.phone();
    assert_eq!(story.check(&answer), Verdict::Known("alice".into()));
}

#[test]
fn nobody_is_known_without_credentials_for_our_realm() {
    let mut story = Story::new();
    assert_eq!(story.check_all(&[]), Verdict::None);
    let elsewhere = story.phone().realm("elsewhere.test").header();
    let basic = "Basic YWxpY2U6c2VjcmV0".to_owned();
    assert_eq!(
        story.check_all(&[&elsewhere, &basic, "Bearer x", "", "Digestive x"]),
        Verdict::None
    );
}

#[test]
fn ours_is_found_among_several_headers_in_any_order() {
    let mut story = Story::new();
    let ours = story.phone();
    let other = story.phone().realm("trunk.test").header();
    assert_eq!(story.check_all(&[&other, &ours.header()]), Verdict::Known("alice".into()));
    assert_eq!(story.check_all(&[&ours.count(2).header(), &other]), Verdict::Known("alice".into()));
}

#[test]
fn one_request_is_one_guess() {
    let mut story = Story::new();
    let wrong = story.phone().password("guess").header();
    let right = story.phone().header();
    assert_eq!(story.check_all(&[&wrong, &right]), Verdict::Wrong);
}

#[test]
fn an_overheard_answer_opens_nothing_a_second_time() {
    let mut story = Story::new();
    let answer = story.phone();
    assert_eq!(story.check(&answer), Verdict::Known("alice".into()));
    assert_eq!(story.check(&answer), Verdict::Stale);
    assert_eq!(story.check(&answer), Verdict::Stale);
}

#[test]
fn an_overheard_answer_opens_nothing_from_another_address_either() {
    let mut story = Story::new();
    let answer = story.phone();
    story.flow = flow(3);
    assert_eq!(story.check(&answer), Verdict::Stale, "before its owner");
    assert_eq!(story.check(&answer.clone().count(2)), Verdict::Stale);
    story.flow = flow(2);
    assert_eq!(story.check(&answer), Verdict::Known("alice".into()));
    story.flow = flow(3);
    assert_eq!(story.check(&answer), Verdict::Stale, "after it");
}

#[test]
fn who_guesses_waits_and_a_right_guess_in_the_pause_looks_like_a_wrong_one() {
    for user in ["alice", "nobody"] {
        let mut story = Story::new();
        let right = story.phone().user(user).header();
        let wrong = story.phone().user(user).password("guess").header();
        let mut check = |header: &str| {
            story.check_unforgiving("REGISTER", "sip:pbx.test", &[header.as_bytes()])
        };
        for guess in 0..5 {
            assert_eq!(check(&wrong), Verdict::Wrong, "{user} {guess}");
        }
        assert_eq!([check(&wrong), check(&right)], [Verdict::Slowed, Verdict::Slowed], "{user}");
        story.now = story.now + Duration::from_millis(250);
        let end = if user == "alice" { Verdict::Known(user.into()) } else { Verdict::Wrong };
        assert_eq!(story.check_unforgiving("REGISTER", "sip:pbx.test", &[right.as_bytes()]), end);
    }
}

#[test]
fn an_answer_to_a_nonce_of_others_is_no_guess() {
    let mut story = Story::new();
    let mut answer = story.phone().password("guess");
    answer.nonce = "0".repeat(64);
    for _ in 0..100 {
        let header = answer.header();
        let verdict = story.check_unforgiving("REGISTER", "sip:pbx.test", &[header.as_bytes()]);
        assert_eq!(verdict, Verdict::Stale);
    }
    let right = story.phone().header();
    let verdict = story.check_unforgiving("REGISTER", "sip:pbx.test", &[right.as_bytes()]);
    assert_eq!(verdict, Verdict::Known("alice".into()), "so nobody is slowed by forged guesses");
}

#[test]
fn the_nonce_count_must_rise_and_may_skip() {
    let mut story = Story::new();
    let answer = story.phone();
    for (count, verdict) in [
        (0, Verdict::Stale),
        (1, Verdict::Known("alice".into())),
        (2, Verdict::Known("alice".into())),
        (9, Verdict::Known("alice".into())),
        (8, Verdict::Stale),
        (9, Verdict::Stale),
        (u32::MAX, Verdict::Known("alice".into())),
        (u32::MAX, Verdict::Stale),
    ] {
        assert_eq!(story.check(&answer.clone().count(count)), verdict, "{count}");
    }
}

#[test]
fn a_wrong_answer_uses_up_no_count() {
    let mut story = Story::new();
    let answer = story.phone();
    let wrong = answer.clone().count(50).password("guess");
    assert_eq!(story.check(&wrong), Verdict::Wrong);
    assert_eq!(story.check(&answer), Verdict::Known("alice".into()));
}

#[test]
fn an_old_nonce_is_stale_for_the_right_password_and_wrong_for_another() {
    let mut story = Story::new();
    let answer = story.phone();
    story.now = story.now + Duration::from_secs(299);
    assert_eq!(story.check(&answer), Verdict::Known("alice".into()));
    story.now = story.now + Duration::from_secs(2);
    assert_eq!(story.check(&answer.clone().count(2)), Verdict::Stale);
    assert_eq!(story.check(&answer.clone().count(3).password("guess")), Verdict::Stale);
    let challenge = story.guard.challenge(story.now, story.flow, true);
    assert!(challenge.ends_with(r#", algorithm=MD5, qop="auth", stale=true"#), "{challenge}");
    let fresh = story.phone();
    assert_eq!(story.check(&fresh), Verdict::Known("alice".into()));
}

#[test]
fn after_our_restart_a_right_answer_is_stale_and_no_more() {
    let mut before = Story::new();
    let answer = before.phone();
    let mut after = Story::seeded(2);
    assert_eq!(after.check(&answer), Verdict::Stale);
    assert_eq!(after.check(&answer.password("guess")), Verdict::Stale);
}

#[test]
fn an_answer_fits_one_method_one_uri_one_nonce() {
    let mut story = Story::new();
    let header = story.phone().header();
    let uri = "sip:pbx.test";
    assert_eq!(story.check_as("INVITE", uri, &header), Verdict::Wrong);
    assert_eq!(story.check_as("REGISTER", "sip:pbx.test:5080", &header), Verdict::Wrong);
    assert_eq!(story.check_as("REGISTER", "tel:+49301", &header), Verdict::Wrong);
    let nonce = header.find("nonce=\"").unwrap() + 7;
    for at in nonce..nonce + 64 {
        let mut altered = header.clone().into_bytes();
        altered[at] = if altered[at] == b'0' { b'1' } else { b'0' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(story.check_all(&[&altered]), Verdict::Stale);
    }
    assert_eq!(story.check_as("REGISTER", uri, &header), Verdict::Known("alice".into()));
}

#[test]
fn parameters_behind_the_host_of_a_sip_uri_may_differ_and_nothing_else() {
    for (uri, request_uri, same) in [
        ("sip:pbx.test", "sip:pbx.test;transport=udp", true),
        ("sip:1002@pbx.test;user=phone", "sip:1002@pbx.test", true),
        ("sips:1002@pbx.test?a=b", "sips:1002@pbx.test", true),
        ("sip:+49;x=1@pbx.test", "sip:+49;x=1@pbx.test;y", true),
        ("sip:+49;x=1@pbx.test", "sip:+49;x=2@pbx.test", false),
        ("sip:+49;x=1@pbx.test", "sip:+49", false),
        ("sip:1002@pbx.test", "sip:1003@pbx.test", false),
        ("sip:1002@pbx.test", "sips:1002@pbx.test", false),
        ("tel:+49;phone-context=a", "tel:+49;phone-context=b", false),
        ("tel:+49", "tel:+49", true),
        ("", "sip:pbx.test", false),
    ] {
        assert_eq!(is_same_resource(uri, request_uri), same, "{uri} and {request_uri}");
    }
}

#[test]
fn an_unknown_user_and_one_without_a_password_are_as_wrong_as_a_wrong_password() {
    let mut story = Story::new();
    let answer = story.phone();
    assert_eq!(story.check(&answer.clone().password("guess")), Verdict::Wrong);
    assert_eq!(story.check(&answer.clone().user("nobody")), Verdict::Wrong);
    assert_eq!(story.check(&answer.clone().user("empty").password("")), Verdict::Wrong);
    let dummy = story.guard.dummy.clone();
    assert_eq!(story.check(&answer.user("nobody").password(&dummy)), Verdict::Wrong);
}

#[test]
fn no_other_algorithm_slips_in() {
    let mut story = Story::new();
    let header = story.phone().header();
    for algorithm in ["SHA-256", "MD5-sess", "SHA-512-256", "none", "\"\""] {
        let other = header.replace("algorithm=MD5", &format!("algorithm={algorithm}"));
        assert_eq!(story.check_all(&[&other]), Verdict::Wrong, "{algorithm}");
        let longer = other.replace("response=\"", &format!("response=\"{}", "0".repeat(32)));
        assert_eq!(story.check_all(&[&longer]), Verdict::Wrong, "{algorithm}");
    }
    let quoted = header.replace("algorithm=MD5", "Algorithm=\"md5\"");
    assert_eq!(story.check_all(&[&quoted]), Verdict::Known("alice".into()));
    let absent = story.phone().header().replace("algorithm=MD5, ", "");
    assert_eq!(story.check_all(&[&absent]), Verdict::Known("alice".into()));
}

#[test]
fn an_answer_without_its_parts_or_with_two_of_one_is_malformed() {
    let mut story = Story::new();
    let header = story.phone().header();
    for part in ["username", "realm", "nonce", "uri", "response", "cnonce", "qop", "nc"] {
        let without = header.replace(&format!("{part}="), "x=");
        assert_eq!(story.check_all(&[&without]), Verdict::Malformed, "{part}");
        let twice = format!("{header}, {}=\"x\"", part.to_uppercase());
        assert_eq!(story.check_all(&[&twice]), Verdict::Malformed, "{part}");
    }
    for (from, to) in [
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=+0000001"),
        ("nc=00000001", "nc=100000001"),
        ("response=\"", "response=\"0"),
        ("username=\"", "username="),
        ("username=\"", "user name=\""),
        ("username=\"alice\"", "username=\"alice\" junk"),
        ("username=\"alice\"", "username=\"alice"),
        ("username=\"alice\"", "username="),
    ] {
        assert_eq!(story.check_all(&[&header.replace(from, to)]), Verdict::Malformed, "{to}");
    }
    assert_eq!(story.check_all(&["Digest"]), Verdict::Malformed);
    let long = format!("{header}, x=\"{}\"", "y".repeat(5_000));
    assert_eq!(story.check_all(&[&long]), Verdict::Malformed);
}

#[test]
fn other_qops_are_wrong() {
    let mut story = Story::new();
    let header = story.phone().header();
    let integrity = header.replace("qop=auth", "qop=auth-int");
    assert_eq!(story.check_all(&[&integrity]), Verdict::Wrong);
}

#[test]
fn spacing_case_quotes_and_unknown_parameters_do_not_matter() {
    let mut story = Story::new();
    let header = story
        .phone()
        .header()
        .replace("Digest ", "  dIGEST\t")
        .replace("username=", ",, UserName = ")
        .replace(", uri=", "\r\n ,opaque=\"a, b=\\\"c\",URI =\t")
        .replace("qop=auth", "qop=\"auth\"");
    assert_eq!(story.check_all(&[&header]), Verdict::Known("alice".into()));
}

#[test]
fn a_name_with_quotes_is_unescaped_before_it_is_looked_up() {
    let mut story = Story::new();
    let answer = story.phone().user(r#"o"ne\two"#);
    assert!(answer.header().contains(r#"username="o\"ne\\two""#));
    assert_eq!(story.check(&answer), Verdict::Known(r#"o"ne\two"#.into()));
}

#[test]
fn garbage_is_refused_without_a_panic() {
    let mut story = Story::new();
    let header = story.phone().header().into_bytes();
    let mut rng = Rng::from_seed(7);
    let mut known = 0;
    for cut in 0..header.len() {
        assert!(!matches!(story.check_bytes(&header[..cut]), Verdict::Known(_)), "{cut}");
    }
    for _ in 0..20_000 {
        let mut mutant = header.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(mutant.len() as u64) as usize;
            match rng.below(4) {
                0 => mutant[at] = rng.bits() as u8,
                1 => drop(mutant.remove(at)),
                2 => mutant.insert(at, b"\"\\,= \xc3\0"[rng.below(7) as usize]),
                _ => mutant.truncate(at.max(8)),
            }
        }
        known += usize::from(matches!(story.check_bytes(&mutant), Verdict::Known(_)));
    }
    assert_eq!(known, 1, "a mutant that still reads the same is an answer, its repeat is a replay");
}

#[test]
fn the_same_seed_makes_the_same_challenge_and_no_two_are_equal() {
    let (mut one, mut two) = (Story::new(), Story::new());
    let challenge = one.guard.challenge(Mono::ZERO, flow(2), false);
    assert_eq!(challenge, two.guard.challenge(Mono::ZERO, flow(2), false));
    assert_ne!(challenge, one.guard.challenge(Mono::ZERO, flow(2), false));
}

#[test]
fn a_realm_cannot_break_out_of_its_quotes() {
    let mut guard = Guard::new(&mut Rng::from_seed(1), "a\"b\\\r\nc");
    assert_eq!(guard.realm(), "abc");
    assert!(guard.challenge(Mono::ZERO, flow(2), false).starts_with("Digest realm=\"abc\", "));
}

#[test]
fn no_secret_is_shown() {
    let story = Story::new();
    assert_eq!(format!("{:?}", story.guard), r#"Guard { realm: "pbx.test", .. }"#);
}

struct Story {
    guard: Guard,
    now: Mono,
    flow: Flow,
}

impl Story {
    fn new() -> Self {
        Self::seeded(1)
    }

    fn seeded(seed: u64) -> Self {
        let guard = Guard::new(&mut Rng::from_seed(seed), "pbx.test");
        Self { guard, now: Mono::from_millis(1_000), flow: flow(2) }
    }

    /// Alice's phone, which has just been challenged for its REGISTER.
    fn phone(&mut self) -> Phone {
        let challenge = self.guard.challenge(self.now, self.flow, false);
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        Phone {
            user: "alice".into(),
            realm: "pbx.test".into(),
            password: "secret".into(),
            nonce: nonce.into(),
            count: 1,
        }
    }

    fn check(&mut self, phone: &Phone) -> Verdict {
        self.check_all(&[&phone.header()])
    }

    fn check_all(&mut self, headers: &[&str]) -> Verdict {
        let headers: Vec<_> = headers.iter().map(|it| it.as_bytes()).collect();
        self.check_values("REGISTER", "sip:pbx.test", &headers)
    }

    fn check_as(&mut self, method: &str, uri: &str, header: &str) -> Verdict {
        self.check_values(method, uri, &[header.as_bytes()])
    }

    fn check_bytes(&mut self, header: &[u8]) -> Verdict {
        self.check_values("REGISTER", "sip:pbx.test", &[header])
    }

    /// Wrong guesses are forgiven at once.
    fn check_values(&mut self, method: &str, uri: &str, headers: &[&[u8]]) -> Verdict {
        self.guard.guesses = Guesses::new(Keyed::new(&mut Rng::from_seed(1)));
        self.check_unforgiving(method, uri, headers)
    }

    fn check_unforgiving(&mut self, method: &str, uri: &str, headers: &[&[u8]]) -> Verdict {
        let headers = headers.iter().copied();
        self.guard.check(self.now, self.flow, method, uri, headers, password_of)
    }
}

fn flow(host: u8) -> Flow {
    let (local, remote) = (([10, 0, 0, 1], 5060).into(), ([10, 0, 0, host], 5060).into());
    Flow { transport: crate::sip::Transport::Udp, local, remote }
}

fn password_of(user: &str) -> Option<&'static str> {
    match user {
        "alice" | r#"o"ne\two"# => Some("secret"),
        "empty" => Some(""),
        _ => None,
    }
}

#[derive(Clone)]
struct Phone {
    user: String,
    realm: String,
    password: String,
    nonce: String,
    count: u32,
}

impl Phone {
    fn user(self, user: &str) -> Self {
        Self { user: user.into(), ..self }
    }

    fn realm(self, realm: &str) -> Self {
        Self { realm: realm.into(), ..self }
    }

    fn password(self, password: &str) -> Self {
        Self { password: password.into(), ..self }
    }

    fn count(self, count: u32) -> Self {
        Self { count, ..self }
    }

    fn header(&self) -> String {
        let Self { user, realm, password, nonce, count } = self;
        let a1 = md5_of(&[user, realm, password]);
        let a2 = md5_of(&["REGISTER", "sip:pbx.test"]);
        let response = md5_of(&[&a1, nonce, &format!("{count:08x}"), "c0ffee", "auth", &a2]);
        let user = user.replace('\\', r"\\").replace('"', "\\\"");
        format!(
            r#"Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="sip:pbx.test", response="{response}", algorithm=MD5, cnonce="c0ffee", qop=auth, nc={count:08x}"#
        )
    }
}
