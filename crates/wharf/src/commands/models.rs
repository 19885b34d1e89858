//! `wharf models`: what can be used now, and why; with what each model takes, costs and can do.

use std::time::Duration;

use wharf_protocol::cost::PriceSource;
use wharf_protocol::model::{ModelInfo, ModelOrigin, Provider};
use wharf_protocol::rest::ModelList;
use wharf_protocol::{Price, Timestamp};

use super::print_json;
use crate::cli::ModelsArgs;
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output;
use crate::terminal::{Style, clean, one_line, table};
use crate::wiring;

/// For servers that are asked which models they have; those that take longer are shown without a list.
const WAIT: Duration = Duration::from_secs(5);

/// Models of one provider that are printed where all providers are; a router has hundreds.
const SHOWN: usize = 20;

pub async fn run(context: &Context, args: &ModelsArgs) -> anyhow::Result<Exit> {
    let mut list = match context.running_server().await? {
        Some(client) => client.models().await?,
        None => wiring::models(&context.config, &context.environment)?.list(WAIT).await,
    };
    if let Some(wanted) = &args.provider {
        let known: Vec<String> = list.providers.iter().map(|provider| provider.name.clone()).collect();
        list.providers.retain(|provider| provider.name == *wanted);
        if list.providers.is_empty() {
            let failure = Failure::new(Exit::Usage, format!("there is no provider {wanted:?}"));
            return Err(failure.hint(format!("there are: {}", clean(&known.join(", ")))).into());
        }
    }
    if args.list.json {
        print_json(&list)?;
    } else {
        let most = if args.provider.is_some() { usize::MAX } else { SHOWN };
        output::out(&shown(&list, most, Timestamp::now()));
    }
    Ok(Exit::Completed)
}

fn shown(list: &ModelList, most: usize, now: Timestamp) -> String {
    let style = Style::for_stdout();
    let default = if list.default.is_empty() { "(none)" } else { &list.default };
    let mut text = format!(
        "{} {} {}\n",
        style.bold("default"),
        clean(default),
        style.dim(&format!("({})", one_line(&list.reason, 200)))
    );
    let (mut has_known, mut stands_apart) = (false, true);
    for provider in &list.providers {
        // Those without models stand below each other, a line each.
        let is_short = provider.models.is_empty();
        if stands_apart || !is_short {
            text.push('\n');
        }
        stands_apart = !is_short;
        let mark = if provider.available { "✓" } else { "·" };
        let reason = one_line(&provider.reason, 300);
        let age = provider.listed_at.map(|at| format!("; listed {}", ago(now, at))).unwrap_or_default();
        let head = format!("{reason}{age}");
        text.push_str(&format!("{mark} {} {}\n", style.bold(&clean(&provider.name)), style.dim(&head)));
        has_known |= provider.models.iter().any(|model| model.price.is_some_and(|price| is_of_catalogue(&price)));
        text.push_str(&models(provider, most, &style));
    }
    if let Some(month) = list.catalogue_as_of.as_deref().filter(|_| has_known) {
        let note = format!("* from the table that comes with Wharf, as of {}: prices move", clean(month));
        text.push_str(&format!("\n{}\n", style.dim(&note)));
    }
    text
}

fn models(provider: &Provider, most: usize, style: &Style) -> String {
    let rows: Vec<Vec<String>> = provider.models.iter().take(most).map(row).collect();
    let mut text = String::new();
    // A table pads its cells: without any rows it would still print a line.
    if !rows.is_empty() {
        text.extend(table(&rows).lines().map(|line| format!("    {}\n", line.trim_end())));
    }
    if let Some(more) = provider.models.len().checked_sub(most).filter(|more| *more > 0) {
        let note = format!("    and {more} more: `wharf models {}` lists them", clean(&provider.name));
        text.push_str(&format!("{}\n", style.dim(&note)));
    }
    text
}

fn row(model: &ModelInfo) -> Vec<String> {
    let mut words = Vec::new();
    if model.images == Some(true) {
        words.push("images".to_owned());
    }
    if model.documents == Some(true) {
        words.push("PDF".to_owned());
    }
    if !model.thinking.is_empty() {
        words.push(format!("thinking {}", clean(&model.thinking.join("|"))));
    }
    if model.origin == Some(ModelOrigin::Catalogue) {
        words.push("not listed by its server".to_owned());
    }
    if let Some(day) = &model.retires {
        words.push(format!("ends {}", clean(day)));
    }
    vec![
        format!("{}{}", clean(&model.id), if model.is_default { " (default)" } else { "" }),
        model.context_tokens.map(|tokens| format!("{} tokens", short(tokens))).unwrap_or_default(),
        model.price.as_ref().map(price).unwrap_or_default(),
        words.join(", "),
    ]
}

/// Dollars per million tokens in and out.
fn price(price: &Price) -> String {
    let dollars = |millionths: u64| wharf_protocol::cost::dollars(millionths.saturating_mul(1_000));
    let mark = if is_of_catalogue(price) { "*" } else { "" };
    let depends = if price.varies { " at most" } else { "" };
    let above = price.above.map(|step| format!(", more above {}", short(step.prompt_tokens))).unwrap_or_default();
    format!("{} in, {} out{mark}{depends}{above}", dollars(price.input), dollars(price.output))
}

fn is_of_catalogue(price: &Price) -> bool {
    price.source == PriceSource::Catalogue
}

/// 1048576 as 1.05M, 272000 as 272k.
fn short(tokens: u64) -> String {
    match tokens {
        0..1_000 => tokens.to_string(),
        1_000..1_000_000 => format!("{}k", tokens / 1_000),
        _ if tokens % 1_000_000 < 10_000 => format!("{}M", tokens / 1_000_000),
        _ => format!("{}.{:02}M", tokens / 1_000_000, tokens % 1_000_000 / 10_000),
    }
}

fn ago(now: Timestamp, at: Timestamp) -> String {
    match now.ms_since(at) / 1_000 {
        0..60 => "just now".to_owned(),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        for (tokens, text) in
            [(999, "999"), (4_096, "4k"), (272_000, "272k"), (1_000_000, "1M"), (1_048_576, "1.04M"), (2_000_000, "2M")]
        {
            assert_eq!(short(tokens), text);
        }
        let at = |seconds: i64| ago(Timestamp(100_000_000), Timestamp(100_000_000 - seconds * 1_000));
        assert_eq!((at(59), at(60), at(7_300)), ("just now".to_owned(), "1 min ago".to_owned(), "2 h ago".to_owned()));
        assert_eq!(ago(Timestamp(0), Timestamp(9_000)), "just now", "clocks differ");
    }
}
