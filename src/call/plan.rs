//! What the switch asks of a dial plan. The switch knows this trait and nothing of the language
//! that a plan is written in.
//!
//! A plan runs *flows*. A flow runs until it needs something of the engine, and says so with an
//! [`Op`]; it goes on when the engine brings the [`Outcome`]. A flow that computes for long is
//! sliced, so that datagrams are served between its slices. Functions of the plan's language never
//! cross this border: everything here is data.
//!
//! ```text
//! begin(call) ──> run() ──> Step::Do(op) ──> resume(op, outcome) ──> run() ──> … ──> Step::Handled
//!                                                    hang_up(call) ──> run() ──> … ──> Step::Over
//! ```
//!
//! `Handled` comes once: the handler has returned, failed or been killed (or was hung up). The
//! engine then ends the call if it still lives, and tells the plan with `hang_up`. Only then do the
//! flow's cleanups run. `Over` comes once, last: nothing of the call is left in the plan.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::base::{CallId, Cause, Mono, Now, OpId};

/// A dial plan.
pub trait Plan {
    /// Begins to load these scripts, in slices that [`Plan::run`] takes turns with; another set that
    /// is still being loaded is forgotten. [`Step::Loaded`] says what came of it: new calls then get
    /// them, and calls in progress keep theirs. When they do not load, all stays as it is.
    fn begin_load(&mut self, files: Files);

    /// Starts the flow of the handler that takes this call. Nothing runs before [`Plan::run`].
    ///
    /// # Errors
    /// When no route of the plan takes the number.
    fn begin(&mut self, now: Now, call: CallId, view: View) -> Result<(), NoRoute>;

    /// Starts the handler that the layer below has for this call, whose own handler has failed. What
    /// that one has spawned and deferred stays with the call. Says where the route is.
    ///
    /// # Errors
    /// When there is no layer below, or none of its routes takes the number.
    fn begin_below(&mut self, call: CallId) -> Result<Place, NoRoute>;

    /// The call has reached another state.
    fn advance(&mut self, call: CallId, state: State);

    /// What an operation came to. Each operation is resumed at most once; an unknown or cancelled
    /// one is ignored.
    fn resume(&mut self, now: Now, op: OpId, outcome: Outcome);

    /// The call has ended: whatever its flows wait for, they wait in vain.
    fn hang_up(&mut self, now: Now, call: CallId, cause: Cause);

    /// Runs the next flow that can run, for at most one slice. `None` when no flow can run.
    fn run(&mut self, now: Now) -> Option<Step>;

    /// Whether [`Plan::run`] would do something now.
    fn is_runnable(&self) -> bool;

    /// When to call [`Plan::handle_timeout`] next.
    fn poll_timeout(&self) -> Option<Mono>;

    /// Ends cleanups that took too long.
    fn handle_timeout(&mut self, now: Now);

    /// Which version of the scripts new calls get.
    fn generation(&self) -> Generation;
}

/// All scripts as text: `(name, text)`, the name below the scripts' directory (`lib/x.lua`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The layer that ships.
    pub embedded: Vec<(String, String)>,
    /// The user's layer above it.
    pub user: Vec<(String, String)>,
}

impl Files {
    /// What these texts are called; their order does not matter.
    pub fn generation(&self) -> Generation {
        let mut hash = Sha256::new();
        for layer in [&self.embedded, &self.user] {
            let mut layer: Vec<_> = layer.iter().collect();
            layer.sort();
            hash.update((layer.len() as u64).to_be_bytes());
            for text in layer.into_iter().flat_map(|it| [&it.0, &it.1]) {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        let digest = hash.finalize();
        Generation(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
    }
}

/// Why scripts were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// What.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// The first 32 bits of the hash over all scripts of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What a plan sees of a call when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which routes are asked.
    pub direction: Way,
    /// The caller's number.
    pub from: String,
    /// The caller's display name.
    pub from_name: Option<String>,
    /// The number that was dialled.
    pub to: String,
    /// The registered extension that calls.
    pub extension: Option<String>,
    /// The extension that has sent the caller here from another call: its rights hold.
    pub transferred_by: Option<String>,
    /// `X-…` headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// A seed for what the script sees as random.
    pub seed: u64,
}

/// Where a call comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// A registered extension dials.
    Internal,
    /// A carrier calls.
    Inbound,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not answered; the caller may hear ringing.
    Ringing,
    /// Not answered, but the caller hears what we send.
    Early,
    /// Answered.
    Answered,
    /// Over.
    Ended,
}

/// No route takes the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoute;

/// What happened in one slice.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The slice is used up, or a flow waits for its siblings; others may run.
    Sliced {
        /// Whose flow it was.
        call: CallId,
    },
    /// A slice of loading is done.
    Loading,
    /// The scripts that were given to [`Plan::begin_load`] have been loaded, or will not be.
    Loaded {
        /// Which.
        generation: Generation,
        /// Whether new calls get them from now on; if so, what looks wrong in them all the same.
        result: Result<Vec<Problem>, Vec<Problem>>,
    },
    /// A flow wants something of the engine.
    Do {
        /// Whose flow it is.
        call: CallId,
        /// The name under which its outcome comes back.
        id: OpId,
        /// What it wants.
        op: Op,
        /// The script line that asked.
        at: Place,
    },
    /// Nobody waits for this operation any more: it lost a race. The engine stops it and does not
    /// resume it.
    Cancel {
        /// Whose operation it was.
        call: CallId,
        /// Its name.
        id: OpId,
    },
    /// A script wrote a line to the log.
    Log {
        /// Whose flow it was.
        call: CallId,
        /// What it said.
        text: String,
        /// The script line.
        at: Place,
    },
    /// The handler has ended.
    Handled {
        /// Whose handler it was.
        call: CallId,
        /// How.
        end: End,
    },
    /// Nothing of the call is left in the plan.
    Over {
        /// Which call.
        call: CallId,
    },
}

/// How a handler ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned,
    /// The call was over while it waited or computed.
    HungUp,
    /// An error of the script.
    Failed(ScriptError),
    /// It computed for too long or took too much memory.
    Killed(ScriptError),
}

/// What went wrong in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// What, in one line, without the place.
    pub message: String,
    /// Where.
    pub at: Place,
    /// How it came there, one line each.
    pub traceback: Vec<String>,
}

/// A line of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name below the scripts' directory.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a flow asks of the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Answer the caller. At once when it is answered already.
    Answer,
    /// Let the caller hear ringing (180).
    Ring,
    /// Play to the caller. Answers first, unless early.
    Play {
        /// What.
        sound: Vec<Sound>,
        /// Before answer: as early media (183).
        early: bool,
    },
    /// Let the caller hear itself until the call ends. Answers first.
    Echo,
    /// Ring targets; bridge the first that answers; wait until that conversation is over.
    Dial {
        /// Whom, all at once.
        targets: Vec<String>,
        /// How long it may ring.
        timeout: Duration,
    },
    /// Wait.
    Sleep(Duration),
    /// Refuse before answer, end after.
    Reject(Cause),
    /// End the call.
    Hangup(Cause),
}

impl Op {
    /// What scripts call it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Ring => "ringing",
            Self::Play { .. } => "play",
            Self::Echo => "echo",
            Self::Dial { .. } => "dial",
            Self::Sleep(_) => "sleep",
            Self::Reject(_) => "reject",
            Self::Hangup(_) => "hangup",
        }
    }

    /// Whether it needs the call's media or signalling, and so makes no sense once the call is over.
    pub fn needs_call(&self) -> bool {
        !matches!(self, Self::Sleep(_))
    }

    /// Whether it wants the caller's media for itself. Two such operations of one call at the same
    /// time are an error of the script.
    pub fn wants_media(&self) -> bool {
        matches!(self, Self::Play { .. } | Self::Echo | Self::Dial { .. })
    }
}

impl fmt::Display for Op {
    /// What is asked, as people would say it: `dial 1002 for 30 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Play { sound, .. } => sound.iter().try_for_each(|it| match it {
                Sound::Prompt(name) => write!(f, " {name}"),
                Sound::Tone(name) => write!(f, " tone:{name}"),
            }),
            Self::Dial { targets, timeout } => {
                targets.iter().try_for_each(|it| write!(f, " {it}"))?;
                write!(f, " for {} s", timeout.as_secs())
            }
            Self::Sleep(span) => write!(f, " {} ms", span.as_millis()),
            Self::Reject(cause) | Self::Hangup(cause) => write!(f, " {cause}"),
            Self::Answer | Self::Ring | Self::Echo => Ok(()),
        }
    }
}

/// Something to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// A prompt by name.
    Prompt(String),
    /// A tone by name: what stands behind `tone:`.
    Tone(String),
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// The sound has ended: all of it, or `false` when it was stopped.
    Played(bool),
    /// Somebody answered, and the conversation is over.
    Talked(Talk),
    /// Nobody answered.
    Unanswered {
        /// Why, in one word.
        cause: Cause,
        /// Why, target by target.
        targets: Vec<Refusal>,
    },
    /// The operation makes no sense: a bug of the script, raised as an error at its line.
    Misused(String),
}

/// A conversation that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Talk {
    /// Who answered.
    pub by: String,
    /// How long they talked.
    pub duration: Duration,
    /// Whether the caller hung up first.
    pub ended_by_caller: bool,
}

/// A target that did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whom the script named.
    pub target: String,
    /// Why.
    pub cause: Cause,
    /// The SIP status.
    pub status: u16,
}
