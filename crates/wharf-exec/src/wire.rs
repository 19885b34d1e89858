//! What the server, the supervisor and the keepers say to each other: frames of a kind, a length and a body.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use wharf_protocol::TerminalSize;

/// Largest frame: a command line and an environment.
pub(crate) const FRAME_MAX_BYTES: usize = 4 * 1024 * 1024;
const HEADER_BYTES: usize = 5;

/// Server to keeper: a [`CommandRequest`], with the directory's descriptor. The first frame.
pub(crate) const REQUEST: u8 = 1;
/// Server to keeper: end the command.
pub(crate) const STOP: u8 = 2;
/// Keeper to server: a piece of output, as it came.
pub(crate) const OUTPUT: u8 = 3;
/// Keeper to server: an [`EndReport`]. The last frame.
pub(crate) const ENDED: u8 = 4;
/// Keeper to server: why the command could not be started. The last frame.
pub(crate) const NOT_STARTED: u8 = 5;
/// Server to keeper: bytes for the command's input.
pub(crate) const INPUT: u8 = 6;
/// Server to keeper: nothing follows in the command's input.
pub(crate) const CLOSE_INPUT: u8 = 7;
/// Server to keeper: a [`TerminalSize`].
pub(crate) const RESIZE: u8 = 8;
/// Keeper to server: so many bytes of output are in the ring.
pub(crate) const GREW: u8 = 9;
/// Keeper to server: so many bytes of input were taken.
pub(crate) const TAKEN: u8 = 10;
/// Keeper to server: the command runs.
pub(crate) const BEGUN: u8 = 11;

/// Server to keeper, in place of [`REQUEST`]: a program that is spoken with on pipes, with its descriptors.
pub(crate) const SERVE: u8 = 32;
/// Keeper to server: the program was started.
pub(crate) const SERVING: u8 = 33;

/// Descriptors that come with a first frame: the directory, and for [`SERVE`] the standard three.
const FIRST_DESCRIPTORS: usize = 4;

/// A program that is spoken with for long. Its directory and its standard three come along as descriptors, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Serve {
    pub(crate) program: std::ffi::OsString,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// A command to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommandRequest {
    /// Names its files: of the call, or of the background command.
    pub(crate) id: String,
    pub(crate) program: std::ffi::OsString,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) output_dir: std::ffi::OsString,
    pub(crate) output_max_bytes: u64,
    /// The program makes a process namespace and runs the command in it: it has to outlive the request to end, or the command
    /// would have no time to.
    #[serde(default)]
    pub(crate) contained: bool,
    /// Outlives its call.
    #[serde(default)]
    pub(crate) background: Option<Background>,
}

/// How a command is run that outlives its call: its output goes into a ring that others read, and it may be written to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Background {
    pub(crate) terminal: Option<TerminalSize>,
    pub(crate) takes_input: bool,
}

/// What is known of a command once it is over. Also what stands in its status file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndReport {
    pub(crate) at_ms: u64,
    pub(crate) end: HowEnded,
    /// All that was put out.
    pub(crate) bytes: u64,
    /// What of it is in the output file.
    pub(crate) kept_bytes: u64,
    /// Name of the output file in its directory.
    pub(crate) output: String,
    pub(crate) strays: usize,
    pub(crate) survivors: usize,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub(crate) enum HowEnded {
    Exited {
        code: i32,
    },
    Signalled {
        signal: i32,
    },
    TimedOut,
    Cancelled,
    /// The server was gone.
    Abandoned,
}

impl HowEnded {
    /// The main process's own end, where it had one.
    pub(crate) fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Exited { code } => Some(ExitStatus::from_raw((code & 0xff) << 8)),
            Self::Signalled { signal } => Some(ExitStatus::from_raw(signal)),
            Self::TimedOut | Self::Cancelled | Self::Abandoned => None,
        }
    }
}

/// A frame, ready to be sent.
pub(crate) fn frame(kind: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(body.len()).ok().filter(|len| *len as usize <= FRAME_MAX_BYTES);
    let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "longer than a command may be"))?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
    frame.push(kind);
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

pub(crate) fn json_frame(kind: u8, body: &impl Serialize) -> io::Result<Vec<u8>> {
    frame(kind, &serde_json::to_vec(body)?)
}

/// Puts frames together from what arrives.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let Some(&[kind, a, b, c, d]) = self.bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > FRAME_MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
        }
        if self.bytes.len() < HEADER_BYTES + len {
            return Ok(None);
        }
        let body = self.bytes[HEADER_BYTES..HEADER_BYTES + len].to_vec();
        self.bytes.drain(..HEADER_BYTES + len);
        Ok(Some((kind, body)))
    }
}

/// Sends `bytes`, the descriptor with the first of them.
pub(crate) fn send_with(socket: &UnixStream, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    send_all(socket, bytes, &[descriptor])
}

/// Sends `bytes`, the descriptors with the first of them; at most as many as a first frame has.
pub(crate) fn send_all(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FIRST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    // A dead receiver is an error here, not a signal.
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    let mut socket = socket;
    socket.write_all(&bytes[sent..])
}

/// Receives what there is, and the descriptor that came with it; 0 bytes are the end.
pub(crate) fn receive_with(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let (count, descriptors) = receive_all(socket, buffer)?;
    Ok((count, descriptors.into_iter().next()))
}

fn receive_all(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FIRST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let received = loop {
        match rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((received.bytes, descriptors))
}

/// The frame that a keeper is started with: its kind, its body, and what came with it.
pub(crate) type First = (u8, Vec<u8>, Vec<OwnedFd>);

/// Waits for the frame that a keeper is started with.
pub(crate) fn receive_first(mut socket: &UnixStream) -> io::Result<First> {
    let mut buffer = vec![0; 32 * 1024];
    let mut frames = Frames::default();
    let (count, descriptors) = receive_all(socket, &mut buffer)?;
    frames.push(&buffer[..count]);
    loop {
        if let Some((kind, body)) = frames.next()? {
            return Ok((kind, body, descriptors));
        }
        match socket.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => frames.push(&buffer[..count]),
        }
    }
}

/// The command that a keeper is to run, and the directory to run it in.
pub(crate) fn request(first: First) -> io::Result<(CommandRequest, OwnedFd)> {
    let (kind, body, descriptors) = first;
    if kind != REQUEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the first frame is no request"));
    }
    let directory = descriptors.into_iter().next().ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((serde_json::from_slice(&body)?, directory))
}

#[cfg(test)]
mod tests;
