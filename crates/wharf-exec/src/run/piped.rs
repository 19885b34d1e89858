//! A program that is spoken with for long, on pipes of its own; below the supervisor where there is one.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::local;
use super::tree::{self, Tree};
use crate::limits::GRACE;
use crate::supervisor::Supervisor;
use crate::wire::{self, Frames, HowEnded, Serve};

/// How long it may take to start a process.
const START_LIMIT: Duration = Duration::from_secs(10);
/// After the wish to stop: how long a keeper may take to say that its tree is dead. Then its socket is closed, which makes
/// it kill at once.
const STOP_LIMIT: Duration = Duration::from_millis(2_600);

/// What to start.
#[derive(Debug)]
pub struct Program {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directory: OwnedFd,
}

/// A program that runs.
pub struct Piped {
    pub stdin: pipe::Sender,
    pub stdout: pipe::Receiver,
    pub stderr: pipe::Receiver,
    pub process: PipedProcess,
}

/// Its process. Dropped, everything below it is killed.
pub struct PipedProcess(Below);

enum Below {
    Kept { control: UnixStream, frames: Frames },
    Own { child: Child, tree: Tree },
}

impl Program {
    pub async fn start(self, supervisor: Option<&Arc<Supervisor>>) -> io::Result<Piped> {
        let (their_stdin, stdin) = io::pipe()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        let theirs = [OwnedFd::from(their_stdin), their_stdout.into(), their_stderr.into()];
        let process = match supervisor {
            Some(supervisor) => timeout(START_LIMIT, self.start_below(Arc::clone(supervisor), theirs)).await??,
            None => self.start_here(theirs)?,
        };
        Ok(Piped {
            stdin: pipe::Sender::from_owned_fd(stdin.into())?,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
            process: PipedProcess(process),
        })
    }

    async fn start_below(self, supervisor: Arc<Supervisor>, theirs: [OwnedFd; 3]) -> io::Result<Below> {
        let Self { program, arguments, environment, directory } = self;
        let serve = Serve { program: program.into_os_string(), arguments, environment };
        let descriptors = std::iter::once(directory).chain(theirs).collect();
        let control = supervisor.begin(wire::json_frame(wire::SERVE, &serve)?, descriptors).await?;
        let mut process = Below::Kept { control, frames: Frames::default() };
        match process.next_frame().await? {
            Some((wire::SERVING, _)) => Ok(process),
            Some((_, why)) => Err(io::Error::other(String::from_utf8_lossy(&why).into_owned())),
            None => Err(io::Error::other("its keeper was killed")),
        }
    }

    fn start_here(self, theirs: [OwnedFd; 3]) -> io::Result<Below> {
        let Self { program, arguments, environment, directory } = self;
        let [stdin, stdout, stderr] = theirs;
        let token = local::token()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment)
            .env(tree::MARKER, &token)
            .current_dir(local::held(&directory))
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr));
        let mut tree = Tree::expect(token);
        let child = command.spawn()?;
        // Our own ends of the pipes: while they are open these have no end.
        drop(command);
        tree.started(child.id());
        Ok(Below::Own { child, tree })
    }
}

impl PipedProcess {
    /// Waits for the end of the main process, with which everything below it ends; says how it ended. Safe to drop.
    pub async fn ended(&mut self) -> String {
        self.0.ended().await
    }

    /// Waits for the same end; what went wrong, if something did. Safe to drop.
    pub async fn failure(&mut self) -> Option<String> {
        self.0.failure().await
    }

    /// Asks everything to end, waits, kills.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}

impl Below {
    async fn ended(&mut self) -> String {
        self.failure().await.unwrap_or_else(|| "it ended".to_owned())
    }

    async fn failure(&mut self) -> Option<String> {
        match self {
            Self::Kept { .. } => match self.next_frame().await {
                Ok(Some((wire::ENDED, body))) => serde_json::from_slice::<HowEnded>(&body).ok().and_then(told),
                _ => Some("it was killed along with its keeper".to_owned()),
            },
            Self::Own { child, .. } => match child.wait().await {
                Ok(status) => crate::status::describe(status).1,
                Err(error) => Some(error.to_string()),
            },
        }
    }

    async fn stop(mut self) {
        match &mut self {
            Self::Kept { control, .. } => {
                let Ok(frame) = wire::frame(wire::STOP, &[]) else { return };
                if control.write_all(&frame).await.is_ok() {
                    // Without a word in time, the end of the socket makes it kill.
                    let _ = timeout(STOP_LIMIT, self.ended()).await;
                }
            }
            Self::Own { child, tree } => {
                tree.ask().await;
                let _ = timeout(GRACE, child.wait()).await;
                tree.kill().await;
                let _ = timeout(GRACE, child.wait()).await;
            }
        }
    }

    async fn next_frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let Self::Kept { control, frames } = self else { return Ok(None) };
        let mut buffer = [0; 1024];
        loop {
            if let Some(frame) = frames.next()? {
                return Ok(Some(frame));
            }
            match control.read(&mut buffer).await? {
                0 => return Ok(None),
                count => frames.push(&buffer[..count]),
            }
        }
    }
}

fn told(end: HowEnded) -> Option<String> {
    match end.status() {
        Some(status) => crate::status::describe(status).1.map(|words| format!("it ended: {words}")),
        None => Some("it was stopped".to_owned()),
    }
}
