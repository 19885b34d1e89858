//! What gets through with each fault; the seed decides which.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fate, FaultProxy, Faults};
use crate::wait::within;

/// Sends back what it gets.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn sent_and_heard(faults: Faults, bytes: usize) -> usize {
    let proxy = FaultProxy::start(faults, 1).await.unwrap();
    proxy.set_target(Some(echo().await));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    // It may break while it is being written to.
    let _ = stream.write_all(&vec![b'x'; bytes]).await;
    let mut heard = 0;
    let mut buffer = vec![0; 64 << 10];
    while heard < bytes {
        match within("bytes or the end", stream.read(&mut buffer)).await {
            Ok(0) | Err(_) => break,
            Ok(read) => heard += read,
        }
    }
    heard
}

#[tokio::test]
async fn without_faults_everything_passes() {
    assert_eq!(sent_and_heard(Faults::default(), 50_000).await, 50_000);
}

#[tokio::test]
async fn delayed_connections_lose_nothing() {
    assert_eq!(sent_and_heard(Faults { delay: 1_000, ..Faults::default() }, 20_000).await, 20_000);
}

#[tokio::test]
async fn cut_and_halved_connections_end_early() {
    assert!(sent_and_heard(Faults { cut: 1_000, ..Faults::default() }, 50_000).await < 12_000);
    assert!(sent_and_heard(Faults { halve: 1_000, ..Faults::default() }, 50_000).await < 12_000);
}

#[test]
fn the_seed_decides() {
    let faults = Faults { cut: 100, delay: 100, halve: 100 };
    let fates = |seed| (0..1_000).map(|number| faults.fate(seed, number)).collect::<Vec<_>>();
    assert_eq!(fates(7), fates(7));
    assert_ne!(fates(7), fates(8));
    let spared = fates(7).iter().filter(|fate| **fate == Fate::Spared).count();
    assert!((600..800).contains(&spared), "{spared} of 1000 were spared");
}
