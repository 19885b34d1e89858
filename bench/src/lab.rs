//! What every measurement needs: a model process, a proxy process, servers, and requests that wait when told to.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Deserialize;
use serde_json::{Value, json};
use wharf_testkit::process::{WharfBuilder, WharfHome, cpu_time};
use wharf_testkit::{Client, Incoming, WharfProcess, sse};

/// How often a request that is told to wait is sent again.
const PATIENCE: usize = 300;

/// Limits that would be measured instead of the server.
const SETTINGS: [(&str, &str); 3] = [
    ("WHARF_LIMITS_REQUESTS_PER_SECOND", "100000"),
    ("WHARF_LIMITS_REQUEST_BURST", "100000"),
    ("WHARF_TURNS_MAX_RUNNING", "5000"),
];

/// The processes that outlive one measurement.
pub struct Lab {
    pub model: StandInProcess,
    pub proxy: StandInProcess,
}

impl Lab {
    pub fn open() -> Result<Self> {
        raise_descriptor_limit()?;
        let own = std::env::current_exe()?;
        let mut model = Command::new(own.with_file_name("scripted-model"));
        let model = StandInProcess::start(&mut model)?;
        let mut proxy = Command::new(&own);
        let proxy = StandInProcess::start(proxy.args(["proxy", model.authority()]))?;
        Ok(Self { model, proxy })
    }

    /// A server on fresh directories that uses the scripted model.
    pub async fn server(&self) -> Server {
        let home = WharfHome::new();
        let process = self.builder(&home).start().await;
        Server { process, home }
    }

    /// The same, to be started.
    pub fn builder(&self, home: &WharfHome) -> WharfBuilder {
        let server = home.server().model_url(&self.model.url);
        SETTINGS.iter().fold(server, |server, (name, value)| server.env(name, value))
    }
}

/// A child that prints its URL. Killed when dropped.
pub struct StandInProcess {
    child: Child,
    pub url: String,
}

impl StandInProcess {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("start a stand-in")?;
        let mut url = String::new();
        let output = child.stdout.take().context("the output of a stand-in")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// `host:port`
    fn authority(&self) -> &str {
        self.url.trim_start_matches("http://").split('/').next().unwrap_or_default()
    }

    /// Asks for a streamed reply to `content`.
    pub async fn ask(&self, content: &str) -> Result<sse::Stream> {
        let body = json!({ "model": "scripted", "stream": true, "messages": [{ "role": "user", "content": content }] });
        Ok(Client::new(&self.url).post("/v1/chat/completions", &body).await?.ok().await?.into_sse())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for StandInProcess {
    fn drop(&mut self) {
        // Ended already, then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running Wharf and its directories.
pub struct Server {
    pub process: WharfProcess,
    pub home: WharfHome,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub async fn create_session(&self) -> Result<String> {
        self.create_session_in(self.home.work.path()).await
    }

    pub async fn create_session_in(&self, cwd: &Path) -> Result<String> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let body = json!({ "cwd": cwd });
        let created: Created = self.patient("POST", "/api/v1/sessions", &[], Some(&body)).await?.json().await?;
        Ok(created.id)
    }

    pub async fn create_sessions(&self, count: usize) -> Result<Vec<String>> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.create_session().await?);
        }
        Ok(ids)
    }

    /// A prompt that is accepted and goes on by itself.
    pub async fn prompt(&self, session: &str, content: &str) -> Result<()> {
        let path = format!("/api/v1/sessions/{session}/prompt");
        let headers = [("prefer", "respond-async")];
        self.patient("POST", &path, &headers, Some(&json!({ "content": content }))).await?.bytes().await?;
        Ok(())
    }

    /// A prompt whose turn is awaited.
    pub async fn turn(&self, session: &str, content: &str) -> Result<Value> {
        let path = format!("/api/v1/sessions/{session}/prompt");
        Ok(self.patient("POST", &path, &[], Some(&json!({ "content": content }))).await?.json().await?)
    }

    /// What a session is doing.
    pub async fn status_of(&self, session: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Row {
            status: String,
        }
        let row: Row = self.patient("GET", &format!("/api/v1/sessions/{session}"), &[], None).await?.json().await?;
        Ok(row.status)
    }

    /// The seq of a session's last event.
    pub async fn last_seq(&self, session: &str) -> Result<u64> {
        #[derive(Deserialize)]
        struct Row {
            last_seq: u64,
        }
        let row: Row = self.patient("GET", &format!("/api/v1/sessions/{session}"), &[], None).await?.json().await?;
        Ok(row.last_seq)
    }

    /// A session's events after a seq.
    pub async fn watch(&self, session: &str, after: u64) -> Result<sse::Stream> {
        let path = format!("/api/v1/sessions/{session}/events");
        let after = after.to_string();
        let headers = [("accept", "text/event-stream"), ("last-event-id", after.as_str())];
        Ok(self.patient("GET", &path, &headers, None).await?.into_sse())
    }

    /// A request that waits and tries again when the server says so.
    async fn patient(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Incoming> {
        let body = body.map(Value::to_string);
        for _ in 0..PATIENCE {
            let answer = self.process.client().send(method, path, headers, body.as_ref().map(String::as_bytes)).await?;
            if answer.status != 429 {
                return Ok(answer.ok().await?);
            }
            let seconds = answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(1);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        bail!("{method} {path}: told to wait {PATIENCE} times")
    }
}

/// Processor and wall time of a process from here on.
pub struct Meter {
    pid: u32,
    cpu: Duration,
    started: Instant,
}

impl Meter {
    pub fn start(pid: u32) -> Result<Self> {
        Ok(Self { pid, cpu: cpu_of(pid)?, started: Instant::now() })
    }

    /// Processor and wall time since the start.
    pub fn read(&self) -> Result<(Duration, Duration)> {
        Ok((cpu_of(self.pid)?.saturating_sub(self.cpu), self.started.elapsed()))
    }
}

fn cpu_of(pid: u32) -> Result<Duration> {
    cpu_time(pid).with_context(|| format!("process {pid} is gone"))
}

/// The value below which `part` of the values lie; the values are sorted by it.
pub fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// A thousand sessions with a client and a model connection each need more than the usual 1,024 descriptors.
fn raise_descriptor_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    ensure!(allowed >= 4_096, "only {allowed} descriptors are allowed: raise `ulimit -n`");
    Ok(())
}
