//! Context sizes of well-known model families, in tokens. What is not here is not guessed.

/// Beginnings of names, longer ones before the shorter ones that they begin with.
const FAMILIES: &[(&str, u64)] = &[
    ("gpt-5-chat", 128_000),
    ("gpt-5", 400_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-oss", 131_072),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
    // Those of before had 200,000.
    ("claude-fable", 1_000_000),
    ("claude-mythos", 1_000_000),
    ("claude-opus-5", 1_000_000),
    ("claude-opus-4-6", 1_000_000),
    ("claude-opus-4-7", 1_000_000),
    ("claude-opus-4-8", 1_000_000),
    ("claude-sonnet-5", 1_000_000),
    ("claude-sonnet-4-6", 1_000_000),
    ("claude-haiku-5", 1_000_000),
    ("claude", 200_000),
    ("gemini-2.", 1_048_576),
    ("gemini-3", 1_048_576),
    ("gemini-3.", 1_048_576),
    ("gemini-4", 1_048_576),
    ("deepseek-chat", 128_000),
    ("deepseek-reasoner", 128_000),
    ("llama-3.3-70b", 131_072),
    ("llama-3.1-8b", 131_072),
    ("mistral-small", 128_000),
    ("mistral-medium", 128_000),
    ("mistral-large", 128_000),
    ("codestral", 256_000),
    ("kimi-k2", 131_072),
    ("grok-4-1-fast", 2_000_000),
    ("grok-4-fast", 2_000_000),
    ("grok-4", 256_000),
];

/// The size by a model's name; a router's `vendor/` before it is passed over.
pub(super) fn of(name: &str) -> Option<u64> {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let is_of = |family: &str| {
        // `o1` is not the beginning of every name with these letters.
        name.strip_prefix(family)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) || family.ends_with('.'))
    };
    FAMILIES.iter().find(|(family, _)| is_of(family)).map(|(_, tokens)| *tokens)
}
