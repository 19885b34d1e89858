//! What is known of models, as a table: `crates/wharf-models/catalogue/README.md` describes the columns.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};

/// One row, by the names of the columns.
type Row = HashMap<String, String>;

pub(super) fn rust(text: &str) -> Result<String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize().collect::<Result<Vec<Row>, _>>()?;
    let as_of = rows.iter().map(|row| field(row, "as_of")).collect::<Result<Vec<_>>>()?;
    let newest = as_of.into_iter().max().context("there are no rows")?;
    let mut out = "//! Made of catalogue/models.csv by `cargo xtask generate`: change that file, not this one.\n\n\
                   use wharf_protocol::Price;\nuse wharf_protocol::cost::{PriceSource, PriceStep};\n\nuse super::Entry;\n\n"
        .to_owned();
    writeln!(out, "/// The month of the newest facts.\npub(crate) const AS_OF: &str = {newest:?};\n")?;
    writeln!(out, "pub(super) static MODELS: &[Entry] = &[")?;
    let mut names = std::collections::HashSet::new();
    for row in &rows {
        let (provider, name) = (field(row, "provider")?, field(row, "model_id")?);
        ensure!(names.insert((provider, name)), "{provider} has {name} twice");
        write_entry(row, &mut out).with_context(|| format!("{provider}, {name}"))?;
    }
    writeln!(out, "];")?;
    Ok(out)
}

fn write_entry(row: &Row, out: &mut String) -> Result<()> {
    let provider = match field(row, "provider")? {
        "google" => "gemini",
        other => other,
    };
    let levels = field(row, "thinking_levels")?.split('|').filter(|level| !level.is_empty());
    let levels: Vec<String> = levels.map(|level| format!("{level:?}")).collect();
    let window = count(row, "window")?.context("has no window")?;
    writeln!(out, "Entry {{ provider: {provider:?}, name: {:?}, window: {window},", field(row, "model_id")?)?;
    writeln!(out, "max_input: {:?}, max_output: {:?},", count(row, "max_input")?, count(row, "max_output")?)?;
    writeln!(out, "price: {},", price(row)?)?;
    writeln!(out, "images: {:?}, documents: {:?},", flag(row, "image_in")?, flag(row, "pdf_in")?)?;
    let retires = Some(field(row, "retires")?).filter(|day| !day.is_empty());
    writeln!(out, "thinking: &[{}], retires: {retires:?} }},", levels.join(", "))?;
    Ok(())
}

fn price(row: &Row) -> Result<String> {
    let (input, output) = match (money(row, "usd_in")?, money(row, "usd_out")?) {
        (Some(input), Some(output)) => (input, output),
        (None, None) => return Ok("None".to_owned()),
        _ => bail!("has one of two prices"),
    };
    let (read, write) = (money(row, "usd_cache_read")?, money(row, "usd_cache_write")?);
    let above = match count(row, "tier_above")? {
        Some(tokens) => {
            let dearer = money(row, "tier_usd_in")?.context("tier_usd_in is missing")?;
            let output = money(row, "tier_usd_out")?.context("tier_usd_out is missing")?;
            let read = money(row, "tier_usd_cache_read")?;
            // As the README says: a write costs more by the same factor as other tokens of the prompt.
            let write = write.map(|write| write * dearer / input);
            format!(
                "Some(PriceStep {{ prompt_tokens: {tokens}, input: {dearer}, output: {output}, cache_read: {read:?}, \
                 cache_write: {write:?} }})"
            )
        }
        None => "None".to_owned(),
    };
    let varies = !field(row, "price_varies")?.is_empty();
    Ok(format!(
        "Some(Price {{ input: {input}, output: {output}, cache_read: {read:?}, cache_write: {write:?}, above: {above}, \
         varies: {varies}, source: PriceSource::Catalogue }})"
    ))
}

fn field<'a>(row: &'a Row, column: &str) -> Result<&'a str> {
    row.get(column).map(|text| text.trim()).with_context(|| format!("there is no column {column}"))
}

fn count(row: &Row, column: &str) -> Result<Option<u64>> {
    match field(row, column)? {
        "" => Ok(None),
        text => text.parse().map(Some).with_context(|| format!("{column} is {text:?}")),
    }
}

fn flag(row: &Row, column: &str) -> Result<Option<bool>> {
    match field(row, column)? {
        "" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        text => bail!("{column} is {text:?}"),
    }
}

/// Dollars as whole millionths: digit by digit, so that nothing is rounded.
fn money(row: &Row, column: &str) -> Result<Option<u64>> {
    let text = field(row, column)?;
    if text.is_empty() {
        return Ok(None);
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    ensure!(part.len() <= 6, "{column} is finer than a millionth: {text:?}");
    let millionths = format!("{whole}{part:0<6}").parse();
    millionths.map(Some).with_context(|| format!("{column} is {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(column: &str, text: &str) -> Row {
        HashMap::from([(column.to_owned(), text.to_owned())])
    }

    #[test]
    fn dollars_are_exact() {
        for (text, millionths) in
            [("2", 2_000_000), ("0.0036", 3_600), ("12.5", 12_500_000), ("16.0", 16_000_000), ("0.000001", 1)]
        {
            assert_eq!(money(&row("usd_in", text), "usd_in").unwrap(), Some(millionths), "{text}");
        }
        assert_eq!(money(&row("usd_in", ""), "usd_in").unwrap(), None);
        for text in ["0.0000001", "x", "-1", "1e3"] {
            assert!(money(&row("usd_in", text), "usd_in").is_err(), "{text}");
        }
    }
}
