//! Readers inside the tail and behind it, its bounds, and who is counted as watching.

use bytes::Bytes;

use super::*;

fn event(seq: u64, bytes: usize) -> EncodedEvent {
    EncodedEvent { seq: Seq(seq), kind: EventKind::MessageChunk, json: Bytes::from(vec![b'x'; bytes]) }
}

fn feed(last: u64) -> Arc<Feed> {
    Feed::new("session-a".parse().unwrap(), Seq(last))
}

fn seqs(batch: Option<Vec<EncodedEvent>>) -> Option<Vec<u64>> {
    batch.map(|batch| batch.iter().map(|event| event.seq.0).collect())
}

#[test]
fn a_reader_inside_the_tail_gets_what_follows() {
    let feed = feed(10);
    feed.publish([event(11, 1), event(12, 1)]);
    assert_eq!(seqs(feed.read(Seq(10), 100)), Some(vec![11, 12]));
    assert_eq!(seqs(feed.read(Seq(11), 100)), Some(vec![12]));
    assert_eq!(seqs(feed.read(Seq(12), 100)), Some(vec![]));
}

#[test]
fn a_reader_behind_the_tail_is_sent_to_the_store() {
    let feed = feed(10);
    feed.publish([event(11, 1)]);
    assert_eq!(seqs(feed.read(Seq(9), 100)), None);
}

#[test]
fn the_tail_is_bounded_by_count_and_by_bytes() {
    let by_count = feed(0);
    by_count.publish((1..=1_000).map(|seq| event(seq, 1)));
    assert_eq!(seqs(by_count.read(Seq(1_000 - TAIL_EVENTS as u64 - 1), 100)), None);
    assert_eq!(by_count.read(Seq(1_000 - TAIL_EVENTS as u64), usize::MAX).map(|batch| batch.len()), Some(TAIL_EVENTS));

    let by_bytes = feed(0);
    by_bytes.publish([event(1, TAIL_BYTES), event(2, TAIL_BYTES), event(3, 2 * TAIL_BYTES)]);
    assert_eq!(seqs(by_bytes.read(Seq(1), 1)), None);
    assert_eq!(seqs(by_bytes.read(Seq(2), 1)), Some(vec![3]), "the newest event stays, however large");
}

#[test]
fn a_batch_is_bounded_but_never_empty() {
    let feed = feed(0);
    feed.publish([event(1, 50), event(2, 50), event(3, 50)]);
    assert_eq!(seqs(feed.read(Seq(0), 100)), Some(vec![1, 2]));
    assert_eq!(seqs(feed.read(Seq(0), 1)), Some(vec![1]));
}

#[test]
fn what_another_process_wrote_is_read_from_the_store() {
    let feed = feed(3);
    feed.publish([event(4, 1)]);
    feed.skip_to(Seq(9));
    assert_eq!(feed.last(), Seq(9));
    assert_eq!(seqs(feed.read(Seq(4), 100)), None, "5 to 9 are on disk only");
    feed.publish([event(10, 1)]);
    assert_eq!(seqs(feed.read(Seq(9), 100)), Some(vec![10]));
    feed.skip_to(Seq(7));
    assert_eq!(feed.last(), Seq(10), "a feed never goes back");
}

#[test]
fn a_forgotten_tail_leaves_no_gap() {
    let feed = feed(0);
    feed.publish([event(1, 1), event(2, 1)]);
    feed.forget();
    assert_eq!(seqs(feed.read(Seq(1), 100)), None);
    assert_eq!(seqs(feed.read(Seq(2), 100)), Some(vec![]));
}

#[test]
fn the_bell_for_turns_rings_at_their_ends_only() {
    let feed = feed(0);
    let mut turns = feed.turns();
    feed.publish([event(1, 1)]);
    assert!(!turns.has_changed().unwrap());
    feed.publish([EncodedEvent { kind: EventKind::TurnCompleted, ..event(2, 1) }]);
    assert!(turns.has_changed().unwrap());
    turns.borrow_and_update();
    feed.publish([EncodedEvent { kind: EventKind::PromptWithdrawn, ..event(3, 1) }]);
    assert!(turns.has_changed().unwrap());
}

#[test]
fn answerers_are_counted_apart_from_watchers() {
    let feed = feed(0);
    feed.add_watcher(true);
    feed.add_watcher(false);
    assert_eq!((feed.watcher_count(), *feed.answerers().borrow()), (2, 1));
    feed.remove_watcher(true);
    assert_eq!((feed.watcher_count(), *feed.answerers().borrow()), (1, 0));
}
