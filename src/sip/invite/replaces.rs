//! One dialog takes the place of another: RFC 3891. Who may do that is for the room above to say.

use crate::base::LegId;
use crate::sip::endpoint::Endpoint;
use crate::sip::message::{Fault, Message, Name};

use super::State;

/// What a Replaces header says: which dialog, and whether only while it rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: String,
    /// The tag of who is asked to replace it: ours.
    pub to_tag: String,
    /// The tag of the other end.
    pub from_tag: String,
    /// Only before its answer.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header value (§6.1).
    pub fn parse(value: &str) -> Option<Self> {
        let mut pieces = value.split(';').map(str::trim);
        let call_id = pieces.next().filter(|it| !it.is_empty())?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for piece in pieces {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if slot.replace(value.trim().to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }

    /// The one that a message carries, if any.
    ///
    /// # Errors
    /// When there are several, or it cannot be read (§3).
    pub fn of(message: &Message) -> Result<Option<Self>, Fault> {
        let malformed = Fault::Malformed(Name::Replaces);
        let mut values = message.values(Name::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(malformed);
        }
        let value = str::from_utf8(value).map_err(|_| malformed)?;
        Self::parse(value).map(Some).ok_or(malformed)
    }
}

impl Endpoint {
    /// The leg whose dialog is meant. Lamp documents (RFC 4235) show our dialogs from the phone's
    /// side, so the tags are taken in either order.
    pub fn replaced(&self, it: &Replaces) -> Option<LegId> {
        let [ours, theirs] = [&it.to_tag, &it.from_tag];
        self.dialog_between(&it.call_id, ours, theirs)
            .or_else(|| self.dialog_between(&it.call_id, theirs, ours))
    }

    fn dialog_between(&self, call_id: &str, ours: &str, theirs: &str) -> Option<LegId> {
        let leg = *self.legs.by_dialog.get(&(call_id.to_owned(), ours.to_owned()))?;
        let usage = self.legs.get(leg).filter(|it| it.left.is_none())?;
        // Whom we ring has told us no tag that holds before its answer; ours is a secret of the call.
        let is_open = matches!(usage.state, State::Inviting { .. });
        (is_open || usage.dialog.remote_tag() == theirs).then_some(leg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_1_one_dialog_is_named_by_two_tags_or_it_is_none() {
        for (value, expected) in [
            ("a@b;to-tag=1;from-tag=2", Some(("a@b", "1", "2", false))),
            ("a;from-tag=2 ; TO-TAG=1;early-only;x=y", Some(("a", "1", "2", true))),
            ("a;to-tag=1;from-tag=", Some(("a", "1", "", false))),
            ("a;to-tag=1", None),
            ("a;to-tag=1;to-tag=3;from-tag=2", None),
            (";to-tag=1;from-tag=2", None),
            ("", None),
        ] {
            let read = Replaces::parse(value);
            let read = read.as_ref().map(|it| {
                (it.call_id.as_str(), it.to_tag.as_str(), it.from_tag.as_str(), it.early_only)
            });
            assert_eq!(read, expected, "{value}");
        }
    }
}
