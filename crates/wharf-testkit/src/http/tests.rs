//! Bodies cut at every byte.

use bytes::BytesMut;

use super::body::{Body, Decoded};

fn decode_cut_at(whole: &[u8], cut: usize, mut body: Body) -> (Vec<u8>, bool) {
    let mut buffer = BytesMut::new();
    let mut out = Vec::new();
    let mut done = false;
    for part in [&whole[..cut], &whole[cut..]] {
        buffer.extend_from_slice(part);
        loop {
            match body.decode(&mut buffer).unwrap() {
                Decoded::Bytes(bytes) => out.extend_from_slice(&bytes),
                Decoded::NeedMore => break,
                Decoded::Done => {
                    done = true;
                    break;
                }
            }
        }
    }
    (out, done)
}

#[test]
fn a_chunked_body_is_the_same_wherever_it_is_cut() {
    let whole = b"4\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n";
    for cut in 0..whole.len() {
        let (out, done) = decode_cut_at(whole, cut, Body::ChunkSize);
        assert_eq!(out, b"Wikipedia in \r\n\r\nchunks.", "cut at {cut}");
        assert!(done, "cut at {cut}");
    }
}

#[test]
fn a_body_with_a_length_ends_there() {
    for cut in 0..7 {
        assert_eq!(decode_cut_at(b"1234567", cut, Body::Length(7)), (b"1234567".to_vec(), true));
    }
    assert_eq!(decode_cut_at(b"1234", 2, Body::Length(7)), (b"1234".to_vec(), false));
}

#[test]
fn a_chunk_that_lies_about_its_size_is_an_error() {
    let mut buffer = BytesMut::from(&b"2\r\nabc\r\n"[..]);
    let mut body = Body::ChunkSize;
    assert!(matches!(body.decode(&mut buffer), Ok(Decoded::Bytes(_))));
    assert!(body.decode(&mut buffer).is_err());
}
