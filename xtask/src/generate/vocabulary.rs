//! The vocabulary that all clients share, as enums with their words.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

/// A table of the vocabulary, and the enum that its rows are.
struct Table {
    name: &'static str,
    rust: &'static str,
    /// The enum's documentation, where it is declared here; else it is one of the crate's, and only gets its words.
    declared: Option<&'static str>,
    columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// `null` where there is none.
    Maybe,
    Texts,
    Flag,
    /// The id of a row of another table, by the enum of that table.
    Row(&'static str),
}

const TABLES: &[Table] = &[
    Table {
        name: "colours",
        rust: "Colour",
        declared: Some("What a colour is for; each client has its own value of it."),
        columns: &[("light", Kind::Text), ("dark", Kind::Text), ("sgr", Kind::Text)],
    },
    Table {
        name: "marks",
        rust: "Mark",
        declared: Some("What a session's row shows of its state."),
        columns: &[("word", Kind::Text), ("icon", Kind::Text), ("glyph", Kind::Text), ("colour", Kind::Row("Colour"))],
    },
    Table {
        name: "answers",
        rust: "crate::PermissionOption",
        declared: None,
        columns: &[("label", Kind::Text), ("key", Kind::Text), ("typed", Kind::Texts)],
    },
    Table {
        name: "resolutions",
        rust: "crate::permission::Resolution",
        declared: None,
        columns: &[("word", Kind::Text)],
    },
    Table { name: "command_states", rust: "crate::CommandStatus", declared: None, columns: &[("word", Kind::Text)] },
    Table {
        name: "plan_states",
        rust: "crate::tool::PlanStatus",
        declared: None,
        columns: &[("word", Kind::Text), ("icon", Kind::Text), ("glyph", Kind::Text)],
    },
    Table {
        name: "call_states",
        rust: "crate::transcript::CallState",
        declared: None,
        columns: &[("word", Kind::Text), ("icon", Kind::Text), ("glyph", Kind::Text), ("colour", Kind::Row("Colour"))],
    },
    Table {
        name: "message_states",
        rust: "crate::transcript::MessageState",
        declared: None,
        columns: &[("word", Kind::Text)],
    },
    Table {
        name: "turn_outcomes",
        rust: "crate::transcript::TurnOutcome",
        declared: None,
        columns: &[("word", Kind::Text), ("colour", Kind::Row("Colour"))],
    },
    Table {
        name: "notices",
        rust: "NoticeTitle",
        declared: Some("The titles of what a client tells beside the conversation."),
        columns: &[("title", Kind::Text)],
    },
    Table {
        name: "connections",
        rust: "Connection",
        declared: Some("How a client's connection is doing."),
        columns: &[("word", Kind::Text)],
    },
    Table {
        name: "slash_commands",
        rust: "SlashCommand",
        declared: Some("A command that begins with a slash."),
        columns: &[
            ("aliases", Kind::Texts),
            ("hint", Kind::Maybe),
            ("terminal_only", Kind::Flag),
            ("description", Kind::Text),
        ],
    },
    Table {
        name: "actions",
        rust: "Action",
        declared: Some("What a key does."),
        columns: &[("title", Kind::Text), ("when", Kind::Text), ("web", Kind::Texts), ("terminal", Kind::Texts)],
    },
];

pub(super) fn rust(text: &str) -> Result<String> {
    let Value::Object(vocabulary) = serde_json::from_str(text).context("is no JSON")? else {
        bail!("is no object");
    };
    let mut out = "//! Made of vocabulary.json by `cargo xtask generate`: change that file, not this one.\n".to_owned();
    for table in TABLES {
        let rows = vocabulary.get(table.name).and_then(Value::as_array);
        let rows = rows.with_context(|| format!("there is no table {}", table.name))?;
        let rows: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
        write_table(table, &rows, &mut out).with_context(|| format!("table {}", table.name))?;
    }
    Ok(out)
}

fn write_table(table: &Table, rows: &[&Map<String, Value>], out: &mut String) -> Result<()> {
    let ids: Vec<&str> = rows.iter().filter_map(|row| row.get("id")?.as_str()).collect();
    ensure!(ids.len() == rows.len(), "a row has no id");
    if let Some(about) = table.declared {
        declare(table.rust, about, &ids, out)?;
    }
    writeln!(out, "\nimpl {} {{", table.rust)?;
    if table.declared.is_some() {
        writeln!(out, "/// Every one, in the vocabulary's order.\npub const ALL: [Self; {}] = [", ids.len())?;
        for id in &ids {
            write!(out, "Self::{},", variant(id))?;
        }
        writeln!(out, "];\n")?;
        write_column("id", Kind::Text, rows, out)?;
    }
    for (column, kind) in table.columns {
        write_column(column, *kind, rows, out)?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

fn declare(name: &str, about: &str, ids: &[&str], out: &mut String) -> Result<()> {
    writeln!(out, "\n/// {about}\n#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\npub enum {name} {{")?;
    for id in ids {
        writeln!(out, "{},", variant(id))?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

fn write_column(column: &str, kind: Kind, rows: &[&Map<String, Value>], out: &mut String) -> Result<()> {
    let returned = match kind {
        Kind::Text => "&'static str",
        Kind::Maybe => "Option<&'static str>",
        Kind::Texts => "&'static [&'static str]",
        Kind::Flag => "bool",
        Kind::Row(rust) => rust,
    };
    writeln!(out, "#[must_use]\npub const fn {column}(self) -> {returned} {{\nmatch self {{")?;
    for row in rows {
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        let value = row.get(column).with_context(|| format!("row {id} has no {column}"))?;
        let value = expression(kind, value).with_context(|| format!("{column} of row {id} is {value}"))?;
        writeln!(out, "Self::{} => {value},", variant(id))?;
    }
    writeln!(out, "}}\n}}\n")?;
    Ok(())
}

fn expression(kind: Kind, value: &Value) -> Option<String> {
    Some(match kind {
        Kind::Text => format!("{:?}", value.as_str()?),
        Kind::Maybe if value.is_null() => "None".to_owned(),
        Kind::Maybe => format!("Some({:?})", value.as_str()?),
        Kind::Flag => value.as_bool()?.to_string(),
        Kind::Row(rust) => format!("{rust}::{}", variant(value.as_str()?)),
        Kind::Texts => {
            let texts: Option<Vec<String>> =
                value.as_array()?.iter().map(|text| Some(format!("{:?}", text.as_str()?))).collect();
            format!("&[{}]", texts?.join(", "))
        }
    })
}

/// `go.needs_you` is `GoNeedsYou`.
fn variant(id: &str) -> String {
    let word = |word: &str| {
        let mut rest = word.chars();
        rest.next().map(|first| first.to_ascii_uppercase().to_string() + rest.as_str()).unwrap_or_default()
    };
    id.split(['_', '.']).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_a_word_is_named() {
        let row: Value = serde_json::json!({ "id": "go.needs_you", "word": 3 });
        let rows = [row.as_object().unwrap()];
        assert_eq!(variant("go.needs_you"), "GoNeedsYou");
        let wrong = write_column("word", Kind::Text, &rows, &mut String::new()).unwrap_err();
        assert_eq!(wrong.to_string(), "word of row go.needs_you is 3");
        let missing = write_column("icon", Kind::Text, &rows, &mut String::new()).unwrap_err();
        assert_eq!(missing.to_string(), "row go.needs_you has no icon");
    }
}
