//! Random ids, and bytes written as digits.

use wharf_protocol::Timestamp;

/// For ids of sessions, messages and connections.
pub(crate) fn random_bits() -> u128 {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // No secret: ids have to differ, that is all.
        bytes[..8].copy_from_slice(&Timestamp::now().0.to_be_bytes());
    }
    u128::from_be_bytes(bytes)
}

/// The id of a request or connection, where nobody gives one.
pub(crate) fn random_id() -> String {
    hex(&random_bits().to_be_bytes()[..12])
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
