//! Every sentence a person reads in a report, in English and Japanese, in one place.
//!
//! Message rules: lower case, no full stop, say what was found and what the limit is; the hint names the next
//! step. Values from files appear in `place` and `value`, never inside a sentence, unless they are numbers.

pub mod genotypes;
pub mod places;
pub mod plan;
pub mod reading;
pub mod statistics;

use crate::finding::{Finding, Verdict};
pub use crate::numbers::grouped;

/// One message with its hint, in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What is wrong.
    pub en: String,
    /// What to do about it.
    pub hint_en: String,
    /// 何が問題か。
    pub ja: String,
    /// どうすればよいか。
    pub hint_ja: String,
}

impl Words {
    /// Message and hint in English, then in Japanese.
    pub fn new(
        en: impl Into<String>,
        hint_en: impl Into<String>,
        ja: impl Into<String>,
        hint_ja: impl Into<String>,
    ) -> Self {
        Self { en: en.into(), hint_en: hint_en.into(), ja: ja.into(), hint_ja: hint_ja.into() }
    }
}

impl Finding {
    /// A finding with its words; place, value and limit are added with [`Finding::at`], [`Finding::value`]
    /// and [`Finding::limit`].
    pub fn new(rule: &str, clause: &str, verdict: Verdict, words: Words) -> Self {
        Self {
            rule: rule.into(),
            clause: clause.into(),
            verdict,
            place: String::new(),
            value: String::new(),
            limit: String::new(),
            message: words.en,
            hint: words.hint_en,
            message_ja: words.ja,
            hint_ja: words.hint_ja,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// What was found there.
    #[must_use]
    pub fn value(mut self, value: impl ToString) -> Self {
        self.value = value.to_string();
        self
    }

    /// What it is held against.
    #[must_use]
    pub fn limit(mut self, limit: impl ToString) -> Self {
        self.limit = limit.to_string();
        self
    }
}
