//! A session comes to life: its lease, its log, and what a dead owner left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_core::{Core, Input};
use wharf_exec::forget;
use wharf_exec::recorded;
use wharf_failpoints::{point, point_for};
use wharf_protocol::{CallId, Seq, Timestamp};
use wharf_store::Lease;

use super::equipment::Equipment;
use super::surroundings::SeenAround;
use super::{Actor, Idleness, News};
use crate::append::OpenLog;
use crate::commands::RunningCommands;
use crate::entropy::entropy;
use crate::feed::Feed;
use crate::live::Shared;
use crate::progress::Budget;
use crate::run::RunningCalls;
use crate::{EngineError, seal};

impl Actor {
    pub(super) async fn load(shared: &Arc<Shared>, feed: &Arc<Feed>) -> Result<Self, EngineError> {
        let session = feed.session.clone();
        let lease = shared.store.acquire(&session).await?;
        point("recovery.after_lease");
        match Self::load_admitted(shared, feed, lease).await {
            Ok(actor) => Ok(actor),
            Err(error) => {
                let error = seal::seal_damaged(shared, feed, &lease, error).await;
                // The error that stopped us tells more than one of giving back.
                drop(shared.store.release(&session, lease.fence).await);
                Err(error)
            }
        }
    }

    async fn load_admitted(shared: &Arc<Shared>, feed: &Arc<Feed>, lease: Lease) -> Result<Self, EngineError> {
        let admitted = seal::admit(shared, feed, &lease).await?;
        let (actor, loaded_at) = Self::load_leased(shared, feed, lease).await?;
        let wrote = actor.log.last() > loaded_at;
        admitted.done(shared, feed, &lease, wrote).await?;
        Ok(actor)
    }

    /// The session, and where its log ended before it was taken up.
    async fn load_leased(shared: &Arc<Shared>, feed: &Arc<Feed>, lease: Lease) -> Result<(Self, Seq), EngineError> {
        let session = feed.session.clone();
        let saved =
            shared.store.read_state(&session).await.map_err(|error| EngineError::from_read(error, Seq::ZERO))?;
        let last = saved.session.last_seq;
        let mut configs = shared.configs();
        let equipment = Equipment::new(shared, &saved.session).await;
        let config = configs.borrow_and_update().core(
            &shared.agent(&saved.session.agent_name),
            equipment.own_tools(),
            shared.subjects(),
            &shared.agent_sizes(),
        );
        let core = Core::load(saved.session, saved.events, config, entropy());
        point_for("recovery.after_load", session.as_str());
        for permission in core.permissions() {
            shared.permissions.add(&permission.permission_id, &session);
        }
        let log = OpenLog::new(feed, lease, last);
        let commands = RunningCommands::new(session.clone(), Arc::clone(&shared.commands));
        let mut answerers = feed.answerers();
        let mut draining = shared.draining.subscribe();
        answerers.mark_changed();
        draining.mark_changed();
        let mut actor = Self {
            shared: Arc::clone(shared),
            session,
            feed: Arc::clone(feed),
            core,
            log,
            equipment,
            around: SeenAround::default(),
            model: None,
            title: None,
            calls: RunningCalls::new(Budget::of_session(&shared.progress)),
            commands,
            starting: None,
            news: News { answerers, draining, configs },
            idleness: Idleness::default(),
            deleting: Vec::new(),
        };
        // A turn that is taken up goes on with the agent that it began with.
        actor.follow_agent();
        // The tools that the session's servers had last are known at once: a call that was asked for finds its tool.
        actor.look_at_tools();
        actor.look_at_window().await?;
        // Who may answer decides how long a permission waits: known before recovery asks one.
        let here = *actor.news.answerers.borrow_and_update();
        actor.handle(Input::Answerers(here)).await?.ok();
        actor.recover(lease.skip_to).await?;
        Ok((actor, last))
    }

    /// Takes up what the last owner left, with what its commands came to after its death.
    async fn recover(&mut self, skip_to: Option<Seq>) -> Result<(), EngineError> {
        let begun = self.core.begun_calls();
        let mut known = BTreeMap::new();
        if !begun.is_empty() {
            let calls = begun.clone();
            let look = move |dir: &Path, limit| {
                calls.into_iter().filter_map(|id| Some((id.clone(), recorded(dir, &id, limit)?))).collect()
            };
            known = self.in_outputs(look).await;
        }
        if !self.core.is_between_turns() {
            self.look_around(true).await;
        }
        let outcome = self.core.recover(Timestamp::now(), skip_to, known);
        let before = self.log.last();
        self.settle(outcome).await?.ok();
        if self.log.last() > before {
            // Of a session that had nothing left open this place says nothing.
            point("recovery.after_append");
        }
        for call_id in begun {
            self.forget(call_id).await;
        }
        self.recover_commands().await
    }

    /// The outcome is on the log: what was written down for the case of our death is not needed any more.
    pub(super) async fn forget(&mut self, call_id: CallId) {
        self.in_outputs(move |dir, limit| forget(dir, &call_id, limit)).await;
    }

    /// Works on the session's outputs, where a slow disk holds up no other session; given are the directory and the longest
    /// result of a call.
    pub(super) async fn in_outputs<T: Default + Send + 'static>(
        &mut self,
        work: impl FnOnce(&Path, usize) -> T + Send + 'static,
    ) -> T {
        let (dir, limit) = (self.output_dir(), self.shared.config().limits.tool_output_bytes);
        // It fails only where the runtime ends, and this session with it.
        tokio::task::spawn_blocking(move || work(&dir, limit)).await.unwrap_or_default()
    }

    pub(super) fn output_dir(&self) -> PathBuf {
        self.shared.output_dir(&self.session)
    }
}
