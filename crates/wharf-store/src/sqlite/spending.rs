//! Sums of what was spent, in rows of their own.

use rusqlite::{Connection, Row, params};
use wharf_protocol::rest::{UsageBy, UsageQuery, UsageReport, UsageRow};
use wharf_protocol::{Cost, Usage};

use super::batch::Failure;
use super::error::{count, int};
use crate::StoreError;
use crate::spending::{DAYS, OTHERS, PAIRS_OF_A_DAY, ROWS, Spent, report};

/// The columns of every sum, in the order of `sum_of`.
const SUMS: &str =
    "coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(total_tokens), 0),
    coalesce(sum(cached_tokens), 0), coalesce(sum(cache_write_tokens), 0), coalesce(sum(reasoning_tokens), 0),
    coalesce(sum(nano_usd), 0), coalesce(sum(priced_calls), 0), coalesce(sum(unpriced_calls), 0)";

/// Adds one call. Part of the transaction that appends it.
pub(super) fn add(connection: &Connection, spent: &Spent) -> Result<(), Failure> {
    if change(connection, spent, &spent.model, &spent.cwd)? {
        return Ok(());
    }
    let pairs: i64 = connection
        .prepare_cached("SELECT count(*) FROM spending WHERE day = ?1")?
        .query_row([&spent.day], |row| row.get(0))?;
    if pairs == 0 {
        forget_old_days(connection)?;
    }
    let is_full = count(pairs) >= PAIRS_OF_A_DAY as u64;
    let (model, cwd) = if is_full { (OTHERS, OTHERS) } else { (spent.model.as_str(), spent.cwd.as_str()) };
    if is_full && change(connection, spent, model, cwd)? {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO spending VALUES (?1, ?2, ?3, 0, 0, 0, 0, 0, 0, 0, 0, 0)")?
        .execute(params![spent.day, model, cwd])?;
    change(connection, spent, model, cwd)?;
    Ok(())
}

/// Whether there was a row to change.
fn change(connection: &Connection, spent: &Spent, model: &str, cwd: &str) -> Result<bool, Failure> {
    let Spent { day, usage, cost, .. } = spent;
    let changed = connection
        .prepare_cached(
            "UPDATE spending SET prompt_tokens = prompt_tokens + ?4, completion_tokens = completion_tokens + ?5,
                 total_tokens = total_tokens + ?6, cached_tokens = cached_tokens + ?7,
                 cache_write_tokens = cache_write_tokens + ?8, reasoning_tokens = reasoning_tokens + ?9,
                 nano_usd = nano_usd + ?10, priced_calls = priced_calls + ?11, unpriced_calls = unpriced_calls + ?12
             WHERE day = ?1 AND model = ?2 AND cwd = ?3",
        )?
        .execute(params![
            day,
            model,
            cwd,
            int(usage.prompt_tokens),
            int(usage.completion_tokens),
            int(usage.total_tokens),
            int(usage.cached_tokens),
            int(usage.cache_write_tokens),
            int(usage.reasoning_tokens),
            int(cost.nano_usd),
            int(cost.priced_calls),
            int(cost.unpriced_calls),
        ])?;
    Ok(changed > 0)
}

fn forget_old_days(connection: &Connection) -> Result<(), Failure> {
    // The new day comes on top.
    let kept = int(DAYS as u64 - 1);
    connection
        .prepare_cached(
            "DELETE FROM spending
             WHERE day < (SELECT min(day) FROM (SELECT DISTINCT day FROM spending ORDER BY day DESC LIMIT ?1))",
        )?
        .execute([kept])?;
    Ok(())
}

pub(super) fn usage(connection: &Connection, query: &UsageQuery) -> Result<UsageReport, StoreError> {
    let (since, until) = query.range();
    let (column, order) = match query.by {
        UsageBy::Day => ("day", "1 DESC"),
        UsageBy::Model => ("model", "sum(nano_usd) DESC, sum(total_tokens) DESC, 1"),
        UsageBy::Workspace => ("cwd", "sum(nano_usd) DESC, sum(total_tokens) DESC, 1"),
    };
    let snapshot = connection.unchecked_transaction()?;
    let rows = snapshot
        .prepare_cached(&format!(
            "SELECT {column}, {SUMS} FROM spending WHERE day BETWEEN ?1 AND ?2 GROUP BY 1 ORDER BY {order} LIMIT ?3"
        ))?
        .query_map(params![since, until, int(ROWS as u64 + 1)], sum_of)?
        .collect::<Result<Vec<_>, _>>()?;
    let total = snapshot
        .prepare_cached(&format!("SELECT '', {SUMS} FROM spending WHERE day BETWEEN ?1 AND ?2"))?
        .query_row(params![since, until], sum_of)?;
    Ok(report(query.by, rows, total))
}

fn sum_of(row: &Row<'_>) -> rusqlite::Result<UsageRow> {
    let number = |at: usize| row.get(at).map(count);
    Ok(UsageRow {
        key: row.get(0)?,
        usage: Usage {
            prompt_tokens: number(1)?,
            completion_tokens: number(2)?,
            total_tokens: number(3)?,
            cached_tokens: number(4)?,
            cache_write_tokens: number(5)?,
            reasoning_tokens: number(6)?,
        },
        cost: Cost { nano_usd: number(7)?, priced_calls: number(8)?, unpriced_calls: number(9)? },
    })
}
