//! Looks at where sessions work, on threads that may block, and within a time limit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use wharf_core::{Facts, InstructionFile, Surroundings};
use wharf_tools::Home;
use wharf_tools::surroundings::{GIT_TIME_LIMIT, GitFacts, InstructionFiles, InstructionText, Survey};

/// Within this time the instruction files are read, or the model is told what was known of them before.
const FILES_LIMIT: Duration = Duration::from_secs(1);

/// What a look at a repository may take beside its own limit, until it is given up: a file system may not answer at all.
const GIT_GRACE: Duration = Duration::from_millis(50);

/// Looks at the same time. One on a file system that does not answer keeps its place for as long; others wait, and do without in the end.
const PLACES: usize = 16;

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) home: Home,
    pub(crate) further: Vec<PathBuf>,
    pub(crate) masked: Vec<PathBuf>,
    /// The user's own instruction file.
    pub(crate) own_file: Option<PathBuf>,
    /// Absent: no instruction files are.
    pub(crate) touched: Option<Vec<PathBuf>>,
    pub(crate) facts: bool,
}

/// What was found; absent where it was not to be had in time.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Option<Vec<InstructionText>>,
    pub(crate) git: Option<String>,
}

/// Looks at where sessions work.
#[derive(Debug)]
pub(crate) struct Surveyor {
    files: InstructionFiles,
    git: GitFacts,
    places: Arc<Semaphore>,
}

impl Default for Surveyor {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(PLACES));
        Self { files: InstructionFiles::default(), git: GitFacts::default(), places }
    }
}

impl Surveyor {
    pub(crate) async fn look(self: &Arc<Self>, wanted: Wanted) -> Found {
        let wanted = Arc::new(wanted);
        let files = self.within(FILES_LIMIT, wanted.touched.is_some(), &wanted, |surveyor, wanted| {
            surveyor.files.find(&Survey {
                home: &wanted.home,
                further: &wanted.further,
                masked: &wanted.masked,
                own: wanted.own_file.as_deref(),
                touched: wanted.touched.as_deref().unwrap_or_default(),
            })
        });
        let git = self.within(GIT_TIME_LIMIT + GIT_GRACE, wanted.facts, &wanted, |surveyor, wanted| {
            surveyor.git.find(&wanted.home, &wanted.masked)
        });
        let (files, git) = tokio::join!(files, git);
        Found { files, git: git.flatten() }
    }

    async fn within<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        is_wanted: bool,
        wanted: &Arc<Wanted>,
        look: impl FnOnce(&Self, &Wanted) -> T + Send + 'static,
    ) -> Option<T> {
        if !is_wanted {
            return None;
        }
        let (surveyor, wanted) = (Arc::clone(self), Arc::clone(wanted));
        let looking = async move {
            let place = Arc::clone(&surveyor.places).acquire_owned().await.ok()?;
            let look = move || {
                let _place = place;
                look(&surveyor, &wanted)
            };
            tokio::task::spawn_blocking(look).await.ok()
        };
        timeout(limit, looking).await.ok().flatten()
    }
}

/// As the core knows them.
pub(crate) fn surroundings(facts: Option<Facts>, files: &[InstructionText]) -> Surroundings {
    let file = |file: &InstructionText| InstructionFile {
        path: file.path.display().to_string(),
        origin: file.origin,
        is_below: file.is_below,
        text: Arc::clone(&file.text),
        digest: Arc::clone(&file.digest),
        bytes: file.bytes,
        left_out_bytes: file.left_out_bytes,
    };
    Surroundings { facts, files: files.iter().map(file).collect() }
}
