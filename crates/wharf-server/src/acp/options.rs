//! What can be chosen for a session: its permission mode, model, agent and thinking level, and where its tools work; the mode also
//! as ACP's modes. Both say the same.

use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use wharf_engine::{Access, Offers};
use wharf_protocol::event::SessionUpdated;
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::{Mode, Session, Thinking, ToolLocation};

use super::rpc::RpcError;

/// An editor waits for its session meanwhile: of a provider that is slow to answer only what is known of it is shown.
pub(super) const MODELS_WAIT: Duration = Duration::from_secs(2);
/// Models that one list offers.
const MODELS_SHOWN: usize = 200;

const MODE: &str = "mode";
const MODEL: &str = "model";
const AGENT: &str = "agent";
const THINKING: &str = "thinking";
const TOOL_LOCATION: &str = "tool_location";

/// A category of our own: the protocol has none for agents.
const AGENT_CATEGORY: &str = "_agent";

/// Whether an event changes what is chosen.
pub(super) fn concerns(changed: &SessionUpdated) -> bool {
    let SessionUpdated {
        title: _,
        reason: _,
        agent_name,
        model,
        mode,
        thinking,
        tool_location,
        additional_directories: _,
        archived: _,
        recovery: _,
        by: _,
    } = changed;
    mode.is_some() || model.is_some() || agent_name.is_some() || thinking.is_some() || tool_location.is_some()
}

pub(super) fn modes(session: &Session) -> acp::SessionModeState {
    let modes =
        Mode::ALL.map(|mode| acp::SessionMode::new(mode.as_str(), name(mode)).description(about(mode).to_owned()));
    acp::SessionModeState::new(session.mode.as_str(), modes.to_vec())
}

/// `offers`: where tools work is a question only for a client that does something for them.
pub(super) async fn config_options(
    access: &Access,
    session: &Session,
    offers: Offers,
) -> Vec<acp::SessionConfigOption> {
    let mut options = vec![mode(session), model(access, session).await, agent(access, session), thinking(session)];
    if offers.works() {
        options.push(tool_location(session));
    }
    options
}

fn mode(session: &Session) -> acp::SessionConfigOption {
    let modes = Mode::ALL.map(|mode| value(mode.as_str(), name(mode)).description(about(mode).to_owned()));
    acp::SessionConfigOption::select(MODE, "Mode", session.mode.as_str(), modes.to_vec())
        .description("What the agent may do without asking".to_owned())
        .category(acp::SessionConfigOptionCategory::Mode)
}

async fn model(access: &Access, session: &Session) -> acp::SessionConfigOption {
    let mut models = vec![session.model.clone()];
    let list = access.models(MODELS_WAIT).await;
    let known = list.providers.into_iter().filter(|provider| provider.available).flat_map(|provider| provider.models);
    for model in known.take(MODELS_SHOWN) {
        if !models.contains(&model.id) {
            models.push(model.id);
        }
    }
    let models: Vec<_> = models.iter().map(|id| value(id, id)).collect();
    let current = acp::SessionConfigValueId::new(session.model.as_str());
    acp::SessionConfigOption::select(MODEL, "Model", current, models)
        .description("The model that answers from the next call on".to_owned())
        .category(acp::SessionConfigOptionCategory::Model)
}

fn agent(access: &Access, session: &Session) -> acp::SessionConfigOption {
    let known = access.agents();
    let mut agents: Vec<_> =
        known.iter().map(|agent| value(&agent.name, &agent.name).description(agent.description.clone())).collect();
    // One that the configuration no longer has.
    if !known.iter().any(|agent| agent.name == session.agent_name) {
        agents.push(value(&session.agent_name, &session.agent_name));
    }
    let current = acp::SessionConfigValueId::new(session.agent_name.as_str());
    acp::SessionConfigOption::select(AGENT, "Agent", current, agents)
        .description("Whose instructions and tools count from the next prompt on".to_owned())
        .category(acp::SessionConfigOptionCategory::Other(AGENT_CATEGORY.to_owned()))
}

fn thinking(session: &Session) -> acp::SessionConfigOption {
    let levels = Thinking::ALL.map(|level| match level {
        Thinking::Default => value(level.as_str(), "Default").description("As the model does by itself".to_owned()),
        Thinking::Off => value(level.as_str(), "Off"),
        Thinking::Low => value(level.as_str(), "Low"),
        Thinking::Medium => value(level.as_str(), "Medium"),
        Thinking::High => value(level.as_str(), "High"),
    });
    acp::SessionConfigOption::select(THINKING, "Thinking", session.thinking.as_str(), levels.to_vec())
        .description("How much the model thinks before it answers, where it can be told".to_owned())
        .category(acp::SessionConfigOptionCategory::ThoughtLevel)
}

fn tool_location(session: &Session) -> acp::SessionConfigOption {
    let places = ToolLocation::ALL.map(|place| {
        let (name, about) = match place {
            ToolLocation::Client => ("Editor", "As far as the editor offers it: its files, its terminals"),
            ToolLocation::Server => ("Server", "Files and commands on the server only"),
        };
        value(place.as_str(), name).description(about.to_owned())
    });
    let place = session.tool_location.as_str();
    acp::SessionConfigOption::select(TOOL_LOCATION, "Tools work in", place, places.to_vec())
        .description("Where files are read and written, and commands run".to_owned())
}

fn value(id: &str, name: &str) -> acp::SessionConfigSelectOption {
    acp::SessionConfigSelectOption::new(acp::SessionConfigValueId::new(id), name)
}

pub(super) fn mode_change(mode_id: &str) -> Result<UpdateSession, RpcError> {
    let mode = mode_id.parse().map_err(RpcError::invalid_params)?;
    Ok(UpdateSession { mode: Some(mode), ..UpdateSession::default() })
}

/// What setting an option changes.
pub(super) fn change(
    access: &Access,
    config_id: &str,
    value: &acp::SessionConfigOptionValue,
) -> Result<UpdateSession, RpcError> {
    let acp::SessionConfigOptionValue::ValueId { value } = value else {
        return Err(RpcError::invalid_params(format!("{config_id}: takes one of its listed values")));
    };
    match config_id {
        MODE => mode_change(&value.0),
        MODEL => Ok(UpdateSession { model: Some(value.0.to_string()), ..UpdateSession::default() }),
        AGENT => {
            let known: Vec<String> = access.agents().into_iter().map(|agent| agent.name).collect();
            if !known.iter().any(|name| **name == *value.0) {
                let reason = format!("there is no agent {:?}; there are {}", value.0, known.join(", "));
                return Err(RpcError::invalid_params(reason));
            }
            Ok(UpdateSession { agent_name: Some(value.0.to_string()), ..UpdateSession::default() })
        }
        THINKING => {
            let thinking = value.0.parse().map_err(RpcError::invalid_params)?;
            Ok(UpdateSession { thinking: Some(thinking), ..UpdateSession::default() })
        }
        TOOL_LOCATION => {
            let place = value.0.parse().map_err(RpcError::invalid_params)?;
            Ok(UpdateSession { tool_location: Some(place), ..UpdateSession::default() })
        }
        _ => Err(RpcError::invalid_params(format!(
            "configId: there is no option {config_id:?}; there are {}",
            [MODE, MODEL, AGENT, THINKING, TOOL_LOCATION].join(", ")
        ))),
    }
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Plan => "Plan",
        Mode::Ask => "Ask",
        Mode::AutoEdit => "Auto-edit",
        Mode::Full => "Full",
    }
}

fn about(mode: Mode) -> &'static str {
    match mode {
        Mode::Plan => "Reads only; everything else is refused",
        Mode::Ask => "Reads run; the rest is asked",
        Mode::AutoEdit => "Reads and edits in the workspace run; the rest is asked",
        Mode::Full => "Everything runs that no rule denies",
    }
}
