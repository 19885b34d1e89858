//! Baseline JPEG, written: of the libraries that do it, one has a licence that we do not take, the other costs a minute of the first
//! build. Full colour, one pair of Huffman tables for all channels. What is transparent becomes white.

use super::pixels::Pixels;

/// As the usual scale from 1 to 100 has it.
const QUALITY: u32 = 85;

/// The specification's tables, Annex K: what luminance and colour are divided by at quality 50, row by row.
const LUMINANCE: [u32; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];
const COLOUR: [u32; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99,
];

/// Huffman codes: how many there are of each length, and what they stand for, in order.
const DC_LENGTHS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LENGTHS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];
const AC_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14,
    0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65,
    0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
    0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
    0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
    0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea,
    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// The image as JPEG.
pub(super) fn encode(pixels: &Pixels) -> Vec<u8> {
    let zigzag = zigzag();
    let quants = [quant(&LUMINANCE), quant(&COLOUR)];
    let mut out = head(pixels, &quants, &zigzag);
    let (dc, ac) = (codes(&DC_LENGTHS, &DC_VALUES), codes(&AC_LENGTHS, &AC_VALUES));
    let basis = basis();
    let mut bits = Bits { out: &mut out, held: 0, count: 0 };
    let mut before = [0i32; 3];
    for top in (0..pixels.height).step_by(8) {
        for left in (0..pixels.width).step_by(8) {
            for (channel, samples) in block(pixels, left, top).iter().enumerate() {
                let quant = &quants[usize::from(channel > 0)];
                let frequencies = transform(samples, &basis);
                let rounded = zigzag.map(|at| (frequencies[at] / quant[at] as f32).round() as i32);
                bits.block(&rounded, &mut before[channel], &dc, &ac);
            }
        }
    }
    bits.end();
    out.extend([0xff, 0xd9]);
    out
}

fn quant(table: &[u32; 64]) -> [u32; 64] {
    table.map(|value| ((value * (200 - 2 * QUALITY) + 50) / 100).clamp(1, 255))
}

/// Places in a block, in the order in which they are written: diagonal by diagonal.
fn zigzag() -> [usize; 64] {
    let mut order: [usize; 64] = std::array::from_fn(|at| at);
    order.sort_by_key(|at| {
        let (x, y) = (at % 8, at / 8);
        (x + y, if (x + y) % 2 == 0 { x } else { y })
    });
    order
}

/// Code and length for each value.
fn codes(lengths: &[u8; 16], values: &[u8]) -> [(u16, u8); 256] {
    let mut table = [(0, 0); 256];
    let mut values = values.iter();
    let mut code = 0u16;
    for (length, count) in (1u8..).zip(lengths) {
        for value in values.by_ref().take(usize::from(*count)) {
            table[usize::from(*value)] = (code, length);
            code += 1;
        }
        code <<= 1;
    }
    table
}

fn head(pixels: &Pixels, quants: &[[u32; 64]; 2], zigzag: &[usize; 64]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    out.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (number, quant) in (0u8..).zip(quants) {
        out.extend([0xff, 0xdb, 0, 67, number]);
        out.extend(zigzag.iter().map(|at| u8::try_from(quant[*at]).unwrap_or(u8::MAX)));
    }
    let side = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    out.extend([0xff, 0xc0, 0, 17, 8]);
    out.extend(side(pixels.height).into_iter().chain(side(pixels.width)));
    out.extend([3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1]);
    for (class, lengths, values) in [(0x00, &DC_LENGTHS, &DC_VALUES[..]), (0x10, &AC_LENGTHS, &AC_VALUES[..])] {
        let length = u16::try_from(19 + values.len()).unwrap_or(u16::MAX).to_be_bytes();
        out.extend([0xff, 0xc4, length[0], length[1], class]);
        out.extend(lengths.iter().chain(values));
    }
    out.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    out
}

/// Luminance and both colours of eight by eight pixels; beyond the edge the last ones stand again.
fn block(pixels: &Pixels, left: usize, top: usize) -> [[f32; 64]; 3] {
    let mut out = [[0.0; 64]; 3];
    let [luminance, blue, red] = &mut out;
    for (at, ((luminance, blue), red)) in luminance.iter_mut().zip(blue).zip(red).enumerate() {
        let (x, y) = ((left + at % 8).min(pixels.width - 1), (top + at / 8).min(pixels.height - 1));
        let from = (y * pixels.width + x) * pixels.channels;
        let alpha = if pixels.channels == 4 { f32::from(pixels.data[from + 3]) / 255.0 } else { 1.0 };
        let [r, g, b] = [0, 1, 2].map(|channel| f32::from(pixels.data[from + channel]) * alpha + 255.0 * (1.0 - alpha));
        *luminance = 0.299 * r + 0.587 * g + 0.114 * b - 128.0;
        *blue = -0.168_736 * r - 0.331_264 * g + 0.5 * b;
        *red = 0.5 * r - 0.418_688 * g - 0.081_312 * b;
    }
    out
}

/// Waves along eight places.
fn basis() -> [[f32; 8]; 8] {
    std::array::from_fn(|wave| {
        std::array::from_fn(|at| {
            let scale = if wave == 0 { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
            scale / 2.0 * (((2 * at + 1) * wave) as f32 * std::f32::consts::PI / 16.0).cos()
        })
    })
}

fn transform(samples: &[f32; 64], basis: &[[f32; 8]; 8]) -> [f32; 64] {
    let rows: [f32; 64] = std::array::from_fn(|at| (0..8).map(|x| samples[at / 8 * 8 + x] * basis[at % 8][x]).sum());
    std::array::from_fn(|at| (0..8).map(|y| rows[y * 8 + at % 8] * basis[at / 8][y]).sum())
}

/// Bits, the highest first; after a byte of ones comes one of zeros.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u32,
    count: u8,
}

impl Bits<'_> {
    fn put(&mut self, bits: u16, count: u8) {
        self.held = self.held << count | u32::from(bits);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.held >> self.count & 0xff) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
        self.held &= (1 << self.count) - 1;
    }

    fn end(mut self) {
        if self.count > 0 {
            let missing = 8 - self.count;
            self.put((1 << missing) - 1, missing);
        }
    }

    fn block(&mut self, values: &[i32; 64], before: &mut i32, dc: &[(u16, u8); 256], ac: &[(u16, u8); 256]) {
        self.number(0, values[0] - *before, dc);
        *before = values[0];
        let mut zeros = 0;
        for value in &values[1..] {
            if *value == 0 {
                zeros += 1;
                continue;
            }
            for _ in 0..zeros / 16 {
                self.code(0xf0, ac);
            }
            self.number(zeros % 16, *value, ac);
            zeros = 0;
        }
        if zeros > 0 {
            self.code(0x00, ac);
        }
    }

    fn code(&mut self, value: usize, table: &[(u16, u8); 256]) {
        let (code, length) = table[value];
        self.put(code, length);
    }

    /// The zeros before a number and its length as a code, then its bits; those of a negative one are of the number below.
    fn number(&mut self, zeros: usize, value: i32, table: &[(u16, u8); 256]) {
        let length = 32 - value.unsigned_abs().leading_zeros();
        self.code(zeros << 4 | length as usize, table);
        let bits = if value < 0 { value - 1 } else { value };
        let length = length as u8;
        self.put(bits as u16 & (1u16 << length).wrapping_sub(1), length);
    }
}
