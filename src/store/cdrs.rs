//! Call records: one for each call and one for each leg, made of the call's facts and nothing else.

use std::time::Duration;

use rusqlite::{Connection, Row as Sql};

use super::page::{Order, Query};
use super::value::{cause, from_span, from_wall, span, wall, wall_maybe, word};
use super::{Entry, Error, FactKind, Listed, Paging, Reader, Write};
use crate::base::{CallId, Cause, LegId, Rng, Wall};
use crate::call::event::By;
use crate::directory::{TenantId, Uuid};

/// A call record's name in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CdrId(pub i64);

/// The record of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cdr {
    /// Which call.
    pub call: CallId,
    /// The Call-ID of the caller's INVITE.
    pub sip_call_id: String,
    /// The caller's number.
    pub from: String,
    /// The number dialled.
    pub to: String,
    /// The scripts it ran on.
    pub generation: u32,
    /// When the caller came.
    pub created: Wall,
    /// When somebody first rang.
    pub ringing: Option<Wall>,
    /// When the caller was answered, by a person or a machine.
    pub answered: Option<Wall>,
    /// When it was over.
    pub ended: Wall,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why it ended.
    pub cause: Cause,
    /// The SIP status that the caller was refused with.
    pub sip_status: Option<u16>,
    /// How long it was answered, by a clock that does not jump.
    pub talked: Duration,
    /// Its legs, the caller's first.
    pub legs: Vec<CdrLeg>,
}

/// The record of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdrLeg {
    /// Which leg.
    pub leg: LegId,
    /// Which side of the call it is on.
    pub side: Side,
    /// Whose it is: the caller's number, or who was rung.
    pub party: String,
    /// When it began.
    pub created: Wall,
    /// When it rang.
    pub ringing: Option<Wall>,
    /// When it was answered.
    pub answered: Option<Wall>,
    /// When it was over.
    pub ended: Wall,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why it ended.
    pub cause: Cause,
    /// The SIP status that it was refused with.
    pub sip_status: Option<u16>,
}

/// Which side of a call a leg is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who called.
    Caller,
    /// Who was rung.
    Callee,
}

/// Who ended a call or a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// Who called.
    Caller,
    /// Who was rung.
    Callee,
    /// The dial plan.
    Script,
    /// The switch: a limit, a timeout, a shutdown, an error.
    House,
}

impl Cdr {
    /// The record of a call, made of its facts in their order; none while it lasts.
    pub fn of(facts: &[Entry]) -> Option<Self> {
        let began = facts.iter().find(|it| it.kind == FactKind::Began)?;
        let end = facts.iter().find(|it| it.kind == FactKind::Ended)?;
        let end_cause = end.cause.unwrap_or(Cause::Failed);
        let mut legs = Vec::new();
        for fact in facts {
            let side = match fact.kind {
                FactKind::Began => Side::Caller,
                FactKind::Dialled => Side::Callee,
                // Who comes back, or began the call, is there already.
                FactKind::Joined if legs.iter().all(|it: &CdrLeg| Some(it.leg) != fact.leg) => {
                    Side::Callee
                }
                _ => continue,
            };
            legs.extend(fact.leg.map(|leg| CdrLeg {
                leg,
                side,
                party: fact.who.clone().unwrap_or_default(),
                created: fact.at,
                ringing: None,
                answered: None,
                ended: end.at,
                ended_by: EndedBy::House,
                cause: end_cause,
                sip_status: None,
            }));
        }
        let mut ringing = None;
        for fact in facts {
            let Some(leg) = legs.iter_mut().find(|it| Some(it.leg) == fact.leg) else { continue };
            match fact.kind {
                FactKind::Ringing => {
                    ringing = ringing.or(Some(fact.at));
                    leg.ringing = leg.ringing.or(Some(fact.at));
                }
                FactKind::Answered => leg.answered = leg.answered.or(Some(fact.at)),
                FactKind::LegEnded => {
                    leg.ended = fact.at;
                    leg.ended_by = EndedBy::of(fact.by, leg.side);
                    leg.cause = fact.cause.unwrap_or(Cause::Failed);
                    leg.sip_status = fact.status;
                }
                _ => {}
            }
        }
        let caller = legs.first()?.leg;
        let ended_by = ended_by(facts, end, caller);
        // A leg that was hung up because the call ended, was ended by who ended the call.
        for leg in legs.iter_mut().filter(|it| it.ended == end.at && it.cause == end_cause) {
            if leg.ended_by == EndedBy::House {
                leg.ended_by = ended_by;
            }
        }
        let caller = legs.first()?;
        Some(Self {
            call: began.call,
            sip_call_id: began.note.clone().unwrap_or_default(),
            from: began.who.clone().unwrap_or_default(),
            to: began.whom.clone().unwrap_or_default(),
            generation: began.generation.unwrap_or_default(),
            created: began.at,
            ringing,
            answered: caller.answered,
            ended: end.at,
            ended_by,
            cause: end_cause,
            sip_status: caller.sip_status,
            talked: end.talked.unwrap_or_default(),
            legs,
        })
    }
}

impl Reader {
    /// The call records of a tenant, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cdrs(&self, tenant: TenantId, paging: Paging) -> Result<Listed<(CdrId, Cdr)>, Error> {
        LIST.list(&self.db, tenant, paging, |row| read(&self.db, tenant, row))
    }

    /// A call record of a tenant.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cdr(&self, tenant: TenantId, id: CdrId) -> Result<Option<Cdr>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM cdr WHERE tenant_id = ?1 AND id = ?2");
        let mut query = self.db.prepare_cached(&sql)?;
        let mut rows = query.query((tenant, id))?;
        rows.next()?.map(|row| Ok(read(&self.db, tenant, row)?.1)).transpose()
    }
}

impl Side {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Caller, Self::Callee].into_iter().find(|it| it.word() == word)
    }
}

impl EndedBy {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Script => "script",
            Self::House => "house",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Caller, Self::Callee, Self::Script, Self::House];
        all.into_iter().find(|it| it.word() == word)
    }

    fn of(by: Option<By>, side: Side) -> Self {
        match (by, side) {
            (Some(By::Peer), Side::Caller) => Self::Caller,
            (Some(By::Peer), Side::Callee) => Self::Callee,
            (Some(By::Script), _) => Self::Script,
            (Some(By::House) | None, _) => Self::House,
        }
    }
}

/// Who ended a call. When a callee hangs up and the script has nothing more to ask for, then the
/// call ended because the callee hung up, although the script ended it.
fn ended_by(facts: &[Entry], end: &Entry, caller: LegId) -> EndedBy {
    if end.by != Some(By::Script) {
        return EndedBy::of(end.by, Side::Caller);
    }
    let bridged = facts.iter().rev().find(|it| it.kind == FactKind::Bridged);
    let told = facts.iter().rev().find(|it| {
        let left = it.kind == FactKind::LegEnded && it.by == Some(By::Peer);
        it.kind == FactKind::Asked || (left && it.leg != Some(caller))
    });
    match (bridged, told) {
        (Some(bridged), Some(left)) if left.leg.is_some() && left.leg == bridged.peer => {
            EndedBy::Callee
        }
        _ => EndedBy::Script,
    }
}

impl Write<'_> {
    pub(super) fn cdr(&self, tenant: TenantId, it: &Cdr, rng: &mut Rng) -> Result<(), Error> {
        let mut query = self.db.prepare_cached(
            "INSERT INTO cdr
                 (uuid, tenant_id, call, sip_call_id, caller, dialled, generation, created_at,
                  ringing_at, answered_at, ended_at, ended_by, cause, sip_status, talked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        let id = query.insert((
            Uuid::new(it.ended, rng),
            tenant,
            it.call.0.cast_signed(),
            &it.sip_call_id,
            &it.from,
            &it.to,
            it.generation,
            from_wall(it.created),
            it.ringing.map(from_wall),
            it.answered.map(from_wall),
            from_wall(it.ended),
            it.ended_by.word(),
            it.cause.word(),
            it.sip_status,
            from_span(it.talked),
        ))?;
        let mut query = self.db.prepare_cached(
            "INSERT INTO cdr_leg
                 (cdr_id, leg, tenant_id, role, party, created_at, ringing_at, answered_at,
                  ended_at, ended_by, cause, sip_status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        for leg in &it.legs {
            query.execute((
                id,
                leg.leg.0.cast_signed(),
                tenant,
                leg.side.word(),
                &leg.party,
                from_wall(leg.created),
                leg.ringing.map(from_wall),
                leg.answered.map(from_wall),
                from_wall(leg.ended),
                leg.ended_by.word(),
                leg.cause.word(),
                leg.sip_status,
            ))?;
        }
        Ok(())
    }
}

pub(super) const COLUMNS: &str = "id, call, sip_call_id, caller, dialled, generation, created_at, ringing_at, \
                       answered_at, ended_at, ended_by, cause, sip_status, talked";
const LIST: Query =
    Query { columns: COLUMNS, from: "cdr WHERE tenant_id = ?1", order: Order::Newest };

pub(super) fn read(
    db: &Connection,
    tenant: TenantId,
    row: &Sql<'_>,
) -> Result<(CdrId, Cdr), Error> {
    let id = row.get(0)?;
    let cdr = Cdr {
        call: CallId(row.get::<_, i64>(1)?.cast_unsigned()),
        sip_call_id: row.get(2)?,
        from: row.get(3)?,
        to: row.get(4)?,
        generation: row.get(5)?,
        created: wall(row, 6)?,
        ringing: wall_maybe(row, 7)?,
        answered: wall_maybe(row, 8)?,
        ended: wall(row, 9)?,
        ended_by: word(row, 10, EndedBy::from_word)?,
        cause: cause(row, 11)?,
        sip_status: row.get(12)?,
        talked: span(row, 13)?,
        legs: legs(db, tenant, id)?,
    };
    Ok((id, cdr))
}

fn legs(db: &Connection, tenant: TenantId, id: CdrId) -> Result<Vec<CdrLeg>, Error> {
    // The caller's leg is the first by its number too.
    let mut query = db.prepare_cached(
        "SELECT leg, role, party, created_at, ringing_at, answered_at, ended_at, ended_by, cause,
                sip_status
         FROM cdr_leg WHERE cdr_id = ?2 AND tenant_id = ?1 ORDER BY leg",
    )?;
    let mut rows = query.query((tenant, id))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(CdrLeg {
            leg: LegId(row.get::<_, i64>(0)?.cast_unsigned()),
            side: word(row, 1, Side::from_word)?,
            party: row.get(2)?,
            created: wall(row, 3)?,
            ringing: wall_maybe(row, 4)?,
            answered: wall_maybe(row, 5)?,
            ended: wall(row, 6)?,
            ended_by: word(row, 7, EndedBy::from_word)?,
            cause: cause(row, 8)?,
            sip_status: row.get(9)?,
        });
    }
    Ok(all)
}
