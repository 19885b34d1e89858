//! `wharf usage`: what model calls took and cost, by day, model or directory.

use wharf_protocol::Usage;
use wharf_protocol::rest::{UsageBy, UsageQuery, UsageReport};
use wharf_store::Logs;

use super::print_json;
use crate::cli::{UsageArgs, UsageKey};
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, note};
use crate::terminal::{Style, clean, table};
use crate::wiring;

pub async fn run(context: &Context, args: &UsageArgs) -> anyhow::Result<Exit> {
    let by = match args.by {
        UsageKey::Day => UsageBy::Day,
        UsageKey::Model => UsageBy::Model,
        UsageKey::Workspace => UsageBy::Workspace,
    };
    let query = UsageQuery { by, since: args.since.clone(), until: args.until.clone() };
    if let Some(field) = query.wrong_field() {
        return Err(Failure::new(Exit::Usage, format!("--{field} takes a day, such as 2026-11-30")).into());
    }
    let report = match context.running_server().await? {
        Some(client) => client.usage(query).await?,
        // Looking needs no engine.
        None => {
            let store = wiring::store(&context.config, &context.state)?;
            let report = store.usage(&query).await?;
            store.close().await;
            report
        }
    };
    if args.list.json {
        print_json(&report)?;
    } else if report.rows.is_empty() {
        note("no model was called");
    } else {
        output::out(&shown(&report));
    }
    Ok(Exit::Completed)
}

fn shown(report: &UsageReport) -> String {
    let head = match report.by {
        UsageBy::Day => "day (UTC)",
        UsageBy::Model => "model",
        UsageBy::Workspace => "directory",
    };
    let head = [head, "prompt", "cached", "completion", "cost"].map(str::to_owned).to_vec();
    let row = |key: &str, usage: &Usage, cost: String| {
        let counts = [usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens].map(grouped);
        [vec![clean(key)], counts.to_vec(), vec![cost]].concat()
    };
    let mut rows = vec![head];
    rows.extend(report.rows.iter().map(|each| row(&each.key, &each.usage, each.cost.to_string())));
    if report.rows.len() > 1 || report.more {
        rows.push(row("total", &report.total_usage, report.total_cost.to_string()));
    }
    let mut text = table(&rows);
    if report.more {
        let style = Style::for_stdout();
        text.push_str(&format!(
            "{}\n",
            style.dim("and more rows: --since and --until choose days; the total is of all")
        ));
    }
    text
}

/// With a comma at each thousand.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use wharf_protocol::rest::UsageRow;
    use wharf_protocol::{Cost, Usage};

    use super::*;

    #[test]
    fn a_line_for_each_and_one_for_all() {
        let usage = Usage { prompt_tokens: 1_234_567, cached_tokens: 1_000, completion_tokens: 89, ..Usage::default() };
        let cost = Cost { nano_usd: 2_500_000_000, priced_calls: 3, unpriced_calls: 1 };
        let row = |key: &str| UsageRow { key: key.to_owned(), usage, cost };
        let (total_usage, total_cost) = (usage, cost);
        let mut report =
            UsageReport { by: UsageBy::Model, rows: vec![row("lab/a\x1b[2J")], total_usage, total_cost, more: false };
        assert_eq!(
            shown(&report),
            "model      prompt     cached  completion  cost\n\
             lab/a␛[2J  1,234,567  1,000   89          $2.50 and 1 call of unknown price\n"
        );
        report.rows.push(row("lab/b"));
        assert_eq!(shown(&report).lines().filter(|line| line.starts_with("total ")).count(), 1);
    }
}
