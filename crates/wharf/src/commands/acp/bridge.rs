//! Lines on one side, frames on the other; and a lost connection that the editor does not notice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;
use wharf_client::Auth;
use wharf_foreign::text::without_mark;
use wharf_server::trace::{self, Trace};

use super::memory::{self, Memory, Verdict};
use crate::failure::{Exit, Failure};
use crate::{resident, task};

/// Longest line of an editor; what the server takes by default.
const LINE_BYTES: usize = 16 << 20;
/// No line is read further than this: what follows could not be told from it, so the input counts as ended.
const LINE_MAX_BYTES: u64 = 64 << 20;
/// Longest message of a server.
const MESSAGE_BYTES: usize = 32 << 20;
/// Lines that wait for the server, and messages that wait for the editor; who makes more of them waits.
const QUEUE: usize = 64;
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The first pause before a new attempt; doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A server that is gone for longer does not come back.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);
/// A server sends a ping every 20 seconds.
const SILENCE: Duration = Duration::from_secs(90);
/// The editor has closed its side: so long for the answers that are still to come.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Nothing was said for so long: the editor's user reads, or does something else.
const QUIET_AFTER: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where the server is.
#[derive(Debug, Clone)]
pub struct Target {
    /// `http://HOST:PORT`
    pub url: String,
    pub auth: Auth,
}

/// The editor's side.
pub struct Editor<I, O> {
    pub input: I,
    pub output: O,
    /// As the editor sees them, all messages go there.
    pub trace: Option<Arc<Trace>>,
    /// What it offers for files is passed on to the server.
    pub lends_files: bool,
}

/// Finds the server again, each time it is needed: a new one may listen elsewhere.
pub trait Find {
    async fn find(&mut self) -> anyhow::Result<Target>;
}

/// How the two sides came apart.
enum Lost {
    /// The editor is done.
    Editor,
    Server,
}

/// Serves an editor to its end, or until it is to stop: the server is told then.
pub async fn run(
    mut find: impl Find,
    editor: Editor<impl AsyncRead + Send + Unpin + 'static, impl AsyncWrite + Send + Unpin + 'static>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Editor { input, output, trace, lends_files } = editor;
    let (lines_in, mut lines) = mpsc::channel(QUEUE);
    let reader = task::owned(read_lines(input, lines_in, trace.clone()));
    let (out, messages) = mpsc::channel(QUEUE);
    let writer = task::owned(write_lines(output, messages, trace.clone()));
    let happened = |event: &str| trace.iter().for_each(|trace| trace.event(event));
    let ended = serve(&mut find, (&mut lines, &out), Memory::of(lends_files), stop, &happened).await;
    happened("ended");
    // It waits for input that may never come.
    drop(reader);
    drop(out);
    // What was written for the editor reaches it, unless it has stopped reading.
    let _ = timeout(CLOSE_WAIT, writer).await;
    ended
}

async fn serve(
    find: &mut impl Find,
    (lines, out): (&mut mpsc::Receiver<String>, &mpsc::Sender<String>),
    mut memory: Memory,
    stop: &CancellationToken,
    happened: &impl Fn(&str),
) -> anyhow::Result<()> {
    let Some(connected) = stop.run_until_cancelled(connect(find)).await else { return Ok(()) };
    let mut socket = match connected {
        Ok(socket) => socket,
        Err(error) => {
            // The editor learns why from the answer to what it asks first.
            if let Ok(Some(line)) = timeout(CONNECT_WAIT, lines.recv()).await
                && let Some(refusal) = memory::refusal(&line, "NO_SERVER", &format!("{error:#}"))
            {
                let _ = out.send(refusal).await;
            }
            return Err(error);
        }
    };
    loop {
        happened("connected to the server");
        match pump(socket, &mut memory, lines, out, stop).await {
            Lost::Editor => return Ok(()),
            Lost::Server => {}
        }
        tracing::info!("the connection to the server is lost; trying again");
        happened("the connection to the server is lost");
        for line in memory.lost() {
            let _ = out.send(line).await;
        }
        match stop.run_until_cancelled(reconnect(find, lines)).await {
            Some(Ok(Some(again))) => socket = again,
            Some(Ok(None)) | None => return Ok(()),
            Some(Err(error)) => {
                for id in memory.waiting() {
                    let _ = out.send(memory::refusal_of(id, "NO_SERVER", &format!("{error:#}"))).await;
                }
                return Err(error);
            }
        }
    }
}

/// `None`: the editor has gone meanwhile.
async fn reconnect(find: &mut impl Find, lines: &mpsc::Receiver<String>) -> anyhow::Result<Option<Socket>> {
    let deadline = Instant::now() + GIVE_UP_AFTER;
    let mut pause = PAUSE;
    loop {
        sleep(pause).await;
        if lines.is_closed() && lines.is_empty() {
            return Ok(None);
        }
        match connect(find).await {
            Ok(socket) => return Ok(Some(socket)),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(error) => tracing::debug!("no connection yet: {error:#}"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect(find: &mut impl Find) -> anyhow::Result<Socket> {
    let Target { url, auth } = find.find().await?;
    let place = url.trim_end_matches('/').replacen("http", "ws", 1) + "/acp";
    let mut request = place.as_str().into_client_request().with_context(|| format!("the address {url}"))?;
    if let Auth::Key(key) = &auth {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal())).context("the key")?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES)).max_frame_size(Some(MESSAGE_BYTES));
    let connecting = connect_async_with_config(request, Some(config), true);
    let unreachable = |why: String| {
        Failure::new(Exit::Unreachable, format!("no connection to the wharf server at {url}: {why}"))
            .hint("`wharf status` shows the server of this machine, `wharf serve` starts one")
    };
    match timeout(CONNECT_WAIT, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => {
            Err(unreachable(format!("it answered {}", response.status())).into())
        }
        Ok(Err(error)) => Err(unreachable(error.to_string()).into()),
        Err(_) => Err(unreachable(format!("no answer within {CONNECT_WAIT:?}")).into()),
    }
}

/// Passes messages in both directions until one side is gone.
async fn pump(
    socket: Socket,
    memory: &mut Memory,
    lines: &mut mpsc::Receiver<String>,
    out: &mpsc::Sender<String>,
    stop: &CancellationToken,
) -> Lost {
    let (mut sink, mut stream) = socket.split();
    let mut begin: Vec<String> = memory.greeting().into_iter().collect();
    begin.extend(memory.again());
    for line in begin {
        if sink.feed(Message::text(line)).await.is_err() {
            return Lost::Server;
        }
    }
    if sink.flush().await.is_err() {
        return Lost::Server;
    }
    let mut editor_is_done = false;
    let mut leave_at = None;
    let mut quiet_at = Some(Instant::now() + QUIET_AFTER);
    loop {
        if editor_is_done && memory.is_idle() {
            break;
        }
        let patience = leave_at.map_or(SILENCE, |at: Instant| at.saturating_duration_since(Instant::now()));
        let sent = tokio::select! {
            () = at(quiet_at) => {
                quiet_at = None;
                resident::give_back();
                continue;
            }
            line = lines.recv(), if !editor_is_done => match line {
                Some(line) => pass_on(line, memory, lines, &mut sink, out).await,
                None => {
                    editor_is_done = true;
                    leave_at = Some(Instant::now() + LAST_ANSWERS);
                    Ok(())
                }
            },
            received = receive(&mut stream, out) => match received {
                Ok(None) => continue,
                Ok(Some((permit, text))) => match memory.server_said(text) {
                    Verdict::ToEditor(text) => {
                        permit.send(text);
                        Ok(())
                    }
                    Verdict::ToServer(text) => sink.send(Message::text(text)).await.map_err(|_| Lost::Server),
                    Verdict::Drop => Ok(()),
                },
                Err(lost) => Err(lost),
            },
            () = sleep(patience) => {
                if editor_is_done {
                    break;
                }
                Err(Lost::Server)
            }
            () = stop.cancelled() => break,
        };
        if let Err(lost) = sent {
            return if editor_is_done { Lost::Editor } else { lost };
        }
        quiet_at = Some(Instant::now() + QUIET_AFTER);
    }
    // Both sides say that they are done; a server that does not, is gone.
    let close = async {
        let _ = sink.close().await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(CLOSE_WAIT, close).await;
    Lost::Editor
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Sends a line, and those that have come with it, in one write.
async fn pass_on(
    line: String,
    memory: &mut Memory,
    lines: &mut mpsc::Receiver<String>,
    sink: &mut SplitSink<Socket, Message>,
    out: &mpsc::Sender<String>,
) -> Result<(), Lost> {
    let mut next = Some(line);
    while let Some(line) = next {
        if line.len() > LINE_BYTES {
            let details = format!("the message has {} bytes; {LINE_BYTES} are taken", line.len());
            if let Some(refusal) = memory::refusal(&line, "PAYLOAD_TOO_LARGE", &details) {
                out.send(refusal).await.map_err(|_| Lost::Editor)?;
            }
        } else {
            let (line, told) = memory.editor_said(line, super::fresh_id);
            for line in told {
                out.send(line).await.map_err(|_| Lost::Editor)?;
            }
            if let Some(line) = line {
                // Should it not arrive, it is remembered.
                sink.feed(Message::text(line)).await.map_err(|_| Lost::Server)?;
            }
        }
        next = lines.try_recv().ok();
    }
    sink.flush().await.map_err(|_| Lost::Server)
}

type Received<'a> = Option<(mpsc::Permit<'a, String>, String)>;

/// The next message, as soon as there is room for it on the editor's side. Safe to drop.
async fn receive<'a>(stream: &mut SplitStream<Socket>, out: &'a mpsc::Sender<String>) -> Result<Received<'a>, Lost> {
    let permit = out.reserve().await.map_err(|_| Lost::Editor)?;
    match stream.next().await {
        Some(Ok(Message::Text(text))) => Ok(Some((permit, text.to_string()))),
        Some(Ok(Message::Binary(bytes))) => Ok(String::from_utf8(bytes.into()).ok().map(|text| (permit, text))),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Lost::Server),
        Some(Ok(_)) => Ok(None),
    }
}

async fn read_lines(input: impl AsyncRead + Unpin, lines: mpsc::Sender<String>, trace: Option<Arc<Trace>>) {
    let mut input = BufReader::with_capacity(64 << 10, input);
    loop {
        let mut line = Vec::new();
        match (&mut input).take(LINE_MAX_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) if line.len() as u64 == LINE_MAX_BYTES => {
                tracing::warn!("a line on standard input has no end within {LINE_MAX_BYTES} bytes");
                return;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "standard input cannot be read on");
                return;
            }
        }
        let text = String::from_utf8_lossy(without_mark(&line).trim_ascii());
        if let Some(trace) = trace.as_ref().filter(|_| !text.is_empty()) {
            trace.message(trace::Side::Client, &text);
        }
        if !text.is_empty() && lines.send(text.into_owned()).await.is_err() {
            return;
        }
    }
}

/// One message a line; what has come together is written together.
async fn write_lines(
    mut output: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<String>,
    trace: Option<Arc<Trace>>,
) {
    let mut buffer = Vec::new();
    while let Some(message) = messages.recv().await {
        buffer.clear();
        let mut next = Some(message);
        while let Some(message) = next {
            if let Some(trace) = &trace {
                trace.message(trace::Side::Agent, &message);
            }
            // Text of JSON has no line break outside its strings but what a sender put there for looks.
            buffer.extend(message.bytes().map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
            buffer.push(b'\n');
            next = if buffer.len() < 64 << 10 { messages.recv().now_or_never().flatten() } else { None };
        }
        if output.write_all(&buffer).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}
