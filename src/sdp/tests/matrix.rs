//! Our two halves against each other: every ordering of codecs offered to every other.

use super::*;

#[test]
fn both_sides_agree_on_the_same_call_whatever_they_prefer() {
    let mut agreements = 0;
    for offered in orderings() {
        for known in orderings() {
            agreements += u32::from(meet(&offered, &known));
        }
    }
    // 15 x 15 pairs, less the 18 that have nothing in common: 6 of one against another, 6 of one
    // against the two others and back, each pair in its 2 orders.
    assert_eq!(agreements, 225 - 6 - 6 - 6);
}

/// Lets one side offer and the other answer; whether they agreed. What they agreed on must be one
/// thing seen from two ends.
fn meet(offered: &[Codec], known: &[Codec]) -> bool {
    let (caller, callee) = (local(40000), local(50000));
    let ours = offer(&caller, offered);
    let seen = read(ours.text());
    assert_eq!(seen.codecs(), offered);

    let first = known.iter().find(|it| offered.contains(it));
    let Ok(theirs) = answer(&callee, &seen, known, Direction::SendRecv) else {
        assert_eq!(first, None, "{offered:?} {known:?}");
        return false;
    };
    let there = theirs.agreed;
    let here = ours.accept(&read(&theirs.text), Direction::SendRecv).unwrap();

    assert_eq!(Some(&here.codec), first, "{offered:?} {known:?}");
    assert_eq!(here.codec, there.codec);
    assert_eq!((here.pt_out, here.pt_in), (there.pt_in, there.pt_out));
    assert_eq!(here.dtmf, there.dtmf.map(|(out, own)| (own, out)));
    assert!(here.dtmf.is_some());
    assert_eq!((here.direction, there.direction), (Direction::SendRecv, Direction::SendRecv));
    assert_eq!((here.remote.port(), there.remote.port()), (50000, 40000));
    assert_eq!((here.remote_rtcp.port(), there.remote_rtcp.port()), (50001, 40001));
    assert_eq!((here.ptime_ms, there.ptime_ms), (20, 20));
    true
}

/// Every non-empty ordered choice of the three codecs: 3 + 6 + 6.
fn orderings() -> Vec<Vec<Codec>> {
    let all = [Codec::Pcmu, Codec::Pcma, Codec::Opus];
    let mut orderings: Vec<Vec<Codec>> = vec![vec![]];
    let mut from = 0;
    while from < orderings.len() {
        for codec in &all {
            if !orderings[from].contains(codec) {
                orderings.push([orderings[from].as_slice(), std::slice::from_ref(codec)].concat());
            }
        }
        from += 1;
    }
    orderings.split_off(1)
}
