//! In which order records are tried.

use super::target::{Protocol, is_name};
use super::{RECORDS_MAX, Record};
use crate::base::Rng;

/// The hosts and ports of SRV records: the lowest priority first, and among those of one priority
/// each at a place that its weight makes likely (RFC 2782, "Weight").
pub(super) fn of_servers<'a>(records: &'a [Record], rng: &mut Rng) -> Vec<(&'a str, u16)> {
    let mut all: Vec<(u16, u16, &str, u16)> = records
        .iter()
        .filter_map(|it| match it {
            Record::Srv { priority, weight, port, host } if host.is_empty() || is_name(host) => {
                Some((*priority, *weight, host.as_str(), *port))
            }
            _ => None,
        })
        .collect();
    // Those of weight 0 come first, which gives them their small chance.
    all.sort_by_key(|it| (it.0, it.1 != 0));
    let mut ordered = Vec::with_capacity(all.len());
    while let Some(priority) = all.first().map(|it| it.0) {
        let rivals = || all.iter().take_while(|it| it.0 == priority);
        let sum: u64 = rivals().map(|it| u64::from(it.1)).sum();
        let drawn = rng.below(sum + 1);
        let mut running = 0;
        let at = rivals().position(|it| {
            running += u64::from(it.1);
            running >= drawn
        });
        let (_, _, host, port) = all.remove(at.unwrap_or_default());
        ordered.push((host, port));
    }
    ordered
}

/// The SIP services of NAPTR records with their order, the best first; others are not looked at.
/// RFC 3263 §4.1 knows the flag `s` alone.
pub(super) fn of_services(records: &[Record]) -> Vec<(u16, Protocol, &str)> {
    let mut all: Vec<(u16, u16, Protocol, &str)> = records
        .iter()
        .filter_map(|it| match it {
            Record::Naptr { order, preference, flags, service, replacement }
                if flags.eq_ignore_ascii_case("s") && is_name(replacement) =>
            {
                let protocol = Protocol::from_service(service)?;
                Some((*order, *preference, protocol, replacement.as_str()))
            }
            _ => None,
        })
        .take(RECORDS_MAX)
        .collect();
    all.sort_by_key(|it| (it.0, it.1));
    all.into_iter().map(|(order, _, protocol, name)| (order, protocol, name)).collect()
}
