//! `wharf acp`: between an editor, which speaks on standard input and output, and the server. Standard output carries the
//! protocol and nothing else.

mod bridge;
mod memory;
mod pipes;

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use wharf_client::{ApiKey, Auth};
use wharf_engine::Engine;
use wharf_protocol::Scopes;
use wharf_server::trace::Trace;
use wharf_server::{Key, Server, ServerConfig};

use crate::cli::AcpArgs;
use crate::connect::Context;
use crate::failure::{Exit, Failure};
use crate::{journal, process, task, wiring};
use bridge::{Find, Target};

/// For a server that was started here to listen.
const START_WAIT: Duration = Duration::from_secs(15);
const START_LOOK: Duration = Duration::from_millis(20);
/// For an engine in this process to come to rest.
const STOP_WAIT: Duration = Duration::from_secs(2);

pub async fn run(context: &Context, args: AcpArgs) -> anyhow::Result<Exit> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let _signals = task::owned(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.cancel();
    });
    let trace = args.trace.as_ref().map(|path| {
        let trace = Trace::open(path).with_context(|| format!("cannot write the trace {}", path.display()))?;
        trace.event("started");
        anyhow::Ok(Arc::new(trace))
    });
    let editor = bridge::Editor {
        input: Box::new(std::io::Cursor::new(args.read_ahead.clone()).chain(pipes::input()?)),
        output: pipes::output()?,
        trace: trace.transpose()?,
        lends_files: !args.server_files,
    };
    if args.embedded {
        let embedded = Embedded::start(context).await?;
        let ended = bridge::run(Here(embedded.target.clone()), editor, &stop).await;
        embedded.stop().await;
        ended?;
    } else {
        bridge::run(Running { context, starts: args.start_server }, editor, &stop).await?;
    }
    Ok(Exit::Completed)
}

/// Random, for ids.
fn fresh_id() -> String {
    let mut bits = [0_u8; 12];
    if getrandom::fill(&mut bits).is_err() {
        // Ids have to differ, that is all.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        bits[..8].copy_from_slice(&u64::try_from(now.as_nanos()).unwrap_or(0).to_be_bytes());
    }
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The server that is named, or the one of this machine.
struct Running<'a> {
    context: &'a Context,
    starts: bool,
}

impl Find for Running<'_> {
    async fn find(&mut self) -> anyhow::Result<Target> {
        if let Some((url, auth)) = self.context.place()? {
            return Ok(Target { url, auth });
        }
        if !self.starts {
            let place = self.context.state.path().display();
            return Err(Failure::new(Exit::Unreachable, format!("no wharf server runs on {place}"))
                .hint("`wharf serve` starts one; `wharf acp --start-server` does so by itself")
                .into());
        }
        start_server(self.context)?;
        let deadline = Instant::now() + START_WAIT;
        loop {
            if let Some((url, auth)) = self.context.place()? {
                return Ok(Target { url, auth });
            }
            if Instant::now() > deadline {
                let log = journal::file(self.context.state.path());
                return Err(Failure::new(Exit::Unreachable, "the server that was started does not listen")
                    .hint(format!("{} says why", log.display()))
                    .into());
            }
            sleep(START_LOOK).await;
        }
    }
}

/// Starts a server that outlives this process. Of several at the same time one stays: it holds the state directory's lock.
fn start_server(context: &Context) -> anyhow::Result<()> {
    let path = journal::file(context.state.path());
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot write {}", path.display()))?;
    let binary = process::program()?;
    let mut command = std::process::Command::new(binary);
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    if let Some(config) = &context.config_file {
        command.arg("--config").arg(config);
    }
    // What this process was started with is not what it shows.
    command.env_clear().envs(&context.environment);
    // In a group of its own: what stops the editor does not stop the server.
    command.process_group(0);
    let mut child = command.spawn().context("cannot start the server")?;
    // Taken note of when it ends, so that it does not linger as a zombie while this process lives.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// The server in this process.
struct Here(Target);

impl Find for Here {
    async fn find(&mut self) -> anyhow::Result<Target> {
        Ok(self.0.clone())
    }
}

/// An engine in this process, behind a port of its own with a key of its own.
struct Embedded {
    engine: Engine,
    target: Target,
    shutdown: CancellationToken,
    serving: AbortOnDropHandle<Result<(), wharf_server::ServerError>>,
}

impl Embedded {
    async fn start(context: &Context) -> anyhow::Result<Self> {
        let Context { config, config_file, environment, state, .. } = context;
        let engine = wiring::engine(config, config_file.as_deref(), false, environment, state).await?;
        let secret = format!("wharf_{}{}{}", fresh_id(), fresh_id(), fresh_id());
        let keys = vec![Key::from_secret("editor", &secret, Scopes::ALL)];
        let config = ServerConfig {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            limits: context.config.limits.clone(),
            work_dir: engine.config().work_dir.clone(),
            drain_grace: Duration::ZERO,
            ..ServerConfig::new(wharf_server::Auth::Keys(keys))
        };
        let server = Server::bind(config, engine.clone())?;
        let url = format!("http://{}", server.local_addr());
        let target = Target { url, auth: Auth::Key(ApiKey::new(&secret)?) };
        let shutdown = CancellationToken::new();
        let serving = task::owned(server.serve(shutdown.clone()));
        Ok(Self { engine, target, shutdown, serving })
    }

    async fn stop(self) {
        self.shutdown.cancel();
        let _ = tokio::time::timeout(STOP_WAIT, self.serving).await;
        self.engine.stop(Duration::ZERO).await;
    }
}
