//! Who may append.

use super::{Backend, Driver, bodies};
use crate::{AcquireError, AppendError};

pub async fn an_older_fence_is_refused(backend: &dyn Backend) {
    let store = backend.open();
    let mut old = Driver::create(&store, "s").await;
    let (mut new, lease) = Driver::take(&store, old.id()).await;
    assert!(lease.fence > old.fence);
    assert!(!lease.taken_over, "the owner is the same one");
    assert!(matches!(old.append(vec![(None, bodies::title("x"))]).await, Err(AppendError::Conflict { .. })));
    assert!(matches!(old.append(vec![(None, bodies::chunk("t", 0))]).await, Err(AppendError::Conflict { .. })));
    assert!(matches!(
        store.truncate(old.id(), old.fence, old.session.last_seq).await,
        Err(AppendError::Conflict { .. })
    ));
    assert!(matches!(store.delete(old.id(), old.fence).await, Err(AppendError::Conflict { .. })));
    store.release(old.id(), old.fence).await.unwrap();
    new.append(vec![(None, bodies::title("x"))]).await.unwrap();

    let missing = "missing".parse().unwrap();
    assert!(matches!(store.acquire(&missing).await, Err(AcquireError::NotFound { .. })));
    assert!(matches!(store.truncate(&missing, 1, old.session.last_seq).await, Err(AppendError::NotFound { .. })));
}

pub async fn a_lease_is_handed_over(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    let mut driver = Driver::create(&first, "s").await;
    assert!(matches!(second.acquire(driver.id()).await, Err(AcquireError::Held { .. })));
    first.release(driver.id(), driver.fence).await.unwrap();
    let (mut other, lease) = Driver::take(&second, driver.id()).await;
    assert!(!lease.taken_over);
    assert_eq!(lease.skip_to, None);
    assert!(matches!(driver.append(vec![(None, bodies::title("x"))]).await, Err(AppendError::Conflict { .. })));
    other.append(vec![(None, bodies::title("other"))]).await.unwrap();
    assert!(matches!(first.acquire(driver.id()).await, Err(AcquireError::Held { .. })));

    // Both read what either wrote.
    assert_eq!(driver.seqs().await, [1, 2]);
    assert_eq!(first.session(driver.id()).await.unwrap().unwrap().title.as_deref(), Some("other"));

    second.close().await;
    let (mut driver, lease) = Driver::take(&first, driver.id()).await;
    assert!(!lease.taken_over, "closing gives leases back");
    driver.append(vec![(None, bodies::title("again"))]).await.unwrap();
}

pub async fn a_dead_owners_lease_is_taken_over(backend: &dyn Backend) {
    let (first, second) = (backend.open(), backend.open());
    let driver = Driver::create(&first, "s").await;
    let id = driver.id().clone();
    drop(driver);
    drop(first);
    let (mut driver, lease) = Driver::take(&second, &id).await;
    assert!(lease.taken_over);
    driver.append(vec![(None, bodies::title("on"))]).await.unwrap();
}

pub async fn begun_recoveries_are_counted(backend: &dyn Backend) {
    let first = backend.open();
    let mut driver = Driver::create(&first, "s").await;
    driver.append(vec![(Some("t"), bodies::received("t", "x"))]).await.unwrap();
    let mut other = Driver::create(&first, "other").await;
    other.append(vec![(Some("t"), bodies::received("t", "x"))]).await.unwrap();
    let (id, other_id) = (driver.id().clone(), other.id().clone());
    first.note_recovery(&other_id, other.fence, 1).await.unwrap();
    drop((driver, other));
    drop(first);
    let second = backend.open();
    assert_eq!(second.unfinished().await.unwrap(), [id.clone(), other_id.clone()], "those that failed come last");
    let lease = second.acquire(&other_id).await.unwrap();
    assert_eq!(lease.recoveries, 1);
    let refused = second.note_recovery(&other_id, lease.fence + 1, 2).await;
    assert!(matches!(refused, Err(AppendError::Conflict { .. })));
    second.note_recovery(&other_id, lease.fence, 0).await.unwrap();
    assert_eq!(second.acquire(&other_id).await.unwrap().recoveries, 0);

    let (mut sealed, _) = Driver::take(&second, &id).await;
    sealed.append(vec![(None, bodies::sealed())]).await.unwrap();
    assert_eq!(second.unfinished().await.unwrap(), [other_id], "a sealed session is left alone");
}
