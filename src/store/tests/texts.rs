//! What waits for people who are away is there again after a restart, in its order, until it is taken.

use super::*;
use crate::directory::ExtensionId;
use crate::store::{StoredText, TextChange};

fn text(id: u64, extension: ExtensionId) -> StoredText {
    StoredText {
        id,
        tenant: TENANT,
        extension,
        from: "1001".into(),
        from_name: Some("Ann".into()),
        at: at(7),
        kind: "text/plain".into(),
        body: vec![0, 159, 146, 150],
    }
}

#[test]
fn texts_wait_in_the_order_in_which_they_came_and_are_taken_once() {
    let (file, mut store) = File::house("texts");
    let it = provision(&mut store, "1002").it.id;
    let (late, early) = (text(5, it), text(9, it));
    let put = [TextChange::Put(early.clone()), TextChange::Put(late.clone())];
    assert_eq!(store.write_texts(&put).unwrap(), [9, 5]);
    drop(store);
    let mut store = file.open(2);
    assert_eq!(store.read().texts().unwrap(), [early, late.clone()]);
    store.write_texts(&[TextChange::Gone { tenant: TENANT, id: 9 }]).unwrap();
    assert_eq!(store.read().texts().unwrap(), [late]);
}

#[test]
fn a_deleted_extension_loses_its_texts_and_gets_no_late_ones() {
    let (_file, mut store) = File::house("late-texts");
    let it = provision(&mut store, "1002").it.id;
    let put = [TextChange::Put(text(1, it))];
    store.write_texts(&put).unwrap();
    store.delete_extension(TENANT, it, at(2)).unwrap();
    assert!(store.read().texts().unwrap().is_empty());
    assert!(store.write_texts(&put).unwrap().is_empty(), "nobody is told that it waits");
}
