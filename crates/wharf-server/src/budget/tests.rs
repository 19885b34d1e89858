//! Small bodies always fit, large ones leave room, strangers have a share.

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn little_is_never_counted() {
    let budget = Budget::new(0);
    let holds: Vec<Hold> = (0..1_000).map(|_| budget.hold()).collect();
    for hold in &holds {
        hold.grow(FREE_BYTES).unwrap();
        assert_eq!(hold.grow(1), Err(Full));
    }
    let stranger = budget.hold_for_stranger();
    stranger.grow(STRANGER_FREE_BYTES).unwrap();
    assert_eq!(stranger.grow(1), Err(Full));
}

#[test]
fn large_ones_leave_room_for_small_ones() {
    let budget = Budget::new(64 * MIB);
    let large: Vec<Hold> = (0..30).map(|_| budget.hold()).collect();
    let granted = large.iter().filter(|hold| (0..15).all(|_| hold.grow(MIB).is_ok())).count();
    // 56 MiB are for those with a key, three quarters of it for large ones.
    assert_eq!(granted, 2);
    drop(large);
    let large: Vec<Hold> = (0..3).map(|_| budget.hold()).collect();
    large.iter().for_each(|hold| while hold.grow(64 << 10).is_ok() {});
    let small = budget.hold();
    small.grow(MIB).unwrap();
    drop((large, small));
    assert_eq!(budget.known.load(Ordering::Relaxed), 0);
}

#[test]
fn strangers_have_a_share_of_their_own() {
    let budget = Budget::new(8 * MIB);
    let strangers: Vec<Hold> = (0..20).map(|_| budget.hold_for_stranger()).collect();
    let granted = strangers.iter().filter(|hold| hold.grow(STRANGER_FREE_BYTES + (128 << 10)).is_ok()).count();
    assert_eq!(granted, 8, "an eighth of 8 MiB");
    let known = budget.hold();
    known.grow(MIB + FREE_BYTES).unwrap();
    // One of them shows a key: what it held of the strangers' share is free again.
    strangers[0].known();
    strangers[0].grow(MIB).unwrap();
    strangers[19].grow(128 << 10).unwrap();
    drop((strangers, known));
    assert_eq!((budget.known.load(Ordering::Relaxed), budget.strangers.load(Ordering::Relaxed)), (0, 0));
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever happens, no account passes its limit, and in the end nothing is held.
        #[test]
        fn accounts_stay_within_their_limits(
            most in 0_usize..(4 << 20),
            steps in prop::collection::vec((0_usize..6, 0_u8..4, 0_usize..(3 << 20)), 0..100),
        ) {
            let budget = Budget::new(most);
            let holds: Vec<Hold> =
                (0..6).map(|n| if n % 2 == 0 { budget.hold() } else { budget.hold_for_stranger() }).collect();
            for (who, what, bytes) in steps {
                let hold = &holds[who];
                match what {
                    0 => {
                        let _ = hold.grow(bytes);
                    }
                    1 => hold.shrink(bytes),
                    2 => hold.clear(),
                    _ => hold.known(),
                }
                prop_assert!(budget.strangers.load(Ordering::Relaxed) <= most / 8);
                prop_assert!(budget.known.load(Ordering::Relaxed) <= most - most / 8);
            }
            drop(holds);
            prop_assert_eq!(budget.strangers.load(Ordering::Relaxed), 0);
            prop_assert_eq!(budget.known.load(Ordering::Relaxed), 0);
        }
    }
}
