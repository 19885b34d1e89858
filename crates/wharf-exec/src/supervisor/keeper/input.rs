//! What clients write into a command.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The character that ends the input of a terminal.
const END_OF_TRANSMISSION: u8 = 4;

/// The way into a command: a pipe or its terminal.
pub(super) struct Input {
    file: Option<File>,
    is_terminal: bool,
    /// Bounded by the server, which knows what was taken.
    pending: VecDeque<u8>,
    closes: bool,
    /// Bytes that the command has, or never will have.
    pub(super) taken: u64,
}

impl Input {
    pub(super) fn new(file: OwnedFd, is_terminal: bool) -> io::Result<Self> {
        // A command that does not read must not hold up its keeper.
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self { file: Some(file.into()), is_terminal, pending: VecDeque::new(), closes: false, taken: 0 })
    }

    /// Where to wait until something can be written.
    pub(super) fn interest(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().filter(|_| !self.pending.is_empty()).map(AsFd::as_fd)
    }

    pub(super) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().filter(|_| self.is_terminal).map(AsFd::as_fd)
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
        self.flush();
    }

    pub(super) fn close(&mut self) {
        if self.is_terminal {
            self.pending.push_back(END_OF_TRANSMISSION);
        } else {
            self.closes = true;
        }
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        while let Some(file) = &mut self.file {
            let (bytes, _) = self.pending.as_slices();
            if bytes.is_empty() {
                if self.closes {
                    self.file = None;
                }
                return;
            }
            match file.write(bytes) {
                Ok(count) => {
                    self.pending.drain(..count);
                    self.taken += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Nobody reads it any more.
                Err(_) => self.file = None,
            }
        }
        self.taken += self.pending.len() as u64;
        self.pending.clear();
    }
}
