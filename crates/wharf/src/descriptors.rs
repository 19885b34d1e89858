//! How many files may be open, and what they are for.

use rustix::process::{Resource, getrlimit, setrlimit};

/// More than a server of ours needs. Commands inherit the limit, and some programs close every number up to it when they start: with
/// the millions that some systems allow that takes them seconds.
const ENOUGH: u64 = 65_536;
/// Kept back for work: files that tools open, pipes and sockets of commands, the store, model servers. Of few descriptors a third is.
const WORK: u64 = 2_048;

/// Raises the soft limit as far as the hard one lets it; the answer is what holds then.
pub fn raise() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH, |hard| hard.min(ENOUGH));
    if limit.current.is_some_and(|soft| soft < wanted) {
        let before = limit.current;
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays as it is");
            limit.current = before;
        }
    }
    limit.current.unwrap_or(ENOUGH)
}

/// How many connections there may be where `wanted` are configured and so many files may be open. What is kept back is never a
/// connection's: tools and commands of running sessions work on when every connection is taken.
pub fn connections(wanted: usize, descriptors: u64) -> usize {
    let kept = WORK.min(descriptors / 3);
    usize::try_from(descriptors - kept).unwrap_or(usize::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_back_for_work() {
        for (wanted, descriptors, most) in [
            (10_000, 65_536, 10_000),
            (100_000, 65_536, 63_488),
            (10_000, 1_024, 683),
            (10_000, 256, 171),
            (10, 256, 10),
        ] {
            assert_eq!(connections(wanted, descriptors), most, "{wanted} of {descriptors}");
        }
    }

    #[test]
    fn raising_is_not_lowering() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(raise() >= before.min(ENOUGH));
        assert_eq!(raise(), raise());
    }
}
