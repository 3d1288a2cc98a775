//! How each fault is made, and how it ends.

use std::path::Path;
use std::time::Duration;

use pubsub_server::{Code, Rpc, RpcFault};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::crew::Crew;
use super::schedule::Fault;
use crate::support::proxy::Proxy;
use crate::support::stack::Rest;

/// Everything that may break.
pub struct Surroundings<'s> {
    pub crew: &'s mut Crew,
    pub proxy: &'s Proxy,
    pub rest: Rest<'s>,
}

/// A lock that is held as long as this lives.
type Held = Option<Transaction<'static, Postgres>>;

impl Surroundings<'_> {
    /// All faults at once, for a while.
    pub async fn break_and_mend(mut self, faults: &[Fault], hold: Duration) {
        let mut held = Vec::new();
        for fault in faults {
            held.push(self.begin(*fault).await);
        }
        tokio::time::sleep(hold).await;
        drop(held);
        self.end(faults.to_vec()).await;
    }

    async fn begin(&mut self, fault: Fault) -> Held {
        let faults = self.rest.pubsub.faults();
        match fault {
            Fault::Kill(worker) => self.crew.kill(worker),
            Fault::Terminate(worker) => self.crew.signal(worker, "TERM"),
            Fault::Freeze(worker) => self.crew.signal(worker, "STOP"),
            Fault::CrashPostgres => self.rest.postgres.stop_immediate().await.unwrap(),
            Fault::StopPostgres => self.rest.postgres.stop().await.unwrap(),
            Fault::EndSessions => self.end_sessions().await,
            Fault::LoseCommitReplies(count) => self.proxy.lose_commit_replies(count),
            Fault::SlowDatabase(delay) => self.proxy.delay(delay),
            Fault::LockTable(table) => return self.lock(table).await,
            Fault::EndStreams(code) => faults.end_streams(code),
            Fault::ShortStreams(messages) => {
                faults.end_streams_after_messages(messages, Code::Unavailable);
                faults.end_streams(Code::Unavailable);
            }
            Fault::Redeliver => drop(faults.redeliver_outstanding()),
            Fault::Duplicate(every) => faults.duplicate_every(every),
            Fault::LoseAcknowledgements(every, how) => faults.rpc(Rpc::Acknowledge, every, how),
            Fault::LoseLeases(every) => {
                faults.rpc(Rpc::ModifyAckDeadline, every, RpcFault::Fail(Code::Unavailable));
            }
            Fault::FreezeConnections => faults.freeze_connections(),
            Fault::CutConnections => faults.cut_connections(),
            Fault::RefuseConnections => {
                faults.refuse_connections();
                faults.cut_connections();
            }
            Fault::BlobUnwritable => point(self.rest.blob, "/dev/null"),
            // Nobody can be publishing then: it has a time of its own.
            Fault::RestartPubSub => {}
        }
        None
    }

    /// Whoever is a process ends last, with everything there that it needs for it.
    async fn end(&mut self, mut faults: Vec<Fault>) {
        faults.sort_by_key(|fault| match fault {
            Fault::Freeze(_) => 1,
            Fault::Kill(_) | Fault::Terminate(_) => 2,
            _ => 0,
        });
        for fault in faults {
            self.end_one(fault).await;
        }
    }

    async fn end_one(&mut self, fault: Fault) {
        let faults = self.rest.pubsub.faults();
        match fault {
            Fault::Kill(worker) | Fault::Terminate(worker) => self.crew.replace(worker).await,
            Fault::Freeze(worker) => self.crew.signal(worker, "CONT"),
            Fault::CrashPostgres | Fault::StopPostgres => self.rest.postgres.restart().await.unwrap(),
            Fault::LoseCommitReplies(_) => self.proxy.lose_commit_replies(0),
            Fault::SlowDatabase(_) => self.proxy.delay(Duration::ZERO),
            Fault::ShortStreams(_) => faults.let_streams_live(),
            Fault::Duplicate(_) => faults.duplicate_every(0),
            Fault::LoseAcknowledgements(_, how) => faults.rpc(Rpc::Acknowledge, 0, how),
            Fault::LoseLeases(_) => faults.rpc(Rpc::ModifyAckDeadline, 0, RpcFault::Ignore),
            // What was frozen stays so for good.
            Fault::FreezeConnections => faults.unfreeze_new_connections(),
            Fault::RefuseConnections => faults.accept_connections(),
            Fault::BlobUnwritable => point(self.rest.blob, LETTERS),
            Fault::EndSessions
            | Fault::LockTable(_)
            | Fault::EndStreams(_)
            | Fault::Redeliver
            | Fault::CutConnections
            | Fault::RestartPubSub => {}
        }
    }

    /// Postgres may be away: then there are none.
    async fn end_sessions(&self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let _ = sqlx::query(end).execute(self.rest.pool).await;
    }

    async fn lock(&self, table: &str) -> Held {
        let mut tx = self.rest.pool.begin().await.ok()?;
        let lock = AssertSqlSafe(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
        sqlx::query(lock).execute(&mut *tx).await.ok()?;
        Some(tx)
    }
}

/// Where the dead letters really are, below the blob folder.
pub const LETTERS: &str = "letters";

/// Has the folder of the dead letters be somewhere, from one moment to the next.
pub fn point(blob: &Path, target: &str) {
    let new = blob.join("new");
    std::os::unix::fs::symlink(target, &new).unwrap();
    std::fs::rename(new, blob.join("dead-letter")).unwrap();
}
