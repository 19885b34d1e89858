//! The layers: defaults, file, environment, flags. The later one wins; each value remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;
use super::keys::{Key, Shape, known_keys};

/// Largest configuration file, in bytes. A larger one is refused.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// A longer unknown key is shown shortened, and nothing is suggested: looking for what is near it takes time and memory by its length.
const NAME_MAX_BYTES: usize = 200;

/// How unlike a known key an unknown one may be to be taken for it.
const SUGGESTION_MIN: f64 = 0.7;

/// Variables of ours that are no keys.
const OTHER_VARIABLES: [&str; 5] = ["WHARF_CONFIG", "WHARF_FAILPOINTS", "WHARF_STATE_DIR", "WHARF_KEY", "WHARF_LOG"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "{name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Values that flags set: key, flag, value.
pub type Flags = Vec<(&'static str, &'static str, Value)>;

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct Layered {
    pub config: Config,
    /// Each key that has a value: the value and its source.
    pub values: BTreeMap<String, (Value, Source)>,
    /// Where the file is or would be.
    pub path: Option<PathBuf>,
    /// Variables that look like ours and are not.
    pub strangers: Vec<String>,
}

impl Layered {
    pub fn source(&self, key: &str) -> &Source {
        self.values.get(key).map_or(&Source::Default, |(_, source)| source)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {message}", .path.display())]
    Malformed { path: PathBuf, message: String },
    #[error("{}: unknown key `{key}`{}", .path.display(), suggestion(.nearest.as_deref()))]
    UnknownKey { path: PathBuf, key: String, nearest: Option<String> },
    #[error("{origin}: {message}")]
    Value { origin: String, message: String },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

/// `$XDG_CONFIG_HOME/wharf/config.toml`, or below `~/.config`.
pub fn default_path(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base =
        set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(base.join("wharf").join("config.toml"))
}

/// Puts the layers together. A file that was named has to be there; the default one need not.
pub fn load(
    named: Option<&Path>,
    environment: &BTreeMap<String, String>,
    flags: Flags,
) -> Result<Layered, ConfigError> {
    let keys = known_keys();
    let mut values = BTreeMap::new();
    for (name, value) in flatten(&defaults(), &keys) {
        values.insert(name, (value, Source::Default));
    }
    let path = named.map(Path::to_owned).or_else(|| default_path(environment));
    if let Some(path) = &path
        && let Some(text) = read(path, named.is_some())?
    {
        for (name, value) in flatten(&parse(path, &text, &keys)?, &keys) {
            values.insert(name, (value, Source::File(path.clone())));
        }
    }
    let mut strangers: Vec<String> = environment.keys().filter(|name| name.starts_with("WHARF_")).cloned().collect();
    for key in &keys {
        let variable = key.variable();
        strangers.retain(|name| *name != variable && !OTHER_VARIABLES.contains(&name.as_str()));
        // An empty variable is how a script says "not set".
        if let Some(text) = environment.get(&variable).filter(|text| !text.is_empty()) {
            values.insert(key.name.clone(), (from_text(key, &variable, text)?, Source::Variable(variable)));
        }
    }
    if let Some(text) = environment.get("WHARF_LOG").filter(|text| !text.is_empty()) {
        values.insert("log".to_owned(), (Value::String(text.clone()), Source::Variable("WHARF_LOG".to_owned())));
    }
    for (name, flag, value) in flags {
        values.insert(name.to_owned(), (value, Source::Flag(flag)));
    }
    let config = compose(&values)?;
    Ok(Layered { config, values, path, strangers })
}

fn defaults() -> Table {
    // Every default has a TOML form; an absent one would show in the tests.
    Table::try_from(Config::default()).unwrap_or_default()
}

fn read(path: &Path, must_exist: bool) -> Result<Option<String>, ConfigError> {
    match wharf_foreign::file::read_text(path, FILE_MAX_BYTES) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

fn parse(path: &Path, text: &str, keys: &[Key]) -> Result<Table, ConfigError> {
    let malformed = |error: toml::de::Error| ConfigError::Malformed {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let table: Table = toml::from_str(text).map_err(malformed)?;
    if let Some(key) = first_unknown(&table, "", keys) {
        let nearest = nearest(&key, keys);
        let key = if key.len() > NAME_MAX_BYTES {
            format!("{}...", &key[..key.floor_char_boundary(NAME_MAX_BYTES)])
        } else {
            key
        };
        return Err(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
    }
    // For its errors: they name line and column, which the merged values no longer have.
    toml::from_str::<Config>(text).map_err(malformed)?;
    Ok(table)
}

fn first_unknown(table: &Table, prefix: &str, keys: &[Key]) -> Option<String> {
    for (name, value) in table {
        let name = join(prefix, name);
        if keys.iter().any(|key| key.name == name) {
            continue;
        }
        let is_section = keys.iter().any(|key| key.name.starts_with(&format!("{name}.")));
        match value {
            Value::Table(inner) if is_section => {
                if let Some(unknown) = first_unknown(inner, &name, keys) {
                    return Some(unknown);
                }
            }
            // A section that is not a table is a type error, told with its place.
            _ if is_section => {}
            _ => return Some(name),
        }
    }
    None
}

/// The known key that somebody may have meant: nearly the same, or the same in another section.
fn nearest(unknown: &str, keys: &[Key]) -> Option<String> {
    if unknown.len() > NAME_MAX_BYTES {
        return None;
    }
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |key: &Key| {
        let whole = strsim::jaro_winkler(unknown, &key.name);
        let part = strsim::damerau_levenshtein(&last(unknown), &last(&key.name));
        if part <= 1 { whole.max(0.95 - 0.05 * f64::from(u8::try_from(part).unwrap_or(1))) } else { whole }
    };
    let best = keys.iter().map(|key| (likeness(key), key)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= SUGGESTION_MIN).then(|| best.1.name.clone())
}

fn from_text(key: &Key, variable: &str, text: &str) -> Result<Value, ConfigError> {
    let wrong =
        |wanted: &str| ConfigError::Value { origin: variable.to_owned(), message: format!("{text:?} is not {wanted}") };
    match key.shape {
        Shape::Text => Ok(Value::String(text.to_owned())),
        Shape::Number => text.trim().parse().map(Value::Integer).map_err(|_| wrong("a number")),
        Shape::Bool => text.trim().parse().map(Value::Boolean).map_err(|_| wrong("true or false")),
        Shape::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        Shape::Tables => Err(wrong("possible: this key can only be set in the file")),
    }
}

fn flatten(table: &Table, keys: &[Key]) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for key in keys {
        let mut parts = key.name.split('.');
        let first = parts.next().and_then(|part| table.get(part));
        let value = parts.fold(first, |value, part| value.and_then(|value| value.get(part)));
        if let Some(value) = value {
            flat.push((key.name.clone(), value.clone()));
        }
    }
    flat
}

fn compose(values: &BTreeMap<String, (Value, Source)>) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    for (name, (value, source)) in values {
        let mut single = Table::new();
        insert(&mut single, name, value.clone());
        // One by one first, so that an error names its source.
        if let Err(error) = single.try_into::<Config>() {
            let message = format!("{name}: {}", error.message());
            return Err(ConfigError::Value { origin: source.to_string(), message });
        }
        insert(&mut table, name, value.clone());
    }
    table
        .try_into()
        .map_err(|error| ConfigError::Value { origin: "configuration".to_owned(), message: error.message().to_owned() })
}

fn insert(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
