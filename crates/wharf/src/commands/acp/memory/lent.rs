//! What the server has the editor do: read and write its files, run commands in its terminals. It ends with the connection that it
//! was asked over: no answer of the editor goes to another server, and no terminal stays behind.

use std::collections::VecDeque;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{field, session_of};

/// Requests that are remembered, also without an answer; the server has fewer open at once.
const REQUESTS: usize = 256;

#[derive(Default)]
pub(super) struct Lent {
    /// Requests of this connection, by id as JSON.
    requests: VecDeque<Request>,
    /// Terminals that are to be opened for a connection that is gone, by the request's id.
    unwanted: VecDeque<Request>,
    terminals: Vec<Terminal>,
}

struct Request {
    id: String,
    /// Of a `terminal/create`: its session.
    opens: Option<String>,
}

#[derive(PartialEq)]
struct Terminal {
    session: String,
    id: String,
}

impl Lent {
    /// The server asks the editor.
    pub(super) fn asked(&mut self, id: String, method: &str, params: Option<&RawValue>) {
        let session = params.and_then(session_of);
        if method == "terminal/release"
            && let (Some(session), Some(id)) = (&session, params.and_then(terminal_of))
        {
            self.terminals.retain(|terminal| (&terminal.session, &terminal.id) != (session, &id));
        }
        let opens = session.filter(|_| method == "terminal/create");
        push(&mut self.requests, Request { id, opens });
    }

    /// The editor answers. True: the server that asked is there to hear it. Lines for the editor, if there is something to
    /// tidy up.
    pub(super) fn answered(
        &mut self,
        id: &str,
        result: Option<&RawValue>,
        own_id: impl FnMut() -> String,
    ) -> (bool, Vec<String>) {
        let at = |requests: &VecDeque<Request>| requests.iter().position(|request| request.id == id);
        let opened = |request: Request| Some(Terminal { session: request.opens?, id: terminal_of(result?)? });
        if let Some(at) = at(&self.requests) {
            self.terminals.extend(self.requests.remove(at).and_then(opened));
            return (true, Vec::new());
        }
        let unwanted = at(&self.unwanted).and_then(|at| self.unwanted.remove(at)).and_then(opened);
        (false, unwanted.map(|terminal| terminal.end(own_id)).unwrap_or_default())
    }

    /// The connection is gone: what the editor is to hear of it.
    pub(super) fn lost(&mut self, mut own_id: impl FnMut() -> String) -> Vec<String> {
        let mut lines = Vec::new();
        for request in self.requests.drain(..) {
            lines.push(format!(
                r#"{{"jsonrpc":"2.0","method":"$/cancel_request","params":{{"requestId":{}}}}}"#,
                request.id
            ));
            if request.opens.is_some() {
                push(&mut self.unwanted, request);
            }
        }
        for terminal in self.terminals.drain(..) {
            lines.extend(terminal.end(&mut own_id));
        }
        lines
    }
}

impl Terminal {
    fn end(&self, mut own_id: impl FnMut() -> String) -> Vec<String> {
        let params = json!({ "sessionId": self.session, "terminalId": self.id });
        let line =
            |method: &str| json!({ "jsonrpc": "2.0", "id": own_id(), "method": method, "params": params }).to_string();
        ["terminal/kill", "terminal/release"].map(line).into()
    }
}

fn push(requests: &mut VecDeque<Request>, request: Request) {
    requests.push_back(request);
    if requests.len() > REQUESTS {
        requests.pop_front();
    }
}

fn terminal_of(json: &RawValue) -> Option<String> {
    serde_json::from_str::<Value>(&field(json, "terminalId")?).ok()?.as_str().map(ToOwned::to_owned)
}
