//! The ways to an agent: its standard input and output, or a WebSocket.

use std::process::{ExitStatus, Stdio};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Longest message that a client takes.
const MESSAGE_BYTES: usize = 32 << 20;

/// One connection to an agent.
pub(super) enum Wire {
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Pipe(Box<Pipe>),
}

/// An agent's process. It is killed when this is dropped.
pub(super) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Option<ChildStderr>,
}

/// How a connection came to its end.
#[derive(Debug, Default)]
pub struct WireEnd {
    /// Of a process.
    pub status: Option<ExitStatus>,
    /// What the process wrote to standard error.
    pub errors: String,
    /// What came after the client had closed its side.
    pub lines: Vec<String>,
    /// A WebSocket was closed with a handshake.
    pub handshake: bool,
}

impl Wire {
    /// Connects; gives the headers of the answer, too.
    pub(super) async fn socket(address: &str, headers: &[(&'static str, &str)]) -> Result<(Self, HeaderMap), Error> {
        let mut request = address.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().map_err(|_| Error::Utf8((*name).to_owned()))?);
        }
        let config =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
        let (socket, response) = connect_async_with_config(request, Some(config), true).await?;
        Ok((Self::Socket(Box::new(socket)), response.headers().clone()))
    }

    pub(super) fn pipe(command: std::process::Command) -> std::io::Result<Self> {
        let mut command = Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (input, errors) = (child.stdin.take(), child.stderr.take());
        let Some(output) = child.stdout.take() else { return Err(std::io::ErrorKind::BrokenPipe.into()) };
        Ok(Self::Pipe(Box::new(Pipe { child, input, lines: BufReader::new(output).lines(), errors })))
    }

    /// # Panics
    /// When the agent takes nothing any more.
    pub(super) async fn send(&mut self, text: &str) {
        let sent = match self {
            Self::Socket(socket) => socket.send(Message::text(text)).await.map_err(|error| error.to_string()),
            Self::Pipe(pipe) => match &mut pipe.input {
                Some(input) => match input.write_all(format!("{text}\n").as_bytes()).await {
                    Ok(()) => input.flush().await.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                },
                None => Err("standard input was closed".to_owned()),
            },
        };
        if let Err(error) = sent {
            panic!("the agent does not take a line: {error}");
        }
    }

    /// The next message; `None` at the end.
    ///
    /// # Panics
    /// When what comes is no text.
    pub(super) async fn receive(&mut self) -> Option<String> {
        match self {
            Self::Socket(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return None,
                    other => panic!("no message but {other:?}"),
                }
            },
            Self::Pipe(pipe) => match pipe.lines.next_line().await {
                Ok(line) => line,
                Err(error) => panic!("standard output is no text: {error}"),
            },
        }
    }

    /// Closes the client's side, and reads the agent's to its end.
    pub(super) async fn close(mut self) -> WireEnd {
        let mut ended = WireEnd::default();
        match &mut self {
            Self::Socket(socket) => ended.handshake = (**socket).close(None).await.is_ok(),
            Self::Pipe(pipe) => drop(pipe.input.take()),
        }
        if let Self::Socket(socket) = &mut self {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => ended.lines.push(text.to_string()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) => {
                        ended.handshake = false;
                        break;
                    }
                    None => break,
                }
            }
        }
        if let Self::Pipe(pipe) = &mut self {
            while let Ok(Some(line)) = pipe.lines.next_line().await {
                ended.lines.push(line);
            }
            if let Some(errors) = &mut pipe.errors {
                // What cannot be read was not written.
                let _ = errors.read_to_string(&mut ended.errors).await;
            }
            ended.status = pipe.child.wait().await.ok();
        }
        ended
    }

    /// The agent's process.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Socket(_) => None,
            Self::Pipe(pipe) => pipe.child.id(),
        }
    }
}
