//! What a session's owner sees of the workspace before the model is asked: instruction files, and the state of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use wharf_core::{Facts, Input};
use wharf_tools::surroundings::InstructionText;

use super::Actor;
use crate::surroundings::{Found, Wanted, surroundings};

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct SeenAround {
    facts: Option<Facts>,
    files: Vec<InstructionText>,
    /// Directories below where the session works that have instructions: they are looked at each time.
    below: BTreeSet<PathBuf>,
}

impl Actor {
    /// Before an input that may have the model asked.
    pub(super) async fn look_around_before(&mut self, input: &Input) {
        match input {
            Input::Prompt(_) => self.look_around(true).await,
            // The next prompt may begin with the end of this turn.
            Input::ModelFinished { .. } | Input::ModelFailed { .. } if self.core.session().queued_count > 0 => {
                self.look_around(true).await;
            }
            Input::CallFinished { .. } if self.core.wants_a_look() => self.look_around(false).await,
            _ => {}
        }
    }

    /// Looks at the instruction files, and with `facts` at the repository, as far as the configuration wants it.
    pub(super) async fn look_around(&mut self, facts: bool) {
        let config = self.shared.config();
        let wanted = &config.instructions;
        if !wanted.files && !wanted.facts {
            return self.core.set_surroundings(None);
        }
        let facts = facts && wanted.facts;
        let mut below = std::mem::take(&mut self.around.below);
        below.extend(self.core.take_touched().into_iter().map(PathBuf::from));
        let session = self.core.session();
        let look = self.shared.surveyor.look(Wanted {
            home: self.home(),
            further: session.additional_directories.clone(),
            masked: self.masked(),
            own_file: wanted.own_file.clone(),
            touched: wanted.files.then(|| below.iter().cloned().collect()),
            facts,
        });
        let Found { files, git } = look.await;
        if facts {
            self.around.facts = Some(Facts { git });
        }
        match files {
            Some(files) => {
                let of_below = files.iter().filter(|file| file.is_below);
                self.around.below = of_below.filter_map(|file| file.path.parent().map(Path::to_path_buf)).collect();
                self.around.files = files;
            }
            None if wanted.files => self.around.below = below,
            None => self.around.files.clear(),
        }
        let facts = self.around.facts.clone().filter(|_| wanted.facts);
        self.core.set_surroundings(Some(surroundings(facts, &self.around.files)));
    }
}
