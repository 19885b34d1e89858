//! Who rests, and for how long.

use super::*;

fn rest_among(count: usize) -> Option<Duration> {
    let pace = Pace::default();
    let streaming: Vec<_> = (0..count).map(|_| pace.join()).collect();
    let rest = pace.rest();
    drop(streaming);
    assert_eq!(pace.rest(), None, "they have left");
    rest
}

#[test]
fn few_sessions_never_rest_and_many_share_the_chunks() {
    assert_eq!(rest_among(1), None);
    assert_eq!(rest_among(25), None);
    assert_eq!(rest_among(100), Some(Duration::from_millis(8)));
    assert_eq!(rest_among(1_000), Some(Duration::from_millis(80)));
    assert_eq!(rest_among(10_000), Some(LONGEST_REST));
}

#[tokio::test(start_paused = true)]
async fn a_rest_follows_a_chunk_and_not_the_first_text() {
    let pace = Pace::default();
    let mut crowd: Vec<_> = (0..1_000).map(|_| pace.join()).collect();
    let began = Instant::now();
    crowd[0].rested().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    crowd[0].took();
    crowd[0].rested().await;
    assert_eq!(began.elapsed(), Duration::from_millis(80));
    crowd.truncate(1);
    crowd[0].took();
    crowd[0].rested().await;
    assert_eq!(began.elapsed(), Duration::from_millis(80), "alone again");
}
