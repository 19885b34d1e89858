//! The client's requests and notifications: answered here, or passed on to the session that they are for.

use std::sync::Arc;

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1 as acp;
use serde::Deserialize;
use serde_json::{Value, json};
use wharf_engine::Offers;
use wharf_protocol::{Scope, Seq, SessionId};

use super::sessions::{delete, fork, list};
use super::{Capabilities, Connection, check_cwd, unknown_session};
use crate::acp::attached::ToSession;
use crate::acp::directories::Directories;
use crate::acp::mcp;
use crate::acp::method::{Asked, Ours, Said};
use crate::acp::outbox::META;
use crate::acp::render::Shows;
use crate::acp::rpc::{INVALID_REQUEST, Id, Params, RpcError};
use crate::error::Failure;
use crate::random::random_bits;

/// Our extension: a session's updates after an event that the client has seen.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttachRequest {
    session_id: String,
    after: Seq,
}

/// Our extension: a copy of a session, up to an event or the last one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForkRequest {
    session_id: String,
    #[serde(default)]
    at_seq: Option<Seq>,
}

impl Connection {
    /// Answers, or passes on to who answers. An error is the answer.
    pub(super) async fn request(&mut self, id: &Id, method: &str, params: &Params) -> Result<(), RpcError> {
        let bucket = &self.context.principal.bucket;
        bucket.take(std::time::Instant::now()).map_err(Failure::rate_limited)?;
        let asked = Asked::of(method);
        if self.client.is_none() && asked != Some(Asked::Initialize) {
            let text = format!("ACP initialization must complete before {method}");
            return Err(RpcError::new(INVALID_REQUEST, text));
        }
        let client = self.client.unwrap_or_default();
        if !matches!(asked, Some(Asked::Initialize | Asked::Prompt)) {
            self.context.out.opened(id);
        }
        let Some(asked) = asked.filter(|asked| *asked != Asked::Fork || client.is_bridge) else {
            return Err(RpcError::method_not_found(method));
        };
        if let Some(scope) = asked.scope() {
            self.context.app.gate.allow(&self.context.principal, scope, None).await?;
        }
        self.serve_request(asked, client, id.clone(), params).await
    }

    async fn serve_request(
        &mut self,
        asked: Asked,
        client: Capabilities,
        id: Id,
        params: &Params,
    ) -> Result<(), RpcError> {
        match asked {
            Asked::Initialize => {
                let answer = self.initialize(&params.read()?);
                self.reply(&id, answer).await
            }
            Asked::Authenticate => {
                let request: acp::AuthenticateRequest = params.read()?;
                let reason = format!("methodId: there is no method {:?}; none is needed", request.method_id.0);
                Err(RpcError::invalid_params(reason))
            }
            // Who is connected was settled with the connection: nothing is held that could be given up.
            Asked::Logout => self.reply(&id, json!({})).await,
            Asked::New => {
                let mcp = mcp::servers(params, &self.context).await?;
                let request: acp::NewSessionRequest = params.read()?;
                let directories = Directories::of(params, &request.cwd)?;
                let wanted = request.meta.as_ref().and_then(|meta| own_id(client, meta));
                let session_id = wanted.unwrap_or_else(|| SessionId::from_bits(random_bits()));
                self.pass(&session_id, ToSession::New { id, directories, mcp }).await
            }
            Asked::Load | Asked::Resume => {
                let mcp = mcp::servers(params, &self.context).await?;
                let (session, cwd) = if asked == Asked::Load {
                    let request: acp::LoadSessionRequest = params.read()?;
                    (request.session_id, request.cwd)
                } else {
                    let request: acp::ResumeSessionRequest = params.read()?;
                    (request.session_id, request.cwd)
                };
                check_cwd(&cwd)?;
                let directories = Directories::of(params, &cwd)?;
                let session_id = session_id(&session.0)?;
                let wanted = match asked {
                    Asked::Load => ToSession::Load { id, directories, mcp },
                    _ => ToSession::Attach { id, after: None, directories, mcp },
                };
                self.pass(&session_id, wanted).await
            }
            Asked::Attach => {
                let request: AttachRequest = params.read()?;
                let session_id = session_id(&request.session_id)?;
                let (after, directories, mcp) = (Some(request.after), Directories::default(), Vec::new());
                self.pass(&session_id, ToSession::Attach { id, after, directories, mcp }).await
            }
            Asked::Fork => {
                let ForkRequest { session_id: source, at_seq } = params.read()?;
                let source = session_id(&source)?;
                let context = Arc::clone(&self.context);
                self.requests.spawn(async move {
                    let answer = fork(&context, &source, at_seq).await;
                    let _ = context.out.answer(&id, answer).await;
                });
                Ok(())
            }
            Asked::List => {
                let request: acp::ListSessionsRequest = params.read()?;
                let context = Arc::clone(&self.context);
                self.requests.spawn(async move {
                    let cancelled = context.out.token(&id);
                    let answer = tokio::select! {
                        biased;
                        () = cancelled.cancelled() => Err(RpcError::cancelled()),
                        answer = list(&context, request) => answer,
                    };
                    let _ = context.out.answer(&id, answer).await;
                });
                Ok(())
            }
            Asked::Delete => {
                let request: acp::DeleteSessionRequest = params.read()?;
                let context = Arc::clone(&self.context);
                self.requests.spawn(async move {
                    let answer = delete(&context, &request.session_id.0).await;
                    let _ = context.out.answer(&id, answer).await;
                });
                Ok(())
            }
            Asked::Prompt => {
                let request: acp::PromptRequest = params.read()?;
                let prompt_id = request.meta.as_ref().and_then(|meta| own_id(client, meta));
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, ToSession::Prompt { id, blocks: request.prompt, prompt_id }).await
            }
            Asked::SetMode => {
                let request: acp::SetSessionModeRequest = params.read()?;
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, ToSession::SetMode { id, mode_id: request.mode_id.0.to_string() }).await
            }
            Asked::SetConfigOption => {
                let request: acp::SetSessionConfigOptionRequest = params.read()?;
                let session_id = session_id(&request.session_id.0)?;
                let config_id = request.config_id.0.to_string();
                self.pass(&session_id, ToSession::SetOption { id, config_id, value: request.value }).await
            }
            Asked::Close => {
                let request: acp::CloseSessionRequest = params.read()?;
                let session_id = session_id(&request.session_id.0)?;
                self.pass(&session_id, ToSession::Close { id }).await
            }
        }
    }

    async fn reply(&self, id: &Id, answer: impl serde::Serialize) -> Result<(), RpcError> {
        // Whether the client is still there, the reader learns from the writer.
        let _ = self.context.out.answer(id, Ok(answer)).await;
        Ok(())
    }

    fn initialize(&mut self, request: &acp::InitializeRequest) -> acp::InitializeResponse {
        let capabilities = &request.client_capabilities;
        let session = capabilities.session.as_ref();
        let shows = Shows {
            notices: session.is_some_and(|session| session.notices.is_some()),
            compaction: session.is_some_and(|session| session.compaction.is_some()),
        };
        let is_bridge = capabilities.meta.as_ref().is_some_and(|meta| meta.contains_key(META));
        if let Some(info) = &request.client_info {
            tracing::debug!(client.name = %info.name, client.version = %info.version, "an ACP client is here");
        }
        let offers = Offers {
            read_text: capabilities.fs.read_text_file,
            write_text: capabilities.fs.write_text_file,
            terminal: capabilities.terminal,
            tools: capabilities
                .meta
                .as_ref()
                .and_then(|meta| meta.get(Ours::DiscoverTools.as_str()))
                .is_some_and(is_advertised),
            forms: capabilities.elicitation.as_ref().is_some_and(acp::ElicitationCapabilities::supports_form),
        };
        self.client = Some(Capabilities { shows, is_bridge, offers });
        let sessions = acp::SessionCapabilities::new()
            .list(acp::SessionListCapabilities::new())
            .delete(acp::SessionDeleteCapabilities::new())
            .additional_directories(acp::SessionAdditionalDirectoriesCapabilities::new())
            .resume(acp::SessionResumeCapabilities::new())
            .close(acp::SessionCloseCapabilities::new());
        let mut extensions = acp::Meta::new();
        extensions
            .insert(META.to_owned(), json!({ "session/attach": {}, "session/fork": {}, "seq": {}, "prompt_id": {} }));
        extensions.insert(Ours::DiscoverTools.as_str().to_owned(), json!({}));
        // One version is spoken, whatever was asked for: who cannot speak it, leaves.
        acp::InitializeResponse::new(ProtocolVersion::V1)
            .agent_capabilities(
                acp::AgentCapabilities::new()
                    .load_session(true)
                    .mcp_capabilities(acp::McpCapabilities::new().http(true).sse(true))
                    .prompt_capabilities(acp::PromptCapabilities::new().image(true).embedded_context(true))
                    .session_capabilities(sessions)
                    .meta(extensions),
            )
            .agent_info(acp::Implementation::new("wharf", env!("CARGO_PKG_VERSION")).title("Wharf".to_owned()))
    }

    pub(super) async fn notification(&mut self, method: &str, params: &Params) {
        // Notifications that are not known are to be ignored.
        let Some(said) = Said::of(method) else { return };
        match said {
            Said::Cancel => {
                let Ok(request) = params.read::<acp::CancelNotification>() else { return };
                let Ok(session_id) = session_id(&request.session_id.0) else { return };
                let may = self.context.app.gate.allow(&self.context.principal, Scope::SessionsWrite, Some(&session_id));
                if self.client.is_none() || may.await.is_err() {
                    return;
                }
                if let Err(error) = self.pass(&session_id, ToSession::Cancel).await {
                    tracing::debug!(error = error.message, "a cancel could not be passed on");
                }
            }
            Said::CancelRequest => {
                let Ok(request) = params.read::<Map>() else { return };
                let Some(id) = request.get("requestId").and_then(Id::from_value) else { return };
                self.context.out.cancel(&id);
                // Few sessions, and only the one that knows the request does something.
                for handle in self.sessions.values() {
                    let _ = handle.commands.send(ToSession::CancelRequest(id.clone())).await;
                }
            }
            Said::ToolsChanged => {
                let Ok(request) = params.read::<acp::CancelNotification>() else { return };
                let Ok(session_id) = session_id(&request.session_id.0) else { return };
                // A session that is not open here has none of this client's tools.
                if let Some(handle) = self.sessions.get(&session_id) {
                    let _ = handle.commands.send(ToSession::ToolsChanged).await;
                }
            }
        }
    }
}

type Map = serde_json::Map<String, Value>;

/// An object, or anything else but a plain no.
fn is_advertised(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// The id that our bridge gives what it may have to send twice.
fn own_id<T: std::str::FromStr>(client: Capabilities, meta: &acp::Meta) -> Option<T> {
    if !client.is_bridge {
        return None;
    }
    meta.get(META)?.get("id")?.as_str()?.parse().ok()
}

fn session_id(text: &str) -> Result<SessionId, RpcError> {
    // A text that is no id is the id of no session.
    text.parse().map_err(|_| unknown_session(text))
}
