//! One session's log in memory, with the rows that follow from it.

use std::collections::BTreeMap;

use wharf_protocol::{EventBody, EventKind, MessageId, Seq, Session, SessionStatus, Turn, TurnId};

use crate::projection::{self, TurnChange};
use crate::{Entry, page};

#[derive(Debug)]
pub(super) struct Log {
    pub session: Session,
    pub owner: Option<u64>,
    pub fence: u64,
    pub deleted: bool,
    pub recoveries: u32,
    /// Sessions in the order of their making.
    pub number: u64,
    events: BTreeMap<Seq, (u64, Entry)>,
    turns: BTreeMap<TurnId, Turn>,
    prompts: BTreeMap<MessageId, PromptRow>,
    /// Texts that can be searched for: the title under seq 0, prompts under their own.
    docs: BTreeMap<Seq, String>,
}

#[derive(Debug)]
struct PromptRow {
    turn: Option<TurnId>,
    own_turn: Option<TurnId>,
    body_hash: String,
}

impl Log {
    pub fn new(session: Session, owner: u64, number: u64) -> Self {
        Self {
            session,
            owner: Some(owner),
            fence: 1,
            deleted: false,
            recoveries: 0,
            number,
            events: BTreeMap::new(),
            turns: BTreeMap::new(),
            prompts: BTreeMap::new(),
            docs: BTreeMap::new(),
        }
    }

    pub fn push(&mut self, position: u64, entry: &Entry) {
        self.events.insert(entry.event.seq, (position, entry.clone()));
        self.project(entry);
    }

    pub fn is_sealed(&self) -> bool {
        self.session.status == SessionStatus::Sealed
    }

    pub fn is_unfinished(&self) -> bool {
        // A session may be busy without a turn: while what was said is summed up.
        self.session.status == SessionStatus::Busy || self.turns.values().any(|turn| !turn.status.is_final())
    }

    /// Takes over the view that the caller made; chunks change nothing but the last seq.
    pub fn show(&mut self, entries: &[Entry], view: &Session) {
        if entries.iter().all(|entry| entry.event.kind().is_chunk()) {
            self.session.last_seq = view.last_seq;
            return;
        }
        self.recoveries = 0;
        let first_seq = self.session.first_seq.max(view.first_seq);
        self.session = Session { first_seq, ..view.clone() };
        match &view.title {
            Some(title) => self.docs.insert(Seq::ZERO, projection::searched(title).into_owned()),
            None => self.docs.remove(&Seq::ZERO),
        };
    }

    pub fn visible(&self, seq: Seq) -> Option<&Entry> {
        let (_, entry) = self.events.get(&seq)?;
        (seq >= self.session.first_seq).then_some(entry)
    }

    pub fn after(&self, after: Seq) -> impl Iterator<Item = &Entry> {
        let from = after.next().max(self.session.first_seq);
        self.events.range(from..).map(|(_, (_, entry))| entry)
    }

    /// Newest first.
    pub fn before(&self, before: Seq) -> impl Iterator<Item = &Entry> {
        let first = self.session.first_seq;
        self.events.range(..before).rev().map(|(_, (_, entry))| entry).take_while(move |e| e.event.seq >= first)
    }

    pub fn turn(&self, id: &TurnId) -> Option<Turn> {
        let joined = || {
            let row = self.prompts.values().find(|row| row.own_turn.as_ref() == Some(id))?;
            self.turns.get(row.turn.as_ref()?)
        };
        self.turns.get(id).or_else(joined).map(|turn| self.shown(turn))
    }

    pub fn turn_of_prompt(&self, prompt: &MessageId) -> Option<(Turn, String)> {
        let row = self.prompts.get(prompt)?;
        let turn = self.turns.get(row.turn.as_ref()?)?;
        Some((self.shown(turn), row.body_hash.clone()))
    }

    pub fn turns(&self) -> Vec<Turn> {
        self.turns.values().map(|turn| self.shown(turn)).collect()
    }

    fn shown(&self, turn: &Turn) -> Turn {
        let mut turn = turn.clone();
        projection::hide_cleared(&mut turn, self.session.first_seq);
        turn
    }

    pub fn mentions(&self, words: &[String]) -> bool {
        !words.is_empty()
            && self.docs.iter().filter(|(seq, _)| **seq == Seq::ZERO || **seq >= self.session.first_seq).any(
                |(_, text)| {
                    let tokens: Vec<String> = page::words(text).collect();
                    words.iter().all(|word| has_phrase(&tokens, &page::words(&page::apart(word)).collect::<Vec<_>>()))
                },
            )
    }

    pub fn truncate(&mut self, through: Seq) -> Vec<u64> {
        let first = through.min(self.session.last_seq).next();
        self.session.first_seq = self.session.first_seq.max(first);
        self.remove_prefix()
    }

    pub fn delete(&mut self) -> Vec<u64> {
        self.deleted = true;
        let end = self.events.values().rev().map(|(_, entry)| &entry.event);
        let end = end.into_iter().find(|event| event.kind() == EventKind::SessionDeleted).map(|event| event.seq);
        self.session.first_seq = end.unwrap_or(self.session.last_seq.next());
        self.remove_prefix()
    }

    fn remove_prefix(&mut self) -> Vec<u64> {
        let rest = self.events.split_off(&self.session.first_seq);
        let removed = std::mem::replace(&mut self.events, rest);
        removed.into_values().map(|(position, _)| position).collect()
    }

    pub fn drop_chunks(&mut self, turn: &Turn, limit: usize) -> Vec<u64> {
        let Some(last) = turn.last_seq else { return Vec::new() };
        let first = turn.first_seq.max(self.session.first_seq);
        if first > last {
            return Vec::new();
        }
        let chunks: Vec<Seq> = self
            .events
            .range(first..last)
            .filter(|(_, (_, entry))| entry.event.kind().is_chunk())
            .filter(|(_, (_, entry))| entry.event.turn_id.as_ref() == Some(&turn.turn_id))
            .map(|(seq, _)| *seq)
            .take(limit)
            .collect();
        chunks.iter().filter_map(|seq| self.events.remove(seq)).map(|(position, _)| position).collect()
    }

    fn project(&mut self, entry: &Entry) {
        let event = &entry.event;
        if let EventBody::PromptReceived(received) = &event.body {
            let text = received.content.text();
            self.docs.insert(event.seq, projection::searched(&text).into_owned());
        }
        match projection::turn_change(event) {
            Some(TurnChange::Accepted { prompt, turn }) => {
                self.prompts.entry(prompt.message_id.clone()).or_insert_with(|| PromptRow {
                    turn: turn.as_ref().map(|turn| turn.turn_id.clone()),
                    own_turn: None,
                    body_hash: prompt.body_hash.clone(),
                });
                if let Some(turn) = turn {
                    self.turns.entry(turn.turn_id.clone()).or_insert(turn);
                }
            }
            Some(TurnChange::Joined { prompt, turn }) => self.join(prompt, turn),
            Some(TurnChange::Started { turn }) => {
                let turn = self.turns.entry(turn.turn_id.clone()).or_insert(turn);
                projection::start(turn, event);
            }
            Some(TurnChange::Ended { turn }) => {
                if let Some(turn) = self.turns.get_mut(turn) {
                    projection::end(turn, event);
                }
            }
            Some(TurnChange::Withdrawn { prompt }) => {
                let turn = self.prompts.get(prompt).and_then(|row| row.turn.as_ref());
                let turn = turn.and_then(|turn| self.turns.get_mut(turn));
                if let Some(turn) = turn.filter(|turn| turn.message_id == *prompt) {
                    projection::withdraw(turn, event);
                }
            }
            None => {}
        }
    }

    fn join(&mut self, prompt: &MessageId, turn: &TurnId) {
        let Some(row) = self.prompts.get_mut(prompt) else { return };
        if row.turn.as_ref() == Some(turn) {
            return;
        }
        row.own_turn = row.turn.replace(turn.clone());
        // The turn that it was accepted for never comes.
        if let Some(own) = &row.own_turn
            && self.turns.get(own).is_some_and(|own| own.message_id == *prompt && !own.status.is_final())
        {
            self.turns.remove(own);
        }
    }
}

/// Whether the tokens of a word stand one after the other; the last one may go on.
fn has_phrase(tokens: &[String], word: &[String]) -> bool {
    let Some((last, first)) = word.split_last() else { return false };
    tokens.windows(word.len()).any(|found| found.starts_with(first) && found[first.len()].starts_with(last.as_str()))
}
