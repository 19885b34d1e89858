//! Standard input and output without a thread between them and the editor, where they are pipes or sockets.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

pub fn input() -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    Ok(match Kind::of(std::io::stdin().as_fd().try_clone_to_owned()?)? {
        Kind::Pipe(file) => Box::new(pipe::Receiver::from_file(file)?),
        Kind::Socket(socket) => Box::new(socket),
        Kind::Other => Box::new(tokio::io::stdin()),
    })
}

pub fn output() -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    Ok(match Kind::of(std::io::stdout().as_fd().try_clone_to_owned()?)? {
        Kind::Pipe(file) => Box::new(pipe::Sender::from_file(file)?),
        Kind::Socket(socket) => Box::new(socket),
        Kind::Other => Box::new(tokio::io::stdout()),
    })
}

enum Kind {
    Pipe(File),
    Socket(UnixStream),
    /// Files and terminals cannot be waited for.
    Other,
}

impl Kind {
    fn of(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        let kind = file.metadata()?.file_type();
        if kind.is_fifo() {
            return Ok(Self::Pipe(file));
        }
        if kind.is_socket() {
            // Node gives its children sockets.
            let socket = std::os::unix::net::UnixStream::from(OwnedFd::from(file));
            socket.set_nonblocking(true)?;
            return Ok(Self::Socket(UnixStream::from_std(socket)?));
        }
        Ok(Self::Other)
    }
}
