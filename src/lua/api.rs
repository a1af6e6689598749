//! Everything that scripts can name: one table, from which the bindings are made and by which
//! scripts are checked before they run.

/// An operation of a call: `call:name(…)`.
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// How many arguments it takes at most.
    pub(super) arguments: usize,
    /// The keys of the option table, which is the last argument; empty when there is none.
    pub(super) options: &'static [&'static str],
}

/// A name in a table.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Whether it may be nil.
    pub(super) optional: bool,
    /// The names in it; empty when it is no table, or one for any names.
    pub(super) inner: &'static [Field],
}

/// What a call can be asked for.
pub(super) const OPERATIONS: &[Operation] = &[
    operation("answer", 0, &[]),
    operation("ringing", 0, &[]),
    operation("play", 2, &["early"]),
    operation("echo", 0, &[]),
    operation("dial", 2, &["timeout"]),
    operation("sleep", 1, &[]),
    operation("reject", 1, &[]),
    operation("hangup", 1, &[]),
];

/// Methods of a call that nobody waits for.
pub(super) const METHODS: &[&str] = &["defer"];

/// What a script sees of a call.
pub(super) const CALL: &[Field] = &[
    field("id"),
    field("direction"),
    table("from", &[field("number"), optional("name"), field("anonymous")]),
    table("to", &[field("number")]),
    field("headers"),
    optional("extension"),
    optional("transferred_by"),
    field("version"),
    field("tags"),
    field("state"),
];

/// The global `pbx`.
pub(super) const PBX: &[Field] = &[
    field("all"),
    field("race"),
    field("spawn"),
    field("internal"),
    field("inbound"),
    table("log", &[field("info"), field("warn")]),
];

/// An operation by its name.
pub(super) fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|it| it.name == name)
}

const fn operation(
    name: &'static str,
    arguments: usize,
    options: &'static [&'static str],
) -> Operation {
    Operation { name, arguments, options }
}

const fn field(name: &'static str) -> Field {
    Field { name, optional: false, inner: &[] }
}

const fn optional(name: &'static str) -> Field {
    Field { name, optional: true, inner: &[] }
}

const fn table(name: &'static str, inner: &'static [Field]) -> Field {
    Field { name, optional: false, inner }
}
