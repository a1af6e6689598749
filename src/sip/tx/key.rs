//! What finds the transaction that a message belongs to: RFC 3261 §17.1.3 (responses) and §17.2.3
//! (requests).
//!
//! A key is one small allocation: the fields that matter, each behind its length, so that no
//! choice of field contents makes two different messages equal.

use std::fmt;

/// Names one transaction. Equal keys mean the same transaction.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// The server transaction of a request, from its topmost Via, its method and, for peers older
    /// than RFC 3261, its dialog fields. An ACK finds its INVITE; for a CANCEL ask twice: with its
    /// own word for its own transaction, with `"INVITE"` for the one it cancels.
    ///
    /// A branch is compared byte by byte although tokens are case-insensitive (§7.3.1): base64
    /// branches of one phone may differ in case alone, and no phone changes the case of its own.
    pub fn server(
        method_word: &str,
        branch: Option<&str>,
        sent_by: &str,
        call_id: &str,
        cseq: u32,
        from_tag: Option<&str>,
    ) -> Self {
        let method = if method_word == "ACK" { "INVITE" } else { method_word };
        let sent_by = sent_by.to_ascii_lowercase();
        match branch {
            Some(branch) if is_unique(branch) => {
                Self::of(Kind::Server, &[branch, &sent_by, method].map(str::as_bytes))
            }
            // RFC 2543 matching. The Request-URI and the To tag that §17.2.3 also names are left
            // out: an ACK's differ from the INVITE's, and the rest tells transactions apart.
            _ => Self::of(
                Kind::OldServer,
                &[
                    call_id.as_bytes(),
                    &cseq.to_be_bytes(),
                    method.as_bytes(),
                    sent_by.as_bytes(),
                    &optional(branch),
                    &optional(from_tag),
                ],
            ),
        }
    }

    /// The client transaction of a response, from its topmost Via and its CSeq. The branch is one
    /// of ours, which are all different.
    pub fn client(branch: &str, method_word: &str) -> Self {
        Self::of(Kind::Client, &[branch, method_word].map(str::as_bytes))
    }

    fn of(kind: Kind, fields: &[&[u8]]) -> Self {
        let length = 1 + fields.iter().map(|it| 4 + it.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(length);
        bytes.push(kind as u8);
        for field in fields {
            // A field cannot be longer than a message, which is far below 4 GiB.
            bytes.extend((field.len() as u32).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        Self(bytes.into_boxed_slice())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

/// Which rule made the key; keys of different rules never meet.
#[derive(Clone, Copy)]
enum Kind {
    Client,
    Server,
    OldServer,
}

/// Whether the branch is unique by the promise of RFC 3261 §8.1.1.7: the cookie, and something
/// behind it (RFC 4475 §3.2.1 shows one with nothing).
fn is_unique(branch: &str) -> bool {
    branch.strip_prefix("z9hG4bK").is_some_and(|it| !it.is_empty())
}

/// No value and an empty value are two.
fn optional(value: Option<&str>) -> Vec<u8> {
    value.map_or_else(Vec::new, |it| [b"=", it.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_and_a_repeat_find_their_invite_and_a_cancel_does_not() {
        let key = |method| Key::server(method, Some("z9hG4bK77"), "a.test:5060", "c", 1, Some("t"));
        assert_eq!(key("INVITE"), key("INVITE"));
        assert_eq!(key("INVITE"), key("ACK"));
        assert_ne!(key("INVITE"), key("CANCEL"));
        assert_ne!(key("INVITE"), Key::client("z9hG4bK77", "INVITE"));
    }

    #[test]
    fn with_the_cookie_only_branch_sent_by_and_method_matter() {
        let base = Key::server("BYE", Some("z9hG4bK77"), "a.test", "c", 1, Some("t"));
        assert_eq!(base, Key::server("BYE", Some("z9hG4bK77"), "A.Test", "d", 2, None));
        assert_ne!(base, Key::server("BYE", Some("z9hG4bK77"), "b.test", "c", 1, Some("t")));
        assert_ne!(base, Key::server("BYE", Some("z9hG4bK78"), "a.test", "c", 1, Some("t")));
        assert_ne!(base, Key::server("BYE", Some("z9hG4bK7A"), "a.test", "c", 1, Some("t")));
    }

    #[test]
    fn without_the_cookie_every_field_matters() {
        let of = |branch, call_id, cseq, tag| {
            Key::server("INVITE", branch, "a.test", call_id, cseq, tag)
        };
        let base = of(Some("1"), "c", 1, Some("t"));
        assert_eq!(base, Key::server("ACK", Some("1"), "A.TEST", "c", 1, Some("t")));
        for other in [
            of(Some("2"), "c", 1, Some("t")),
            of(None, "c", 1, Some("t")),
            of(Some("1"), "d", 1, Some("t")),
            of(Some("1"), "c", 2, Some("t")),
            of(Some("1"), "c", 1, Some("u")),
            of(Some("1"), "c", 1, None),
            of(Some("1"), "c", 1, Some("")),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_cookie_with_nothing_behind_it_promises_nothing() {
        let of = |call_id| Key::server("OPTIONS", Some("z9hG4bK"), "a.test", call_id, 1, None);
        assert_ne!(of("c"), of("d"));
    }

    #[test]
    fn text_does_not_flow_from_one_field_into_the_next() {
        assert_ne!(Key::client("ab", "c"), Key::client("a", "bc"));
        let of = |branch, sent_by| Key::server("BYE", Some(branch), sent_by, "c", 1, None);
        assert_ne!(of("z9hG4bK1", "2.test"), of("z9hG4bK12", ".test"));
    }
}
