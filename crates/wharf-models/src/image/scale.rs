//! Images made smaller: each new pixel is the mean of the area that it covers, in whole numbers, so that every machine gives the same
//! bytes. Colour counts by how much of it is to be seen.

use super::pixels::{Pixels, Turn};

/// The image with a longer side of at most `side` pixels.
pub(super) fn down_to(from: &Pixels, side: u32) -> Pixels {
    let longer = from.width.max(from.height);
    let side = side as usize;
    if longer <= side || from.data.is_empty() {
        return Pixels { turn: Turn::NONE, ..from.clone() };
    }
    let scaled = |length: usize| ((length * side + longer / 2) / longer).max(1);
    let (width, height) = (scaled(from.width), scaled(from.height));
    let (across, down) = (parts(from.width, width), parts(from.height, height));
    let row_len = width * from.channels;
    let mut sums = vec![0u64; row_len * height];
    let mut row = vec![0u64; row_len];
    for (y, pixels) in from.data.chunks_exact(from.width * from.channels).enumerate() {
        squeeze(pixels, &across, from.channels, &mut row);
        for &(to, weight) in down[y].iter().filter(|(_, weight)| *weight > 0) {
            let sums = &mut sums[to * row_len..(to + 1) * row_len];
            sums.iter_mut().zip(&row).for_each(|(sum, part)| *sum += part * weight as u64);
        }
    }
    let area = (from.width * from.height) as u64;
    let data = sums.chunks_exact(from.channels).flat_map(|sum| mean(sum, area)).collect();
    Pixels { width, height, channels: from.channels, data, turn: Turn::NONE }
}

/// For each old pixel the one or two new ones that cover it, and how much of each. What a new one covers adds up to `old`.
fn parts(old: usize, new: usize) -> Vec<[(usize, usize); 2]> {
    let part = |at: usize| {
        let (start, end) = (at * new, (at + 1) * new);
        let first = start / old;
        let border = (first + 1) * old;
        let inside = end.min(border) - start;
        [(first, inside), ((first + 1).min(new - 1), new - inside)]
    };
    (0..old).map(part).collect()
}

/// One row, made narrower; colours multiplied by alpha where there is one.
fn squeeze(pixels: &[u8], across: &[[(usize, usize); 2]], channels: usize, row: &mut [u64]) {
    row.fill(0);
    for (pixel, parts) in pixels.chunks_exact(channels).zip(across) {
        for &(to, weight) in parts.iter().filter(|(_, weight)| *weight > 0) {
            let weight = weight as u64;
            let alpha = if channels == 4 { u64::from(pixel[3]) } else { 1 };
            let sums = &mut row[to * channels..(to + 1) * channels];
            for (sum, value) in sums.iter_mut().zip(&pixel[..3]) {
                *sum += u64::from(*value) * alpha * weight;
            }
            if channels == 4 {
                sums[3] += alpha * weight;
            }
        }
    }
}

fn mean(sum: &[u64], area: u64) -> Vec<u8> {
    let byte = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    match sum {
        [red, green, blue, alpha] => {
            let seen = (*alpha).max(1);
            let colour = |value: &u64| byte((value + seen / 2) / seen);
            vec![colour(red), colour(green), colour(blue), byte((alpha + area / 2) / area)]
        }
        rest => rest.iter().map(|value| byte((value + area / 2) / area)).collect(),
    }
}
