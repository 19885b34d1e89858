//! What can be chosen for a session: its permission mode and its model; as modes, and as config options that hold the same.

use std::time::Duration;

use agent_client_protocol_schema::v1 as acp;
use wharf_engine::{Engine, Offers};
use wharf_protocol::rest::UpdateSession;
use wharf_protocol::{Mode, Session, ToolLocation};

use super::rpc::RpcError;

/// An editor waits for its session meanwhile: a provider that is slow to answer is left out.
const MODELS_WAIT: Duration = Duration::from_secs(2);
/// Models that one list offers.
const MODELS_SHOWN: usize = 200;

const MODE: &str = "mode";
const MODEL: &str = "model";
const TOOL_LOCATION: &str = "tool_location";

pub(super) fn modes(session: &Session) -> acp::SessionModeState {
    let modes =
        Mode::ALL.map(|mode| acp::SessionMode::new(mode.as_str(), name(mode)).description(about(mode).to_owned()));
    acp::SessionModeState::new(session.mode.as_str(), modes.to_vec())
}

/// `offers`: where tools work is a question only for a client that does something for them.
pub(super) async fn config_options(
    engine: &Engine,
    session: &Session,
    offers: Offers,
) -> Vec<acp::SessionConfigOption> {
    let modes = Mode::ALL
        .map(|mode| acp::SessionConfigSelectOption::new(mode.as_str(), name(mode)).description(about(mode).to_owned()));
    let mut models = vec![session.model.clone()];
    if let Ok(list) = tokio::time::timeout(MODELS_WAIT, engine.models()).await {
        let known =
            list.providers.into_iter().filter(|provider| provider.available).flat_map(|provider| provider.models);
        for model in known.take(MODELS_SHOWN) {
            if !models.contains(&model.id) {
                models.push(model.id);
            }
        }
    }
    let models: Vec<_> = models
        .iter()
        .map(|id| acp::SessionConfigSelectOption::new(acp::SessionConfigValueId::new(id.as_str()), id.as_str()))
        .collect();
    let mut options = vec![
        acp::SessionConfigOption::select(MODE, "Mode", session.mode.as_str(), modes.to_vec())
            .description("What the agent may do without asking".to_owned())
            .category(acp::SessionConfigOptionCategory::Mode),
        acp::SessionConfigOption::select(
            MODEL,
            "Model",
            acp::SessionConfigValueId::new(session.model.as_str()),
            models,
        )
        .description("The model that answers from the next turn on".to_owned())
        .category(acp::SessionConfigOptionCategory::Model),
    ];
    if offers.works() {
        let places = ToolLocation::ALL.map(|place| {
            let (name, about) = match place {
                ToolLocation::Client => ("Editor", "As far as the editor offers it: its files, its terminals"),
                ToolLocation::Server => ("Server", "Files and commands on the server only"),
            };
            acp::SessionConfigSelectOption::new(place.as_str(), name).description(about.to_owned())
        });
        let place = session.tool_location.as_str();
        let option = acp::SessionConfigOption::select(TOOL_LOCATION, "Tools work in", place, places.to_vec());
        options.push(option.description("Where files are read and written, and commands run".to_owned()));
    }
    options
}

pub(super) fn mode_change(mode_id: &str) -> Result<UpdateSession, RpcError> {
    let mode = mode_id.parse().map_err(RpcError::invalid_params)?;
    Ok(UpdateSession { mode: Some(mode), ..UpdateSession::default() })
}

/// What setting an option changes.
pub(super) fn change(config_id: &str, value: &acp::SessionConfigOptionValue) -> Result<UpdateSession, RpcError> {
    let acp::SessionConfigOptionValue::ValueId { value } = value else {
        return Err(RpcError::invalid_params(format!("{config_id}: takes one of its listed values")));
    };
    match config_id {
        MODE => mode_change(&value.0),
        MODEL => Ok(UpdateSession { model: Some(value.0.to_string()), ..UpdateSession::default() }),
        TOOL_LOCATION => {
            let place = value.0.parse().map_err(RpcError::invalid_params)?;
            Ok(UpdateSession { tool_location: Some(place), ..UpdateSession::default() })
        }
        _ => Err(RpcError::invalid_params(format!(
            "configId: there is no option {config_id:?}; there are mode, model, tool_location"
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
