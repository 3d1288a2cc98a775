//! The shell that stands between a test process and its server.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};

use crate::Error;
use crate::Options;
use crate::layout::Layout;
use crate::lookup::Binaries;
use crate::postmaster::arguments;
use crate::run_as::RunAs;

/// Obeys one word a line and answers with a line. The end of its input is the end of the test process,
/// whose kernel closes the pipe whatever happens; then server and folder go.
///
/// `$1` is the folder, `$2` the log, the rest the server's command line.
const SCRIPT: &str = r#"
trap '' PIPE INT TERM HUP
root=$1 log=$2 pid=
shift 2
finish() {
  if [ -n "$pid" ]; then kill -s "$1" "$pid"; wait "$pid"; pid=; fi
}
while read -r word; do
  case $word in
    START) "$@" </dev/null >>"$log" 2>&1 & pid=$!; echo "$pid" ;;
    *) finish "$word"; echo ended ;;
  esac
done
finish QUIT
# The children of a killed server take a moment to go.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$root" && exit
  sleep 0.2
done
"#;

/// What the shell is told. The signals are those that Postgres gives a meaning to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    Start,
    /// Sessions end, a checkpoint is written.
    FastStop,
    /// As after a crash of all processes at once.
    ImmediateStop,
    /// The main process alone is gone; its children notice.
    Kill,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Word::Start => "START",
            Word::FastStop => "INT",
            Word::ImmediateStop => "QUIT",
            Word::Kill => "KILL",
        }
    }
}

/// Dropping the last clone has the server stopped and its folder removed.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor(Arc<Mutex<Shell>>);

#[derive(Debug)]
struct Shell {
    child: Option<Child>,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// From now on the folder `root` goes with this process.
    pub(crate) fn spawn(
        root: &Path,
        layout: &Layout,
        binaries: &Binaries,
        run_as: &RunAs,
        options: &Options,
    ) -> Result<Supervisor, Error> {
        let sh = Path::new("/bin/sh");
        let mut command = run_as.command(sh);
        command.args(["-c", SCRIPT, "test-postgres"]).arg(root).arg(&layout.log).arg(binaries.postgres());
        command.args(arguments(&layout.data, &layout.socket_dir, options));
        // A test runner waits for everybody who holds its stderr.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(Error::io("run", sh))?;
        let (Some(words), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Supervisor("it has no pipes".to_owned()));
        };
        let shell = Shell { child: Some(child), words: Some(words), answers: BufReader::new(answers) };
        Ok(Supervisor(Arc::new(Mutex::new(shell))))
    }

    /// Returns when it is done: the server started (not yet answering) or gone.
    pub(crate) async fn tell(&self, word: Word) -> Result<(), Error> {
        let supervisor = self.clone();
        let told = tokio::task::spawn_blocking(move || {
            let mut shell = supervisor.0.lock().map_err(|_| std::io::Error::other("a thread panicked"))?;
            shell.tell(word)
        });
        let answer = told.await.map_err(|error| Error::Supervisor(error.to_string()))?;
        answer.map_err(|error| Error::Supervisor(error.to_string()))
    }
}

impl Shell {
    fn tell(&mut self, word: Word) -> std::io::Result<()> {
        if let Some(words) = &mut self.words {
            writeln!(words, "{}", word.text())?;
        }
        let mut answer = String::new();
        match self.answers.read_line(&mut answer)? {
            0 => Err(std::io::Error::other("it ended")),
            _ => Ok(()),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.words = None;
        if let Some(mut child) = self.child.take() {
            // So that no zombie stays while other tests run.
            std::thread::spawn(move || child.wait());
        }
    }
}
