//! What happened in calls, appended in groups. When a call ends, its record is made of its facts in
//! the same transaction, so there is never one without the other.

use std::time::Duration;

use rusqlite::Row as Sql;

use super::value::{from_span, from_wall, span, wall, word};
use super::{Cdr, Durable, Error, Reader, Store, Write};
use crate::base::{CallId, Cause, LegId, Rng, Wall};
use crate::call::event::{By, Fact, What};
use crate::directory::TenantId;

/// A fact of a call as it is kept: flat, and without what only the trace needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// In which call.
    pub call: CallId,
    /// When.
    pub at: Wall,
    /// What.
    pub kind: FactKind,
    /// The leg that it is about.
    pub leg: Option<LegId>,
    /// The other leg of a bridge.
    pub peer: Option<LegId>,
    /// Why something ended.
    pub cause: Option<Cause>,
    /// Who ended it.
    pub by: Option<By>,
    /// The SIP status that refused it.
    pub status: Option<u16>,
    /// How long an ended call was answered.
    pub talked: Option<Duration>,
    /// The scripts that a call began with.
    pub generation: Option<u32>,
    /// Who began the call, or is rung.
    pub who: Option<String>,
    /// The number dialled.
    pub whom: Option<String>,
    /// The Call-ID of a call that began; what a script asked for or said; why it failed; the call
    /// that a leg has gone to or comes from.
    pub note: Option<String>,
    /// The script line.
    pub place: Option<String>,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a variant of `What`, which says it")]
pub enum FactKind {
    Began,
    Dialled,
    Ringing,
    Answered,
    Bridged,
    Transferred,
    Joined,
    LegEnded,
    Asked,
    Said,
    ScriptFailed,
    FellBack,
    Ended,
}

/// The longest text of a fact, in characters. What scripts say has no other bound here.
const NOTE_MAX: usize = 2000;

impl Entry {
    /// A fact as it is kept. Those without a call are not: which phones are registered stands in
    /// the registrations, and the refreshes of ten thousand phones are millions a day.
    pub fn of(fact: &Fact) -> Option<Self> {
        let (call, at) = (fact.call?, fact.at);
        let of = |kind, leg: Option<LegId>| Self { leg, ..Self::plain(call, at, kind) };
        Some(match &fact.what {
            What::Registered { .. }
            | What::Refreshed { .. }
            | What::Expired { .. }
            | What::ScriptsLoaded { .. }
            | What::ScriptsRefused { .. } => return None,
            What::Began { leg, from, to, sip_call_id, generation } => Self {
                who: Some(short(from)),
                whom: Some(short(to)),
                note: Some(short(sip_call_id)),
                generation: Some(generation.0),
                ..of(FactKind::Began, Some(*leg))
            },
            What::Dialled { leg, target } => {
                Self { who: Some(short(target)), ..of(FactKind::Dialled, Some(*leg)) }
            }
            What::Ringing { leg } => of(FactKind::Ringing, Some(*leg)),
            What::Answered { leg } => of(FactKind::Answered, Some(*leg)),
            What::Bridged { a, b } => Self { peer: Some(*b), ..of(FactKind::Bridged, Some(*a)) },
            What::Transferred { leg, by, to_call } => Self {
                peer: Some(*by),
                note: Some(to_call.to_string()),
                ..of(FactKind::Transferred, Some(*leg))
            },
            What::Joined { leg, who, from_call } => Self {
                who: Some(short(who)),
                note: from_call.map(|it| it.to_string()),
                ..of(FactKind::Joined, Some(*leg))
            },
            What::LegEnded { leg, cause, status, by } => Self {
                cause: Some(*cause),
                status: *status,
                by: Some(*by),
                ..of(FactKind::LegEnded, Some(*leg))
            },
            What::Asked { op, at } => Self {
                note: Some(short(op)),
                place: Some(short(&at.to_string())),
                ..of(FactKind::Asked, None)
            },
            What::Said { text, at } => Self {
                note: Some(short(text)),
                place: Some(short(&at.to_string())),
                ..of(FactKind::Said, None)
            },
            What::ScriptFailed(error) => Self {
                note: Some(short(&error.message)),
                place: Some(short(&error.at.to_string())),
                ..of(FactKind::ScriptFailed, None)
            },
            What::FellBack { to } => {
                Self { place: Some(short(&to.to_string())), ..of(FactKind::FellBack, None) }
            }
            What::Ended { cause, talked, by } => Self {
                cause: Some(*cause),
                talked: Some(*talked),
                by: Some(*by),
                ..of(FactKind::Ended, None)
            },
        })
    }

    fn plain(call: CallId, at: Wall, kind: FactKind) -> Self {
        Self {
            call,
            at,
            kind,
            leg: None,
            peer: None,
            cause: None,
            by: None,
            status: None,
            talked: None,
            generation: None,
            who: None,
            whom: None,
            note: None,
            place: None,
        }
    }
}

impl Store {
    /// Appends facts of a tenant's calls, and the records of those that ended.
    ///
    /// # Errors
    /// When the file cannot be written; then none of the facts is in it, and they can be appended
    /// again.
    pub fn append(&mut self, tenant: TenantId, facts: &[Fact]) -> Result<(), Error> {
        let entries: Vec<Entry> = facts.iter().filter_map(Entry::of).collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.write(Durable::Yes, |write, rng| {
            entries.iter().try_for_each(|it| write.fact(tenant, it, rng))
        })
    }

    /// Closes calls that the end of the process before cut off, and tells how many. They ended, as
    /// far as anybody knows, with the last that was heard of them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close_lost(&mut self) -> Result<usize, Error> {
        self.write(Durable::Yes, |write, rng| {
            let mut query = write
                .db
                .prepare("SELECT tenant_id, call, first_fact FROM call_open ORDER BY first_fact")?;
            let lost = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let lost: Vec<(TenantId, i64, i64)> = lost.collect::<Result<_, _>>()?;
            for (tenant, call, first) in &lost {
                let known = entries(write.db, *tenant, *call, *first)?;
                let Some(last) = known.last() else { continue };
                let began = known.iter().find(|it| it.kind == FactKind::Began);
                let answered = known.iter().find(|it| {
                    it.kind == FactKind::Answered && it.leg == began.and_then(|it| it.leg)
                });
                let talked = answered.map_or(0, |it| last.at.0.saturating_sub(it.at.0));
                let ended = Entry {
                    cause: Some(Cause::Failed),
                    by: Some(By::House),
                    talked: Some(Duration::from_micros(talked)),
                    ..Entry::plain(last.call, last.at, FactKind::Ended)
                };
                write.fact(*tenant, &ended, rng)?;
            }
            Ok(lost.len())
        })
    }
}

impl Reader {
    /// All that is kept of a call, in the order in which it happened.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn facts(&self, tenant: TenantId, call: CallId) -> Result<Vec<Entry>, Error> {
        entries(&self.db, tenant, call.0.cast_signed(), 0)
    }
}

impl FactKind {
    /// Its word.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|it| it.0 == self).map_or("said", |it| it.1)
    }

    fn from_word(word: &str) -> Option<Self> {
        KINDS.iter().find(|it| it.1 == word).map(|it| it.0)
    }
}

impl Write<'_> {
    fn fact(&self, tenant: TenantId, it: &Entry, rng: &mut Rng) -> Result<(), Error> {
        let call = it.call.0.cast_signed();
        let mut query = self.db.prepare_cached(
            "INSERT INTO fact
                 (tenant_id, call, at, kind, leg, peer, cause, ended_by, status, talked, generation,
                  who, whom, note, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        let id = query.insert((
            tenant,
            call,
            from_wall(it.at),
            it.kind.word(),
            it.leg.map(|it| it.0.cast_signed()),
            it.peer.map(|it| it.0.cast_signed()),
            it.cause.map(Cause::word),
            it.by.map(By::word),
            it.status,
            it.talked.map(from_span),
            it.generation,
            &it.who,
            &it.whom,
            &it.note,
            &it.place,
        ))?;
        match it.kind {
            FactKind::Began => {
                let open = "INSERT OR REPLACE INTO call_open (call, tenant_id, first_fact)
                            VALUES (?1, ?2, ?3)";
                self.db.prepare_cached(open)?.execute((call, tenant, id))?;
            }
            FactKind::Ended => self.close(tenant, call, rng)?,
            _ => {}
        }
        Ok(())
    }

    /// Makes the record of a call that has ended.
    fn close(&self, tenant: TenantId, call: i64, rng: &mut Rng) -> Result<(), Error> {
        let mut query = self.db.prepare_cached(
            "DELETE FROM call_open WHERE call = ?1 AND tenant_id = ?2 RETURNING first_fact",
        )?;
        let first: Vec<i64> =
            query.query_map((call, tenant), |row| row.get(0))?.collect::<Result<_, _>>()?;
        let Some(first) = first.first() else { return Ok(()) };
        match Cdr::of(&entries(self.db, tenant, call, *first)?) {
            Some(cdr) => self.cdr(tenant, &cdr, rng),
            None => Ok(()),
        }
    }
}

fn entries(
    db: &rusqlite::Connection,
    tenant: TenantId,
    call: i64,
    first: i64,
) -> Result<Vec<Entry>, Error> {
    let mut query = db.prepare_cached(
        "SELECT call, at, kind, leg, peer, cause, ended_by, status, talked, generation, who, whom,
                note, place
         FROM fact WHERE call = ?2 AND id >= ?3 AND tenant_id = ?1 ORDER BY id",
    )?;
    let mut rows = query.query((tenant, call, first))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn read(row: &Sql<'_>) -> Result<Entry, Error> {
    let leg =
        |at: usize| row.get::<_, Option<i64>>(at).map(|it| it.map(|it| LegId(it.cast_unsigned())));
    let is_there = |at: usize| row.get_ref(at).map(|it| it != rusqlite::types::ValueRef::Null);
    Ok(Entry {
        call: CallId(row.get::<_, i64>(0)?.cast_unsigned()),
        at: wall(row, 1)?,
        kind: word(row, 2, FactKind::from_word)?,
        leg: leg(3)?,
        peer: leg(4)?,
        cause: is_there(5)?.then(|| word(row, 5, Cause::from_word)).transpose()?,
        by: is_there(6)?.then(|| word(row, 6, By::from_word)).transpose()?,
        status: row.get(7)?,
        talked: is_there(8)?.then(|| span(row, 8)).transpose()?,
        generation: row.get(9)?,
        who: row.get(10)?,
        whom: row.get(11)?,
        note: row.get(12)?,
        place: row.get(13)?,
    })
}

fn short(text: &str) -> String {
    text.chars().take(NOTE_MAX).collect()
}

const KINDS: &[(FactKind, &str)] = &[
    (FactKind::Began, "began"),
    (FactKind::Dialled, "dialled"),
    (FactKind::Ringing, "ringing"),
    (FactKind::Answered, "answered"),
    (FactKind::Bridged, "bridged"),
    (FactKind::Transferred, "transferred"),
    (FactKind::Joined, "joined"),
    (FactKind::LegEnded, "leg_ended"),
    (FactKind::Asked, "asked"),
    (FactKind::Said, "said"),
    (FactKind::ScriptFailed, "script_failed"),
    (FactKind::FellBack, "fell_back"),
    (FactKind::Ended, "ended"),
];
