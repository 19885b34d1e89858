//! Images of every format, made fit; and what is none.

mod hostile;

use std::io::Cursor;

use wharf_foreign::image::{self, Format};

use super::fit::fit;
use super::pixels::{Pixels, Turn, decode};
use super::*;
use crate::tests::{message, request, result, user};
use wharf_protocol::Role;

/// A drawing that no encoder can say in a word, with or without alpha.
fn drawing(width: usize, height: usize, channels: usize) -> Pixels {
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        [x * 255 / width, y * 255 / height, (x / 7 + y / 5) % 2 * 200, 255 - x % 3 * 100].map(|value| value as u8)
    };
    let data = (0..width * height).flat_map(|at| pixel(at).into_iter().take(channels)).collect();
    Pixels { width, height, channels, data, turn: Turn::NONE }
}

fn png(width: usize, height: usize) -> Vec<u8> {
    drawing(width, height, 4).to_png().unwrap()
}

fn jpeg(width: usize, height: usize) -> Vec<u8> {
    super::jpeg::encode(&drawing(width, height, 3))
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::gif::Encoder::new(&mut bytes, width, height, &[0, 0, 0, 255, 0, 0]).unwrap();
    let frame = ::gif::Frame {
        width,
        height,
        buffer: (0..usize::from(width) * usize::from(height)).map(|at| (at % 2) as u8).collect(),
        ..::gif::Frame::default()
    };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    bytes
}

fn webp(width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image_webp::WebPEncoder::new(Cursor::new(&mut bytes));
    let pixels = drawing(width, height, 4);
    encoder.encode(&pixels.data, width as u32, height as u32, image_webp::ColorType::Rgba8).unwrap();
    bytes
}

fn block(bytes: &[u8]) -> ContentBlock {
    let mime_type = "image/whatever".to_owned();
    ContentBlock::Image { data: image::encode(bytes), mime_type, uri: Some("a.pic".to_owned()) }
}

/// What became of an image: its format and size, or why it is not shown.
fn became(bytes: &[u8], limits: Limits) -> String {
    match &*fit(&block(bytes), limits) {
        Fitted::AsItIs(format) => format!("as it is, {format}"),
        Fitted::Made { data, format } => {
            let (header, bytes) = image::read(data).unwrap();
            decode(&bytes, header).unwrap();
            assert_eq!(header.format, *format);
            format!("{format} {}x{}", header.width, header.height)
        }
        Fitted::Unreadable(why) => why.clone(),
    }
}

#[test]
fn each_wire_gets_what_it_takes() {
    let all = [
        ("small PNG", png(40, 30)),
        ("small JPEG", jpeg(40, 30)),
        ("small GIF", gif(40, 30)),
        ("small WebP", webp(40, 30)),
        ("wide PNG", png(3_000, 20)),
        ("high JPEG", jpeg(20, 3_000)),
    ];
    let mut told = String::new();
    let wires = [
        ("anthropic", Limits::ANTHROPIC),
        ("older", Limits::OLDER_ANTHROPIC),
        ("responses", Limits::RESPONSES),
        ("gemini", Limits::GEMINI),
        ("chat", Limits::CHAT),
    ];
    for (wire, limits) in wires {
        told.push_str(wire);
        for (name, bytes) in &all {
            told.push_str(&format!("; {name}: {}", became(bytes, limits)));
        }
        told.push('\n');
    }
    expect_test::expect![[r#"
        anthropic; small PNG: as it is, PNG; small JPEG: as it is, JPEG; small GIF: as it is, GIF; small WebP: as it is, WebP; wide PNG: PNG 2000x13; high JPEG: JPEG 13x2000
        older; small PNG: as it is, PNG; small JPEG: as it is, JPEG; small GIF: as it is, GIF; small WebP: as it is, WebP; wide PNG: PNG 1568x10; high JPEG: JPEG 10x1568
        responses; small PNG: as it is, PNG; small JPEG: as it is, JPEG; small GIF: PNG 40x30; small WebP: as it is, WebP; wide PNG: PNG 2048x14; high JPEG: JPEG 14x2048
        gemini; small PNG: as it is, PNG; small JPEG: as it is, JPEG; small GIF: PNG 40x30; small WebP: as it is, WebP; wide PNG: PNG 2048x14; high JPEG: JPEG 14x2048
        chat; small PNG: as it is, PNG; small JPEG: as it is, JPEG; small GIF: PNG 40x30; small WebP: PNG 40x30; wide PNG: PNG 2048x14; high JPEG: JPEG 14x2048
    "#]].assert_eq(&told);
}

#[test]
fn what_stays_too_large_becomes_jpeg_and_smaller() {
    // Nothing that PNG could say in a word.
    let mut state = 1u32;
    let noise = std::iter::from_fn(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((state >> 24) as u8)
    });
    let noise = Pixels { data: noise.take(600 * 400 * 3).collect(), ..drawing(600, 400, 3) };
    let bytes = noise.to_png().unwrap();
    let letters = |letters| Limits { letters, ..Limits::CHAT };
    assert_eq!(became(&bytes, letters(image::encode(&bytes).len())), "as it is, PNG");
    let jpeg = super::jpeg::encode(&noise).len().div_ceil(3) * 4;
    assert_eq!(became(&bytes, letters(jpeg)), "JPEG 600x400");
    assert_eq!(became(&bytes, letters(jpeg - 1)), "PNG 300x200");
    assert_eq!(became(&bytes, letters(100)), "it cannot be made small enough");
}

#[test]
fn a_smaller_image_looks_the_same() {
    let plain = Pixels { width: 30, height: 20, channels: 4, data: [9, 80, 200, 128].repeat(600), turn: Turn::NONE };
    let small = scale::down_to(&plain, 7);
    assert_eq!((small.width, small.height, &small.data), (7, 5, &[9, 80, 200, 128].repeat(35)));
    // Half of it is not to be seen, and its colour does not count.
    let data = [[255, 0, 0, 255], [0, 255, 0, 0]].concat();
    let half = Pixels { width: 2, height: 1, channels: 4, data, turn: Turn::NONE };
    assert_eq!(scale::down_to(&half, 1).data, [255, 0, 0, 128]);
    // Three pixels into two: each new one is one and a half old ones.
    let three =
        Pixels { width: 3, height: 1, channels: 3, data: vec![0, 0, 0, 90, 90, 90, 30, 30, 30], turn: Turn::NONE };
    assert_eq!(scale::down_to(&three, 2).data, [30, 30, 30, 50, 50, 50]);
    assert_eq!(scale::down_to(&three, 3).data, three.data);
}

#[test]
fn what_is_written_as_jpeg_is_read_again() {
    // Sides that are no multiple of a block, and content of every frequency.
    for (width, height) in [(1, 1), (8, 8), (37, 21), (200, 100)] {
        let was = drawing(width, height, 3);
        let bytes = super::jpeg::encode(&was);
        let now = decode(&bytes, image::look(&bytes).unwrap()).unwrap();
        assert_eq!((now.width, now.height, now.channels), (width, height, 3));
        let off: u64 = was.data.iter().zip(&now.data).map(|(was, now)| u64::from(was.abs_diff(*now))).sum();
        assert!(off / (was.data.len() as u64) < 8, "{width}x{height}: {off}");
    }
}

#[test]
fn a_photo_that_was_held_another_way_is_turned() {
    // Above, red and green; below, blue and white.
    let [r, g, b, w] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
    let photo = Pixels { width: 2, height: 2, channels: 3, data: [r, g, b, w].concat(), turn: Turn::NONE };
    let bytes = super::jpeg::encode(&Pixels {
        width: 64,
        height: 32,
        data: [vec![0; 64 * 16 * 3], vec![255; 64 * 16 * 3]].concat(),
        channels: 3,
        turn: Turn::NONE,
    });
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let marked = [&bytes[..2], exif, &bytes[2..]].concat();
    let turn = decode(&marked, image::look(&marked).unwrap()).unwrap().turn;
    assert_eq!(photo.clone().turned(turn).data, [b, r, w, g].concat(), "a quarter to the right");
    assert_eq!(photo.turned(Turn::NONE).data, [r, g, b, w].concat());
    // It is written anew, and stands: dark at the right.
    let limits = Limits { side: 32, ..Limits::CHAT };
    let Fitted::Made { data, .. } = &*fit(&block(&marked), limits) else { panic!("it is made smaller") };
    let (header, bytes) = image::read(data).unwrap();
    let now = decode(&bytes, header).unwrap();
    assert_eq!((now.width, now.height), (16, 32));
    assert!(now.data[0] > 200 && now.data[15 * 3] < 50, "{:?}", &now.data[..48]);
}

#[tokio::test]
async fn a_request_begins_as_the_one_before_it() {
    let images = Images::default();
    let big = block(&jpeg(2_500, 40));
    let mut messages = vec![message(Role::User, vec![ContentBlock::text("See."), big.clone()])];
    let (first, unseen) = images.fitted(&request(messages.clone()), Limits::CHAT).await;
    assert!(unseen.is_none());
    assert!(matches!(&first.messages[0].content[1], ContentBlock::Image { mime_type, uri: Some(uri), .. }
        if mime_type == "image/jpeg" && uri == "a.pic"));
    assert_ne!(first.messages[0].content[1], big);
    messages.push(user("On"));
    messages.push(result("c1", vec![block(&gif(9, 9)), block(b"GIF89a\x05\0\x05\0broken")]));
    let (second, unseen) = images.fitted(&request(messages.clone()), Limits::CHAT).await;
    assert_eq!(second.messages[0], first.messages[0]);
    assert_eq!(unseen, UnseenImages { unreadable: 1, ..UnseenImages::default() });
    let ContentBlock::Text { text } = &second.messages[2].content[1] else { panic!("a word instead") };
    assert!(text.starts_with("\n[image a.pic (image/whatever), not shown: it is damaged"), "{text}");
    // Nothing of it is made again; and without what was kept it would be the same.
    let asked: Vec<Arc<Message>> = request(messages).messages;
    let places = places(&asked);
    let kept = images.look_up(&asked, &places, Limits::CHAT).await;
    assert!(kept.iter().all(|(_, kept)| kept.is_some()));
    let other = images.look_up(&asked, &places, Limits::GEMINI).await;
    assert!(other.iter().all(|(_, kept)| kept.is_none()), "another wire, another image");
    let (again, _) = Images::default().fitted(&request(vec![message(Role::User, vec![big])]), Limits::CHAT).await;
    assert_eq!(again.messages[0].content[0], first.messages[0].content[1]);
}

#[tokio::test]
async fn the_oldest_of_too_many_are_left_out_in_steps() {
    let images = Images::default();
    let limits = Limits { count: 8, ..Limits::CHAT };
    let small = block(&png(3, 3));
    let mut changes = Vec::new();
    let mut before = None;
    for count in 1..=20usize {
        let blocks = std::iter::repeat_n(small.clone(), count).collect();
        let (fitted, unseen) = images.fitted(&request(vec![message(Role::User, blocks)]), limits).await;
        let left_out = usize::try_from(unseen.too_many).unwrap();
        let shown = fitted.messages[0].content.iter().filter(|block| matches!(block, ContentBlock::Image { .. }));
        assert_eq!(shown.count(), count - left_out);
        assert!(count - left_out <= 8);
        if before.replace(left_out).is_some_and(|before| before != left_out) {
            changes.push((count, left_out));
        }
    }
    assert_eq!(changes, [(9, 2), (11, 4), (13, 6), (15, 8), (17, 10), (19, 12)]);
    let heavy = Limits { all_letters: 100, ..Limits::CHAT };
    assert_eq!(heavy.too_many(&[30, 30, 30]), 0);
    assert_eq!(heavy.too_many(&[30, 0, 30, 30, 30]), 1);
    assert_eq!(heavy.too_many(&[30, 30, 30, 30, 30]), 2);
    assert_eq!(heavy.too_many(&[30, 300]), 1, "the newest stays");
}

#[test]
fn what_is_kept_has_a_limit() {
    let mut cache = Cache::default();
    let heavy = || Arc::new(Fitted::Made { data: "A".repeat(20 << 20), format: Format::Png });
    for number in 0..5u8 {
        cache.put([number; 32], heavy());
        cache.get(&[0; 32]);
    }
    let kept: Vec<bool> = (0..5u8).map(|number| cache.get(&[number; 32]).is_some()).collect();
    assert_eq!(kept, [true, false, false, true, true]);
    for number in 0..5_000u32 {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        cache.put(key, Arc::new(Fitted::AsItIs(Format::Png)));
    }
    assert!(cache.get(&[0; 32]).is_none());
}

#[test]
fn a_refusal_is_about_all_images_or_about_these() {
    let with = request(vec![message(Role::User, vec![crate::tests::image()])]);
    let all = [
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj (http 500)",
        "failed to deserialize the json body: unknown variant `image_url`, expected `text`",
        "no endpoints found that support image input",
        "this model does not support image inputs",
        "invalid content type. image_url is only supported by certain models: unsupported",
    ];
    for said in all {
        assert_eq!(refusal(said, &with), Some(Refusal::All), "{said}");
    }
    let these = [
        "failed to load image or audio file",
        "messages.0.content.1.image.source.base64: image exceeds 5 mb maximum: 5243000 bytes > 5242880 bytes",
        "could not process image",
        "you uploaded an unsupported image. please make sure your image has of one the following formats: ['png']",
    ];
    for said in these {
        assert_eq!(refusal(said, &with), Some(Refusal::These), "{said}");
    }
    assert_eq!(refusal("max_tokens is too large", &with), None);
    assert_eq!(refusal(all[0], &request(vec![user("hi")])), None, "there is none to leave out");
}
