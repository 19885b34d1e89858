//! `wharf serve`: the server of this machine. Needs no terminal and no input, and outlives both.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wharf_client::Discovery;
use wharf_engine::Engine;
use wharf_models::{ModelSource, ResolveError};
use wharf_protocol::rest::Limits;
use wharf_protocol::{Scopes, Timestamp};
use wharf_server::{Auth, Key, Server, ServerConfig, ServerError};

use crate::config::{AuthChoice, Layered};
use crate::connect::Context;
use crate::descriptors;
use crate::failure::{Exit, Failure};
use crate::journal;
use crate::output::note;
use crate::reload::{LiveModels, Origin, Reload};
use crate::resident;
use crate::terminal::Style;
use crate::wiring;

/// After the drain, for what is left to be written.
const CLOSING: Duration = Duration::from_secs(2);

/// Who a request with the key of the state directory is, on the log.
const OWNER: &str = "owner";

pub async fn run(
    context: &Context,
    port_was_chosen: bool,
    trace: Option<PathBuf>,
    origin: Origin,
    current: Layered,
) -> anyhow::Result<Exit> {
    let lock = context.state.lock()?;
    if let Err(error) = journal::keep(context.state.path()) {
        tracing::warn!("cannot keep a log: {error}");
    }
    // Before anything is announced: a signal from here on ends the server in good order.
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (auth, key_file) = match context.config.server.auth {
        AuthChoice::Key => {
            let key = context.state.key()?;
            (Auth::Keys(vec![Key::from_secret(OWNER, key.reveal(), Scopes::ALL)]), Some(context.state.key_file()))
        }
        AuthChoice::None => (Auth::None, None),
    };
    let models = wiring::models(&context.config, &context.environment)?;
    wiring::say_unready(&models);
    let models = LiveModels::new(models);
    check_model(context, &*models).await?;
    let source = Arc::clone(&models);
    let Context { config, config_file, environment, state, .. } = context;
    let engine = wiring::engine_with(config, config_file.as_deref(), true, environment, state, source).await?;
    let mut reload = Reload { origin, current, models, engine: engine.clone(), state: context.state.clone(), count: 0 };
    let server = bind(context, auth, port_was_chosen, trace, &engine)?;
    let url = url_of(server.local_addr());
    lock.announce(&Discovery {
        url: url.clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key_file,
        started_at: Timestamp::now(),
    })?;
    if !server.local_addr().ip().is_loopback() {
        note(&format!(
            "{} without TLS: the key, prompts, answers and files can be read on the way to {}",
            Style::for_stderr().error("warning:"),
            server.local_addr()
        ));
    }
    if context.config.server.auth == AuthChoice::None {
        let style = Style::for_stderr();
        note(&format!(
            "{} without authentication, everybody on this machine can run commands as you",
            style.error("warning:")
        ));
    }
    note(&format!("wharf {} listens on {url}", env!("CARGO_PKG_VERSION")));
    let served = tokio::select! {
        served = serve(server, &mut signals, &mut reload) => served,
        never = resident::give_back_when_quiet() => match never {},
    };
    engine.stop(if matches!(served, Ok(Stop::Hurried)) { Duration::ZERO } else { CLOSING }).await;
    lock.withdraw();
    served.context("the server failed")?;
    Ok(Exit::Completed)
}

/// Refuses a model that can never be, before anybody prompts it. A local model server that is down may come later.
async fn check_model(context: &Context, models: &dyn ModelSource) -> anyhow::Result<()> {
    let Some(model) = context.config.model.as_deref() else { return Ok(()) };
    match models.resolve(Some(model)).await {
        Ok(_) => Ok(()),
        // A key may come later, too; only where nobody asked for this one provider, it is no reason to be missing.
        Err(
            error @ (ResolveError::NotRunning { .. } | ResolveError::NoSuchModel { .. } | ResolveError::NoKey { .. }),
        ) => {
            note(&format!("{} {error}", Style::for_stderr().error("warning:")));
            Ok(())
        }
        Err(error @ (ResolveError::Unknown { .. } | ResolveError::Misconfigured(_))) => {
            let failure = Failure::new(Exit::Usage, format!("cannot use the model {model:?}: {error}"));
            Err(match model.strip_prefix("local:").and_then(|url| url.rsplit_once('/')) {
                Some((url, name)) => {
                    failure.hint(format!("`--model custom/{name} --base-url {url}` names a model server of your own"))
                }
                None => failure.hint("`wharf models` lists the models that can be used"),
            }
            .into())
        }
    }
}

/// How the server came to its end.
enum Stop {
    Drained,
    Hurried,
}

async fn serve(server: Server, signals: &mut Signals, reload: &mut Reload) -> Result<Stop, ServerError> {
    let shutdown = CancellationToken::new();
    let mut serving = std::pin::pin!(server.serve(shutdown.clone()));
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map(|()| Stop::Drained),
            signal = signals.next() => {
                if signal == Asked::Reload {
                    // The same signal comes when the terminal is closed: reading the configuration again harms nobody.
                    reload.run();
                    continue;
                }
                if shutdown.is_cancelled() {
                    note("stopping now; turns that run go on after the next start");
                    return Ok(Stop::Hurried);
                }
                note("stopping; once more to hurry");
                shutdown.cancel();
            }
        }
    }
}

/// What a signal asks for.
#[derive(PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// Binds the wished port. Where nobody wished one and the usual one is taken, a free one: clients find it anyway.
fn bind(
    context: &Context,
    auth: Auth,
    port_was_chosen: bool,
    trace: Option<PathBuf>,
    engine: &Engine,
) -> anyhow::Result<Server> {
    let section = &context.config.server;
    let config = ServerConfig {
        host: section.host,
        port: section.port,
        allowed_origins: section.allowed_origins.clone(),
        allowed_hosts: section.allowed_hosts.clone(),
        insecure: section.insecure,
        limits: limits(context),
        work_dir: engine.config().work_dir.clone(),
        drain_grace: Duration::from_millis(section.drain_ms),
        trace,
        ..ServerConfig::new(auth)
    };
    let address = SocketAddr::new(section.host, section.port);
    match Server::bind(config.clone(), engine.clone()) {
        Ok(server) => Ok(server),
        Err(ServerError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse && !port_was_chosen => {
            let server = Server::bind(ServerConfig { port: 0, ..config }, engine.clone())?;
            note(&format!("port {} is taken by another program; using {}", section.port, server.local_addr().port()));
            Ok(server)
        }
        Err(ServerError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            Err(Failure::new(Exit::Failed, format!("{address} is taken by another program"))
                .hint("choose another --port, or 0 for a free one")
                .into())
        }
        Err(error @ ServerError::Unauthenticated(_)) => Err(Failure::new(Exit::Usage, error.to_string())
            .hint("leave out --auth none, or listen on 127.0.0.1")
            .into()),
        Err(error @ ServerError::InTheClear(_)) => Err(Failure::new(Exit::Usage, error.to_string())
            .hint(
                "listen on 127.0.0.1 behind a proxy with TLS or an SSH tunnel; where the network is trusted, --insecure (server.insecure) \
                 allows it",
            )
            .into()),
        Err(error) => Err(error.into()),
    }
}

/// What is configured, and no more connections than there are open files for.
fn limits(context: &Context) -> Limits {
    let mut limits = context.config.limits.clone();
    let descriptors = descriptors::raise();
    let connections = descriptors::connections(limits.connections, descriptors);
    if connections < limits.connections {
        let wanted = limits.connections;
        tracing::warn!(
            "{descriptors} files may be open: {connections} connections are taken instead of {wanted}; `ulimit -n` is the limit"
        );
        limits.connections = connections;
    }
    limits
}

/// The address for clients of this machine: one that stands for all of them is not one to connect to.
fn url_of(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(host, address.port()))
}
