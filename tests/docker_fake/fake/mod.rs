//! An engine that speaks as much of Docker's interface as Ringway uses, on a socket of its own, with containers that are
//! listeners on addresses of 127/8; and with whatever faults a real engine will not show on demand.

mod answer;
mod calls;
mod container;
mod events;
mod own_container;
mod world;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use crossbeam::channel::bounded;
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

pub(crate) use world::{Fault, World};

/// Something that is done to the world, on the engine's thread.
type Act = Box<dyn FnOnce(&Rc<world::Engine>) + Send>;

enum Order {
    Act(Act),
    /// The socket is there, or is not; containers go on either way.
    Listen(bool),
}

/// The engine. It ends with its value.
pub(crate) struct Fake {
    socket: PathBuf,
    orders: mpsc::UnboundedSender<Order>,
}

impl Fake {
    /// An engine that is down: it has a world, and no socket.
    pub(crate) fn down(folder: &Path) -> Fake {
        let socket = folder.join("engine.sock");
        let (orders, received) = mpsc::unbounded_channel();
        let path = socket.clone();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, run(path, received));
        });
        Fake { socket, orders }
    }

    /// An engine that answers.
    pub(crate) fn up(folder: &Path) -> Fake {
        let fake = Fake::down(folder);
        fake.come_up();
        fake
    }

    /// Its address, as the configuration has it.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Begins to answer; its socket is there when this returns.
    pub(crate) fn come_up(&self) {
        self.order(Order::Listen(true));
        self.with(|_| ());
    }

    /// Cuts all connections and answers no more.
    pub(crate) fn go_down(&self) {
        self.order(Order::Listen(false));
        self.with(|_| ());
    }

    /// Looks at the world, or changes it.
    pub(crate) fn with<T: Send + 'static>(&self, act: impl FnOnce(&mut World) -> T + Send + 'static) -> T {
        let (reply, answer) = bounded(1);
        self.order(Order::Act(Box::new(move |engine| {
            let _ = reply.send(act(&mut engine.world.borrow_mut()));
        })));
        answer.recv().expect("the engine's thread lives")
    }

    fn order(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "the engine's thread lives");
    }
}

async fn run(socket: PathBuf, mut orders: mpsc::UnboundedReceiver<Order>) {
    let engine = Rc::new(world::Engine::default());
    let mut listener: Option<UnixListener> = None;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Order::Act(act)) => act(&engine),
                Some(Order::Listen(true)) => {
                    let _ = std::fs::remove_file(&socket);
                    listener = Some(UnixListener::bind(&socket).unwrap());
                }
                Some(Order::Listen(false)) => {
                    listener = None;
                    let _ = std::fs::remove_file(&socket);
                    connections.abort_all();
                    engine.world.borrow_mut().events.cut();
                }
                None => return,
            },
            stream = accepted(listener.as_ref()) => {
                connections.spawn_local(answer::serve(engine.clone(), stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accepted(listener: Option<&UnixListener>) -> tokio::net::UnixStream {
    match listener {
        Some(listener) => listener.accept().await.unwrap().0,
        None => std::future::pending().await,
    }
}
