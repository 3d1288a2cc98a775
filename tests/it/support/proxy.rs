//! A TCP proxy before Postgres that is slow, or lets commits through and loses their replies, when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

pub struct Proxy {
    /// The database, through the proxy.
    pub url: String,
    trouble: Arc<Trouble>,
}

#[derive(Default)]
struct Trouble {
    replies_to_lose: AtomicUsize,
    replies_lost: AtomicUsize,
    delay_ms: AtomicU64,
}

impl Proxy {
    /// Before the database of a socket URL.
    pub async fn start(url: &str) -> Proxy {
        let url: url::Url = url.parse().unwrap();
        let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        let socket = format!("{}/.s.PGSQL.{}", query["host"], query["port"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let trouble = Arc::new(Trouble::default());
        let making = Arc::clone(&trouble);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Without a server the client is hung up on.
                if let Ok(server) = UnixStream::connect(&socket).await {
                    tokio::spawn(carry(client, server, Arc::clone(&making)));
                }
            }
        });
        let url = format!("postgres://postgres@127.0.0.1:{port}{}?sslmode=disable", url.path());
        Proxy { url, trouble }
    }

    /// The next commits are never answered, whatever was asked for before.
    pub fn lose_commit_replies(&self, count: usize) {
        self.trouble.replies_to_lose.store(count, Ordering::SeqCst);
    }

    /// How many were lost.
    pub fn commit_replies_lost(&self) -> usize {
        self.trouble.replies_lost.load(Ordering::SeqCst)
    }

    /// Whatever is said to the server takes so much longer from now on.
    pub fn delay(&self, delay: Duration) {
        self.trouble.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Trouble {
    fn loses_reply(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.replies_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }
}

async fn carry(mut client: TcpStream, mut server: UnixStream, trouble: Arc<Trouble>) {
    let (mut up, mut down) = ([0; 65536], [0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(bytes @ 1..) = read else { return };
                tokio::time::sleep(Duration::from_millis(trouble.delay_ms.load(Ordering::SeqCst))).await;
                if server.write_all(&up[..bytes]).await.is_err() {
                    return;
                }
                let commits = up[..bytes].windows(7).any(|window| window == b"COMMIT\0");
                if commits && trouble.loses_reply() {
                    // With its reply here, it has committed. Nobody hears of it.
                    let replied = server.read(&mut down).await.is_ok_and(|bytes| bytes > 0);
                    trouble.replies_lost.fetch_add(usize::from(replied), Ordering::SeqCst);
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(bytes @ 1..) = read else { return };
                if client.write_all(&down[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}
