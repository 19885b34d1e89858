//! What is on the log of an output of any size: a bounded part, with its gaps told.

use proptest::prelude::*;

use super::*;

/// Puts the pieces of a call together; gives their weight, and the output as far as it is known.
fn run(budget: &Arc<Budget>, output: impl Iterator<Item = String>) -> (usize, Vec<(u64, String)>, u64) {
    let mut progressing = Progressing::new(Arc::clone(budget));
    let (mut weighs, mut pieces, mut end) = (0, Vec::new(), 0);
    let mut take = |piece: Option<Piece>| {
        let Some(Piece { output, omitted }) = piece else { return };
        weighs += weight(&output);
        let offset = end + omitted;
        end = offset + output.len() as u64;
        pieces.push((offset, output));
    };
    for part in output {
        take(progressing.push(part));
    }
    take(progressing.finish());
    (weighs, pieces, end)
}

fn ample() -> Arc<Budget> {
    Budget::of_session(&Budget::of_server())
}

#[test]
fn a_small_output_is_all_there_as_it_comes() {
    let parts: Vec<String> = (0..100).map(|line| format!("line {line}\n")).collect();
    let (_, pieces, _) = run(&ample(), parts.clone().into_iter());
    assert_eq!(pieces.into_iter().map(|(_, piece)| piece).collect::<Vec<_>>(), parts);
}

#[tokio::test(start_paused = true)]
async fn a_flood_leaves_a_mebibyte() {
    for line in ["y\n", "\u{1}\u{2}", "\"\\", "öä€𝄞"] {
        let part = line.repeat(8_000);
        let (weighs, pieces, end) = run(&ample(), (0..200).map(|_| part.clone()));
        assert!((HEAD_BYTES..1 << 20).contains(&weighs), "{line:?}: {weighs}");
        assert_eq!(end, 200 * part.len() as u64);
        assert!(pieces.len() > 2 && part.repeat(20).ends_with(&pieces.last().unwrap().1));
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_watch_see_that_it_goes_on() {
    let budget = ample();
    let mut progressing = Progressing::new(Arc::clone(&budget));
    let mut looks = 0;
    for second in 0..3_600 {
        let pieces = (0..2).filter_map(|_| progressing.push(format!("{second}\n").repeat(200)));
        looks += pieces.filter(|piece| piece.omitted > 0).count();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!((100..200).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_the_sessions_budget_and_many_sessions_the_servers() {
    let flood = || (0..50).map(|_| "x".repeat(16_000));
    let session = ample();
    let total: usize = (0..20).map(|_| run(&session, flood()).0).sum();
    assert!(total <= SESSION_BYTES + 20 * SHORT_TAIL_BYTES, "{total}");
    let (_, pieces, end) = run(&session, flood());
    assert_eq!((pieces.len(), end), (1, 800_000), "the tail, and how much is missing");
    // It comes back with time.
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(run(&session, flood()).0 > HEAD_BYTES);
    let server = Budget::of_server();
    let total: usize = (0..10)
        .flat_map(|_| {
            let session = Budget::of_session(&server);
            (0..15).map(move |_| run(&session, flood()).0).collect::<Vec<_>>()
        })
        .sum();
    assert!(total <= SERVER_BYTES + 150 * SHORT_TAIL_BYTES, "{total}");
}

mod fuzz {
    //! Any output in any pieces: in order, no byte twice, nothing but gaps missing.

    use super::*;

    proptest! {
        #[test]
        fn offsets_stay_consistent(parts in proptest::collection::vec(("[a-z\u{1}\"\nö𝄞]{1,40}", 1usize..2_000), 0..12)) {
            let parts: Vec<String> = parts.into_iter().map(|(part, times)| part.repeat(times)).collect();
            let whole = parts.concat();
            let (weighs, pieces, end) = run(&ample(), parts.into_iter());
            prop_assert!(weighs < 1 << 20);
            prop_assert_eq!(end, whole.len() as u64);
            for (offset, piece) in pieces {
                prop_assert_eq!(&whole[offset as usize..offset as usize + piece.len()], piece.as_str());
            }
        }
    }
}
