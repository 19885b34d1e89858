//! Images that were made fit: a session's next request needs them again, byte for byte.

use std::collections::HashMap;
use std::sync::Arc;

use super::fit::Fitted;

/// Letters that are kept: the images of some sessions. Beyond them the one that was longest not asked for goes; it is made again, and is the
/// same then.
const MAX_LETTERS: usize = 64 << 20;

/// Images that are kept; most need no change, and of them no letter is.
const MAX_ENTRIES: usize = 4_096;

/// The sum of an image's letters and of what it is made for.
pub(super) type Key = [u8; 32];

#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Key, (u64, Arc<Fitted>)>,
    letters: usize,
    /// Grows with each use.
    clock: u64,
}

impl Cache {
    pub(super) fn get(&mut self, key: &Key) -> Option<Arc<Fitted>> {
        self.clock += 1;
        let (used, fitted) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(Arc::clone(fitted))
    }

    pub(super) fn put(&mut self, key: Key, fitted: Arc<Fitted>) {
        self.clock += 1;
        self.letters += fitted.kept_letters();
        if let Some((_, old)) = self.entries.insert(key, (self.clock, fitted)) {
            self.letters -= old.kept_letters();
        }
        while self.letters > MAX_LETTERS || self.entries.len() > MAX_ENTRIES {
            let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            let Some((_, gone)) = oldest.and_then(|key| self.entries.remove(&key)) else { return };
            self.letters -= gone.kept_letters();
        }
    }
}
