//! Who makes room for whom, and that nobody gets past the limit.

use super::*;

async fn take(slots: &Arc<Slots>) -> Option<Slot> {
    slots.take(&Arc::default()).await
}

/// Ends as a connection's task does.
fn serve(slot: Slot) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { slot.evicted().await })
}

#[tokio::test]
async fn the_oldest_stranger_makes_room() {
    let slots = Slots::new(3);
    let [first, second, third] = [take(&slots).await, take(&slots).await, take(&slots).await].map(Option::unwrap);
    first.known();
    let second = serve(second);
    let fourth = take(&slots).await.unwrap();
    second.await.unwrap();
    assert!(![&first, &third, &fourth].iter().any(|slot| slot.evicted.is_cancelled()));
    fourth.known();
    third.known();
    assert!(take(&slots).await.is_none(), "all have keys");
    drop(first);
    assert!(take(&slots).await.is_some());
}

#[tokio::test]
async fn a_flood_stays_within_the_limit() {
    let slots = Slots::new(5);
    let mut served = Vec::new();
    for _ in 0..1_000 {
        served.push(serve(take(&slots).await.unwrap()));
        assert!(slots.table().open <= 5);
    }
    served.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_leave_keeps_its_room() {
    let slots = Slots::new(1);
    let held = take(&slots).await.unwrap();
    assert!(take(&slots).await.is_none());
    drop(held);
    assert!(take(&slots).await.is_some());
    assert!(take(&Slots::new(0)).await.is_none());
    let table = slots.table();
    assert_eq!((table.open, table.strangers.len()), (0, 0));
}
