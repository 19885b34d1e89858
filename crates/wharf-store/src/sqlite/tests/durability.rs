//! What is acknowledged and shown, before and after the disk has it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::task::JoinSet;
use wharf_protocol::Seq;

use super::*;
use crate::Position;
use crate::sqlite::sync::SyncFile;

/// A disk whose syncs wait until they are let through, once it is held up.
struct SlowDisk {
    is_held_up: Arc<AtomicBool>,
    /// Says that a sync has begun.
    begun: tokio::sync::mpsc::UnboundedReceiver<()>,
    let_through: mpsc::Sender<()>,
}

impl SlowDisk {
    /// From here on, syncs wait. Nothing may be on its way to the disk.
    fn hold_up(&mut self) {
        while self.begun.try_recv().is_ok() {}
        self.is_held_up.store(true, Ordering::SeqCst);
    }
}

fn slow_disk() -> (SlowDisk, SyncFile) {
    let is_held_up = Arc::new(AtomicBool::new(false));
    let holding = Arc::clone(&is_held_up);
    let (begin, begun) = tokio::sync::mpsc::unbounded_channel();
    let (let_through, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let sync: SyncFile = Arc::new(move |_| {
        let _ = begin.send(());
        if holding.load(Ordering::SeqCst) {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(())
    });
    (SlowDisk { is_held_up, begun, let_through }, sync)
}

fn open_with(place: &Place, sync: SyncFile) -> Arc<dyn Store> {
    SqliteStore::open_with(place.config("boot"), sync, &|_| Ok(())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_never_wait_for_a_sync_and_nothing_is_shown_before_its_own() {
    let place = Place::new();
    let (mut disk, sync) = slow_disk();
    let store = open_with(&place, sync);
    let mut streaming = Driver::create(&store, "streaming").await;
    let mut prompted = Driver::create(&store, "prompted").await;
    disk.hold_up();

    let append = prompted.plan(vec![(None, bodies::title("x"))]);
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.append(append).await }
    });
    disk.begun.recv().await.unwrap();
    // The sync hangs. Other sessions stream on, and read what they streamed.
    for n in 0..10 {
        streaming.append(vec![(Some("t"), bodies::chunk("t", n))]).await.unwrap();
    }
    assert_eq!(streaming.seqs().await.len(), 11);
    assert!(!waiting.is_finished());
    assert_eq!(store.head().position(), Position(2), "the third is not on disk, and the rest comes after it");
    assert_eq!(store.read(prompted.id(), Seq(0), 10, 1_000).await.unwrap().len(), 1);
    assert_eq!(store.read_all(Position(0), 100, usize::MAX).await.unwrap().len(), 2);

    disk.let_through.send(()).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Position(3));
    assert_eq!(store.head().position(), Position(13));
    assert_eq!(store.read(prompted.id(), Seq(0), 10, 1_000).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_after_an_unsynced_event_of_its_session_waits_with_it() {
    let place = Place::new();
    let (mut disk, sync) = slow_disk();
    let store = open_with(&place, sync);
    let mut driver = Driver::create(&store, "s").await;
    disk.hold_up();
    let mut tasks = JoinSet::new();
    for body in [bodies::title("x"), bodies::chunk("t", 0)] {
        let append = driver.plan(vec![(None, body)]);
        driver.session = append.session.clone();
        let (store, order) = (Arc::clone(&store), append.entries[0].event.seq);
        tasks.spawn(async move { (order, store.append(append).await.unwrap()) });
        if order == Seq(2) {
            disk.begun.recv().await.unwrap();
        }
    }
    // The chunk is committed once the store has answered a later request; it is not acknowledged.
    store.check().await.unwrap();
    assert!(tasks.try_join_next().is_none());
    assert_eq!(store.read(driver.id(), Seq(0), 10, 1_000).await.unwrap().len(), 1);
    for _ in 0..2 {
        disk.let_through.send(()).unwrap();
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(driver.seqs().await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appends_share_commits_and_syncs() {
    const SESSIONS: usize = 64;
    let place = Place::new();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (let_through, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let sync: SyncFile = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let _ = begin.send(());
        let _ = gate.lock().unwrap().recv();
        Ok(())
    });
    let_through.send(()).unwrap();
    let store = open_with(&place, sync);
    let mut tasks = JoinSet::new();
    for n in 0..SESSIONS {
        let store = Arc::clone(&store);
        tasks.spawn(async move { Driver::create(&store, &format!("s-{n}")).await });
    }
    begun.recv().await.unwrap();
    begun.recv().await.unwrap();
    // All the others are committed while the first sync hangs: the next one is for all of them.
    let connection = place.connection();
    loop {
        let logs: i64 = connection.query_row("SELECT count(*) FROM logs", [], |row| row.get(0)).unwrap();
        if logs == i64::try_from(SESSIONS).unwrap() {
            break;
        }
        tokio::task::yield_now().await;
    }
    // Whatever comes now is behind them in the queue.
    store.check().await.unwrap();
    drop(let_through);
    while let Some(driver) = tasks.join_next().await {
        assert_eq!(driver.unwrap().seqs().await, [1]);
    }
    assert!(syncs.load(Ordering::SeqCst) <= 4, "{syncs:?}: one at opening, the first, one for the rest");
}

#[tokio::test]
async fn a_power_cut_leaves_out_the_seqs_that_may_have_been_shown() {
    let place = Place::new();
    let open = |boot| -> Arc<dyn Store> { SqliteStore::open(place.config(boot)).unwrap() };
    let store = open("one");
    let mut driver = Driver::create(&store, "s").await;
    let id = driver.id().clone();
    driver.append(vec![(None, bodies::title("x"))]).await.unwrap();
    driver.append(vec![(Some("t"), bodies::chunk("t", 0))]).await.unwrap();
    drop((driver, store));

    // Taking the lease alone forgets nothing.
    for _ in 0..2 {
        let store = open("two");
        let lease = store.acquire(&id).await.unwrap();
        assert_eq!((lease.taken_over, lease.skip_to), (true, Some(Seq(2 + 4_096))));
        let again = store.acquire(&id).await.unwrap();
        store.release(&id, again.fence).await.unwrap();
        let lease = store.acquire(&id).await.unwrap();
        assert_eq!(lease.skip_to, Some(Seq(2 + 4_096)), "nor does giving it back");
    }

    let store = open("two");
    let (mut driver, lease) = Driver::take(&store, &id).await;
    let mut append = driver.plan(vec![(None, bodies::title("y"))]);
    let mut event = append.entries[0].event.clone();
    event.seq = lease.skip_to.unwrap().next();
    append.session.last_seq = event.seq;
    append.entries = vec![crate::Entry::new(event)].into();
    driver.session = append.session.clone();
    store.append(append).await.unwrap();
    assert_eq!(driver.seqs().await, [1, 2, 3, 4_099]);
    assert_eq!(store.acquire(&id).await.unwrap().skip_to, None, "same start of the machine");
    store.close().await;

    let store = open("three");
    let lease = store.acquire(&id).await.unwrap();
    assert_eq!((lease.taken_over, lease.skip_to), (false, None), "it was closed in good order");
}

#[tokio::test]
async fn chunks_do_not_run_past_the_ceiling_on_disk() {
    let place = Place::new();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let sync: SyncFile = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let store = open_with(&place, sync);
    let mut driver = Driver::create(&store, "s").await;
    let before = syncs.load(Ordering::SeqCst);
    for n in 0..41 {
        let chunks = (0..100).map(|n| (Some("t"), bodies::chunk("t", n))).collect();
        driver.append(chunks).await.unwrap();
        let expected = if n < 40 { before } else { before + 1 };
        assert_eq!(syncs.load(Ordering::SeqCst), expected, "after {n}");
    }
    let ceiling: i64 = place.connection().query_row("SELECT seq_ceiling FROM logs", [], |row| row.get(0)).unwrap();
    assert_eq!(ceiling, 4_101 + 4_096);
}
