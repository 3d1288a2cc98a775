//! What a REST path names.

/// Names are full resource names; what follows a colon at the end is a verb.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    Topics(String),
    Topic(String),
    TopicSubscriptions(String),
    TopicVerb(String, &'a str),
    Subscriptions(String),
    Subscription(String),
    SubscriptionVerb(String, &'a str),
    Unknown,
}

impl<'a> Target<'a> {
    /// `path` is what follows `/v1/`.
    pub(super) fn parse(path: &'a str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["projects", project, "topics"] => Self::Topics(format!("projects/{project}")),
            ["projects", project, "subscriptions"] => Self::Subscriptions(format!("projects/{project}")),
            ["projects", project, "topics", topic, "subscriptions"] => {
                Self::TopicSubscriptions(format!("projects/{project}/topics/{topic}"))
            }
            ["projects", project, "topics", topic] => match topic.rsplit_once(':') {
                Some((topic, verb)) => Self::TopicVerb(format!("projects/{project}/topics/{topic}"), verb),
                None => Self::Topic(path.to_owned()),
            },
            ["projects", project, "subscriptions", name] => match name.rsplit_once(':') {
                Some((name, verb)) => Self::SubscriptionVerb(format!("projects/{project}/subscriptions/{name}"), verb),
                None => Self::Subscription(path.to_owned()),
            },
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn every_form_is_told_apart() {
        assert_eq!(Target::parse("projects/p/topics"), Target::Topics("projects/p".to_owned()));
        assert_eq!(Target::parse("projects/p/topics/tea"), Target::Topic("projects/p/topics/tea".to_owned()));
        assert_eq!(
            Target::parse("projects/p/topics/tea:publish"),
            Target::TopicVerb("projects/p/topics/tea".to_owned(), "publish")
        );
        assert_eq!(
            Target::parse("projects/p/topics/tea/subscriptions"),
            Target::TopicSubscriptions("projects/p/topics/tea".to_owned())
        );
        assert_eq!(
            Target::parse("projects/p/subscriptions/sub:pull"),
            Target::SubscriptionVerb("projects/p/subscriptions/sub".to_owned(), "pull")
        );
        assert_eq!(Target::parse("projects/p/snapshots/s"), Target::Unknown);
    }
}
