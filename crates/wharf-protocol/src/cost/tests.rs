//! Sums by hand.

use super::*;

const PRICE: Price = Price {
    input: 2_000_000,
    output: 10_000_000,
    cache_read: Some(100_000),
    cache_write: Some(2_500_000),
    above: Some(PriceStep {
        prompt_tokens: 272_000,
        input: 4_000_000,
        output: 15_000_000,
        cache_read: Some(200_000),
        cache_write: None,
    }),
    varies: false,
    source: PriceSource::Catalogue,
};

fn usage(prompt: u64, completion: u64, cached: u64, written: u64) -> Usage {
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt.saturating_add(completion),
        cached_tokens: cached,
        cache_write_tokens: written,
        reasoning_tokens: 0,
    }
}

fn nano(price: &Price, usage: &Usage) -> Option<u64> {
    price.of(usage).map(|cost| cost.nano_usd)
}

#[test]
fn each_kind_of_token_has_its_price() {
    // 1,000 in at $2, 100 out at $10 a million: $0.002 + $0.001.
    assert_eq!(nano(&PRICE, &usage(1_000, 100, 0, 0)), Some(3_000_000));
    // 600 read, 300 written, 100 neither.
    assert_eq!(nano(&PRICE, &usage(1_000, 0, 600, 300)), Some(200_000 + 60_000 + 750_000));
    // Above the step the whole request costs more; a write has no known price there.
    assert_eq!(nano(&PRICE, &usage(272_000, 0, 0, 0)), Some(544_000_000));
    assert_eq!(nano(&PRICE, &usage(272_001, 0, 0, 0)), Some(1_088_004_000));
    assert_eq!(nano(&PRICE, &usage(272_001, 0, 0, 1)), None);
    // A fraction of a billionth is rounded: 3.6 of them.
    let cheap = Price { input: 3_600, ..PRICE };
    assert_eq!((nano(&cheap, &usage(1, 0, 0, 0)), nano(&cheap, &usage(10, 0, 0, 0))), (Some(4), Some(36)));
}

#[test]
fn what_has_no_price_is_not_guessed() {
    let bare = Price { cache_read: None, cache_write: None, ..PRICE };
    assert_eq!(nano(&bare, &usage(10, 10, 0, 0)), Some(120_000));
    assert_eq!(nano(&bare, &usage(10, 10, 1, 0)), None);
    assert_eq!(nano(&bare, &usage(10, 10, 0, 1)), None);
    assert_eq!(nano(&Price { varies: true, ..PRICE }, &usage(10, 10, 0, 0)), None);
    // A provider that counts more cached tokens than tokens.
    assert_eq!(nano(&PRICE, &usage(10, 0, 20, 0)), Some(2_000));
    assert_eq!(nano(&PRICE, &usage(u64::MAX, u64::MAX, 0, 0)), Some(u64::MAX));
}

#[test]
fn sums_say_what_is_missing() {
    let call = |nano_usd| Some(CallCost { nano_usd, source: PriceSource::Provider });
    let mut cost = Cost::default();
    assert_eq!(cost.to_string(), "unknown");
    cost.add(None);
    assert_eq!(cost.to_string(), "unknown");
    cost.add(call(12_345_678));
    assert_eq!(cost.to_string(), "$0.012 and 1 call of unknown price");
    cost.add(None);
    assert_eq!((cost.nano_usd, cost.priced_calls, cost.unpriced_calls), (12_345_678, 1, 2));
    for (nano_usd, shown) in [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (3_000, "$0.0000030"),
        (120_000_000, "$0.12"),
        (1_999_999_999, "$1.99"),
        (12_000_000_000, "$12.00"),
    ] {
        assert_eq!(dollars(nano_usd), shown);
    }
}
