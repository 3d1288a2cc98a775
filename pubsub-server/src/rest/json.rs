//! The proto3 JSON form of field types that serde would write differently.

use ::bytes::Bytes;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Base64, standard alphabet; the URL-safe one and missing padding are accepted too.
pub(crate) mod bytes {
    use base64::Engine as _;
    use base64::alphabet::STANDARD as ALPHABET;
    use base64::engine::general_purpose::STANDARD;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

    use super::{Bytes, Deserialize, Deserializer, Serializer, de};

    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &ALPHABET,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    pub(crate) fn serialize<S: Serializer>(value: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?.replace('-', "+").replace('_', "/");
        LENIENT.decode(text).map(Bytes::from).map_err(de::Error::custom)
    }
}

/// An encoded `PubsubMessage`, shown as the message it is.
pub(crate) mod encoded_message {
    use prost::Message as _;
    use serde::{Serialize, ser};

    use super::{Bytes, Deserialize, Deserializer, Serializer};
    use crate::proto::PubsubMessage;

    pub(crate) fn serialize<S: Serializer>(value: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        PubsubMessage::decode(value.clone()).map_err(ser::Error::custom)?.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        Ok(Bytes::from(PubsubMessage::deserialize(from)?.encode_to_vec()))
    }
}

/// RFC 3339 in UTC.
pub(crate) mod timestamp {
    use chrono::{DateTime, SecondsFormat};
    use prost_types::Timestamp;

    use super::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        let Some(value) = value else { return to.serialize_none() };
        let nanos = u32::try_from(value.nanos).unwrap_or_default();
        let time = DateTime::from_timestamp(value.seconds, nanos).unwrap_or_default();
        to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let time = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default();
        Ok(Some(Timestamp { seconds: time.timestamp(), nanos }))
    }
}

/// Seconds with a trailing `s`.
pub(crate) mod duration {
    use prost_types::Duration;

    use super::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            None => to.serialize_none(),
            Some(value) => to.serialize_str(&value.to_string()),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        text.parse().map(Some).map_err(de::Error::custom)
    }
}

/// Paths in camelCase, separated by commas; inside, they are in the protocol's `snake_case`.
pub(crate) mod field_mask {
    use prost_types::FieldMask;

    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<FieldMask>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.as_ref().map(|mask| mask.paths.join(",")).unwrap_or_default())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<FieldMask>, D::Error> {
        let text = Option::<String>::deserialize(from)?.unwrap_or_default();
        let paths = text.split(',').filter(|path| !path.is_empty()).map(snake_case).collect();
        Ok(Some(FieldMask { paths }))
    }

    fn snake_case(path: &str) -> String {
        let mut snake = String::with_capacity(path.len() + 4);
        for c in path.trim().chars() {
            if c.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        snake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{PubsubMessage, Subscription, UpdateSubscriptionRequest};

    #[test]
    fn a_message_reads_and_writes_as_protobuf_json() {
        let json = r#"{"data":"aGk_","attributes":{"k":"v"},"messageId":"7","publishTime":"2026-11-20T16:00:00.500Z","orderingKey":""}"#;
        let message: PubsubMessage = serde_json::from_str(json).unwrap();
        assert_eq!(message.data, Bytes::from_static(b"hi?"));
        assert_eq!(serde_json::to_string(&message).unwrap(), json.replace("aGk_", "aGk/"));
    }

    #[test]
    fn a_subscription_keeps_its_durations_and_ignores_what_is_unknown() {
        let json = r#"{"topic":"t","ackDeadlineSeconds":20,"retryPolicy":{"minimumBackoff":"1.500s"},"pushConfig":{}}"#;
        let subscription: Subscription = serde_json::from_str(json).unwrap();
        assert_eq!(subscription.ack_deadline_seconds, 20);
        let back = serde_json::to_value(&subscription).unwrap();
        assert_eq!(back["retryPolicy"]["minimumBackoff"], "1.500s");
        assert!(back.get("deadLetterPolicy").is_none());
    }

    #[test]
    fn a_field_mask_is_turned_to_snake_case() {
        let update: UpdateSubscriptionRequest =
            serde_json::from_str(r#"{"updateMask":"ackDeadlineSeconds,labels"}"#).unwrap();
        assert_eq!(update.update_mask.unwrap().paths, ["ack_deadline_seconds", "labels"]);
    }
}
