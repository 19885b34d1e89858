//! `todo`: the agent's plan, replaced as a whole.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wharf_protocol::tool::{PlanEntry, PlanPriority, PlanStatus};
use wharf_protocol::{CallOutcome, ToolError, ToolKind};

use super::typed::{About, TypedTool};
use crate::CallContext;

const ENTRIES_MAX: usize = 100;
const CONTENT_MAX_BYTES: usize = 1000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Replaces the list before.
    #[serde(alias = "items", alias = "entries", alias = "plan", alias = "tasks")]
    todos: Vec<Item>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    /// One line.
    #[serde(alias = "text", alias = "title", alias = "task", alias = "step", alias = "description")]
    content: String,
    #[serde(default)]
    status: ItemStatus,
    #[serde(default)]
    priority: ItemPriority,
    // Sent by models that know another tool of this kind; the plan has no place for them.
    #[serde(default, rename = "activeForm", alias = "active_form")]
    #[schemars(skip)]
    _active_form: Option<String>,
    #[serde(default, rename = "id")]
    #[schemars(skip)]
    _id: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ItemStatus {
    #[default]
    #[serde(alias = "todo", alias = "open", alias = "not_started")]
    Pending,
    #[serde(alias = "in-progress", alias = "active", alias = "doing")]
    InProgress,
    #[serde(alias = "done", alias = "complete", alias = "cancelled")]
    Completed,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ItemPriority {
    High,
    #[default]
    #[serde(alias = "normal")]
    Medium,
    Low,
}

pub(super) struct Todo;

impl TypedTool for Todo {
    type Arguments = Arguments;

    fn about(&self) -> About<Arguments> {
        About {
            name: "todo",
            description: "Keep the plan of a task. Send the whole list each time; one entry is in_progress.",
            category: "planning",
            kind: ToolKind::Think,
            read_only: true,
            subject: None,
            timeout_ms: 1_000,
        }
    }

    async fn run(&self, Arguments { todos }: Arguments, context: CallContext) -> CallOutcome {
        if todos.len() > ENTRIES_MAX {
            return Err(ToolError::Failed(format!("the list has {} entries; at most {ENTRIES_MAX}", todos.len())));
        }
        let plan = todos.into_iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let mut output = crate::output::bounded(listing(&plan), &context).await;
        output.plan = Some(plan);
        Ok(output)
    }
}

fn entry((index, item): (usize, Item)) -> Result<PlanEntry, ToolError> {
    let content = item.content.trim();
    if content.is_empty() || content.len() > CONTENT_MAX_BYTES {
        let number = index + 1;
        return Err(ToolError::Failed(format!(
            "entry {number}: content must have 1 to {CONTENT_MAX_BYTES} bytes, it has {}",
            content.len()
        )));
    }
    let status = match item.status {
        ItemStatus::Pending => PlanStatus::Pending,
        ItemStatus::InProgress => PlanStatus::InProgress,
        ItemStatus::Completed => PlanStatus::Completed,
    };
    let priority = match item.priority {
        ItemPriority::High => PlanPriority::High,
        ItemPriority::Medium => PlanPriority::Medium,
        ItemPriority::Low => PlanPriority::Low,
    };
    Ok(PlanEntry { content: content.to_owned(), priority, status })
}

fn listing(plan: &[PlanEntry]) -> String {
    if plan.is_empty() {
        return "The plan is empty.".into();
    }
    let done = plan.iter().filter(|entry| entry.status == PlanStatus::Completed).count();
    let mut text = format!("{done} of {} done:", plan.len());
    for entry in plan {
        let mark = match entry.status {
            PlanStatus::Pending => ' ',
            PlanStatus::InProgress => '>',
            PlanStatus::Completed => 'x',
        };
        text.push_str(&format!("\n[{mark}] {}", entry.content));
    }
    text
}

#[cfg(test)]
mod tests;
