//! What the model is shown: the messages of the session, paired and trimmed.

mod notes;

use std::sync::Arc;

use wharf_protocol::event::{ContextCompacted, LeftOut};
use wharf_protocol::{CallId, ContentBlock, Message, MessageId, Role, Seq};

pub(crate) use notes::ShownNote;

use crate::shorten;
use crate::size::{block_bytes, bytes_of, tokens_of};

/// Results up to this size stay as they are: leaving them out would save next to nothing.
const SMALL_RESULT_BYTES: u64 = 256;

/// The ends of the ids of messages that are ours.
pub(crate) const LEFT_OUT: &str = "-left-out";
const WORD: &str = "-word";

/// The messages that the model is shown, each with the estimate of its tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShownMessages {
    pub(crate) messages: Vec<Arc<Message>>,
    pub(crate) tokens: Vec<u64>,
    pub(crate) total: u64,
    /// So many messages are not shown any more.
    pub(crate) left_out: usize,
    /// What the model wrote to take their place.
    pub(crate) summary: Option<String>,
    /// Size of the longest result, in bytes.
    pub(crate) longest_result: u64,
    /// Parts of these messages that tell of the workspace.
    pub(crate) notes: Vec<ShownNote>,
}

impl ShownMessages {
    pub(crate) fn messages(&self) -> &[Arc<Message>] {
        &self.messages
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn extend(&mut self, message: Option<Message>) {
        if let Some(message) = message {
            self.push(message);
        }
    }

    /// Adds what user or agent says. A message that says nothing is left out: providers refuse it.
    pub(crate) fn push(&mut self, message: Message) {
        let is_empty = message.content.is_empty() && message.tool_calls.is_empty();
        if !is_empty {
            self.insert(self.messages.len(), message);
        }
    }

    /// Adds a call's result: after the message that asked for it, in the order of that message's calls.
    pub(crate) fn push_result(&mut self, mut message: Message) {
        let Some(call_id) = message.call_id.clone() else { return };
        let Some((asked_at, place)) = self.request(&call_id) else { return };
        if message.content.is_empty() {
            message.content.push(ContentBlock::text("(no output)"));
        }
        let request = Arc::clone(&self.messages[asked_at]);
        let is_before = |result: &Message| {
            let id = result.call_id.as_ref();
            request.tool_calls[..place].iter().any(|call| Some(&call.call_id) == id)
        };
        let results = self.messages[asked_at + 1..].iter().take_while(|m| m.role == Role::Tool);
        let before = results.take_while(|result| is_before(result)).count();
        self.insert(asked_at + 1 + before, message);
    }

    /// Where a call was asked for: which message, and which of its calls.
    fn request(&self, call_id: &CallId) -> Option<(usize, usize)> {
        self.messages.iter().enumerate().rev().find_map(|(at, message)| {
            let place = message.tool_calls.iter().position(|call| call.call_id == *call_id)?;
            Some((at, place))
        })
    }

    fn insert(&mut self, at: usize, message: Message) {
        let tokens = tokens_of(&message);
        self.total += tokens;
        if message.role == Role::Tool {
            self.longest_result = self.longest_result.max(bytes_of(&message));
        }
        self.tokens.insert(at, tokens);
        self.messages.insert(at, Arc::new(message));
    }

    /// The message at `at` has changed.
    fn recount(&mut self, at: usize) {
        let (tokens, bytes) = (tokens_of(&self.messages[at]), bytes_of(&self.messages[at]));
        self.total = self.total - self.tokens[at] + tokens;
        self.tokens[at] = tokens;
        if self.messages[at].role == Role::Tool {
            self.longest_result = self.longest_result.max(bytes);
        }
    }

    /// Leaves out what a `context.compacted` says. A result is never parted from its call: results are replaced, and what is cut
    /// off begins with a prompt or a reply.
    pub(crate) fn compact(&mut self, by: &ContextCompacted) {
        if let Some(at) = by.images_before.as_ref().and_then(|id| self.position(id)) {
            self.messages[..at].iter_mut().for_each(without_images);
        }
        for message in &mut self.messages {
            if let Some((seq, bytes)) = trimmable(message)
                && seq <= by.trimmed_through
            {
                let note = format!("[output of {bytes} bytes left out to save space]");
                *message = Arc::new(Message { content: vec![ContentBlock::text(note)], ..Message::clone(message) });
            }
        }
        if let Some(kept_from) = &by.kept_from
            && let Some(at) = self.messages.iter().position(|message| message.message_id == *kept_from)
        {
            self.cut(at, by.summary.as_ref());
        }
        for message in &mut self.messages {
            let result = by.result_max_bytes.and_then(|max| shorten::result(message, max));
            if let Some(short) = result {
                *message = Arc::new(short);
            }
            if let Some(short) = by.message_max_bytes.and_then(|max| shorten::message(message, max)) {
                *message = Arc::new(short);
            }
        }
        self.tokens = self.messages.iter().map(|message| tokens_of(message)).collect();
        self.total = self.tokens.iter().sum();
        self.forget_lost_notes();
        let results = self.messages.iter().filter(|message| message.role == Role::Tool);
        self.longest_result = results.map(|message| bytes_of(message)).max().unwrap_or(0);
    }

    /// Leaves out what stands before `at`, which is no result; the newest prompt stays, so that the model knows what it is at. A summary
    /// takes the place of the rest; an earlier one stays where there is no new one.
    fn cut(&mut self, at: usize, summary: Option<&String>) {
        let Some(first) = self.messages.get(at).filter(|message| at > 0 && message.role != Role::Tool) else { return };
        let is_prompt = |message: &Arc<Message>| is_prompt(message);
        let has_prompt = self.messages[at..].iter().any(is_prompt);
        let prompt = self.messages[..at].iter().rev().find(|m| is_prompt(m)).filter(|_| !has_prompt).cloned();
        let gone = self.messages[..at].iter().filter(|m| !is_ours(m)).count() - usize::from(prompt.is_some());
        if gone == 0 && summary.is_none() {
            return;
        }
        self.left_out += gone;
        let count = self.left_out;
        let note = match (summary, &self.summary) {
            (Some(summary), _) => format!(
                "[{count} earlier messages of this session are left out to fit the model's window. This is your own summary of them:]\n\n{summary}"
            ),
            (None, Some(summary)) => format!(
                "[{count} earlier messages of this session are left out to fit the model's window. This is your own summary of the first of \
                 them; of the {gone} last ones there is none:]\n\n{summary}"
            ),
            (None, None) => {
                format!("[{count} earlier messages of this session are left out to fit the model's window]")
            }
        };
        let note = ours(first, LEFT_OUT, &note);
        self.summary = summary.or(self.summary.as_ref()).cloned();
        let head = std::iter::once(Arc::new(note)).chain(prompt);
        self.messages = head.chain(self.messages[at..].iter().cloned()).collect();
    }

    /// What compaction would leave out that is not shown again in another form, in tokens: what stands before `at` but for the newest
    /// prompt, where that stays, and what is ours.
    pub(crate) fn won_by(&self, at: usize) -> u64 {
        let at = at.min(self.messages.len());
        let has_prompt = self.messages[at..].iter().any(|message| is_prompt(message));
        let kept = self.messages[..at].iter().rposition(|message| is_prompt(message)).filter(|_| !has_prompt);
        let before = self.messages[..at].iter().zip(&self.tokens).enumerate();
        let gone = before.filter(|(place, (message, _))| Some(*place) != kept && !is_ours(message));
        gone.map(|(_, (_, tokens))| *tokens).sum()
    }

    pub(crate) fn tokens_before(&self, at: usize) -> u64 {
        self.tokens.iter().take(at).sum()
    }

    pub(crate) fn position(&self, id: &MessageId) -> Option<usize> {
        self.messages.iter().position(|message| message.message_id == *id)
    }

    /// Where the conversation is cut when somebody asks for it: before the newest prompt, or within its turn where that is long or all
    /// that there is. `None` where less than `least` tokens would be left out.
    pub(crate) fn cut_for_asked(&self, kept: u64, least: u64) -> Option<usize> {
        let prompt = self.messages.iter().rposition(|message| is_prompt(message));
        let prompt = prompt.filter(|at| self.total - self.tokens_before(*at) <= kept);
        let last = self.messages.iter().rposition(|message| message.role != Role::Tool);
        let wins = |at: &usize| *at > 0 && self.won_by(*at) >= least;
        prompt.filter(wins).or(last.filter(wins))
    }

    /// What the summary `text` of what stands before `kept_from` would change.
    pub(crate) fn sum_up(&self, kept_from: &MessageId, text: &str) -> ContextCompacted {
        let plan = ContextCompacted {
            kept_from: Some(kept_from.clone()),
            summary: Some(text.to_owned()),
            bytes_before: self.bytes(),
            ..ContextCompacted::default()
        };
        let mut after = self.clone();
        after.compact(&plan);
        let messages = (after.left_out - self.left_out) as u64;
        ContextCompacted { bytes_after: after.bytes(), left_out: LeftOut { messages, ..LeftOut::default() }, ..plan }
    }

    /// Puts in what the model is told after a message that could not be used.
    pub(crate) fn tell(&mut self, after: &Message, word: &str) {
        self.insert(self.messages.len(), ours(after, WORD, word));
    }

    /// The bytes of all that is shown.
    pub(crate) fn bytes(&self) -> u64 {
        self.messages.iter().map(|message| bytes_of(message)).sum()
    }

    /// What a request carries. Providers refuse a call without its result, a result without its call, and some of them a
    /// reply that follows a reply; the log of a session that was cut off or damaged may hold all three.
    pub(crate) fn for_model(&self) -> Vec<Arc<Message>> {
        self.for_model_before(self.messages.len())
    }

    /// The same of what stands before a message that is no result.
    pub(crate) fn for_model_before(&self, end: usize) -> Vec<Arc<Message>> {
        let mut out: Vec<Arc<Message>> = Vec::with_capacity(end + 1);
        let mut at = 0;
        while let Some(message) = self.messages[..end].get(at) {
            at += 1;
            if message.role == Role::Tool {
                continue;
            }
            out.push(Arc::clone(message));
            if !message.tool_calls.is_empty() {
                let results = self.messages[at..end].iter().take_while(|m| m.role == Role::Tool).count();
                push_results(&mut out, message, &self.messages[at..at + results]);
                at += results;
            }
            let next_is_user = self.messages.get(at).is_some_and(|next| next.role == Role::User);
            if message.role == Role::Assistant && message.is_error && !next_is_user {
                out.push(Arc::new(go_on(message)));
            }
        }
        out
    }
}

/// One result for each call of `request`, in order.
fn push_results(out: &mut Vec<Arc<Message>>, request: &Message, results: &[Arc<Message>]) {
    for call in &request.tool_calls {
        let result = results.iter().find(|result| result.call_id.as_ref() == Some(&call.call_id));
        out.push(match result {
            Some(result) => Arc::clone(result),
            None => Arc::new(Message {
                role: Role::Tool,
                content: vec![ContentBlock::text("(the outcome of this call was lost)")],
                reasoning: String::new(),
                tool_calls: Vec::new(),
                call_id: Some(call.call_id.clone()),
                tool_name: Some(call.tool_name.clone()),
                is_error: true,
                provider_data: None,
                ..request.clone()
            }),
        });
    }
}

/// Stands between a reply that was cut off and the next one.
fn go_on(cut_off: &Message) -> Message {
    ours(cut_off, "-go-on", "[Your message was cut off there. Go on.]")
}

/// What we say to the model in the user's place, beside `place`.
pub(crate) fn ours(place: &Message, suffix: &str, text: &str) -> Message {
    Message {
        message_id: format!("{}{suffix}", place.message_id).parse().unwrap_or_else(|_| place.message_id.clone()),
        role: Role::User,
        content: vec![ContentBlock::text(text)],
        reasoning: String::new(),
        tool_calls: Vec::new(),
        call_id: None,
        tool_name: None,
        is_error: false,
        provider_data: None,
        ..place.clone()
    }
}

/// A prompt whose client named it like one of ours is not kept where all around it is left out; no more hangs on it.
pub(crate) fn is_ours(message: &Message) -> bool {
    [LEFT_OUT, WORD].iter().any(|suffix| message.message_id.as_str().ends_with(suffix))
}

fn is_prompt(message: &Message) -> bool {
    message.role == Role::User && !is_ours(message)
}

pub(crate) fn is_image(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Image { .. })
}

/// A word stands for each image, on a line of its own.
fn without_images(message: &mut Arc<Message>) {
    if message.content.iter().any(is_image) {
        let worded = |(at, block): (usize, &ContentBlock)| match block {
            block if is_image(block) && at > 0 => ContentBlock::text(format!("\n{}", shorten::words(block))),
            block if is_image(block) => ContentBlock::text(shorten::words(block)),
            block => block.clone(),
        };
        let content = message.content.iter().enumerate().map(worded).collect();
        *message = Arc::new(Message { content, ..Message::clone(message) });
    }
}

/// The seq and size of a result that can be left out.
pub(crate) fn trimmable(message: &Message) -> Option<(Seq, u64)> {
    if message.role != Role::Tool {
        return None;
    }
    let bytes = message.content.iter().map(block_bytes).sum();
    (bytes > SMALL_RESULT_BYTES).then_some((message.seq, bytes))
}
