//! Tool calls put together from their pieces.
//!
//! Pieces say by id and by index which call they belong to, and servers get both wrong. An id that was seen before decides; then the
//! index; a piece with neither goes on with the call that began last.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use wharf_foreign::json::{self, Joined};
use wharf_foreign::marks;
use wharf_protocol::ToolSpec;
use wharf_protocol::model::ProposedCall;

use super::WHOLE_BOUNDS;

/// More calls in one reply are a model that repeats itself.
pub(crate) const MAX_CALLS: usize = 256;

/// Bytes of a name. What follows belongs to none.
const MAX_NAME_BYTES: usize = 1 << 10;

/// The calls of one reply, in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Calls {
    calls: Vec<Call>,
    /// Counts the chunks with calls: two pieces of one chunk without an index are two calls.
    chunk: u64,
    tools: Tools,
}

/// The tools that the model was offered: what a name may mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tools(pub(crate) Arc<[Arc<ToolSpec>]>);

/// What one message of a server says of a call.
#[derive(Debug, Default)]
pub(crate) struct Piece<'a> {
    pub(crate) index: Option<u64>,
    pub(crate) id: Cow<'a, str>,
    /// A part of it, all of it, or all of it again.
    pub(crate) name: Cow<'a, str>,
    pub(crate) arguments: Cow<'a, str>,
    /// The arguments hold marked halves of characters.
    pub(crate) has_halves: bool,
    /// What the provider wants back with the call.
    pub(crate) extra_content: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    joined: Joined,
    shape: Shape,
    extra_content: Option<Value>,
    last_chunk: u64,
}

/// Where the arguments stand, kept up byte by byte: parsing all of them with every piece would take its time.
#[derive(Debug, Clone, Default, PartialEq)]
struct Shape {
    depth: usize,
    in_string: bool,
    after_backslash: bool,
    /// Something stands in the object that is open.
    has_members: bool,
    /// An object has ended.
    has_ended: bool,
    /// One with something in it has.
    is_full: bool,
}

/// The reply holds more than `MAX_CALLS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyCalls;

impl Tools {
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|tool| tool.name == name)
    }

    fn meant<'n>(&self, name: &'n str) -> Cow<'n, str> {
        marks::tool_name(name, |name| self.knows(name))
    }

    /// A call of which all has come. `cut`: its arguments may lack their end.
    pub(crate) fn call(&self, name: &str, arguments: String, cut: bool, provider_data: Option<Value>) -> ProposedCall {
        ProposedCall {
            tool_name: self.meant(name).into_owned(),
            arguments: parse_arguments(arguments, cut),
            provider_data,
        }
    }

    /// Whether a call of `name` can go on: a tool has a name that begins so.
    fn has_longer(&self, name: &str) -> bool {
        self.0.iter().any(|tool| tool.name.len() > name.len() && tool.name.starts_with(name))
    }
}

impl Calls {
    pub(crate) fn new(tools: Arc<[Arc<ToolSpec>]>) -> Self {
        Self { tools: Tools(tools), ..Self::default() }
    }

    /// What the model was offered.
    pub(crate) fn tools(&self) -> &Tools {
        &self.tools
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds the pieces of one chunk; returns how many bytes they brought.
    pub(crate) fn add(&mut self, pieces: Vec<Piece<'_>>) -> Result<usize, TooManyCalls> {
        self.chunk += 1;
        let mut bytes = 0;
        for piece in pieces {
            let at = match self.find(&piece) {
                Some(at) => at,
                None if self.calls.len() == MAX_CALLS => return Err(TooManyCalls),
                None => {
                    self.calls.push(Call::default());
                    self.calls.len() - 1
                }
            };
            let Piece { index, id, name, arguments, has_halves, extra_content } = piece;
            let name = name.trim();
            let call = &mut self.calls[at];
            call.last_chunk = self.chunk;
            call.index = index.or(call.index);
            if call.id.is_empty() {
                call.id.push_str(&id);
            }
            call.add_name(name, &self.tools);
            let arguments = call.joined.add(&arguments, has_halves);
            call.shape.add(&arguments);
            call.arguments.push_str(&arguments);
            bytes += name.len() + arguments.len();
            call.extra_content = extra_content.or(call.extra_content.take());
        }
        Ok(bytes)
    }

    /// The call that a piece goes on with, if it does not begin one.
    fn find(&self, piece: &Piece<'_>) -> Option<usize> {
        let (id, name) = (piece.id.as_ref(), piece.name.trim());
        let last = self.calls.len().checked_sub(1)?;
        let by_id = (!id.is_empty()).then(|| self.calls.iter().rposition(|call| call.id == id)).flatten();
        let by_index = piece.index.map(|index| self.calls.iter().rposition(|call| call.index == Some(index)));
        let at = match (by_id, by_index) {
            (Some(at), _) => at,
            (None, Some(Some(at))) => at,
            // Nothing of its own begins without a name: it is the last call's, whatever its number or its made-up id.
            (None, Some(None) | None) if name.is_empty() => last,
            (None, Some(None)) => return None,
            (None, None) if !id.is_empty() => return None,
            (None, None) => last,
        };
        let call = &self.calls[at];
        if name.is_empty() {
            return Some(at);
        }
        let same_id = id == call.id || id.is_empty() || call.id.is_empty();
        if !same_id {
            return None;
        }
        if by_id.is_some() {
            // One id for all calls: told apart by the index, where a call was whole before the next one began.
            let other_index = piece.index.is_some() && call.index.is_some() && piece.index != call.index;
            return (!(other_index && call.is_over_before(&piece.arguments))).then_some(at);
        }
        let repeated_beside = piece.index.is_none() && call.last_chunk == self.chunk;
        let begins = repeated_beside || !call.goes_on_as(name, &self.tools) || call.is_over_before(&piece.arguments);
        (!begins).then_some(at)
    }

    /// The calls as the model wrote them. `cut`: the reply ran into its limit, so that the last call may lack its end.
    pub(crate) fn finish(self, cut: bool) -> Vec<ProposedCall> {
        let last = self.calls.len().saturating_sub(1);
        let tools = self.tools;
        let finish = |(at, mut call): (usize, Call)| {
            call.arguments.push_str(call.joined.end());
            let provider_data = call.extra_content.map(|extra| json!({ "extra_content": extra }));
            tools.call(&call.name, call.arguments, cut && at == last, provider_data)
        };
        self.calls.into_iter().enumerate().map(finish).collect()
    }

    /// Whether the last call's arguments are a whole object: a stream that ends there may have ended on purpose.
    pub(crate) fn last_is_whole(&self) -> bool {
        self.calls
            .last()
            .is_none_or(|call| call.shape.is_whole() && json::object(&call.arguments, WHOLE_BOUNDS).is_ok())
    }
}

impl Call {
    /// Whether `name` may belong to this call: it is its name, its name so far and more, or what follows.
    fn goes_on_as(&self, name: &str, tools: &Tools) -> bool {
        if self.name.is_empty() || self.name == name || self.name.len() > MAX_NAME_BYTES {
            return true;
        }
        // Behind arguments no name goes on.
        if !self.arguments.is_empty() {
            return false;
        }
        // Whole names of two tools are two calls, unless together they are a third one's.
        let together = format!("{}{name}", self.name);
        let is_together = tools.knows(&tools.meant(&together)) || tools.has_longer(&together);
        is_together || name.starts_with(&self.name) || !tools.knows(&tools.meant(&self.name))
    }

    /// Whether more arguments would be another call's. Behind an empty object, which may be an early one, and with a repetition they are not.
    fn is_over_before(&self, arguments: &str) -> bool {
        let arguments = arguments.trim();
        self.shape.is_whole() && self.shape.is_full && !arguments.is_empty() && self.arguments.trim() != arguments
    }

    /// Some servers repeat the name in every piece, some send it in pieces, some send all of it so far.
    fn add_name(&mut self, name: &str, tools: &Tools) {
        if name.is_empty() || self.name == name || self.name.len() > MAX_NAME_BYTES {
            return;
        }
        // Behind arguments it is a repetition.
        if self.name.is_empty() {
            self.name.push_str(name);
        } else if self.arguments.is_empty() && !tools.meant(&self.name).eq(&tools.meant(name)) {
            if name.starts_with(&self.name) {
                self.name.clear();
            }
            self.name.push_str(name);
        }
    }
}

impl Shape {
    fn add(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_string {
                match byte {
                    _ if self.after_backslash => self.after_backslash = false,
                    b'\\' => self.after_backslash = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => {
                    self.has_members = self.depth > 0;
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.has_ended = true;
                        self.is_full |= self.has_members;
                    }
                }
                b'"' => {
                    self.in_string = true;
                    self.has_members = true;
                }
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.has_ended && self.depth == 0 && !self.in_string
    }
}

fn parse_arguments(text: String, cut: bool) -> Result<Value, String> {
    if text.trim().is_empty() {
        return if cut { Err(text) } else { Ok(Value::Object(serde_json::Map::new())) };
    }
    json::object(&text, WHOLE_BOUNDS).map(Value::Object).map_err(|_| text)
}
