//! The file's schema: a list of steps forward, the number of the last one in `user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// Step n leads from version n to n + 1.
const STEPS: &[&str] =
    &[include_str!("v1.sql"), include_str!("v2.sql"), include_str!("v3.sql"), include_str!("v4.sql")];

pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if version(connection, path)? == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it meanwhile.
    for step in &STEPS[version(&transaction, path)?..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(found).ok().filter(|version| *version <= STEPS.len()).ok_or_else(|| StoreError::TooNew {
        place: path.display().to_string(),
        found,
        known: known(),
    })
}

pub(super) fn known() -> i64 {
    super::error::int(STEPS.len() as u64)
}
