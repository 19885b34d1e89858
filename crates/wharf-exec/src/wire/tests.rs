//! Frames.

use super::*;

#[test]
fn frames_survive_any_cut() {
    let all = [frame(1, b"one").unwrap(), frame(2, b"").unwrap(), frame(3, b"three").unwrap()].concat();
    for cut in 0..=all.len() {
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for part in [&all[..cut], &all[cut..]] {
            frames.push(part);
            while let Some(frame) = frames.next().unwrap() {
                seen.push(frame);
            }
        }
        assert_eq!(seen, [(1, b"one".to_vec()), (2, Vec::new()), (3, b"three".to_vec())]);
    }
}

#[test]
fn a_frame_that_claims_too_much_is_refused() {
    let mut frames = Frames::default();
    frames.push(&[1, 0xff, 0xff, 0xff, 0xff]);
    assert!(frames.next().is_err());
}
