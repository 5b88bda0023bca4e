//! A day in a policy: a bare TOML date (`2026-04-01`) or the same as text, which is how JSON carries it.

use jiff::civil::Date;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};

struct Day;

impl<'de> Visitor<'de> for Day {
    type Value = Date;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a date, e.g. `2026-04-01`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Date, E> {
        // Strictly the ten characters: `2026-04-01T09:00` would promise a precision nobody checks.
        text.parse()
            .ok()
            .filter(|_| text.len() == 10)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Date, A::Error> {
        let given = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&given.to_string())
    }
}

/// Reads a day.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    from.deserialize_any(Day)
}

/// Reads a day that may be absent.
pub(super) fn read_some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    struct Maybe;
    impl<'de> Visitor<'de> for Maybe {
        type Value = Option<Date>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Day.expecting(f)
        }
        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            read(from).map(Some)
        }
    }
    from.deserialize_option(Maybe)
}
