//! What the parts of a cluster agree on.

use std::fmt;
use std::str::FromStr;

use ballista::prelude::SessionConfigExt as _;
use datafusion::prelude::SessionConfig;
use url::Url;

use super::session::configured;

/// Where the scheduler of a cluster is: `df://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduler {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The port of a scheduler when its address names none.
const PORT: u16 = 50050;

impl FromStr for Scheduler {
    type Err = String;

    fn from_str(address: &str) -> Result<Self, String> {
        let url = Url::parse(address).ok().filter(|url| url.scheme() == "df");
        let scheduler = url.as_ref().and_then(|url| {
            let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
            Some(Scheduler { host, port: url.port().unwrap_or(PORT) })
        });
        scheduler.ok_or_else(|| format!("{address} is no df://host:port"))
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The largest message: a plan with its files, which takes some 200 bytes a file.
pub(crate) const MESSAGE_BYTES: u32 = 64 << 20;

/// Settings of everything that takes part.
pub(crate) fn config() -> SessionConfig {
    configured(SessionConfig::new_with_ballista())
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES as usize)
        // A part of a question reads its own files and no others: who has those is somewhere else.
        .set_bool("datafusion.execution.enable_file_stream_work_stealing", false)
        // The scheduler names a job at once only to who asks again and again how it is; and only who knows its name
        // can cancel it.
        .set_bool("ballista.client.pull", true)
        // Who is gone is to be noticed soon, and what it had to be made again.
        .set_u64("ballista.client.grpc_connect_timeout_seconds", 3)
        .set_u64("ballista.client.grpc_timeout_seconds", 10)
        .set_u64("ballista.client.grpc_http2_keepalive_interval_seconds", 5)
        .set_u64("ballista.client.io_retries_times", 1)
        .set_u64("ballista.client.io_retry_wait_time_ms", 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let parsed = |address: &str| address.parse::<Scheduler>().map(|scheduler| scheduler.to_string());
        assert_eq!(parsed("df://scheduler:1234").as_deref(), Ok("scheduler:1234"));
        assert_eq!(parsed("df://10.0.0.7").as_deref(), Ok("10.0.0.7:50050"));
        assert_eq!(parsed("df://[::1]:7/").as_deref(), Ok("[::1]:7"));
        for wrong in ["", "scheduler:50050", "http://scheduler:50050", "df://", "df:///x"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
