//! The words of the command line, in processes of their own.

use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

use crate::support::House;

impl House {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser-history"));
        command.args(arguments).env("DATABASE_URL", &self.url).kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> (String, bool) {
        let Output { status, stdout, stderr } = self.command(arguments).output().await.unwrap();
        (String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap(), status.success())
    }
}

#[tokio::test]
async fn verify_succeeds_only_when_all_agrees() {
    let house = House::new().await;
    let (answer, success) = house.run(&["verify"]).await;
    assert!(!success && answer.contains("this database has no history"), "{answer}");
    house.insert(0, "iOS", 10).await;
    house.do_move(1).await.unwrap();
    assert_eq!(house.run(&["verify"]).await, ("history  agrees\n".to_owned(), true));
    std::fs::remove_file(house.folder.path().join(&house.files().await[0].path)).unwrap();
    let (answer, success) = house.run(&["verify", "--json"]).await;
    assert!(!success && answer.contains(r#""agrees": false"#) && answer.contains("from a backup"), "{answer}");
}

#[tokio::test]
async fn forget_may_be_killed_anywhere() {
    let house = House::new().await;
    for day in 0..6 {
        house.insert(day, "iOS", 500).await;
    }
    house.do_move(6).await.unwrap();
    let ids = |everything: Vec<String>| everything.iter().map(|line| line[..36].to_owned()).collect::<Vec<_>>();
    let before = ids(house.everything().await);
    house.execute("INSERT INTO history_forgotten (id, pseudonym) VALUES ('7', gen_random_uuid())").await;
    let mut killed = 0;
    for after in (0..).map(|round| Duration::from_millis(100 + round * 150)) {
        let mut process = house.command(&["forget"]).spawn().unwrap();
        let ended = tokio::time::timeout(after, process.wait()).await;
        process.kill().await.unwrap();
        assert_eq!(ids(house.everything().await), before);
        match ended {
            Ok(status) => {
                assert!(status.unwrap().success());
                break;
            }
            Err(_) => killed += 1,
        }
    }
    assert!(killed > 0);
    let everything = house.everything().await;
    assert!(!everything.iter().any(|line| line.split('|').nth(5) == Some("7")));
    assert_eq!(house.number("SELECT count(*) FROM history_forgotten").await, 0);
    let (answer, success) = house.run(&["forget"]).await;
    assert!(success && answer.contains("nobody who was forgotten"), "{answer}");
}
