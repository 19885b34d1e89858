//! A model whose errors say what to do (which provider it was, which setting is wrong, what to change), and whose replies say what they cost.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures_util::StreamExt;
use wharf_protocol::model::{ModelError, ModelErrorKind, ModelReply};

use super::ResolveError;
use super::account::{Account, Kind};
use crate::image::Images;
use crate::key::ApiKey;
use crate::{Delta, Model, ModelRequest, ModelStream};

/// One model of one provider, and what is known of both.
pub(super) struct Advised {
    account: Arc<Account>,
    /// As the provider knows it.
    name: String,
    id: String,
    /// The model as it is asked now, and the key that it is asked with.
    now: RwLock<(Arc<dyn Model>, Option<ApiKey>)>,
    fitting: Arc<Images>,
}

impl fmt::Debug for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Advised").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Advised {
    pub(super) fn new(
        account: Arc<Account>,
        name: &str,
        key: Option<ApiKey>,
        fitting: &Arc<Images>,
    ) -> Result<Self, ResolveError> {
        let model = account.model(name, key.clone(), fitting)?;
        let (id, fitting) = (model.id().to_owned(), Arc::clone(fitting));
        Ok(Self { name: name.to_owned(), id, now: RwLock::new((model, key)), fitting, account })
    }

    fn now(&self) -> (Arc<dyn Model>, Option<ApiKey>) {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same model with another key than the one that was refused, if there is another by now.
    async fn renewed(&self, refused: Option<&ApiKey>) -> Option<Arc<dyn Model>> {
        let key = self.account.key(refused).await.ok().filter(|key| key.as_ref() != refused)?;
        let model = self.account.model(&self.name, key.clone(), &self.fitting).ok()?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = (Arc::clone(&model), key);
        Some(model)
    }
}

#[async_trait]
impl Model for Advised {
    fn id(&self) -> &str {
        &self.id
    }

    fn context_tokens(&self) -> Option<u64> {
        self.now().0.context_tokens()
    }

    fn attempts(&self) -> Option<u32> {
        self.account.attempts
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let (model, key) = self.now();
        let mut answer = model.stream(request.clone()).await;
        if let Err(ModelError { kind: ModelErrorKind::Unauthorized, .. }) = &answer
            && let Some(renewed) = self.renewed(key.as_ref()).await
        {
            answer = renewed.stream(request).await;
        }
        let stream = answer.map_err(|error| self.account.advise(&self.name, error))?;
        let (account, name) = (Arc::clone(&self.account), self.name.clone());
        let told = move |delta| match delta {
            Ok(Delta::Finished(reply)) => {
                let cost = account.cost(&name, &reply);
                Ok(Delta::Finished(ModelReply { cost, ..reply }))
            }
            Ok(delta) => Ok(delta),
            Err(error) => Err(account.advise(&name, error)),
        };
        Ok(stream.map(told).boxed())
    }
}

impl Account {
    /// The same error with what to do about it.
    fn advise(&self, model: &str, error: ModelError) -> ModelError {
        let (provider, said) = (&self.name, &error.message);
        let message = match error.kind {
            ModelErrorKind::Unauthorized => match &self.key {
                Some(key) => {
                    let advice = self.preset.map_or("set one that its server knows", |preset| preset.refused_key);
                    format!("{provider} refuses the key of {}: {said}. What to do: {advice}", key.setting())
                }
                None => format!("{provider} wants a key: {said}. What to do: set {}", self.key_settings()),
            },
            ModelErrorKind::NoSuchModel => format!(
                "{provider} has no model {model:?}: {said}. What to do: name one that `wharf models` lists, as {provider}/NAME"
            ),
            ModelErrorKind::NoApi => format!(
                "{provider}: at {} is nothing that speaks the protocol {:?}: {said}. What to do: look at {} and {}",
                self.shown_url(),
                self.protocol.as_str(),
                self.url_setting,
                self.protocol_setting()
            ),
            ModelErrorKind::Connection | ModelErrorKind::Timeout => {
                let is_local = self.preset.is_some_and(super::Preset::is_local);
                let start = if is_local { "start the server, or change" } else { "look at the network, or change" };
                format!("{provider} cannot be reached: {said}. What to do: {start} {}", self.url_setting)
            }
            ModelErrorKind::Refused
            | ModelErrorKind::ContextOverflow { .. }
            | ModelErrorKind::RateLimited
            | ModelErrorKind::Overloaded
            | ModelErrorKind::BadReply => format!("{provider}: {said}"),
        };
        ModelError { message, ..error }
    }

    fn shown_url(&self) -> String {
        self.base_url.as_ref().map_or_else(|_| self.url_setting.clone(), super::config::without_secrets)
    }

    fn protocol_setting(&self) -> String {
        match self.kind {
            Kind::Set | Kind::Known => "protocol".to_owned(),
            Kind::Profile | Kind::Local => format!("providers.{}.protocol", self.name),
        }
    }

    /// What a key is set with, where there is none.
    fn key_settings(&self) -> String {
        match self.kind {
            Kind::Set => "api_key_env".to_owned(),
            Kind::Profile | Kind::Known | Kind::Local => {
                let name = &self.name;
                format!("providers.{name}.api_key_env, api_key_file or api_key_command")
            }
        }
    }
}
