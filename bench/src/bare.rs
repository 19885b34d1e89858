//! Stand-ins: the least that a server and a proxy can be.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const HELLO: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"healthy\":true}";

/// Answers every request on a connection with the same bytes, until killed.
pub async fn hello(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(say_hello(stream));
    }
}

async fn say_hello(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    // A client that leaves ends its connection only.
    while let Ok(1..) = stream.read(&mut buffer).await {
        if stream.write_all(HELLO).await.is_err() {
            return;
        }
    }
}

/// Forwards bytes between its clients and `upstream` (`host:port`), until killed. Prints its own address first.
pub async fn proxy(upstream: &str) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}/v1", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await.context("accept")?;
        let upstream = upstream.to_owned();
        tokio::spawn(async move {
            // A side that leaves ends its connection only.
            let _ = forward(client, &upstream).await;
        });
    }
}

async fn forward(mut client: TcpStream, upstream: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
