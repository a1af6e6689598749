//! What the documents say; how subscriptions live is told in `tests/flows/lamps.rs`.

use super::lamp::{Lamp, Stage, Talk, Way};
use super::package::{Package, Topic, Unserved};
use super::presence::Presence;
use super::xml::escaped;
use crate::sip::message::Message;

#[test]
fn text_cannot_leave_its_element() {
    assert_eq!(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&apos;");
    assert_eq!(escaped("a\u{0}\u{b}b\u{ffff}\u{1f600}"), "ab\u{1f600}");
}

#[test]
fn a_lamp_names_the_dialog_from_the_phones_side() {
    let talk = Talk {
        id: "l1".into(),
        dialog: Some(("call".into(), "ours".into(), "theirs".into())),
        way: Way::Recipient,
        stage: Stage::Early,
        peer: "sip:1001@pbx".into(),
        peer_name: Some("A <b>".into()),
    };
    let text = Lamp { entity: "sip:1002@pbx".into(), talks: vec![talk] }.text(7);
    for part in [
        "version=\"7\" state=\"full\" entity=\"sip:1002@pbx\"",
        "call-id=\"call\" local-tag=\"theirs\" remote-tag=\"ours\" direction=\"recipient\"",
        "<state>early</state>",
        "<identity display=\"A &lt;b&gt;\">sip:1001@pbx</identity>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn nobody_there_is_closed_and_everything_else_open() {
    use Presence::{DoNotDisturb, Idle, Ringing, Talking, Unregistered};
    assert!(Unregistered.text("sip:a@b").contains("<basic>closed</basic>"));
    for it in [Idle, Ringing, Talking, DoNotDisturb] {
        assert!(it.text("sip:a@b").contains("<basic>open</basic>"), "{it:?}");
    }
}

#[test]
fn what_is_asked_for_is_read_from_event_and_accept() {
    let topic = |more: &str| {
        let text =
            format!("SUBSCRIBE sip:1002@pbx SIP/2.0\r\nTo: <sip:1002@pbx;x=y>\r\n{more}\r\n");
        let message = Message::parse(text.into()).expect("it can be framed");
        Topic::of(&message, "1002".into())
    };
    let it = topic("Event: dialog;sla;id=7\r\n").expect("it is served");
    assert_eq!((it.package, it.id.as_deref()), (Package::Dialog, Some("7")));
    assert_eq!((it.header().as_str(), it.entity.as_str()), ("dialog;id=7", "sip:1002@pbx"));
    assert!(topic("o: Presence\r\nAccept: text/plain, application/*\r\n").is_ok());
    assert_eq!(topic("Event: conference\r\n"), Err(Unserved::BadEvent));
    assert_eq!(topic(""), Err(Unserved::BadEvent));
    let xml = "Event: message-summary\r\nAccept: application/dialog-info+xml\r\n";
    assert_eq!(topic(xml), Err(Unserved::NotAcceptable));
}
