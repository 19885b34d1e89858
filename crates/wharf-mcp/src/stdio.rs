//! A server on pipes: one message a line each way, and whatever it likes on its standard error.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::MESSAGE_MAX_BYTES;
use crate::link::{Arrival, Link, Tail};
use crate::message::{self, Outgoing};
use wharf_exec::supervisor::Supervisor;
use wharf_exec::{DRAIN, Piped, Program};

/// Once its input has ended: how long a server may take to end by itself.
const LEAVE: Duration = Duration::from_secs(2);
/// Once its output has ended: how long its own end may take to be known.
const LAST_WORD: Duration = Duration::from_millis(500);
const READ_BYTES: usize = 8 << 10;

/// Starts the program.
pub(crate) async fn open(program: Program, supervisor: Option<&Arc<Supervisor>>, tail: Tail) -> io::Result<Link> {
    let piped = program.start(supervisor).await?;
    Ok(Link::new(|outgoing, arrived| carry(piped, outgoing, arrived, tail)))
}

async fn carry(piped: Piped, outgoing: mpsc::Receiver<Outgoing>, arrived: mpsc::Sender<Arrival>, tail: Tail) {
    let Piped { stdin, stdout, stderr, mut process } = piped;
    let keeping = keep(stderr, &tail);
    let reading = read(stdout, &arrived, &tail);
    tokio::pin!(keeping, reading);
    let end = tokio::select! {
        why = &mut reading => match timeout(LAST_WORD, process.ended()).await {
            Ok(ended) if why.is_none() => Some(ended),
            _ => Some(why.unwrap_or_else(|| "it closed its output".to_owned())),
        },
        why = process.ended() => {
            // What it put out before may still have to be read.
            let _ = timeout(DRAIN, &mut reading).await;
            Some(why)
        }
        () = write(stdin, outgoing) => None,
        () = &mut keeping => None,
    };
    if let Some(why) = end {
        // Its last words tell why.
        let _ = timeout(DRAIN, &mut keeping).await;
        // Nobody may be there any more.
        let _ = arrived.send(Arrival::Ended(why)).await;
        return process.stop().await;
    }
    let leave = async {
        tokio::select! {
            _ = process.ended() => {}
            () = async { tokio::join!(&mut reading, &mut keeping); } => {}
        }
    };
    let _ = timeout(LEAVE, leave).await;
    process.stop().await;
}

/// Writes until nobody has anything to send any more; with that the server's input ends.
async fn write(mut stdin: pipe::Sender, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(message) = outgoing.recv().await {
        let mut line = message.body;
        line.push(b'\n');
        // A server that reads nothing any more is about to end, or its calls run out of time.
        let _ = stdin.write_all(&line).await;
    }
}

/// Reads to the end; says why it could not be read further.
async fn read(stdout: pipe::Receiver, arrived: &mpsc::Sender<Arrival>, tail: &Tail) -> Option<String> {
    let mut reader = BufReader::with_capacity(READ_BYTES, stdout);
    let mut line = Vec::new();
    loop {
        let (taken, is_whole) = match reader.fill_buf().await {
            Ok([]) => return None,
            Ok(bytes) => match bytes.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    line.extend_from_slice(&bytes[..at]);
                    (at + 1, true)
                }
                None => {
                    line.extend_from_slice(bytes);
                    (bytes.len(), false)
                }
            },
            Err(error) => return Some(error.to_string()),
        };
        reader.consume(taken);
        if line.len() > MESSAGE_MAX_BYTES {
            return Some(format!("it sent a message of more than {} MiB", MESSAGE_MAX_BYTES >> 20));
        }
        if !is_whole {
            continue;
        }
        match message::parse(&line) {
            Some(messages) => {
                for message in messages {
                    // Without a reader the output is read all the same, so that the server can end.
                    let _ = arrived.send(Arrival::Message(message)).await;
                }
            }
            // A greeting, a log line: some servers write them where only messages belong.
            None if !line.trim_ascii().is_empty() => {
                line.push(b'\n');
                tail.push(&line);
            }
            None => {}
        }
        line.clear();
        line.shrink_to(READ_BYTES);
    }
}

/// Keeps the end of what comes, to its end.
async fn keep(mut stderr: pipe::Receiver, tail: &Tail) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count) = stderr.read(&mut buffer).await
        && count > 0
    {
        tail.push(&buffer[..count]);
    }
    // A server that closes its standard error goes on.
    std::future::pending::<()>().await;
}
