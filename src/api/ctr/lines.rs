//! The history's answer, a line at a time. Nothing in it is believed that can be checked: a wrong number is worse
//! than none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde::Deserialize;
use tokio::time::timeout;

use super::history::Failure;
use crate::telemetry::Metrics;

/// How often a product was viewed on a platform in a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bucket: i64,
    pub(super) platform: Box<str>,
    pub(super) product: Box<str>,
    pub(super) views: u64,
}

/// What an answer keeps to, or is wrong.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Buckets of the period.
    pub(super) buckets: i64,
    /// Views in the files that were asked about: there are no more.
    pub(super) views: u64,
    /// Lines, at the most. An answer of as many may lack others.
    pub(super) most: u64,
    /// Only this platform was asked for.
    pub(super) platform: Option<String>,
    /// Only this product was.
    pub(super) product: Option<String>,
    /// How long it may be silent.
    pub(super) silence: Duration,
}

/// An answer that is being read. No more of it is held than a chunk and a line.
pub(super) struct Lines {
    chunks: BoxStream<'static, Result<Bytes, Failure>>,
    chunk: Bytes,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    count: u64,
    views: u64,
    head: Option<Line>,
    cut: bool,
}

/// The longest line, in bytes.
const LONGEST: usize = 64 << 10;

/// The last line.
#[derive(Deserialize)]
struct End {
    rows: u64,
}

impl Lines {
    /// Reads the first line.
    ///
    /// # Errors
    /// When the answer breaks off, pauses for too long, or cannot be right.
    pub(super) async fn begin(
        chunks: BoxStream<'static, Result<Bytes, Failure>>,
        bounds: Bounds,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Failure> {
        let chunk = Bytes::new();
        let mut lines = Lines { chunks, chunk, bounds, metrics, count: 0, views: 0, head: None, cut: false };
        lines.advance().await?;
        Ok(lines)
    }

    /// The line that was read last; `None` at the end.
    pub(super) fn head(&self) -> Option<&Line> {
        self.head.as_ref()
    }

    /// Whether it ended because there are as many lines as an answer may have, and perhaps more.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// As [`Lines::begin`]. Such an answer is of no use.
    pub(super) async fn advance(&mut self) -> Result<(), Failure> {
        self.cut = self.count == self.bounds.most;
        self.head = match self.cut {
            true => None,
            false => self.read().await.inspect_err(|_| self.metrics.history_asked(false))?,
        };
        if self.head.is_none() {
            self.metrics.history_asked(true);
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Line>, Failure> {
        let text = self.line().await?.ok_or(Failure::BrokenOff)?;
        if text.first() == Some(&b'[') {
            let read = serde_json::from_slice(&text).map_err(|_| Failure::Wrong("a line cannot be read"))?;
            return self.checked(read).map(Some);
        }
        let End { rows } = serde_json::from_slice(&text).map_err(|_| Failure::Wrong("a line cannot be read"))?;
        match (rows == self.count, self.line().await?) {
            (true, None) => Ok(None),
            (true, Some(_)) => Err(Failure::Wrong("it goes on behind its end")),
            (false, _) => Err(Failure::Wrong("lines are missing")),
        }
    }

    fn checked(&mut self, read: (i64, Box<str>, Box<str>, u64)) -> Result<Line, Failure> {
        let (bucket, platform, product, views) = read;
        let Bounds { buckets, views: most, platform: only_platform, product: only_product, .. } = &self.bounds;
        let before = self.head.as_ref().map(|line| (line.bucket, &line.platform, &line.product));
        self.count += 1;
        self.views = self.views.saturating_add(views);
        let is_asked = |asked: &Option<String>, found: &str| asked.as_deref().is_none_or(|asked| asked == found);
        let wrong = if !(0..*buckets).contains(&bucket) {
            "a bucket is outside of the period"
        } else if before.is_some_and(|before| before >= (bucket, &platform, &product)) {
            "its lines are not in order"
        } else if views == 0 || self.views > *most {
            "there are not so many views"
        } else if !is_asked(only_platform, &platform) || !is_asked(only_product, &product) {
            "a line is about something else"
        } else {
            return Ok(Line { bucket, platform, product, views });
        };
        Err(Failure::Wrong(wrong))
    }

    /// The next line without its end. `None` when there is none; one that was not ended broke off.
    async fn line(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut begun = Vec::new();
        loop {
            if let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                let rest = self.chunk.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.chunk, rest);
                line.truncate(end);
                if begun.is_empty() {
                    return Ok(Some(line));
                }
                begun.extend_from_slice(&line);
                return Ok(Some(begun.into()));
            }
            begun.extend_from_slice(&std::mem::take(&mut self.chunk));
            if begun.len() > LONGEST {
                return Err(Failure::Wrong("a line is too long"));
            }
            match timeout(self.bounds.silence, self.chunks.next()).await.map_err(|_| Failure::Silent)? {
                Some(chunk) => self.chunk = chunk?,
                None if begun.is_empty() => return Ok(None),
                None => return Err(Failure::BrokenOff),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// Every way of cutting the answer into chunks of this many bytes.
    async fn read(answer: &[u8], size: usize) -> Result<Vec<(i64, String, String, u64)>, Failure> {
        read_within(answer, size, None, 10).await
    }

    async fn read_within(
        answer: &[u8],
        size: usize,
        platform: Option<&str>,
        most: u64,
    ) -> Result<Vec<(i64, String, String, u64)>, Failure> {
        let chunks: Vec<_> = answer.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let (platform, silence) = (platform.map(str::to_owned), Duration::from_secs(1));
        let bounds = Bounds { buckets: 3, views: 100, most, platform, product: None, silence };
        let mut lines = Lines::begin(stream::iter(chunks).boxed(), bounds, Arc::default()).await?;
        let mut all = Vec::new();
        while let Some(Line { bucket, platform, product, views }) = lines.head() {
            all.push((*bucket, platform.to_string(), product.to_string(), *views));
            lines.advance().await?;
        }
        assert_eq!(lines.is_cut(), all.len() as u64 == most);
        Ok(all)
    }

    const GOOD: &str = "[0,\"Android\",\"z\",1]\n[0,\"iOS\",\"a\\n\",40]\n[2,\"iOS\",\"\u{e9}\",59]\n{\"rows\":3}\n";

    #[tokio::test]
    async fn lines_are_read_however_they_are_cut() {
        let line = |bucket, platform: &str, product: &str, views| (bucket, platform.into(), product.into(), views);
        let expected = [line(0, "Android", "z", 1), line(0, "iOS", "a\n", 40), line(2, "iOS", "\u{e9}", 59)];
        for size in 1..=GOOD.len() {
            assert_eq!(read(GOOD.as_bytes(), size).await.unwrap(), expected, "{size}");
        }
        assert_eq!(read(b"{\"rows\":0}\n", 3).await.unwrap(), []);
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_broke_off() {
        for end in 0..GOOD.len() {
            let failure = read(&GOOD.as_bytes()[..end], 7).await.unwrap_err();
            assert!(matches!(failure, Failure::BrokenOff), "{end}: {failure}");
        }
        let chunks = stream::iter([Ok(Bytes::from("[0,\"iOS\",\"a\",1]\n"))]).chain(stream::pending());
        let silence = Duration::from_millis(1);
        let bounds = Bounds { buckets: 1, views: 1, most: 9, platform: None, product: None, silence };
        let mut lines = Lines::begin(chunks.boxed(), bounds, Arc::default()).await.unwrap();
        assert!(matches!(lines.advance().await, Err(Failure::Silent)));
    }

    #[tokio::test]
    async fn what_cannot_be_right_is_refused() {
        let end = "{\"rows\":1}\n";
        for (answer, why) in [
            ("\n", "read"),
            ("null\n", "read"),
            ("{\"rows\":-1}\n", "read"),
            ("{}\n", "read"),
            ("[0,\"iOS\",\"a\"]\n", "read"),
            ("[0,\"iOS\",\"a\",1,2]\n", "read"),
            ("[0,\"iOS\",\"a\",-1]\n", "read"),
            ("[0,\"iOS\",\"a\",1.5]\n", "read"),
            ("[0,\"iOS\",\"a\",99999999999999999999]\n", "read"),
            ("[0,null,\"a\",1]\n", "read"),
            ("[-1,\"iOS\",\"a\",1]\n", "outside"),
            ("[3,\"iOS\",\"a\",1]\n", "outside"),
            ("[1,\"iOS\",\"a\",1]\n[0,\"iOS\",\"b\",1]\n", "order"),
            ("[1,\"iOS\",\"a\",1]\n[1,\"iOS\",\"a\",1]\n", "order"),
            ("[1,\"iOS\",\"a\",1]\n[1,\"Android\",\"b\",1]\n", "order"),
            ("[0,\"iOS\",\"a\",0]\n", "so many"),
            ("[0,\"iOS\",\"a\",101]\n", "so many"),
            ("[0,\"iOS\",\"a\",100]\n[1,\"iOS\",\"a\",18446744073709551615]\n", "so many"),
            (end, "missing"),
            ("[0,\"iOS\",\"a\",1]\n{\"rows\":0}\n", "missing"),
            ("[0,\"iOS\",\"a\",1]\n{\"rows\":1}\n\n", "goes on"),
            ("[0,\"iOS\",\"a\",1]\n{\"rows\":1}\n[1,\"iOS\",\"a\",1]\n", "goes on"),
        ] {
            for size in [1, 5, 1000] {
                let failure = read(answer.as_bytes(), size).await.unwrap_err().to_string();
                assert!(failure.contains(why), "{answer}: {failure}");
            }
        }
        let failure = read(b"[0,\"iOS\",\"\xff\",1]\n{\"rows\":1}\n", 4).await.unwrap_err();
        assert!(failure.to_string().contains("read"), "{failure}");
        let endless = format!("[0,\"iOS\",\"{}", "a".repeat(LONGEST));
        let failure = read(endless.as_bytes(), 4096).await.unwrap_err();
        assert!(failure.to_string().contains("too long"), "{failure}");
        let failure = read_within(GOOD.as_bytes(), 9, Some("iOS"), 10).await.unwrap_err();
        assert!(failure.to_string().contains("something else"), "{failure}");
    }

    #[tokio::test]
    async fn no_more_lines_are_read_than_were_asked_for() {
        assert_eq!(read_within(GOOD.as_bytes(), 9, None, 2).await.unwrap().len(), 2);
    }
}
