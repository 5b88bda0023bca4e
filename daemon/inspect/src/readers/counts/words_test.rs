//! What headers mean.

use super::*;

#[test]
fn counts_are_known_by_their_words() {
    for header in [
        "n",
        "Freq",
        "count",
        "人数",
        "例数",
        "症例数",
        "n.risk",
        "n.event",
        "No. at risk",
        "Events",
        "n_cases",
        "患者数",
        "死亡",
        "deaths",
        "Total",
    ] {
        assert_eq!(word(header), Word::Count, "{header}");
    }
}

#[test]
fn other_words_are_other_things() {
    for (header, expected) in [
        ("%", Word::Percent),
        ("割合", Word::Percent),
        ("mean", Word::Statistic),
        ("p.value", Word::Statistic),
        ("Max", Word::Extreme),
        ("IID", Word::Person),
        ("患者ID", Word::Personal),
        ("カルテ番号", Word::Personal),
        ("年齢", Word::Attribute),
        ("PC1", Word::Feature),
        ("O(HOM)", Word::Feature),
        ("", Word::Index),
        ("stage", Word::Category),
        ("foo", Word::Unknown),
    ] {
        assert_eq!(word(header), expected, "{header}");
    }
}

#[test]
fn headers_state_numbers_of_people() {
    assert_eq!(stated("Cases (N=45)"), Some(45));
    assert_eq!(stated("Control, n = 1,234"), Some(1234));
    assert_eq!(stated("Nation"), None);
    assert_eq!(stated("対照（Ｎ）"), None);
}
