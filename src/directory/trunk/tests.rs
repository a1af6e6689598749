use super::*;

fn fields() -> TrunkFields {
    TrunkFields {
        name: Some("telekom".into()),
        host: Some("sip.carrier.test".into()),
        username: Some("4930123".into()),
        password: Some("geheim".into()),
        ..TrunkFields::default()
    }
}

fn wrong(fields: TrunkFields) -> Vec<&'static str> {
    let mut wrong: Vec<_> =
        TrunkOrder::parse(fields, None, false).unwrap_err().iter().map(|it| it.field).collect();
    wrong.sort_unstable();
    wrong
}

#[test]
fn what_is_not_said_is_as_usual() {
    let it = TrunkOrder::parse(fields(), None, false).unwrap();
    let mut usual = Terms::usual("telekom".into(), "sip.carrier.test".into());
    usual.username = Some("4930123".into());
    assert_eq!(it.terms, usual);
    assert!(!format!("{it:?}").contains("geheim"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let all = TrunkFields {
        name: Some("Tele kom".into()),
        detail: Some("a\r\nb".into()),
        kind: Some("isdn".into()),
        host: Some("sip:carrier".into()),
        port: Some(70_000),
        transport: Some("sctp".into()),
        proxy: Some("a:b".into()),
        username: Some("a b".into()),
        password: Some("geheim\n".into()),
        realm: Some("a\"b".into()),
        from_domain: Some("a/b".into()),
        expires: Some(1),
        addresses: Some(vec!["192.0.2.1".into(), "everywhere".into()]),
        inbound_auth: Some("none".into()),
        did_source: Some("from".into()),
        caller_id: Some("030 123".into()),
        identity: Some("diversion".into()),
        format: Some("+".into()),
        country: Some("+49".into()),
        national_prefix: Some("zero".into()),
        international_prefix: Some("00000".into()),
        channels: Some(0),
        calls_per_second: Some(-1),
        codecs: Some(vec!["mp3".into()]),
        ping: Some(1),
        priority: Some(0),
        ..TrunkFields::default()
    };
    let errors = TrunkOrder::parse(all.clone(), None, false).unwrap_err();
    assert!(!format!("{errors:?}").contains("geheim"));
    assert_eq!(
        wrong(all),
        [
            "addresses",
            "caller_id",
            "calls_per_second",
            "channels",
            "codecs",
            "country",
            "detail",
            "did_source",
            "expires",
            "format",
            "from_domain",
            "host",
            "identity",
            "inbound_auth",
            "international_prefix",
            "kind",
            "name",
            "national_prefix",
            "password",
            "ping",
            "port",
            "priority",
            "proxy",
            "realm",
            "transport",
            "username",
        ]
    );
}

#[test]
fn who_registers_needs_something_to_prove_it_with() {
    assert_eq!(wrong(TrunkFields::default()), ["host", "name", "password", "username"]);
    assert_eq!(wrong(TrunkFields { password: None, ..fields() }), ["password"]);
    assert_eq!(wrong(TrunkFields { username: None, ..fields() }), ["username"]);
    let peer =
        TrunkFields { kind: Some("peer".into()), username: None, password: None, ..fields() };
    assert!(TrunkOrder::parse(peer.clone(), None, false).is_ok());
    let digest = TrunkFields { inbound_auth: Some("digest".into()), ..peer };
    assert_eq!(wrong(digest), ["password", "username"]);
}

#[test]
fn a_change_keeps_what_is_not_sent_and_is_checked_as_a_whole() {
    let before = TrunkOrder::parse(fields(), None, false).unwrap().terms;
    let change = |fields| TrunkOrder::parse(fields, Some(&before), true);
    let it = change(TrunkFields { port: Some(5070), ..TrunkFields::default() }).unwrap();
    assert_eq!(it.terms, Terms { port: Some(5070), ..before.clone() });
    assert_eq!(it.password, None);
    let none = TrunkFields { username: Some(String::new()), ..TrunkFields::default() };
    assert_eq!(change(none).unwrap_err()[0].field, "username");
    let none = TrunkFields { password: Some(String::new()), ..TrunkFields::default() };
    assert_eq!(change(none).unwrap_err()[0].field, "password");
    let peer = TrunkFields {
        kind: Some("peer".into()),
        username: Some(String::new()),
        transport: Some("tcp".into()),
        ..TrunkFields::default()
    };
    let it = change(peer).unwrap().terms;
    assert_eq!((it.username, it.transport), (None, Some(TrunkTransport::Tcp)));
}
