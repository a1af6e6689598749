//! How quick the reader is: a figure to look at, and a bound that only something foolish exceeds.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use moonswitch::sip::message::Message;

use crate::bench::cpu;
use crate::case::table;

#[test]
fn an_everyday_invite_is_read_in_a_microsecond_or_so() {
    let row = table("clients").into_iter().find(|it| it.title.ends_with("linphone call"));
    let bytes = Bytes::from(row.expect("this row is there").bytes);
    let parse = pace(|| drop(black_box(Message::parse(bytes.clone()))));
    let check = pace(|| {
        let message = Message::parse(black_box(bytes.clone())).expect("it is sound");
        black_box(message.check()).expect("it is sound");
    });
    eprintln!("{} bytes: parse {parse:?}, parse and check {check:?}", bytes.len());
    assert!(check < Duration::from_micros(15), "{check:?}");
}

/// The processor's time for one, in the best of many batches.
fn pace(mut work: impl FnMut()) -> Duration {
    let batch = |_| {
        let before = cpu();
        (0..BATCH).for_each(|_| work());
        cpu().saturating_sub(before)
    };
    (0..100).map(batch).min().expect("there are batches") / BATCH
}

const BATCH: u32 = 500;
