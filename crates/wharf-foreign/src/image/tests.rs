//! Images of every format, and bytes that are none.

use proptest::prelude::*;

use super::*;

/// The head of a PNG of that size.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 17, 8];
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3; 12]);
    bytes
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    bytes.extend(&(width - 1).to_le_bytes()[..3]);
    bytes.extend(&(height - 1).to_le_bytes()[..3]);
    bytes
}

#[test]
fn the_bytes_say_what_an_image_is() {
    let header = |format, width, height| Ok(Header { format, width, height });
    assert_eq!(look(&png(800, 600)), header(Format::Png, 800, 600));
    assert_eq!(look(&jpeg(4000, 3000)), header(Format::Jpeg, 4000, 3000));
    assert_eq!(look(&gif(32, 16)), header(Format::Gif, 32, 16));
    assert_eq!(look(&webp(1920, 1080)), header(Format::WebP, 1920, 1080));
    assert_eq!(look(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Err(BadImage::UnknownFormat));
    assert_eq!(look(b""), Err(BadImage::UnknownFormat));
    assert_eq!(look(&png(800, 0)), Err(BadImage::Damaged(Format::Png)));
    assert_eq!(look(&png(800, 600)[..20]), Err(BadImage::Damaged(Format::Png)));
}

#[test]
fn what_is_too_large_is_not_taken() {
    assert!(look(&png(10_000, 5_000)).is_ok());
    assert_eq!(look(&png(10_000, 5_001)), Err(BadImage::TooManyPixels { width: 10_000, height: 5_001 }));
    assert_eq!(look(&png(u32::MAX, u32::MAX)), Err(BadImage::TooManyPixels { width: u32::MAX, height: u32::MAX }));
    let mut long = png(8, 8);
    long.resize(MAX_BYTES, 0);
    assert!(read(&encode(&long)).is_ok());
    long.push(0);
    assert_eq!(look(&long), Err(BadImage::TooLarge { bytes: MAX_BYTES + 1 }));
    assert_eq!(read(&encode(&long)), Err(BadImage::TooLarge { bytes: MAX_BYTES + 1 }));
    assert!(matches!(read(&"A".repeat(3 * MAX_BYTES)), Err(BadImage::TooLarge { .. })));
}

#[test]
fn base64_is_read_with_line_ends_and_without_padding() {
    let bytes = png(3, 2);
    let data = encode(&bytes);
    let broken: String =
        data.as_bytes().chunks(20).map(|line| format!("{}\r\n", str::from_utf8(line).unwrap())).collect();
    for data in [data.as_str(), data.trim_end_matches('='), &broken] {
        assert_eq!(read(data).map(|(_, bytes)| bytes).as_ref(), Ok(&bytes), "{data}");
    }
    assert_eq!(read("<script>"), Err(BadImage::NotBase64));
    assert_eq!(peek(&data).map(|header| (header.width, header.height)), Some((3, 2)));
    assert_eq!(peek("<script>"), None);
    assert_eq!(peek("ä"), None);
}

proptest! {
    #[test]
    fn nothing_that_begins_like_an_image_breaks_it(start in 0usize..4, cut in 0usize..40, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = [png(7, 7), gif(7, 7), jpeg(7, 7), webp(7, 7)][start].clone();
        bytes.truncate(cut);
        bytes.extend(rest);
        let _ = look(&bytes);
        let _ = peek(&encode(&bytes));
        prop_assert_eq!(read(&encode(&bytes)).map(|(header, _)| header), look(&bytes));
    }
}
