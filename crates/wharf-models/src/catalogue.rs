//! What is known of models before anybody is asked: windows, prices, abilities. Made of `catalogue/models.csv`, whose README says where its
//! facts are from.

mod generated;

use wharf_protocol::Price;

pub(crate) use generated::AS_OF;

/// A model at one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// A preset's name, where there is one for it.
    pub(crate) provider: &'static str,
    /// As the provider calls it.
    pub(crate) name: &'static str,
    /// In tokens, of prompt and reply together.
    pub(crate) window: u64,
    /// Most tokens of a prompt, where that is less.
    pub(crate) max_input: Option<u64>,
    /// Most tokens of a reply.
    pub(crate) max_output: Option<u64>,
    pub(crate) price: Option<Price>,
    /// Whether it takes images, and PDF; absent: not known.
    pub(crate) images: Option<bool>,
    pub(crate) documents: Option<bool>,
    /// Words for how much it is to think.
    pub(crate) thinking: &'static [&'static str],
    /// The day on which it is switched off, as `YYYY-MM-DD`.
    pub(crate) retires: Option<&'static str>,
}

/// The provider's model of that name, or the one of which it is a dated version.
pub(crate) fn at(provider: &str, name: &str) -> Option<&'static Entry> {
    let same = |entry: &&Entry| entry.provider == provider && is_version(entry.name, name);
    generated::MODELS.iter().find(same)
}

/// Every model that is known of a provider.
pub(crate) fn of(provider: &str) -> impl Iterator<Item = &'static Entry> {
    generated::MODELS.iter().filter(move |entry| entry.provider == provider)
}

/// What a model of that name takes, wherever it runs: where providers differ, the least. A router's `vendor/` before it is passed over.
pub(crate) fn window(name: &str) -> Option<u64> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let name = last(name);
    let same = generated::MODELS.iter().filter(|entry| is_version(&last(entry.name), &name));
    same.map(Entry::takes).min()
}

impl Entry {
    /// What a conversation may grow to, in tokens.
    pub(crate) fn takes(&self) -> u64 {
        self.max_input.unwrap_or(self.window).min(self.window)
    }
}

/// Whether `name` is `known`, perhaps with a date behind it.
fn is_version(known: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(known) else { return false };
    if rest.is_empty() || rest == "-latest" {
        return true;
    }
    let Some(date) = rest.strip_prefix(['-', '@']) else { return false };
    let digits = date.chars().filter(char::is_ascii_digit).count();
    digits == 8 && date.chars().all(|c| c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests;
