//! Who is on the phone, as lamps on desk phones read it: dialog-info, RFC 4235.

use std::fmt::Write as _;

use super::xml::escaped;

/// What an extension's phones are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lamp {
    /// The extension's address.
    pub entity: String,
    /// Its calls. None means idle.
    pub talks: Vec<Talk>,
}

/// One call of one phone, as that phone sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// A name for it that stays.
    pub id: String,
    /// Its Call-ID, our tag and the phone's, for who wants to pick it up (§3.1, RFC 3891).
    pub dialog: Option<(String, String, String)>,
    /// Who called whom.
    pub way: Way,
    /// How far it is.
    pub stage: Stage,
    /// The address of the other party.
    pub peer: String,
    /// What the other party calls itself.
    pub peer_name: Option<String>,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The phone calls.
    Initiator,
    /// The phone is called.
    Recipient,
}

/// How far a call is (§3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The phone has asked for it.
    Trying,
    /// It rings.
    Early,
    /// It is answered.
    Confirmed,
}

impl Lamp {
    /// The document with this number; always the whole state (§3.3).
    pub fn text(&self, version: u32) -> String {
        let entity = escaped(&self.entity);
        let mut it = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"full\" entity=\"{entity}\">\r\n"
        );
        for talk in &self.talks {
            talk.print(&entity, &mut it);
        }
        it.push_str("</dialog-info>\r\n");
        it
    }
}

impl Talk {
    fn print(&self, entity: &str, out: &mut String) {
        let id = escaped(&self.id);
        let dialog = self.dialog.as_ref().map_or_else(String::new, |(call_id, ours, theirs)| {
            // The document speaks from the phone's side: its own tag is the local one.
            let (call_id, ours, theirs) = (escaped(call_id), escaped(ours), escaped(theirs));
            format!(" call-id=\"{call_id}\" local-tag=\"{theirs}\" remote-tag=\"{ours}\"")
        });
        let way = match self.way {
            Way::Initiator => "initiator",
            Way::Recipient => "recipient",
        };
        let stage = match self.stage {
            Stage::Trying => "trying",
            Stage::Early => "early",
            Stage::Confirmed => "confirmed",
        };
        let peer = escaped(&self.peer);
        let name = self.peer_name.as_deref().map_or_else(String::new, |it| {
            let name = escaped(it);
            format!(" display=\"{name}\"")
        });
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            "<dialog id=\"{id}\"{dialog} direction=\"{way}\">\r\n<state>{stage}</state>\r\n\
             <local><identity>{entity}</identity><target uri=\"{entity}\"/></local>\r\n\
             <remote><identity{name}>{peer}</identity><target uri=\"{peer}\"/></remote>\r\n\
             </dialog>\r\n"
        );
    }
}
