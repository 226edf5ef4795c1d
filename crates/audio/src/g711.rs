//! G.711: the telephone's eight bits.
//!
//! Decoding reads a table of 256 values. Encoding uses the fact that a G.711 code *is* a tiny floating-point number:
//! three bits of exponent and four of mantissa. Converting the biased magnitude to `f32` therefore finds segment and
//! step at once, without a branch, and the compiler does it for several samples together. A table for the same job
//! would take 16 KiB of the first-level cache, which a call has better uses for.
//!
//! Values are those of ITU-T G.191's reference (`alaw_compress`, `ulaw_compress` and their inverses), which works on
//! the upper 13 (A-law) or 14 (µ-law) bits of a sample and takes the one's complement of negative ones.

/// The µ-law code of digital silence (positive zero).
pub const ULAW_SILENCE: u8 = 0xFF;

/// The A-law code nearest to silence. A-law has no zero: it decodes to 8.
pub const ALAW_SILENCE: u8 = 0xD5;

/// Sample for every µ-law code.
static ULAW_TO_PCM: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_ulaw(code as u8);
        code += 1;
    }
    table
};

/// Sample for every A-law code.
static ALAW_TO_PCM: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_alaw(code as u8);
        code += 1;
    }
    table
};

/// The sample that a µ-law code stands for.
#[inline]
pub fn decode_ulaw(code: u8) -> i16 {
    ULAW_TO_PCM[code as usize]
}

/// The sample that an A-law code stands for.
#[inline]
pub fn decode_alaw(code: u8) -> i16 {
    ALAW_TO_PCM[code as usize]
}

/// The µ-law code nearest to a sample, as the ITU reference rounds it.
#[inline]
pub fn encode_ulaw(sample: i16) -> u8 {
    // 0 for positive, -1 for negative: xor with it is the one's complement.
    let sign = sample >> 15;
    // 33 is the bias of µ-law's first segment in 14-bit steps; the sum is limited to 13 bits.
    let magnitude = ((sample ^ sign) >> 2).min(0x1FFF - 33) as i32 + 33;
    // Exponent 5 (the bias alone) is segment 0; a float stores it as 127 + 5.
    let code = ((magnitude as f32).to_bits() >> 19) as i32 - (132 << 4);
    // Sent inverted; the sign bit is set for positive samples.
    !((code as u8) | (sign as u8 & 0x80))
}

/// The A-law code nearest to a sample, as the ITU reference rounds it.
#[inline]
pub fn encode_alaw(sample: i16) -> u8 {
    let sign = sample >> 15;
    let magnitude = ((sample ^ sign) >> 4) as i32;
    // Exponent 4 is segment 1; a float stores it as 127 + 4. Below 16 the law is linear and the code is the value.
    let segmented = ((magnitude as f32).to_bits() >> 19) as i32 - (130 << 4);
    let code = if magnitude < 16 { magnitude } else { segmented };
    ((code as u8) | (!sign as u8 & 0x80)) ^ 0x55
}

/// Appends the samples of µ-law codes.
pub fn ulaw_to_pcm(codes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(codes.iter().map(|&code| decode_ulaw(code)));
}

/// Appends the µ-law codes of samples.
pub fn pcm_to_ulaw(samples: &[i16], codes: &mut Vec<u8>) {
    codes.extend(samples.iter().map(|&sample| encode_ulaw(sample)));
}

/// Appends the samples of A-law codes.
pub fn alaw_to_pcm(codes: &[u8], samples: &mut Vec<i16>) {
    samples.extend(codes.iter().map(|&code| decode_alaw(code)));
}

/// Appends the A-law codes of samples.
pub fn pcm_to_alaw(samples: &[i16], codes: &mut Vec<u8>) {
    codes.extend(samples.iter().map(|&sample| encode_alaw(sample)));
}

const fn expand_ulaw(code: u8) -> i16 {
    let inverted = !code;
    let segment = (inverted >> 4) & 7;
    let step = (inverted & 0x0F) as i16;
    let magnitude = (((step << 1) + 33) << segment) - 33;
    if code & 0x80 == 0 { -(magnitude << 2) } else { magnitude << 2 }
}

const fn expand_alaw(code: u8) -> i16 {
    let plain = code ^ 0x55;
    let segment = (plain >> 4) & 7;
    let step = (plain & 0x0F) as i16;
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if plain & 0x80 == 0 { -magnitude } else { magnitude }
}
