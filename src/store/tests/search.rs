//! Searches among more records than one of them reads.

use super::*;
use crate::store::Wanted;

#[test]
fn a_search_goes_on_where_it_stopped_and_never_reads_without_end() {
    let (_file, store) = File::house("search");
    let insert =
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 45000)
        INSERT INTO cdr (uuid, tenant_id, call, sip_call_id, caller, dialled, generation,
            created_at, ended_at, ended_by, cause, talked)
        SELECT randomblob(16), 1, id, 'x', CASE id WHEN 10 THEN '7' ELSE '8' END, '9', 1,
            id * 1000000, id * 1000000, 'caller', 'hangup', 0 FROM n";
    store.read().db.execute(insert, []).unwrap();
    let find = |wanted: &Wanted, below| {
        let found = store.read().find_cdrs(TENANT, wanted, below, 50).unwrap();
        (found.rows.iter().map(|it| it.0.0).collect::<Vec<_>>(), found.next)
    };
    let of_seven = Wanted { number: Some("7".into()), ..Wanted::default() };
    assert_eq!(find(&of_seven, None), (vec![], Some(25_001)));
    assert_eq!(find(&of_seven, Some(25_001)), (vec![], Some(5_001)));
    assert_eq!(find(&of_seven, Some(5_001)), (vec![10], None));
    // Whoever wants only the newest is not sent through all that is older.
    let newest = Wanted { from: Some(Wall(44_990_000_000)), ..of_seven };
    assert_eq!(find(&newest, None), (vec![], None));
    let nobody_else = store.read().find_cdrs(TenantId(2), &Wanted::default(), None, 50).unwrap();
    assert_eq!((nobody_else.rows.len(), nobody_else.next), (0, None));
}
