//! The user's configuration with one provider more, and the file of its key.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use toml_edit::{DocumentMut, Item, Table, Value};
use wharf_models::ApiKey;

use super::super::change::{Change, Written};
use crate::config::{self as configuration, Flags, ProviderSection};
use crate::failure::{Exit, Failure};
use crate::terminal::clean;

const PROVIDERS: &str = "providers";

/// The file as it is. Its comments, its order and its white space stay.
pub struct ConfigFile {
    path: PathBuf,
    change: Change,
    document: DocumentMut,
}

impl ConfigFile {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let place = || clean(&path.display().to_string());
        let change = Change::read(path).map_err(|error| {
            Failure::new(Exit::Failed, format!("{} cannot be used: {error:#}", place())).hint("it was left as it is")
        })?;
        let document = change.text().unwrap_or_default().parse::<DocumentMut>().map_err(|error| {
            Failure::new(Exit::Usage, format!("{}: {}", place(), clean(error.message()))).hint("fix it first")
        })?;
        Ok(Self { path: path.to_owned(), change, document })
    }

    pub fn has(&self, name: &str) -> bool {
        self.document.get(PROVIDERS).and_then(|providers| providers.get(name)).is_some()
    }

    pub fn default_model(&self) -> Option<String> {
        self.document.get("model").and_then(Item::as_str).map(str::to_owned)
    }

    /// Puts the provider into the file; where the file as it was is kept.
    pub fn write(
        &mut self,
        name: &str,
        section: &ProviderSection,
        default_model: Option<&String>,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Option<PathBuf>> {
        let text = toml::to_string(section).context("the profile cannot be written as TOML")?;
        let mut table: Table = text.parse::<DocumentMut>().context("the profile")?.as_table().clone();
        table.set_implicit(false);
        let mut fresh = Table::new();
        // `[providers]` alone would say nothing.
        fresh.set_implicit(true);
        let providers = self.document.entry(PROVIDERS).or_insert(Item::Table(fresh));
        let Some(providers) = providers.as_table_like_mut() else { bail!("`providers` is no table") };
        providers.insert(name, Item::Table(table));
        if let Some(id) = default_model {
            let mut named = Value::from(id.as_str());
            // A comment behind the old one stays.
            if let Some(old) = self.document.get("model").and_then(Item::as_value) {
                named.decor_mut().clone_from(old.decor());
            }
            self.document["model"] = Item::Value(named);
        }
        let text = self.document.to_string();
        self.check(&text, environment)?;
        let Written { backup } = self.change.write(&text, false)?;
        Ok(backup)
    }

    /// What would be written is a configuration: nothing is replaced by something that no command could read.
    fn check(&self, text: &str, environment: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let dir = self.path.parent().context("it has no directory")?;
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let trial = self.path.with_extension("wharf-trial");
        let written = write_alone(&trial, text);
        let read = written.and_then(|()| Ok(configuration::load(Some(&trial), environment, Flags::new())?));
        // It may not have been made.
        let _ = fs::remove_file(&trial);
        read.map(drop).context("the configuration with the new provider in it cannot be read: it was left as it is")
    }
}

/// Beside the configuration, where agents do not come.
pub fn key_path(config: &Path, name: &str) -> anyhow::Result<PathBuf> {
    Ok(config.parent().context("the configuration has no directory")?.join("keys").join(name))
}

/// Puts a key in its place, readable for its owner alone from the first byte on.
pub fn write_key(path: &Path, key: &ApiKey) -> anyhow::Result<()> {
    let dir = path.parent().context("it has no directory")?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".wharf-new");
    let new = PathBuf::from(new);
    write_alone(&new, &format!("{}\n", key.reveal()))?;
    fs::rename(&new, path)?;
    Ok(())
}

fn write_alone(path: &Path, text: &str) -> anyhow::Result<()> {
    // One that a killed process left; nobody else uses the name.
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}
