//! Head and tail of an output of any length.

use super::*;
use crate::context::Progress;

async fn captured(limit: usize, chunks: &[&[u8]]) -> (Captured, Option<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let context = RunContext {
        call_id: CallId::from_bits(2),
        cancel: tokio_util::sync::CancellationToken::new(),
        progress: Progress::channel().0,
        output_limit: limit,
        output_dir: dir.path().join("out"),
    };
    let mut capture = Capture::new(&context);
    for chunk in chunks {
        capture.push(chunk).await;
    }
    let captured = capture.finish().await;
    let file = captured.file.as_ref().map(|file| std::fs::read(file).unwrap());
    (captured, file)
}

#[tokio::test]
async fn what_fits_is_whole_and_needs_no_file() {
    let (captured, file) = captured(1000, &[b"one ", b"two"]).await;
    assert_eq!((captured.text.as_str(), captured.truncated, file), ("one two", false, None));
}

#[tokio::test]
async fn of_a_long_output_head_and_tail_stay_and_the_file_has_all() {
    let chunks: Vec<Vec<u8>> = (0..2000).map(|number| format!("line {number}\n").into_bytes()).collect();
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    let (captured, file) = captured(2000, &chunks).await;
    assert!(captured.text.starts_with("line 0\n") && captured.text.ends_with("line 1999\n"), "{}", captured.text);
    assert!(captured.text.contains("bytes left out here; all of it is in"));
    assert!(captured.truncated && captured.text.len() <= 2000);
    assert_eq!(file.unwrap(), chunks.concat());
}

#[tokio::test]
async fn bad_bytes_do_not_break_the_limit() {
    let (captured, _) = captured(1000, &[&[0xff; 480]]).await;
    assert!(captured.text.len() <= 1000 && captured.truncated);
    let (captured, _) = captured_in_one(1000, vec![0xff; 100_000]).await;
    assert!(captured.text.len() <= 1000);
}

async fn captured_in_one(limit: usize, bytes: Vec<u8>) -> (Captured, Option<Vec<u8>>) {
    captured(limit, &[&bytes]).await
}
