//! A profile that is not written yet: what its server lists, and whether a model answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::time::timeout;
use wharf_models::{ApiKey, KeySource, ModelRequest, Models, ModelsConfig, Profile};
use wharf_protocol::{ContentBlock, Message, Role, Seq, Thinking, Timestamp};

/// For the list of models, and for the first word of an answer. A model that has to be loaded first takes its time.
const LIST_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Enough for a word. Some providers refuse less.
const ANSWER_TOKENS: u64 = 64;

pub struct Trial {
    name: String,
    models: Models,
}

impl Trial {
    /// `key`: one that is not kept anywhere yet.
    pub fn new(name: &str, profile: Profile, key: Option<ApiKey>, environment: &BTreeMap<String, String>) -> Self {
        let given = key.map(|key| Arc::new(Given(key)) as Arc<dyn KeySource>);
        let profile = Profile { key: given.or(profile.key.clone()), ..profile };
        let config = ModelsConfig {
            profiles: BTreeMap::from([(name.to_owned(), profile)]),
            environment: environment.clone(),
            local_servers: Vec::new(),
            ..ModelsConfig::default()
        };
        Self { name: name.to_owned(), models: Models::discover(config) }
    }

    /// The names of its models.
    pub async fn listed(&self) -> Result<Vec<String>, String> {
        // Nothing but the profile is looked at: with another provider's key in the environment, that one would be asked too.
        let row = self.models.one(&self.name, LIST_LIMIT).await.ok_or("there is no such profile")?;
        match row.listed_at {
            Some(_) => {
                let name = |id: &str| id.split_once('/').map_or(id, |(_, name)| name).to_owned();
                Ok(row.models.iter().map(|model| name(&model.id)).collect())
            }
            None => Err(row.reason),
        }
    }

    /// Whether the model answers a small request.
    pub async fn ask(&self, model: &str) -> Result<(), String> {
        let id = format!("{}/{model}", self.name);
        let model = self.models.resolve(Some(&id)).await.map_err(|error| error.to_string())?;
        let message = Message {
            message_id: "trial".parse().map_err(|_| "no id for the message".to_owned())?,
            role: Role::User,
            content: vec![ContentBlock::text("Answer with the one word: yes")],
            reasoning: String::new(),
            tool_calls: Vec::new(),
            call_id: None,
            tool_name: None,
            is_error: false,
            provider_data: None,
            turn_id: None,
            seq: Seq(1),
            created_at: Timestamp::now(),
        };
        let request = ModelRequest {
            system: Arc::from(""),
            messages: vec![Arc::new(message)],
            tools: Arc::new([]),
            max_tokens: Some(ANSWER_TOKENS),
            thinking: Thinking::Default,
        };
        let first = async {
            let mut stream = model.stream(request).await.map_err(|error| error.message)?;
            // Text, thoughts, or an end without either: the key and the model are good.
            match stream.next().await {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => Err(error.message),
                None => Err("it said nothing".to_owned()),
            }
        };
        timeout(ANSWER_LIMIT, first)
            .await
            .unwrap_or_else(|_| Err(format!("{id} said nothing within {} s", ANSWER_LIMIT.as_secs())))
    }
}

/// A key that was typed.
struct Given(ApiKey);

#[async_trait]
impl KeySource for Given {
    async fn key(&self) -> Result<ApiKey, String> {
        Ok(self.0.clone())
    }

    fn look(&self) -> Result<(), String> {
        Ok(())
    }

    fn setting(&self) -> String {
        "that you gave".to_owned()
    }
}
