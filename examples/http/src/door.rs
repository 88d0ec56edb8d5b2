//! A listener that loses no connection when the daemon stops.

use std::future::pending;
use std::net::SocketAddr;
use std::{io, iter};

use axum::serve::Listener;
use daemonic::Context;
use tokio::net::{TcpListener, TcpStream};

/// A listener that accepts connections until the daemon stops, and then those that are in the kernel's
/// queue. Their requests would be lost if the socket were just closed.
pub struct Door {
    listener: Option<TcpListener>,
    queue: Vec<(TcpStream, SocketAddr)>,
    context: Context,
}

impl Door {
    pub fn new(listener: TcpListener, context: Context) -> Self {
        Self { listener: Some(listener), queue: Vec::new(), context }
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                connection = Listener::accept(listener) => return connection,
                () = self.context.stopped() => {}
            }
            self.queue = self.listener.take().and_then(|listener| shut(listener).ok()).unwrap_or_default();
        }
        match self.queue.pop() {
            Some(connection) => connection,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.as_ref().map_or(Err(io::ErrorKind::NotConnected.into()), TcpListener::local_addr)
    }
}

/// Accepts what is in the kernel's queue. tokio may not know the last connections yet.
fn shut(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let waiting = iter::from_fn(|| listener.accept().ok());
    waiting
        .map(|(stream, address)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, address))
        })
        .collect()
}
