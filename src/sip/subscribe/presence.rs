//! Whether somebody can be reached: PIDF, RFC 3863, with the activities of RFC 4480.

use super::xml::escaped;

/// What is known of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No phone is registered. An idle phone is something else.
    Unregistered,
    /// A phone is there, and free.
    Idle,
    /// A phone rings.
    Ringing,
    /// Somebody talks.
    Talking,
    /// Nobody wants to be disturbed.
    DoNotDisturb,
}

impl Presence {
    /// The document about this address.
    pub fn text(self, entity: &str) -> String {
        let entity = escaped(entity);
        let (basic, activity, note) = match self {
            Self::Unregistered => ("closed", "", "Offline"),
            Self::Idle => ("open", "", "Available"),
            Self::Ringing => ("open", "<rpid:activities><rpid:busy/></rpid:activities>", "Ringing"),
            Self::Talking => {
                ("open", "<rpid:activities><rpid:on-the-phone/></rpid:activities>", "On the phone")
            }
            Self::DoNotDisturb => {
                ("open", "<rpid:activities><rpid:busy/></rpid:activities>", "Do not disturb")
            }
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
             xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
             xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"{entity}\">\r\n\
             <tuple id=\"phone\"><status><basic>{basic}</basic></status>\
             <contact>{entity}</contact><note>{note}</note></tuple>\r\n\
             <dm:person id=\"person\">{activity}<dm:note>{note}</dm:note></dm:person>\r\n\
             </presence>\r\n"
        )
    }
}
