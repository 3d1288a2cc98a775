//! Where records are read from: files, folders, and the objects that a URL stands for.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, Bytes};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore, ObjectStoreExt as _, ObjectStoreScheme};
use tokio::runtime::Handle;
use url::Url;

use super::decompress::decompressed;
use crate::shutdown::{Shutdown, Stopped};

/// One file, wherever it is.
#[derive(Debug, Clone)]
pub struct Object {
    /// The absolute path, or the URL.
    pub name: Arc<str>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Local(PathBuf),
    Remote(Arc<dyn ObjectStore>, object_store::path::Path),
    Stdin,
}

/// The files that a path or URL stands for, sorted by name: one, or all in a folder or below a
/// prefix, without hidden ones. `-` is standard input.
///
/// # Errors
/// When there is nothing of this name, or it cannot be asked for.
pub async fn list(target: &str) -> anyhow::Result<Vec<Object>> {
    if target == "-" {
        return Ok(vec![Object { name: "-".into(), place: Place::Stdin }]);
    }
    let found = match Url::parse(target) {
        Ok(url) if target.contains("://") => match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => list_local(&path),
            _ => list_remote(&url).await,
        },
        _ => list_local(Path::new(target)),
    };
    found.with_context(|| format!("cannot read {target}"))
}

fn list_local(path: &Path) -> anyhow::Result<Vec<Object>> {
    let mut paths = Vec::new();
    walk(path.canonicalize()?, &mut paths)?;
    ensure!(!paths.is_empty(), "nothing there");
    paths.sort_unstable();
    let object = |path: PathBuf| Object { name: path.display().to_string().into(), place: Place::Local(path) };
    Ok(paths.into_iter().map(object).collect())
}

fn walk(path: PathBuf, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path);
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // What a link in a folder points to may be in the folder as well, or the folder itself.
        let followed = !entry.file_type()?.is_symlink() || entry.path().is_file();
        if followed && !is_hidden(&entry.file_name().to_string_lossy()) {
            walk(entry.path(), files)?;
        }
    }
    Ok(())
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

async fn list_remote(url: &Url) -> anyhow::Result<Vec<Object>> {
    let allow_http = (url.scheme() == "http").then(|| ("allow_http".to_owned(), "true".to_owned()));
    let (store, path) = object_store::parse_url_opts(url, std::env::vars().chain(allow_http))?;
    let store: Arc<dyn ObjectStore> = store.into();
    let is_web = matches!(ObjectStoreScheme::parse(url)?.0, ObjectStoreScheme::Http);
    if is_web && url.query().is_some() {
        bail!("an address with a query is not supported: download the file first");
    }
    let object = |path: object_store::path::Path| {
        let root = &url[..url::Position::BeforePath];
        Object { name: format!("{root}/{path}").into(), place: Place::Remote(Arc::clone(&store), path) }
    };
    // A web server has no list of its files.
    if is_web {
        return Ok(vec![Object { name: url.as_str().into(), ..object(path) }]);
    }
    if !path.is_root() {
        match store.head(&path).await {
            Ok(_) => return Ok(vec![object(path)]),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let found: Vec<_> = store.list(Some(&path)).map_ok(|meta| meta.location).try_collect().await?;
    let visible = |found: &object_store::path::Path| {
        found.prefix_match(&path).is_some_and(|mut parts| !parts.any(|part| is_hidden(part.as_ref())))
    };
    let mut paths: Vec<_> = found.into_iter().filter(visible).collect();
    if paths.is_empty() {
        bail!("nothing there");
    }
    ensure!(!paths.is_empty(), "nothing there");
    paths.sort_unstable();
    Ok(paths.into_iter().map(object).collect())
}

impl Object {
    /// The decompressed bytes. To be called, and read, where blocking is no harm.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read.
    pub fn open(&self, runtime: &Handle, shutdown: &Shutdown) -> io::Result<Box<dyn Read + Send>> {
        match &self.place {
            Place::Local(path) => decompressed(File::open(path)?),
            Place::Stdin => decompressed(io::stdin()),
            Place::Remote(store, path) => {
                let got = unless_stopped(runtime, shutdown, store.get(path))??;
                let stream = got.into_stream().map_err(io::Error::from).boxed();
                decompressed(Download {
                    runtime: runtime.clone(),
                    shutdown: shutdown.clone(),
                    stream,
                    chunk: Bytes::new(),
                })
            }
        }
    }
}

/// An object of a store as something to read.
struct Download {
    runtime: Handle,
    shutdown: Shutdown,
    stream: BoxStream<'static, io::Result<Bytes>>,
    chunk: Bytes,
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match unless_stopped(&self.runtime, &self.shutdown, self.stream.next())? {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

fn unless_stopped<T>(runtime: &Handle, shutdown: &Shutdown, work: impl Future<Output = T>) -> io::Result<T> {
    runtime.block_on(shutdown.soft().run_until_cancelled(work)).ok_or_else(|| io::Error::other(Stopped))
}
