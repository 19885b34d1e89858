//! The keeper's end of the socket to the server: what is on its way there, and what comes from there.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use serde::Serialize;

use crate::wire::{self, Frames};

/// Gone once the server is; then everything that is sent is dropped.
pub(super) struct Server {
    control: Option<UnixStream>,
    frames: Frames,
    /// Frames on their way to the server.
    pending: VecDeque<u8>,
}

impl Server {
    pub(super) fn new(control: &UnixStream) -> io::Result<Self> {
        let control = control.try_clone()?;
        control.set_nonblocking(true)?;
        Ok(Self { control: Some(control), frames: Frames::default(), pending: VecDeque::new() })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.control.is_none()
    }

    /// Bytes that the server has not taken yet.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What to wait for, and where.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let wanted = if self.pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        self.control.as_ref().map(|control| (control.as_fd(), wanted))
    }

    /// Does what [`Self::interest`] was told is possible; brings the frames that came.
    pub(super) fn on(&mut self, ready: PollFlags) -> Vec<(u8, Vec<u8>)> {
        if ready.contains(PollFlags::OUT) {
            self.flush();
        }
        if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) { self.listen() } else { Vec::new() }
    }

    /// A frame that is longer than one may be is not sent.
    pub(super) fn send(&mut self, kind: u8, body: &[u8]) {
        if self.control.is_some()
            && let Ok(frame) = wire::frame(kind, body)
        {
            self.pending.extend(frame);
            self.flush();
        }
    }

    pub(super) fn send_json(&mut self, kind: u8, body: &impl Serialize) -> io::Result<()> {
        self.send(kind, &serde_json::to_vec(body)?);
        Ok(())
    }

    fn flush(&mut self) {
        while let Some(control) = &mut self.control {
            let (bytes, _) = self.pending.as_slices();
            if bytes.is_empty() {
                return;
            }
            match control.write(bytes) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.lost(),
            }
        }
    }

    fn listen(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut buffer = [0; 8 * 1024];
        let Some(control) = &mut self.control else { return Vec::new() };
        match control.read(&mut buffer) {
            Ok(0) => self.lost(),
            Ok(count) => self.frames.push(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.lost(),
        }
        let mut came = Vec::new();
        while let Ok(Some(frame)) = self.frames.next() {
            came.push(frame);
        }
        came
    }

    fn lost(&mut self) {
        self.control = None;
        self.pending = VecDeque::new();
    }
}
