//! A TCP proxy that treats connections badly: it cuts them, delays them, and lets one direction die before the other.
//!
//! Which connection suffers what follows from the seed and the number of the connection.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that are passed on at a time.
const PIECE_BYTES: usize = 4 << 10;
/// Connections at a time; one more waits in the listener's queue.
const CONNECTION_LIMIT: usize = 2_000;

/// How often connections suffer, in thousandths of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Broken after some bytes, in the middle of whatever is said.
    pub cut: u64,
    /// Each piece comes late.
    pub delay: u64,
    /// What the client says gets through, what it is told does not from some point on; then it breaks.
    pub halve: u64,
}

/// A running proxy. It stops, with its connections, when this is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    faults: Faults,
    seed: u64,
    count: AtomicU64,
    suffered: AtomicU64,
}

impl FaultProxy {
    /// Listens on a free port of loopback. Until it has a target, connections are closed at once.
    pub async fn start(faults: Faults, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (count, suffered) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { target: Mutex::new(None), faults, seed, count, suffered });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where new connections go; `None`: nowhere.
    pub fn set_target(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Connections so far, and those of them that suffered.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.count.load(Ordering::Relaxed), self.shared.suffered.load(Ordering::Relaxed))
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What becomes of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Spared,
    /// After so many bytes towards the client.
    Cut(usize),
    Delayed(Duration),
    Halved(usize),
}

impl Faults {
    fn fate(self, seed: u64, number: u64) -> Fate {
        let random = scramble(seed ^ scramble(number));
        let after = usize::try_from(scramble(random) % 12_000).unwrap_or(0);
        let dice = random % 1_000;
        if dice < self.cut {
            Fate::Cut(after)
        } else if dice < self.cut + self.halve {
            Fate::Halved(after)
        } else if dice < self.cut + self.halve + self.delay {
            Fate::Delayed(Duration::from_millis(1 + random / 1_000 % 15))
        } else {
            Fate::Spared
        }
    }
}

/// A number that looks random (the finisher of splitmix64).
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTION_LIMIT => {
                let Ok((client, _)) = accepted else { continue };
                let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(target) = target else { continue };
                let number = shared.count.fetch_add(1, Ordering::Relaxed);
                let fate = shared.faults.fate(shared.seed, number);
                if fate != Fate::Spared {
                    shared.suffered.fetch_add(1, Ordering::Relaxed);
                }
                connections.spawn(async move {
                    // A server that is gone: the client learns it from the closed connection.
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    // A connection that breaks is what this is for.
                    let _ = pass(client, server, fate).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(client: TcpStream, server: TcpStream, fate: Fate) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = async {
        let passed = copy(from_client, to_server, None, fate).await;
        if let Fate::Halved(_) = fate {
            // The other direction decides when it is over.
            std::future::pending::<()>().await;
        }
        passed
    };
    let down = async {
        match fate {
            Fate::Cut(limit) => copy(from_server, to_client, Some(limit), fate).await,
            Fate::Halved(limit) => {
                let passed = copy(from_server, to_client, Some(limit), fate).await;
                // What the client still says arrives; it hears nothing of it.
                tokio::time::sleep(Duration::from_millis(50)).await;
                passed
            }
            Fate::Spared | Fate::Delayed(_) => copy(from_server, to_client, None, fate).await,
        }
    };
    tokio::select! {
        down = down => down,
        up = up => up,
    }
}

/// Until the end, or `limit` bytes.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, limit: Option<usize>, fate: Fate) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = limit.unwrap_or(usize::MAX);
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        if let Fate::Delayed(pause) = fate {
            tokio::time::sleep(pause).await;
        }
        let passed = read.min(left);
        to.write_all(&piece[..passed]).await?;
        left -= passed;
        if left == 0 {
            // Kept open by a caller that wants it so; otherwise it goes with this function.
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
