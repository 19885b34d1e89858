//! Where a command's output goes.

use std::io;
use std::path::Path;

use super::server::Server;
use crate::limits::DRAIN_BYTES;
use crate::ring::Ring;
use crate::spool::Spool;
use crate::wire;

/// What keeps the output.
pub(super) enum Sink {
    /// Of a call: each byte goes to the server, head and tail into a file.
    Call(Spool),
    /// Of a command that outlives its call: whoever wants it reads the file, and the server hears that it grew.
    Ring { ring: Ring, name: String, told: u64 },
}

impl Sink {
    pub(super) fn ring(directory: &Path, id: &str, capacity: u64) -> io::Result<Self> {
        let name = crate::ring::name(id);
        Ok(Self::Ring { ring: Ring::create(directory, id, capacity)?, name, told: 0 })
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Call(spool) => spool.name(),
            Self::Ring { name, .. } => name,
        }
    }

    pub(super) fn total(&self) -> u64 {
        match self {
            Self::Call(spool) => spool.total(),
            Self::Ring { ring, .. } => ring.total(),
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8], server: &mut Server) {
        match self {
            Self::Call(spool) => {
                spool.push(bytes);
                // Past the limit the server is too far behind for a command that is over; the file has it all the same.
                if server.pending() < DRAIN_BYTES {
                    server.send(wire::OUTPUT, bytes);
                }
            }
            Self::Ring { ring, .. } => {
                ring.push(bytes);
                self.tell(server);
            }
        }
    }

    /// Says how far the output has come; a server that is behind hears of the newest state only.
    pub(super) fn tell(&mut self, server: &mut Server) {
        if let Self::Ring { ring, told, .. } = self
            && *told < ring.total()
            && server.pending() == 0
        {
            *told = ring.total();
            server.send(wire::GREW, &told.to_le_bytes());
        }
    }

    /// Puts the file in order; how many bytes of the output it holds.
    pub(super) fn finish(&mut self) -> u64 {
        match self {
            Self::Call(spool) => spool.finish(),
            Self::Ring { ring, .. } => ring.total(),
        }
    }

    pub(super) fn sync(&self) {
        match self {
            Self::Call(spool) => spool.sync(),
            Self::Ring { ring, .. } => ring.sync(),
        }
    }
}
