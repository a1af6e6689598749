//! G.711: a sample in eight bits, by the mu-law (ITU-T G.711 table 2) or the A-law (table 1).
//!
//! Both laws code a sign, one of eight segments whose steps double, and one of sixteen steps in it.

/// The mu-law code of a sample.
pub const fn to_ulaw(sample: i16) -> u8 {
    // In 14 bits; the magnitude of a negative sample is its ones' complement.
    let folded = if sample < 0 { !sample >> 2 } else { sample >> 2 };
    let biased = if folded > 8158 { 8191 } else { folded + 33 };
    // 33 is the least, so bit 5 is the highest one of the first segment.
    let segment = 10 - biased.leading_zeros();
    let step = (biased >> (segment + 1)) & 0x0f;
    let code = (segment << 4) as u8 | step as u8;
    // All bits are sent inverted, the sign bit is one for positive samples.
    if sample < 0 { !code & 0x7f } else { !code }
}

/// The sample of a mu-law code.
pub const fn from_ulaw(code: u8) -> i16 {
    ULAW[code as usize]
}

/// The A-law code of a sample.
pub const fn to_alaw(sample: i16) -> u8 {
    // In 12 bits; the first segment, alone, has the step of the second.
    let folded = if sample < 0 { !sample >> 4 } else { sample >> 4 };
    let code = if folded < 16 {
        folded as u8
    } else {
        let segment = 12 - folded.leading_zeros();
        (segment << 4) as u8 | ((folded >> (segment - 1)) & 0x0f) as u8
    };
    // Even bits are sent inverted.
    if sample < 0 { code ^ 0x55 } else { code ^ 0xd5 }
}

/// The sample of an A-law code.
pub const fn from_alaw(code: u8) -> i16 {
    ALAW[code as usize]
}

const ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let (segment, step) = ((bits >> 4) & 7, (bits & 0x0f) as i16);
        let magnitude = (((step << 1) + 33) << segment) - 33;
        table[code] = if bits & 0x80 == 0 { magnitude << 2 } else { -(magnitude << 2) };
        code += 1;
    }
    table
};

const ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let (segment, step) = ((bits >> 4) & 7, (bits & 0x0f) as i16);
        // The middle of the step.
        let magnitude = match segment {
            0 => (step << 4) + 8,
            it => ((step << 4) + 0x108) << (it - 1),
        };
        table[code] = if bits & 0x80 == 0 { -magnitude } else { magnitude };
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ulaw_code_comes_back_except_the_negative_zero() {
        for code in 0..=255 {
            let back = to_ulaw(from_ulaw(code));
            // G.711 has two zeros; a sample of zero is coded as the positive one.
            assert_eq!(back, if code == 0x7f { 0xff } else { code });
        }
    }

    #[test]
    fn every_alaw_code_comes_back() {
        for code in 0..=255 {
            assert_eq!(to_alaw(from_alaw(code)), code);
        }
    }

    #[test]
    fn codes_are_those_of_the_recommendation() {
        assert_eq!([0, 8, -8, 32124, -32124].map(to_ulaw), [0xff, 0xfe, 0x7e, 0x80, 0x00]);
        assert_eq!([i16::MAX, i16::MIN].map(to_ulaw), [0x80, 0x00]);
        assert_eq!([0, -1, 32256, -32256].map(to_alaw), [0xd5, 0x55, 0xaa, 0x2a]);
        assert_eq!([i16::MAX, i16::MIN].map(to_alaw), [0xaa, 0x2a]);
        assert_eq!([0x00, 0x80, 0xff, 0x7f].map(from_ulaw), [-32124, 32124, 0, 0]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(from_alaw), [8, -8, 32256, -32256]);
    }

    #[test]
    fn a_sample_is_off_by_half_a_step_at_most() {
        for sample in i16::MIN..=i16::MAX {
            let size = i32::from(sample).abs();
            for back in [from_ulaw(to_ulaw(sample)), from_alaw(to_alaw(sample))] {
                let off = (i32::from(sample) - i32::from(back)).abs();
                assert!(off <= size / 32 + 8 || size > 32124, "{sample} became {back}");
            }
        }
    }
}
