//! How often somebody may ask: a bucket for each key, and one for each address that has shown none.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use wharf_protocol::rest::Limits;

/// Addresses remembered in one shard; more of them share one bucket.
const SHARD_ADDRESSES: usize = 512;
const SHARDS: usize = 16;

/// A token bucket in one word: the time at which it would be full again (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Bucket {
    full_at_ns: AtomicU64,
    /// What one request costs; 0: no limit.
    cost_ns: u64,
    /// What may be spent at once.
    depth_ns: u64,
}

impl Bucket {
    pub(crate) fn new(limits: &Limits) -> Self {
        let cost_ns = match limits.requests_per_second {
            0 => 0,
            rate => 1_000_000_000 / u64::from(rate),
        };
        Self { full_at_ns: AtomicU64::new(0), cost_ns, depth_ns: cost_ns * u64::from(limits.request_burst.max(1)) }
    }

    /// Takes one token, or says when there will be one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        if self.cost_ns == 0 {
            return Ok(());
        }
        let now_ns = since_start_ns(now);
        let mut full_at = self.full_at_ns.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now_ns) + self.cost_ns;
            let spent = next - now_ns;
            if spent > self.depth_ns {
                return Err(Duration::from_nanos(spent - self.depth_ns));
            }
            match self.full_at_ns.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => full_at = seen,
            }
        }
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at_ns.load(Ordering::Relaxed) <= since_start_ns(now)
    }
}

fn since_start_ns(now: Instant) -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = *START.get_or_init(|| now);
    u64::try_from(now.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

/// Buckets of addresses. Only requests without a valid key get here.
#[derive(Debug)]
pub(crate) struct Addresses {
    limits: Limits,
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, Bucket>>; SHARDS],
    /// For addresses beyond the table.
    overflow: Bucket,
}

impl Addresses {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            overflow: Bucket::new(limits),
        }
    }

    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let shard = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or(0);
        let mut table = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = table.get(&address) {
            return bucket.take(now);
        }
        if table.len() >= SHARD_ADDRESSES {
            table.retain(|_, bucket| !bucket.is_full(now));
        }
        if table.len() >= SHARD_ADDRESSES {
            return self.overflow.take(now);
        }
        table.entry(address).or_insert_with(|| Bucket::new(&self.limits)).take(now)
    }
}

#[cfg(test)]
mod tests;
