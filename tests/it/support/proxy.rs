//! A TCP proxy before Postgres that lets a commit through and loses its reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

pub struct LosesCommitReply {
    /// The database, through the proxy.
    pub url: String,
    lost: Arc<AtomicBool>,
}

impl LosesCommitReply {
    /// Before the database of a socket URL; the first commit is never answered.
    pub async fn start(url: &str) -> LosesCommitReply {
        let url: url::Url = url.parse().unwrap();
        let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        let socket = format!("{}/.s.PGSQL.{}", query["host"], query["port"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lost = Arc::new(AtomicBool::new(false));
        let losing = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&losing)));
            }
        });
        let url = format!("postgres://postgres@127.0.0.1:{port}{}?sslmode=disable", url.path());
        LosesCommitReply { url, lost }
    }

    /// Whether it has lost one.
    pub fn has_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn carry(mut client: TcpStream, mut server: UnixStream, lost: Arc<AtomicBool>) {
    let (mut up, mut down) = ([0; 65536], [0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(bytes @ 1..) = read else { return };
                server.write_all(&up[..bytes]).await.unwrap();
                let commits = up[..bytes].windows(7).any(|window| window == b"COMMIT\0");
                if commits && !lost.swap(true, Ordering::SeqCst) {
                    // Its reply is here: it has committed. Nobody hears of it.
                    assert_ne!(server.read(&mut down).await.unwrap(), 0);
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(bytes @ 1..) = read else { return };
                client.write_all(&down[..bytes]).await.unwrap();
            }
        }
    }
}
