//! Randomness, which the core is given.

/// Random bits for ids and jitter.
pub(crate) fn entropy() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // No random source: ids still differ by time. They are names, not secrets.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return now.as_nanos();
    }
    u128::from_ne_bytes(bytes)
}
