//! Who a certificate says that its holder is: SIP domain identities, RFC 5922 §7.1 and §7.2.
//!
//! Whether the certificate itself is to be believed is found out by whoever has it; this file knows
//! the names in it.

/// The domains that a peer has proved to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities(Vec<String>);

impl Identities {
    /// The identities among the names of a certificate's subjectAltName (RFC 5922 §7.1): the hosts
    /// of its SIP URIs without a user, or, only if there are none, its DNS names.
    pub fn of<'a>(
        uris: impl IntoIterator<Item = &'a str>,
        dns_names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut all: Vec<_> = uris.into_iter().filter_map(host).map(str::to_owned).collect();
        if all.is_empty() {
            all.extend(dns_names.into_iter().map(str::to_owned));
        }
        Self(all)
    }

    /// Whether one of them is this domain: as a whole, case aside, and a wildcard is nobody's name
    /// (RFC 5922 §7.2).
    pub fn include(&self, domain: &str) -> bool {
        !domain.contains('*') && self.0.iter().any(|it| it.eq_ignore_ascii_case(domain))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, as the certificate has it.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The host of a SIP URI that names a domain and no user.
fn host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host = rest.split([';', '?']).next()?;
    let host = host.rsplit_once(':').map_or(host, |it| it.0);
    (!host.is_empty() && !host.starts_with('[')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s7_1_sip_uris_without_a_user_come_before_dns_names() {
        for (uris, dns_names, identities) in [
            ("", "a.example b.example", "a.example b.example"),
            ("sip:a.example", "b.example", "a.example"),
            ("SIP:a.example:5061;transport=tls", "", "a.example"),
            ("sip:ann@a.example", "b.example", "b.example"),
            ("sips:a.example http://a.example im:a.example", "b.example", "b.example"),
            ("sip: sip:[2001:db8::1] sip:?x", "", ""),
        ] {
            let all = Identities::of(uris.split_whitespace(), dns_names.split_whitespace());
            assert_eq!(all.iter().collect::<Vec<_>>().join(" "), identities, "{uris}");
        }
    }

    #[test]
    fn s7_2_names_are_compared_as_a_whole_and_no_wildcard_matches() {
        let all = Identities::of([], ["Example.com", "*.wild.example", ".dot.example"]);
        for (domain, is_included) in [
            ("example.COM", true),
            ("foo.example.com", false),
            ("com", false),
            ("foo.wild.example", false),
            ("wild.example", false),
            ("*.wild.example", false),
            ("foo.dot.example", false),
            ("", false),
        ] {
            assert_eq!(all.include(domain), is_included, "{domain}");
        }
    }
}
