//! The sine, from multiplications and additions only: these round alike on every machine, a
//! system's `sin` does not.

/// The sine of a phase, where 2^32 is a full turn. Off by less than 10^-10.
pub(super) fn sine(phase: u32) -> f64 {
    // The second and third quarter mirror around a half turn, so that the series only sees a
    // quarter turn either way, where it converges fast.
    let turned = phase.cast_signed();
    let folded = match turned {
        it if it > QUARTER => HALF - i64::from(it),
        it if it < -QUARTER => -HALF - i64::from(it),
        it => i64::from(it),
    };
    let x = folded as f64 * (std::f64::consts::PI / HALF as f64);
    let xx = x * x;
    // Taylor's series as far as x^15/15!, from the inside out. An ear at a low frequency needs it
    // that exact.
    let mut sum = 1.0;
    for odd in [15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = 1.0 - sum * xx / (odd * (odd - 1.0));
    }
    x * sum
}

/// The cosine of a phase, where 2^32 is a full turn.
pub(super) fn cosine(phase: u32) -> f64 {
    sine(phase.wrapping_add(QUARTER.cast_unsigned()))
}

/// How far the phase moves per sample: `hz` of `rate`, where 2^32 is a full turn.
pub(super) fn step(hz: f64, rate: u32) -> u32 {
    (hz / f64::from(rate.max(1)) * 4_294_967_296.0) as u32
}

const QUARTER: i32 = 1 << 30;
const HALF: i64 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_system_sine_all_around() {
        for phase in (0..=u32::MAX).step_by(9_999_991) {
            let turns = f64::from(phase) / 4_294_967_296.0;
            let theirs = (turns * std::f64::consts::TAU).sin();
            assert!((sine(phase) - theirs).abs() < 1e-10, "at {phase}");
            let theirs = (turns * std::f64::consts::TAU).cos();
            assert!((cosine(phase) - theirs).abs() < 1e-10, "at {phase}");
        }
    }
}
