//! The directories of a session as a client names them when it opens it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wharf_engine::EngineError;
use wharf_protocol::Session;

use super::rpc::{Params, RpcError};

const FIELD: &str = "additionalDirectories";

/// The directories of a session as a client names them, with the links that lead to them.
#[derive(Debug, Default)]
pub(super) struct Directories {
    pub(super) cwd: Option<PathBuf>,
    /// `None`: the client says nothing of them, and changes nothing.
    pub(super) further: Option<Vec<PathBuf>>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default, rename = "additionalDirectories")]
    further: Option<Vec<PathBuf>>,
}

impl Directories {
    /// Those of a request whose `cwd` was read already.
    pub(super) fn of(params: &Params, cwd: &Path) -> Result<Self, RpcError> {
        let Listed { further } = params.read()?;
        if let Some(relative) = further.iter().flatten().find(|path| !path.is_absolute()) {
            let reason = format!("{FIELD}: {} is not an absolute path", relative.display());
            return Err(RpcError::invalid_params(reason));
        }
        Ok(Self { cwd: Some(cwd.to_owned()), further })
    }

    /// The real directory and the client's name of it, for those where they differ.
    pub(super) fn aliases(&self, session: &Session) -> Vec<(PathBuf, PathBuf)> {
        let given = self.cwd.iter().chain(self.further.iter().flatten());
        let alias = |given: &PathBuf| Some((given.canonicalize().ok()?, given.clone()));
        let is_ours = |real: &PathBuf| *real == session.cwd || session.additional_directories.contains(real);
        given.filter_map(alias).filter(|(real, given)| real != given && is_ours(real)).collect()
    }

    /// What the client wants the session's further directories to be, where that is something else than what they are.
    pub(super) fn change(&self, session: &Session) -> Option<Vec<PathBuf>> {
        let wanted = self.further.as_ref()?;
        let real: Vec<PathBuf> =
            wanted.iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).collect();
        (real != session.additional_directories).then(|| wanted.clone())
    }
}

/// A refusal in the protocol's words.
pub(super) fn refused(error: EngineError) -> RpcError {
    match error {
        EngineError::Invalid { field: "additional_directories", reason } => {
            RpcError::invalid_params(format!("{FIELD}: {reason}"))
        }
        other => other.into(),
    }
}
