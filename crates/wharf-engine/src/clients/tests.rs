//! Who is asked first, and who no longer.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use wharf_protocol::CallId;
use wharf_tools::{HostError, Offers, Question, Reply, Terminal, TerminalCommand};

use super::*;

/// Known by its name, which is the text of every file.
struct Named(&'static str);

#[async_trait]
impl ClientHost for Named {
    fn offers(&self) -> Offers {
        Offers { read_text: true, ..Offers::default() }
    }

    async fn read_text(&self, _: &Path) -> Result<String, HostError> {
        Ok(self.0.to_owned())
    }

    async fn write_text(&self, _: &Path, _: &str) -> Result<(), HostError> {
        Err(HostError::Gone)
    }

    async fn open_terminal(&self, _: &CallId, _: TerminalCommand) -> Result<Box<dyn Terminal>, HostError> {
        Err(HostError::Gone)
    }

    async fn ask(&self, _: &CallId, _: &Question, _: Duration) -> Result<Reply, HostError> {
        Err(HostError::Gone)
    }

    async fn discover(&self) -> Result<Value, HostError> {
        Err(HostError::Gone)
    }

    async fn call(&self, _: &CallId, _: &str, _: Value) -> Result<Value, HostError> {
        Err(HostError::Gone)
    }
}

async fn first(index: &ClientIndex, session: &SessionId, prompt: Option<&MessageId>) -> Option<String> {
    let host = index.of(session, prompt).that(|offers| offers.read_text)?;
    host.read_text(Path::new("/")).await.ok()
}

#[tokio::test]
async fn the_one_that_asked_leads_and_else_the_last_to_come() {
    let index = Arc::new(ClientIndex::default());
    let (session, other) = (SessionId::from_bits(1), SessionId::from_bits(2));
    let prompt = MessageId::from_bits(3);
    let one = index.add(&session, Arc::new(Named("one")));
    let two = index.add(&session, Arc::new(Named("two")));
    one.leads(&prompt);
    assert_eq!(first(&index, &session, Some(&prompt)).await.as_deref(), Some("one"));
    assert_eq!(first(&index, &session, None).await.as_deref(), Some("two"));
    assert_eq!(first(&index, &other, Some(&prompt)).await, None);
    drop(one);
    assert_eq!(first(&index, &session, Some(&prompt)).await.as_deref(), Some("two"));
    drop(two);
    assert_eq!(first(&index, &session, Some(&prompt)).await, None);
    assert!(index.known().sessions.is_empty());
}
