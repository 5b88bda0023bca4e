//! Japanese or English, by the caller's locale. Every sentence a person reads is given in both.

/// A language we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// 日本語
    Japanese,
}

impl Language {
    /// The caller's language: the first set of `LC_ALL`, `LC_MESSAGES`, `LANG` decides.
    pub fn of_caller() -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let locale = set.iter().filter_map(|k| std::env::var(k).ok()).find(|v| !v.is_empty());
        if locale.is_some_and(|l| l.starts_with("ja")) { Self::Japanese } else { Self::English }
    }

    /// Picks the sentence in this language.
    pub fn pick<'a>(self, english: &'a str, japanese: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Japanese => japanese,
        }
    }
}
