//! What a server can be told when it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where to listen and how much to keep. [`Config::default`] suits a developer's machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any free port. Default `127.0.0.1:8085`, the port that Google's
    /// emulator uses.
    pub addr: SocketAddr,
    /// Unacknowledged messages kept over all subscriptions (one that several hold counts once); beyond
    /// it, publishing fails with `RESOURCE_EXHAUSTED`. Default 2,000,000.
    pub max_messages: usize,
    /// The same in encoded bytes. Default 1 GiB. The bookkeeping of a message adds about 200 bytes to it.
    pub max_bytes: usize,
    /// How many [`crate::Event`]s to keep for [`crate::Server::events`], the newest; `None` (the default)
    /// records nothing and costs nothing.
    pub event_log: Option<usize>,
    /// The longest that messages of a *closed* stream stay leased. `None` (the default) leaves the leases
    /// as they are, as the real service does: a client that shuts down in an orderly way goes on
    /// extending and acknowledging them. Tests that kill clients may want less.
    pub closed_stream_lease: Option<Duration>,
    /// How long a unary pull waits for a first message before it answers with none. Default 10 s.
    pub pull_wait: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8085)),
            max_messages: 2_000_000,
            max_bytes: 1 << 30,
            event_log: None,
            closed_stream_lease: None,
            pull_wait: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// A free port and an event log of 100,000 events.
    #[must_use]
    pub fn for_testing() -> Self {
        Self { addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), event_log: Some(100_000), ..Self::default() }
    }
}
