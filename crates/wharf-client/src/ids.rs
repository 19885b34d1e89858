//! Ids and chance for a client: made here so that a request can be repeated without being done twice.

use wharf_protocol::{MessageId, SessionId};

/// 128 random bits.
pub(crate) fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without a random source the clock and the process still tell this request from every other one of this machine.
        let nanos =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
        return nanos ^ (u128::from(std::process::id()) << 64);
    }
    u128::from_le_bytes(bytes)
}

pub(crate) fn message_id() -> MessageId {
    MessageId::from_bits(random_bits())
}

pub(crate) fn session_id() -> SessionId {
    SessionId::from_bits(random_bits())
}

/// A part of `0.0..1.0`.
pub(crate) fn random_part() -> f64 {
    let bits = u32::try_from(random_bits() & u128::from(u32::MAX)).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
