//! What the examinations found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[default]
    Ok,
    Warning,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub about: &'static str,
    pub level: Level,
    pub message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn details(&mut self, details: Vec<String>) -> &mut Self {
        self.details = details;
        self
    }
}

/// In the order in which they were made.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub fn ok(&mut self, about: &'static str, message: impl Into<String>) -> &mut Finding {
        self.add(about, Level::Ok, message.into())
    }

    pub fn warn(&mut self, about: &'static str, message: impl Into<String>) -> &mut Finding {
        self.add(about, Level::Warning, message.into())
    }

    pub fn error(&mut self, about: &'static str, message: impl Into<String>) -> &mut Finding {
        self.add(about, Level::Error, message.into())
    }

    fn add(&mut self, about: &'static str, level: Level, message: String) -> &mut Finding {
        self.0.push(Finding { about, level, message, details: Vec::new(), hint: None });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    pub fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }
}
