//! (placeholder of the skeleton)

/// One or two frequencies, sounding and silent in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies in hertz, both at once; 0 for none.
    pub hz: [u16; 2],
    /// Milliseconds of sound and of silence; silence 0 means that it never stops to breathe.
    pub on_ms: u32,
    /// See `on_ms`.
    pub off_ms: u32,
    /// How often sound and silence repeat; `None` for ever.
    pub times: Option<u32>,
}
