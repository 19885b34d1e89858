//! Tickets: what a browser's WebSocket or EventSource shows instead of a key. Once, and within seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use wharf_protocol::rest::Ticket;
use wharf_protocol::{ApiError, ErrorCode, Timestamp};

use crate::random::hex;

const LIFETIME: Duration = Duration::from_secs(30);
/// Tickets that may be open at a time, over all keys.
const OPEN_TICKETS: usize = 1024;

/// The open tickets, by the hash of their secret.
pub(crate) struct Tickets<T>(Mutex<HashMap<[u8; 32], Open<T>>>);

/// Whose ticket it is, and when it ends.
type Open<T> = (Arc<T>, Instant);

impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Tickets<T> {
    pub(crate) fn issue(&self, principal: &Arc<T>, now: Instant) -> Result<Ticket, ApiError> {
        let mut bits = [0_u8; 32];
        if getrandom::fill(&mut bits).is_err() {
            return Err(ApiError::new(ErrorCode::Unavailable, "the machine gives no random numbers"));
        }
        let secret = hex(&bits);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_TICKETS {
            open.retain(|_, (_, expires)| *expires > now);
        }
        if open.len() >= OPEN_TICKETS {
            return Err(ApiError::new(ErrorCode::RateLimited, "too many tickets are open"));
        }
        open.insert(Sha256::digest(secret.as_bytes()).into(), (Arc::clone(principal), now + LIFETIME));
        let lifetime_ms = u64::try_from(LIFETIME.as_millis()).unwrap_or(0);
        Ok(Ticket { ticket: secret, expires_at: Timestamp::now().after_ms(lifetime_ms) })
    }

    /// Uses a ticket up.
    pub(crate) fn redeem(&self, secret: &str, now: Instant) -> Result<Arc<T>, ApiError> {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
        match found {
            Some((principal, expires)) if expires > now => Ok(principal),
            _ => Err(ApiError::new(ErrorCode::Unauthorized, "the ticket is not known, was used, or is too old")),
        }
    }
}

#[cfg(test)]
mod tests;
