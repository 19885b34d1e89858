//! Ids, made from the entropy that the session was opened with and a counter.

use wharf_protocol::{CallId, CommandId, MessageId, PermissionId, TurnId};

/// Gives the same ids for the same entropy, so that a test's ids are known.
#[derive(Debug)]
pub(crate) struct Ids {
    entropy: u128,
    counter: u64,
}

impl Ids {
    pub(crate) fn new(entropy: u128) -> Self {
        Self { entropy, counter: 0 }
    }

    pub(crate) fn message(&mut self) -> MessageId {
        MessageId::from_bits(self.bits())
    }

    pub(crate) fn turn(&mut self) -> TurnId {
        TurnId::from_bits(self.bits())
    }

    pub(crate) fn permission(&mut self) -> PermissionId {
        PermissionId::from_bits(self.bits())
    }

    pub(crate) fn command(&mut self) -> CommandId {
        CommandId::from_bits(self.bits())
    }

    pub(crate) fn call(&mut self) -> CallId {
        CallId::short(self.next())
    }

    fn bits(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        let (high, low) = ((self.entropy >> 64) as u64, self.entropy as u64);
        mix(low ^ mix(high.wrapping_add(self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }
}

/// SplitMix64's finaliser: every bit of the input moves every bit of the output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
