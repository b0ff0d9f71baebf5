//! The engine on io_uring: one system call per loop submits what the tasks began and waits for what is done.
//!
//! It stands on the crate `io-uring` rather than on tokio-uring, whose interface has no cancellation, no provided
//! buffers and no wait for readiness. What keeps memory and kernel apart, file by file:
//! - `operation`: what an operation points to is owned by its entry in the driver, on the heap, whatever becomes of
//!   the half that began it.
//! - `driver`: an entry is not touched and not freed while the kernel has its operation.
//! - `provided`: receives point to nothing; the kernel picks a buffer when bytes are there.
//! - `ring`: the queues.

mod connect;
mod driver;
mod listener;
mod operation;
mod probe;
mod provided;
mod ring;
mod stream;
mod unpark;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

pub use connect::IoUringConnect;
pub use listener::IoUringListener;
pub use probe::{Unavailable, probe};
pub use stream::{IoUringReader, IoUringWriter};

use super::clock::{Clock, wall_time};
use super::executor::Handle;
use super::{Engine, IoError};
use driver::UringDriver;
use unpark::EventFd;

/// The io_uring engine of one thread.
#[derive(Clone, Debug)]
pub struct IoUring {
    handle: Handle,
    driver: Rc<UringDriver>,
}

impl IoUring {
    /// A new engine; use it on this thread.
    ///
    /// # Errors
    /// [`Unavailable`], as the cause, where the kernel does not offer what the engine needs; see [`probe()`].
    pub fn new() -> io::Result<Self> {
        Self::begin().map_err(io::Error::other)
    }

    fn begin() -> Result<Self, Unavailable> {
        let unpark = EventFd::new().map_err(|errno| Unavailable::from_call("eventfd", &errno.into()))?;
        let (clock, unpark) = (Clock::start(), Arc::new(unpark));
        let handle = Handle::new(move || clock.now(), wall_time, unpark.clone());
        let driver = Rc::new(UringDriver::new(clock, unpark, handle.buffers().clone())?);
        Ok(IoUring { handle, driver })
    }

    /// Runs `main`, and what it spawns, until it is done and the kernel has let go of what was under way.
    pub fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        let value = self.handle.run(&*self.driver, main);
        self.handle.clear();
        self.driver.drain();
        value
    }

    /// Accepts from `socket` on this thread.
    ///
    /// # Errors
    /// When the socket is none.
    pub fn listener(&self, socket: TcpListener) -> Result<IoUringListener, IoError> {
        IoUringListener::new(socket, &self.driver)
    }
}

impl Engine for IoUring {
    type Reader = IoUringReader;
    type Writer = IoUringWriter;
    type Listener = IoUringListener;
    type Connect = IoUringConnect;

    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn connect(&self, address: SocketAddr) -> IoUringConnect {
        IoUringConnect::new(address, &self.driver)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::task::Poll;
    use std::time::Duration;

    use super::stream::{UringConnection, halves};
    use super::*;
    use crate::engine::executor::Driver as _;
    use crate::engine::{Connection, Listener, Reader, Writer, accept, flush, read, socket};

    const SOON: Duration = Duration::from_secs(5);

    fn pair(engine: &IoUring) -> (UringConnection, UringConnection) {
        let (near, far) = UnixStream::pair().unwrap();
        (
            halves(Rc::new(OwnedFd::from(near).into()), &engine.driver),
            halves(Rc::new(OwnedFd::from(far).into()), &engine.driver),
        )
    }

    async fn send(engine: &IoUring, writer: &mut IoUringWriter, bytes: &[u8]) {
        writer.buffer().extend_from_slice(bytes);
        let mut timer = engine.handle().timer();
        flush(writer, &mut timer, engine.handle().now() + SOON).await.unwrap();
    }

    async fn receive(engine: &IoUring, reader: &mut IoUringReader) -> Option<Vec<u8>> {
        let mut timer = engine.handle().timer();
        let lent = read(reader, &mut timer, engine.handle().now() + SOON).await.unwrap();
        lent.map(|lent| lent.to_vec())
    }

    /// Lets the loop look at the kernel again.
    async fn pause(engine: &IoUring) {
        engine.handle().timer().sleep_until(engine.handle().now() + Duration::from_millis(10)).await;
    }

    #[test]
    fn a_connection_is_accepted_answered_and_ended() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move {
            let socket = socket::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
            let mut listener = inner.listener(socket).unwrap();
            let address = listener.local_address();
            let client = inner.clone();
            inner.handle().spawn(async move {
                let mut connection = client.connect(address).await.unwrap();
                send(&client, &mut connection.writer, b"question").await;
                assert_eq!(receive(&client, &mut connection.reader).await.unwrap(), b"answer");
            });
            let mut served = accept(&mut listener).await.unwrap().unwrap();
            assert!(served.peer.ip().is_loopback() && served.peer.port() > 0);
            assert_eq!(receive(&inner, &mut served.connection.reader).await.unwrap(), b"question");
            send(&inner, &mut served.connection.writer, b"answer").await;
            assert_eq!(receive(&inner, &mut served.connection.reader).await, None);
            listener.stop();
            assert!(accept(&mut listener).await.unwrap().is_none());
        });
        assert_eq!(engine.handle().buffers().outstanding(), 0);
    }

    /// Many connections whose receives begin together, each with bytes of its own.
    async fn rush(engine: &IoUring) {
        const CONNECTIONS: usize = 300;
        let mut pairs: Vec<_> = (0..CONNECTIONS).map(|_| pair(engine)).collect();
        for (index, (near, _)) in pairs.iter_mut().enumerate() {
            send(engine, &mut near.writer, &[index as u8; 100]).await;
        }
        for (_, far) in &mut pairs {
            far.reader.is_quiet();
        }
        // What the receives yield is held until all are done.
        let mut held = Vec::new();
        let mut timer = engine.handle().timer();
        for (_, far) in &mut pairs {
            held.push(
                read(&mut far.reader, &mut timer, engine.handle().now() + SOON).await.unwrap().unwrap(),
            );
        }
        assert!(held.iter().enumerate().all(|(index, lent)| **lent == [index as u8; 100]));
    }

    /// What the executor does when nothing happens for two seconds.
    fn release(engine: &IoUring) {
        for _ in 0..2 {
            engine.handle().buffers().release_spares();
            engine.driver.release_spares();
        }
    }

    #[test]
    fn more_readers_at_once_than_the_kernel_has_buffers_all_get_their_bytes() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move { rush(&inner).await });
        assert_eq!(engine.handle().buffers().outstanding(), 0);
    }

    #[test]
    fn buffers_of_a_rush_are_renewed_when_nothing_is_received_and_the_next_rush_gets_others() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move {
            for _ in 0..3 {
                rush(&inner).await;
                assert!(inner.driver.has_spares());
                // While somebody receives, the kernel may use any of them.
                let (mut near, mut far) = pair(&inner);
                assert!(near.reader.is_quiet());
                release(&inner);
                assert!(inner.driver.has_spares());
                send(&inner, &mut far.writer, b"x").await;
                assert_eq!(receive(&inner, &mut near.reader).await.unwrap(), b"x");
                drop((near, far));
                pause(&inner).await;
                release(&inner);
                assert!(!inner.driver.has_spares());
            }
        });
        assert_eq!(engine.handle().buffers().outstanding(), 0);
    }

    #[test]
    fn a_dropped_half_frees_its_place_and_the_peer_sees_the_end() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move {
            let (mut near, mut far) = pair(&inner);
            assert!(near.reader.is_quiet());
            pause(&inner).await;
            drop(near);
            assert_eq!(inner.driver.orphans(), 1);
            assert_eq!(receive(&inner, &mut far.reader).await, None);
            assert_eq!(inner.driver.orphans(), 0);
        });
    }

    #[test]
    fn bytes_queued_behind_a_stalled_send_follow_it_in_order() {
        const STALLED: usize = 4 * 1024 * 1024;
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move {
            let (mut near, mut far) = pair(&inner);
            near.writer.buffer().resize(STALLED, b'a');
            let mut timer = inner.handle().timer();
            let soon = inner.handle().now() + Duration::from_millis(20);
            assert_eq!(flush(&mut near.writer, &mut timer, soon).await, Err(IoError::TimedOut));
            assert!(near.writer.taken() < STALLED as u64);
            near.writer.buffer().extend_from_slice(b"bb");
            let reading = inner.clone();
            let reader = async move {
                let mut all = Vec::new();
                while let Some(bytes) = receive(&reading, &mut far.reader).await {
                    all.extend(bytes);
                }
                all
            };
            let sending = inner.clone();
            inner.handle().spawn(async move {
                send(&sending, &mut near.writer, b"c").await;
                assert_eq!(near.writer.taken(), STALLED as u64 + 3);
                near.writer.shutdown();
            });
            let all = reader.await;
            assert_eq!(all.len(), STALLED + 3);
            assert!(all[..STALLED].iter().all(|&byte| byte == b'a'));
            assert_eq!(all[STALLED..], *b"bbc");
        });
        assert_eq!(engine.handle().buffers().outstanding(), 0);
    }

    #[test]
    fn own_bytes_and_a_lent_buffer_go_out_together() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move {
            let (mut near, mut far) = pair(&inner);
            send(&inner, &mut near.writer, &[b'x'; 9000]).await;
            let mut timer = inner.handle().timer();
            let lent = read(&mut far.reader, &mut timer, inner.handle().now() + SOON).await.unwrap().unwrap();
            assert_eq!(lent.len(), 9000);
            far.writer.buffer().extend_from_slice(b"head");
            far.writer.lend(lent);
            send(&inner, &mut far.writer, b"").await;
            let mut all = Vec::new();
            while all.len() < 9004 {
                all.extend(receive(&inner, &mut near.reader).await.unwrap());
            }
            assert!(all.starts_with(b"headxxx") && all.ends_with(b"x"));
        });
    }

    #[test]
    fn a_quiet_connection_notices_bytes_and_the_end() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        engine.run(async move {
            let (mut near, Connection { reader, mut writer }) = pair(&inner);
            assert!(near.reader.is_quiet());
            pause(&inner).await;
            assert!(near.reader.is_quiet());
            send(&inner, &mut writer, b"x").await;
            pause(&inner).await;
            assert!(!near.reader.is_quiet());
            assert_eq!(receive(&inner, &mut near.reader).await.unwrap(), b"x");
            assert!(near.reader.is_quiet());
            drop((reader, writer));
            pause(&inner).await;
            assert!(!near.reader.is_quiet());
            assert_eq!(receive(&inner, &mut near.reader).await, None);
        });
    }

    #[test]
    fn another_thread_ends_the_wait_again_and_again() {
        let engine = IoUring::new().unwrap();
        engine.run(async move {
            for round in 0..100 {
                let mut other = None;
                let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
                std::future::poll_fn(|context| {
                    if flag.load(std::sync::atomic::Ordering::Acquire) {
                        return Poll::Ready(());
                    }
                    let (waker, flag) = (context.waker().clone(), flag.clone());
                    other.get_or_insert_with(|| {
                        std::thread::spawn(move || {
                            flag.store(true, std::sync::atomic::Ordering::Release);
                            waker.wake();
                        })
                    });
                    Poll::Pending
                })
                .await;
                assert!(other.take().unwrap().join().is_ok(), "round {round}");
            }
        });
    }

    #[test]
    fn halves_and_attempts_may_outlive_the_run_and_the_engine() {
        let engine = IoUring::new().unwrap();
        let inner = engine.clone();
        let (near, far, attempt) = engine.run(async move {
            let (mut near, mut far) = pair(&inner);
            assert!(near.reader.is_quiet());
            far.writer.buffer().resize(4 * 1024 * 1024, 0);
            let mut timer = inner.handle().timer();
            let soon = inner.handle().now() + Duration::from_millis(20);
            assert_eq!(flush(&mut far.writer, &mut timer, soon).await, Err(IoError::TimedOut));
            // An address of the documentation range: no answer will come.
            let attempt = inner.connect("192.0.2.1:9".parse().unwrap());
            (near, far, attempt)
        });
        let pool = engine.handle().buffers().clone();
        let driver = Rc::downgrade(&engine.driver);
        drop(engine);
        drop((near, far, attempt));
        assert!(driver.upgrade().is_none());
        assert_eq!(pool.outstanding(), 0);
    }
}
