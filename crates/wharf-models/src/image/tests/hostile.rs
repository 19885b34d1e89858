//! Images that somebody wrote to break a decoder: each is a word at most, and takes no more than it may.

use proptest::prelude::*;

use super::*;

/// The head of a PNG of that size, as its checksum has it.
fn png_head(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(::png::ColorType::Rgba);
    drop(encoder.write_header().unwrap());
    bytes
}

#[test]
fn what_promises_too_much_is_not_decoded() {
    assert_eq!(became(&png_head(60_000, 60_000), Limits::CHAT), "60000x60000 pixels; an image may have 50000000");
    let huge = gif_of(65_535, 65_535, 1, 1);
    assert_eq!(became(&huge, Limits::CHAT), "65535x65535 pixels; an image may have 50000000");
    assert!(became(&png_head(7_000, 7_000), Limits::CHAT).starts_with("it is damaged"), "a promise without pixels");
    assert!(became(&gif_of(4, 4, 9_000, 9_000), Limits::CHAT).starts_with("it is damaged"), "beyond its canvas");
    assert_eq!(became(b"<svg/>", Limits::CHAT), "it is neither PNG, JPEG, GIF nor WebP");
}

/// A GIF whose first picture has another size than the whole.
fn gif_of(width: u16, height: u16, frame_width: u16, frame_height: u16) -> Vec<u8> {
    let mut bytes = gif(frame_width.min(64), frame_height.min(64));
    bytes[6..8].copy_from_slice(&width.to_le_bytes());
    bytes[8..10].copy_from_slice(&height.to_le_bytes());
    let at = bytes.iter().position(|byte| *byte == b',').unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&frame_width.to_le_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&frame_height.to_le_bytes());
    bytes
}

#[test]
fn a_checksum_that_is_wrong_is_no_panic() {
    let mut bytes = png(20, 20);
    let at = bytes.len() - 20;
    bytes[at] ^= 0xff;
    assert!(became(&bytes, Limits::CHAT).starts_with("it is damaged"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn cut_and_garbled_images_are_a_word_at_most(
        kind in 0usize..4,
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let mut bytes = match kind {
            0 => png(33, 17),
            1 => jpeg(33, 17),
            2 => gif(33, 17),
            _ => webp(33, 17),
        };
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        for limits in [Limits::CHAT, Limits { side: 8, ..Limits::GEMINI }] {
            let block = block(&bytes);
            let made = fit(&block, limits);
            prop_assert_eq!(&made, &fit(&block, limits), "the same again");
            if let Fitted::Made { data, .. } = &*made {
                let (header, bytes) = image::read(data).unwrap();
                prop_assert!(header.width.max(header.height) <= limits.side);
                prop_assert!(decode(&bytes, header).is_ok());
            }
        }
    }
}
