//! Which dead letters a request means.

use chrono::{DateTime, Utc};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::api::parameters::Query;
use crate::dead_letters::{Filter, Status};
use crate::domain::parse_instant_or_age;
use crate::events::KINDS;
use crate::pipeline::verdict::{Code, Reason};

/// Which part of a list: those of one status, a page of them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document alone is made of it")]
pub(super) struct Listed {
    /// What has become of them: `open`, `replayed`, `healed`, `discarded`, `expired`, `forgotten` or `all`. Default: `open`.
    #[param(example = "open")]
    status: Option<String>,
    /// Most items. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// The `next` of the page before. Default: the first page.
    cursor: Option<String>,
}

/// What stands for any status.
const ALL: &str = "all";

impl Query {
    /// Those that a query means; open ones where it says nothing of that.
    pub(super) fn letters(&mut self) -> Filter {
        let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).chain([ALL]).collect();
        let status = self.one_of("status", &words).map_or(Some(Status::Open), Status::named);
        Filter { status, ..self.open_letters() }
    }

    /// Open ones among those that are meant.
    pub(super) fn open_letters(&mut self) -> Filter {
        let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let filter = Filter {
            ids: Vec::new(),
            kind: self.one_of("kind", &kinds),
            reason: self.one_of("reason", &reasons).and_then(Reason::named),
            code: self.one_of("code", &codes).and_then(Code::named),
            fingerprint: self.name("fingerprint"),
            since: self.instant_or_age("since"),
            until: self.instant_or_age("until"),
            status: Some(Status::Open),
        };
        if let Some((since, until)) = filter.since.zip(filter.until).filter(|(since, until)| since >= until) {
            self.fault("range", "until", format!("an instant after since, {}", since.to_rfc3339()), until.to_rfc3339());
        }
        filter
    }

    /// Ids with commas between.
    pub(super) fn ids(&mut self) -> Vec<Uuid> {
        let ids = |text: &str| text.split(',').map(|id| Uuid::try_parse(id.trim()).ok()).collect();
        self.read("ids", "ids of dead letters", ids).unwrap_or_default()
    }

    fn instant_or_age(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        let expected = "a date, an RFC 3339 time, or an age such as 30m, 2h, 3d or 1w";
        self.read(name, expected, |text| parse_instant_or_age(text, Utc::now()).ok())
    }
}
