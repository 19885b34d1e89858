//! What the model is not shown any more so that a request fits: old images first, old results next, then old messages; at last head and tail of what
//! is newest have to do. A summary of what is cut off has its place at the cut.

use wharf_protocol::event::{ContextCompacted, LeftOut};
use wharf_protocol::{Message, MessageId, Role, Seq};

use crate::shorten::MIN_BYTES;
use crate::shown::{ShownMessages, is_image, trimmable};
use crate::size::block_bytes;

/// So many of the newest results are not left out as long as something else can be.
const KEPT_RESULTS: usize = 2;

/// Where shortening begins, in bytes of one message; halved until the request fits, or down to [`MIN_BYTES`].
const SHORTEN_FROM_BYTES: u64 = 256 * 1_024;

impl ShownMessages {
    /// How it comes down to `target` tokens, or as near as can be; no result is longer than `result_max_bytes`. `None` where
    /// nothing would change.
    pub(crate) fn plan(&self, target: u64, result_max_bytes: Option<u64>) -> Option<ContextCompacted> {
        let (mut plan, mut trial) = self.trimmed(target, result_max_bytes)?;
        if trial.total > target
            && let Some(at) = trial.cut_at(target)
        {
            plan.kept_from = Some(trial.messages[at].message_id.clone());
            trial.compact(&plan);
            if trial.left_out == self.left_out {
                plan.kept_from = None;
            }
        }
        let mut max_bytes = SHORTEN_FROM_BYTES;
        while trial.total > target && max_bytes >= MIN_BYTES {
            plan.message_max_bytes = Some(max_bytes);
            trial.compact(&plan);
            max_bytes /= 2;
        }
        self.counted_out(plan)
    }

    /// The same by leaving out old images and results alone; `None` also where that does not reach `target`.
    pub(crate) fn plan_by_trimming(&self, target: u64, result_max_bytes: Option<u64>) -> Option<ContextCompacted> {
        let (plan, trial) = self.trimmed(target, result_max_bytes)?;
        if trial.total <= target { self.counted_out(plan) } else { None }
    }

    /// Shortens results that are too long, then leaves out old images, then old results, until the rest fits or the newest are left.
    fn trimmed(&self, target: u64, result_max_bytes: Option<u64>) -> Option<(ContextCompacted, Self)> {
        let is_long = |max_bytes: u64| self.longest_result > max_bytes.max(MIN_BYTES);
        if self.total <= target && !result_max_bytes.is_some_and(is_long) {
            return None;
        }
        let mut plan = ContextCompacted { bytes_before: self.bytes(), ..ContextCompacted::default() };
        let mut trial = self.clone();
        if let Some(max_bytes) = result_max_bytes {
            plan.result_max_bytes = Some(max_bytes.max(MIN_BYTES));
            trial.compact(&plan);
            if trial.bytes() == self.bytes() {
                plan.result_max_bytes = None;
            }
        }
        if trial.total > target {
            plan.images_before = trial.images_before(trial.total - target);
            trial.compact(&plan);
        }
        if trial.total > target {
            plan.trimmed_through = trial.results_through(trial.total - target);
            trial.compact(&plan);
        }
        Some((plan, trial))
    }

    /// The plan with what it leaves out; `None` where that would win nothing.
    fn counted_out(&self, mut plan: ContextCompacted) -> Option<ContextCompacted> {
        let mut trial = self.clone();
        trial.compact(&plan);
        plan.bytes_after = trial.bytes();
        if trial.total >= self.total {
            return None;
        }
        plan.left_out = self.left_out_by(&plan, trial.left_out - self.left_out);
        Some(plan)
    }

    /// Before which message images are left out to save `tokens`, or all but those of the newest message that has some.
    fn images_before(&self, tokens: u64) -> Option<MessageId> {
        let cost = |message: &Message| {
            let images = message.content.iter().filter(|block| is_image(block));
            images.map(block_bytes).sum::<u64>() / 4
        };
        let newest = self.messages.iter().rposition(|message| cost(message) > 0)?;
        let (mut saved, mut before) = (0, None);
        for (at, message) in self.messages[..newest].iter().enumerate() {
            if saved >= tokens {
                break;
            }
            let cost = cost(message);
            if cost > 0 {
                saved += cost;
                before = Some(self.messages[at + 1].message_id.clone());
            }
        }
        before
    }

    fn images(&self) -> u64 {
        self.messages.iter().flat_map(|message| &message.content).filter(|block| is_image(block)).count() as u64
    }

    /// Up to which seq results are left out to save `tokens`, or all but the newest.
    fn results_through(&self, tokens: u64) -> Seq {
        let mut newest: Vec<Seq> = self.messages.iter().filter(|m| m.role == Role::Tool).map(|m| m.seq).collect();
        newest.sort_unstable();
        let Some(last) = newest.len().checked_sub(KEPT_RESULTS + 1).map(|at| newest[at]) else { return Seq::ZERO };
        let mut results: Vec<(Seq, u64)> = self.messages.iter().filter_map(|m| trimmable(m)).collect();
        results.retain(|(seq, _)| *seq <= last);
        results.sort_unstable();
        let (mut through, mut saved) = (Seq::ZERO, 0);
        for (seq, bytes) in results {
            through = seq;
            saved += bytes / 4;
            if saved >= tokens {
                break;
            }
        }
        through
    }

    /// The first message from which on the rest fits, else the last one that may be the first. Never a result.
    pub(crate) fn cut_at(&self, target: u64) -> Option<usize> {
        let mut left = self.total;
        let mut last = None;
        for (at, (message, tokens)) in self.messages.iter().zip(&self.tokens).enumerate() {
            if at > 0 && message.role != Role::Tool {
                last = Some(at);
                if left <= target {
                    break;
                }
            }
            left -= *tokens;
        }
        last
    }

    fn left_out_by(&self, plan: &ContextCompacted, messages: usize) -> LeftOut {
        let results = self.messages.iter().filter_map(|m| trimmable(m));
        let results = results.filter(|(seq, _)| *seq <= plan.trimmed_through).count() as u64;
        let mut before = self.clone();
        let only_images = ContextCompacted { images_before: plan.images_before.clone(), ..ContextCompacted::default() };
        before.compact(&only_images);
        let images = self.images() - before.images();
        before.compact(&ContextCompacted { result_max_bytes: None, message_max_bytes: None, ..plan.clone() });
        let mut after = before.clone();
        after.compact(plan);
        let pairs = before.messages.iter().zip(&after.messages);
        let shortened = pairs.filter(|(before, after)| before != after).count() as u64;
        LeftOut { results, messages: messages as u64, shortened, images }
    }
}
