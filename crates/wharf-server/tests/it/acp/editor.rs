//! A client with buffers and terminals, which does what it is asked unless a test wants it otherwise.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Client;
use crate::support::TestServer;

pub const EVERYTHING: &str = r#"{"fs":{"readTextFile":true,"writeTextFile":true},"terminal":true}"#;

pub struct Editor {
    pub client: Client,
    /// What is not saved, by absolute path. Other files are read from the disk.
    pub buffers: HashMap<String, String>,
    /// What it was asked, in order: the method, and what about.
    pub asked: Vec<String>,
    /// Commands end at once, with this code.
    pub exit_code: u32,
    /// Commands run until they are killed.
    pub runs_on: bool,
    /// What every command puts out.
    pub output: String,
    /// What it says of its own tools, and what each of them answers.
    pub tools: Value,
    pub tool_answer: Value,
    /// Requests of these methods get no answer.
    pub mute: Vec<&'static str>,
    terminals: HashMap<String, Terminal>,
}

#[derive(Default)]
struct Terminal {
    killed: bool,
    waiting: Vec<Value>,
}

impl Editor {
    pub async fn start(server: &TestServer) -> Self {
        Self::start_as(server, serde_json::from_str(EVERYTHING).unwrap()).await
    }

    pub async fn start_as(server: &TestServer, capabilities: Value) -> Self {
        Self::of(Client::start_as(server, capabilities).await)
    }

    pub fn of(client: Client) -> Self {
        Self {
            client,
            buffers: HashMap::new(),
            asked: Vec::new(),
            exit_code: 0,
            runs_on: false,
            output: "made by the terminal\n".to_owned(),
            tools: json!([]),
            tool_answer: json!("done by the editor"),
            mute: Vec::new(),
            terminals: HashMap::new(),
        }
    }

    pub fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    /// A terminal that the test opened itself.
    pub fn know(&mut self, terminal: &str) {
        self.terminals.insert(terminal.to_owned(), Terminal::default());
    }

    /// Until every terminal is released: what comes after a call's end.
    pub async fn until_released(&mut self) {
        while !self.terminals.is_empty() {
            self.until(|_| true).await;
        }
    }

    /// Messages up to and including the first that `is_last` picks; requests on the way are answered.
    pub async fn until(&mut self, mut is_last: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.client.next().await;
            let is_request = message.get("method").is_some() && message.get("id").is_some();
            let last = is_last(&message);
            if is_request {
                self.answer(&message).await;
            }
            messages.push(message);
            if last {
                return messages;
            }
        }
    }

    /// A whole turn: what came, and why it ended.
    pub async fn turn(&mut self, session: &str, text: &str) -> (Vec<Value>, Value) {
        let id = self.client.prompt(session, text).await;
        let mut messages = self.until(|message| message["id"] == id && message.get("method").is_none()).await;
        let answer = messages.pop().unwrap();
        (messages, answer["result"]["stopReason"].clone())
    }

    pub async fn until_asked(&mut self, method: &str) -> Value {
        self.until(|message| message["method"] == method).await.pop().unwrap()
    }

    async fn answer(&mut self, request: &Value) {
        let (method, params) = (request["method"].as_str().unwrap(), &request["params"]);
        assert!(request["id"].is_string(), "our ids are strings: {request}");
        let of_path = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
        let about = params["path"].as_str().map(of_path).or(params["name"].as_str().map(ToOwned::to_owned));
        self.asked.push(format!("{method} {}", about.unwrap_or_default()).trim().to_owned());
        if self.mute.contains(&method) {
            return;
        }
        let result = match method {
            "fs/read_text_file" => {
                let path = params["path"].as_str().unwrap();
                match self.buffers.get(path).cloned().map_or_else(|| std::fs::read_to_string(path), Ok) {
                    Ok(content) => Ok(json!({ "content": content })),
                    Err(error) => {
                        Err(json!({ "code": -32002, "message": "Resource not found", "data": error.to_string() }))
                    }
                }
            }
            "fs/write_text_file" => {
                let content = params["content"].as_str().unwrap().to_owned();
                self.buffers.insert(params["path"].as_str().unwrap().to_owned(), content);
                // As Toad does it.
                Ok(Value::Null)
            }
            "terminal/create" => {
                let id = format!("term-{}", self.asked.len());
                self.terminals.insert(id.clone(), Terminal::default());
                Ok(json!({ "terminalId": id }))
            }
            "terminal/wait_for_exit" => {
                let terminal = self.terminals.get_mut(params["terminalId"].as_str().unwrap()).unwrap();
                if self.runs_on && !terminal.killed {
                    terminal.waiting.push(request["id"].clone());
                    return;
                }
                Ok(json!({ "exitCode": self.exit_code }))
            }
            "terminal/output" => {
                assert!(self.terminals.contains_key(params["terminalId"].as_str().unwrap()), "{request}");
                Ok(json!({ "output": self.output, "truncated": false }))
            }
            "terminal/kill" => {
                let terminal = self.terminals.get_mut(params["terminalId"].as_str().unwrap()).unwrap();
                terminal.killed = true;
                for id in std::mem::take(&mut terminal.waiting) {
                    let result = json!({ "signal": "SIGTERM" });
                    self.client.send(json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
                }
                Ok(json!({}))
            }
            "terminal/release" => {
                assert!(self.terminals.remove(params["terminalId"].as_str().unwrap()).is_some(), "{request}");
                Ok(json!({}))
            }
            "_discover_tools" => Ok(json!({ "tools": self.tools })),
            "_call_tool" => Ok(self.tool_answer.clone()),
            "session/request_permission" => return,
            other => panic!("nobody expects {other}"),
        };
        let answer = match result {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }),
            Err(error) => json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }),
        };
        self.client.send(answer).await;
    }
}

/// The calls' outcomes on the log: the text, and whether it is an error.
pub async fn outcomes(server: &TestServer, session: &str) -> Vec<(bool, String)> {
    let log = server.log(session).await;
    let of = |event: &Value| match event["type"].as_str().unwrap() {
        "tool.call_complete" => Some((true, event["payload"]["result"].as_str().unwrap().to_owned())),
        "tool.call_error" => Some((false, event["payload"]["error"].as_str().unwrap().to_owned())),
        _ => None,
    };
    log.iter().filter_map(of).collect()
}
