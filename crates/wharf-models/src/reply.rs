//! What the readers of all wires share: lines and events of a stream, what was said so far, and the running reply.

pub(crate) mod calls;
pub(crate) mod decoder;
pub(crate) mod fields;
pub(crate) mod lenient;
pub(crate) mod lines;
pub(crate) mod said;
pub(crate) mod stream;

use wharf_foreign::json::DEPTH_MAX;
use wharf_foreign::nesting::Bounds;

/// Most bytes of text, reasoning and arguments of one reply together.
pub(crate) const MAX_REPLY_BYTES: usize = 32 << 20;

/// One event of a stream. A reply with a larger or a deeper one is refused.
pub(crate) const EVENT_BOUNDS: Bounds = Bounds { length: lines::MAX_LINE_BYTES, depth: DEPTH_MAX };

/// What one part of a whole reply may measure: an answer without a stream, the arguments of a call.
pub(crate) const WHOLE_BOUNDS: Bounds = Bounds { length: MAX_REPLY_BYTES, depth: DEPTH_MAX };
