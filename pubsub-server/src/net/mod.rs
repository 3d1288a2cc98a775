//! The listening socket and its connections, with the switches that break them.

mod connection;
mod listener;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::sync::lock;
pub(crate) use connection::Connection;
use connection::Link;
pub(crate) use listener::Listener;

/// What happens to clients that connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// The port is not listened on: the operating system refuses.
    Refuse,
    /// Connections are accepted and closed at once, as a load balancer without a backend does.
    AcceptAndClose,
}

/// Every open connection, and what new ones will meet.
pub(crate) struct Network {
    door: watch::Sender<Door>,
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    next: u64,
    open: HashMap<u64, Arc<Link>>,
    freeze_new: bool,
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { door: watch::Sender::new(Door::Open), links: Mutex::default() })
    }

    pub(crate) fn set_door(&self, door: Door) {
        self.door.send_replace(door);
    }

    fn door(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    /// Freezes every open connection and, until told otherwise, every new one.
    pub(crate) fn freeze(&self) {
        let mut links = lock(&self.links);
        links.freeze_new = true;
        links.open.values().for_each(|link| link.set_frozen(true));
    }

    /// New connections work again; those that were frozen stay so.
    pub(crate) fn unfreeze_new(&self) {
        lock(&self.links).freeze_new = false;
    }

    pub(crate) fn unfreeze_all(&self) {
        let mut links = lock(&self.links);
        links.freeze_new = false;
        links.open.values().for_each(|link| link.set_frozen(false));
    }

    /// Closes every connection, frozen or not.
    pub(crate) fn cut(&self) {
        lock(&self.links).open.values().for_each(|link| link.cut());
    }

    pub(crate) fn open_connections(&self) -> usize {
        lock(&self.links).open.len()
    }

    fn register(&self) -> (u64, Arc<Link>) {
        let mut links = lock(&self.links);
        let id = links.next;
        links.next += 1;
        let link = Arc::new(Link::new(links.freeze_new));
        links.open.insert(id, Arc::clone(&link));
        (id, link)
    }

    fn forget(&self, id: u64) {
        lock(&self.links).open.remove(&id);
    }
}
