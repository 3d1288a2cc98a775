//! The commands that make what a worker needs at Google.

use super::Options;
use super::client::Problem;
use super::findings::{Finding, Weight};

impl Options {
    /// A command about the subscription.
    pub(super) fn gcloud(&self, verb: &str, flags: &str) -> String {
        let Options { project, subscription, .. } = self;
        format!("gcloud pubsub subscriptions {verb} {subscription} --project={project} {flags}")
    }

    /// Makes the topic.
    pub(super) fn make_topic(&self) -> String {
        format!("gcloud pubsub topics create {} --project={}", self.topic, self.project)
    }

    /// Makes the subscription, as it should be.
    pub(super) fn make(&self) -> String {
        let flags = format!(
            "--topic={} --ack-deadline={} --message-retention-duration=7d --expiration-period=never",
            self.topic,
            self.lease.as_secs().clamp(10, 600)
        );
        self.gcloud("create", &flags)
    }

    /// Makes the subscription anew, where no update changes it.
    pub(super) fn make_again(&self) -> String {
        format!("{} && {}", self.gcloud("delete", "").trim_end(), self.make())
    }

    fn grant(&self, role: &str) -> String {
        let flags = format!("--member=serviceAccount:WORKER@{}.iam.gserviceaccount.com --role={role}", self.project);
        self.gcloud("add-iam-policy-binding", &flags)
    }

    /// What is to be known of a subscription at which we may not look.
    pub(super) fn not_looked_at(&self) -> Finding {
        Finding {
            weight: Weight::MayLose,
            what: "whether it is as it should be cannot be seen: pubsub.subscriptions.get is not granted".to_owned(),
            mend: self.grant("roles/pubsub.viewer"),
        }
    }

    /// The problem in terms of what is to be done about it, where that is known. `has_topic` is false when the
    /// topic is missing as well.
    pub(super) fn explain(&self, problem: Problem, has_topic: bool) -> Problem {
        let (what, mend) = match problem.code {
            Some("NOT_FOUND") if has_topic => ("there is no such subscription", self.make()),
            Some("NOT_FOUND") => {
                ("there is neither the subscription nor its topic", format!("{} && {}", self.make_topic(), self.make()))
            }
            Some("PERMISSION_DENIED") => ("it may not be pulled", self.grant("roles/pubsub.subscriber")),
            Some("UNAUTHENTICATED") => (
                "Google does not know who we are",
                "run as a service account, or: gcloud auth application-default login".to_owned(),
            ),
            _ => return problem,
        };
        Problem { text: format!("{what}; to mend it: {mend} (Pub/Sub said: {})", problem.text), ..problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(code: &'static str, has_topic: bool) -> String {
        let name = |name: &str| name.to_owned();
        let options =
            Options { project: name("shop"), topic: name("sales"), subscription: name("till"), ..Options::default() };
        options.explain(Problem { code: Some(code), text: name("no") }, has_topic).text
    }

    #[test]
    fn what_is_missing_is_told_with_the_command_that_makes_it() {
        let make = "gcloud pubsub subscriptions create till --project=shop --topic=sales --ack-deadline=30 \
                    --message-retention-duration=7d --expiration-period=never";
        assert_eq!(
            explained("NOT_FOUND", true),
            format!("there is no such subscription; to mend it: {make} (Pub/Sub said: no)")
        );
        let topic = format!("gcloud pubsub topics create sales --project=shop && {make}");
        assert!(explained("NOT_FOUND", false).contains(&topic));
        let grant = "gcloud pubsub subscriptions add-iam-policy-binding till --project=shop \
                     --member=serviceAccount:WORKER@shop.iam.gserviceaccount.com --role=roles/pubsub.subscriber";
        assert!(explained("PERMISSION_DENIED", true).contains(grant));
        assert!(explained("UNAUTHENTICATED", true).contains("gcloud auth application-default login"));
        assert_eq!(explained("UNAVAILABLE", true), "no");
    }
}
