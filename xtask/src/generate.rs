//! `cargo xtask generate`: makes Rust of the committed files that hold facts rather than code.

mod catalogue;
mod vocabulary;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::command::{program, root};

/// A file that is generated.
struct Generated {
    source: &'static str,
    output: &'static str,
    /// The Rust of what `source` says.
    make: fn(&str) -> Result<String>,
}

const ALL: &[Generated] = &[
    Generated {
        source: "crates/wharf-protocol/vocabulary.json",
        output: "crates/wharf-protocol/src/vocabulary/generated.rs",
        make: vocabulary::rust,
    },
    Generated {
        source: "crates/wharf-models/catalogue/models.csv",
        output: "crates/wharf-models/src/catalogue/generated.rs",
        make: catalogue::rust,
    },
];

/// Writes the generated files anew.
pub fn run() -> Result<()> {
    for file in ALL {
        let text = file.text()?;
        fs::write(root().join(file.output), text).with_context(|| format!("cannot write {}", file.output))?;
    }
    Ok(())
}

/// The committed files are what would be generated.
pub fn check() -> Result<()> {
    for file in ALL {
        let committed = fs::read_to_string(root().join(file.output)).unwrap_or_default();
        let Generated { source, output, .. } = file;
        ensure!(committed == file.text()?, "{output} is not what {source} says: run `cargo xtask generate`");
    }
    Ok(())
}

impl Generated {
    fn text(&self) -> Result<String> {
        let source = self.source;
        let text = fs::read_to_string(root().join(source)).with_context(|| format!("cannot read {source}"))?;
        formatted(&(self.make)(&text).with_context(|| source.to_owned())?)
    }
}

fn formatted(text: &str) -> Result<String> {
    let mut rustfmt = program("rustfmt");
    rustfmt.args(["--edition", "2024", "--emit", "stdout"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = rustfmt.spawn().context("rustfmt is missing")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt does not take what was generated:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_current() {
        check().unwrap();
    }
}
