//! Names as people and routers write them, and what the facts have to hold for the code that uses them.

use wharf_protocol::cost::{PriceSource, PriceStep};

use super::*;

#[test]
fn windows_by_the_names_that_servers_have_for_models() {
    for (name, tokens) in [
        ("gpt-5", Some(272_000)),
        ("gpt-5-2025-08-07", Some(272_000)),
        ("gpt-5000", None),
        ("gpt-5-turbo", None),
        ("claude-haiku-4-5-20251001", Some(200_000)),
        ("claude-haiku-4-5@20251001", Some(200_000)),
        ("anthropic/claude-opus-5", Some(1_000_000)),
        ("CLAUDE-OPUS-5", Some(1_000_000)),
        ("openai/gpt-oss-120b", Some(131_072)),
        ("gpt-oss:120b", None),
        ("mistral-large-4-latest", Some(1_048_576)),
        ("qwen3:8b", None),
        ("", None),
    ] {
        assert_eq!(window(name), tokens, "{name}");
    }
}

#[test]
fn a_price_is_the_providers_own() {
    let price = |provider: &str, name: &str| at(provider, name).and_then(|entry| entry.price).map(|price| price.input);
    assert_eq!(price("anthropic", "claude-sonnet-5-5"), Some(2_000_000));
    assert_eq!(price("openrouter", "claude-sonnet-5-5"), None);
    assert_eq!(price("openai", "gpt-4o"), None, "a window alone is no price");
    assert_eq!(price("gemini", "gemini-3.8-flash"), Some(750_000));
    // 0.0036 dollars are whole millionths.
    assert_eq!(at("xiaomi", "mimo-v2.6-pro").and_then(|entry| entry.price?.cache_read), Some(3_600));
}

#[test]
fn facts_are_possible() {
    assert!(generated::MODELS.len() > 60, "{}", generated::MODELS.len());
    for entry in generated::MODELS {
        assert!((4_096..=10_000_000).contains(&entry.window), "{entry:?}");
        assert!(entry.takes() <= entry.window && entry.max_output.is_none_or(|most| most <= entry.window), "{entry:?}");
        let Some(price) = entry.price else { continue };
        assert!(price.input <= price.output && price.source == PriceSource::Catalogue, "{entry:?}");
        assert!(price.cache_read.is_none_or(|read| read <= price.input), "{entry:?}");
        let dearer = |step: PriceStep| step.input > price.input && step.prompt_tokens < entry.window;
        assert!(price.above.is_none_or(dearer), "{entry:?}");
    }
}

#[test]
fn the_default_models_are_known_and_stay() {
    for preset in crate::presets() {
        // Routers choose by themselves.
        let Some(model) = preset.default_model.filter(|_| preset.name != "openrouter") else { continue };
        let entry = at(preset.name, model);
        assert!(entry.is_some_and(|entry| entry.retires.is_none()), "{}: {model}", preset.name);
    }
}
