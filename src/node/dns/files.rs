//! What this machine knows of names: its name servers (`/etc/resolv.conf`) and its own table
//! (`/etc/hosts`). Both are read again when they have changed.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::sip::resolve::{Answer, Kind, Question, Record};

/// A file that is longer counts as far as this. Lists that block the advertising of half the world
/// are shorter.
const LENGTH_MAX: u64 = 8 << 20;
/// resolv.conf(5): more are not asked.
const SERVERS_MAX: usize = 3;
const PORT: u16 = 53;
/// An entry of the table is asked for again this often.
const TTL: Duration = Duration::from_secs(10);

/// A file, and what was read of it.
#[derive(Debug)]
struct Watched<T> {
    path: PathBuf,
    /// When it was changed last, as far as we have seen.
    changed: Option<SystemTime>,
    read: T,
}

/// Both files.
#[derive(Debug)]
pub(super) struct Files {
    servers: Watched<Vec<SocketAddr>>,
    hosts: Watched<Vec<(String, IpAddr)>>,
}

impl Files {
    /// The files at these places; one that is not there is empty.
    pub(super) fn new(resolv: PathBuf, hosts: PathBuf) -> Self {
        Self { servers: Watched::new(resolv), hosts: Watched::new(hosts) }
    }

    /// These servers, and an empty table.
    #[cfg(test)]
    pub(super) fn fixed(servers: Vec<SocketAddr>) -> Self {
        let mut it = Self::new("/nowhere".into(), "/nowhere".into());
        (it.servers.read, it.servers.changed) = (servers, None);
        it
    }

    /// Who is asked, in this order. Without a word about it that is this machine (resolv.conf(5)).
    pub(super) fn servers(&mut self) -> &[SocketAddr] {
        self.servers.refresh(|text| {
            let mut servers = servers(text);
            if servers.is_empty() {
                servers.push((Ipv4Addr::LOCALHOST, PORT).into());
            }
            servers
        });
        &self.servers.read
    }

    /// What the table answers; it has addresses only.
    pub(super) fn answer(&mut self, question: &Question) -> Option<Answer> {
        let is_v4 = match question.kind {
            Kind::A => true,
            Kind::Aaaa => false,
            Kind::Srv | Kind::Naptr => return None,
        };
        self.hosts.refresh(table);
        let own = self.hosts.read.iter().filter(|it| it.0 == question.name);
        let mut named = own.map(|it| it.1).peekable();
        named.peek()?;
        // A name of the table is not asked for elsewhere, in neither family.
        let records: Vec<Record> =
            named.filter(|it| it.is_ipv4() == is_v4).map(Record::Address).collect();
        Some(match records.is_empty() {
            true => Answer::Nothing(TTL),
            false => Answer::Records(records, TTL),
        })
    }
}

impl<T: Default> Watched<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, changed: Some(SystemTime::UNIX_EPOCH), read: T::default() }
    }

    /// Reads the file if it is another than before.
    fn refresh(&mut self, read: impl FnOnce(&str) -> T) {
        let changed = std::fs::metadata(&self.path).and_then(|it| it.modified()).ok();
        if changed == self.changed {
            return;
        }
        self.changed = changed;
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(&self.path) {
            _ = file.take(LENGTH_MAX).read_to_end(&mut bytes);
        }
        self.read = read(&String::from_utf8_lossy(&bytes));
    }
}

fn servers(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|it| {
        let mut words = it.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse::<IpAddr>().ok())?
    });
    lines.map(|it| (it, PORT).into()).take(SERVERS_MAX).collect()
}

fn table(text: &str) -> Vec<(String, IpAddr)> {
    let mut all = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        all.extend(words.map(|it| (it.trim_end_matches('.').to_ascii_lowercase(), address)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_are_the_first_three_that_can_be_read() {
        let text = "# made by hand\nsearch lan\nnameserver 192.0.2.1\n nameserver ::1 \n\
                    nameserver nonsense\nnameserver\noptions rotate\nnameserver 192.0.2.2\n\
                    nameserver 192.0.2.3";
        let told: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["192.0.2.1:53", "[::1]:53", "192.0.2.2:53"]);
        let mut files = Files::new("/nowhere/a".into(), "/nowhere/b".into());
        assert_eq!(files.servers(), [SocketAddr::from(([127, 0, 0, 1], 53))]);
    }

    #[test]
    fn a_name_of_the_table_is_answered_from_it_and_a_change_is_seen() {
        let folder = std::env::temp_dir().join(format!("dns-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("hosts");
        let mut files = Files::new("/nowhere".into(), path.clone());
        let ask = |files: &mut Files, kind, name: &str| {
            files.answer(&Question { kind, name: name.into() })
        };
        assert_eq!(ask(&mut files, Kind::A, "pbx.lan"), None);
        std::fs::write(&path, "192.0.2.1 PBX.lan pbx # ours\n::1 six\nnonsense pbx.lan\n").unwrap();
        let one = Answer::Records(vec![Record::Address([192, 0, 2, 1].into())], TTL);
        assert_eq!(ask(&mut files, Kind::A, "pbx.lan"), Some(one.clone()));
        assert_eq!(ask(&mut files, Kind::A, "pbx"), Some(one));
        assert_eq!(ask(&mut files, Kind::Aaaa, "pbx"), Some(Answer::Nothing(TTL)));
        assert_eq!(ask(&mut files, Kind::Srv, "pbx"), None);
        assert_eq!(ask(&mut files, Kind::A, "other"), None);
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(ask(&mut files, Kind::A, "pbx"), None);
    }
}
