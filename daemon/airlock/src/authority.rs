//! Who may do what: pure functions from policy, the asker (as the kernel named them) and the day.
//!
//! Invariant: identity is an account name and a uid from `SO_PEERCRED`; nothing a message says counts.

use crate::refusal::Refusal;
use jiff::civil::Date;
use sekisho_policy::Policy;
use sekisho_policy::schema::Officer;

/// The peer of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Node account; `uid:N` when the uid has no name, which no policy can match.
    pub account: String,
    /// Kernel's uid.
    pub uid: u32,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// Project id.
    pub project: &'a str,
    /// Requester's account.
    pub requester: &'a str,
    /// Requester's uid.
    pub uid: u32,
}

/// What the asker is to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seat<'a> {
    /// The requester.
    Requester,
    /// A certified officer of the project's institution.
    Officer(&'a Officer),
    /// Nobody.
    Stranger,
}

impl Who {
    /// Is this the requester? Either match is enough: two names of one uid are one person.
    pub fn is_requester(&self, of: Of<'_>) -> bool {
        self.account == of.requester || self.uid == of.uid
    }
}

/// What the asker is to a request, today.
pub fn seat<'a>(policy: &'a Policy, who: &Who, of: Of<'_>, today: Date) -> Seat<'a> {
    if who.is_requester(of) {
        return Seat::Requester;
    }
    match may_decide(policy, who, of, today) {
        Ok(officer) => Seat::Officer(officer),
        Err(_) => Seat::Stranger,
    }
}

/// The officer the asker is, if they may decide about this request.
///
/// # Errors
/// The first reason why not.
pub fn may_decide<'a>(
    policy: &'a Policy,
    who: &Who,
    of: Of<'_>,
    today: Date,
) -> Result<&'a Officer, Refusal> {
    let officer = certified(policy, who, today)?;
    let project = policy.project(of.project).ok_or_else(|| Refusal::OtherInstitution(of.project.into()))?;
    if project.institution != officer.institution {
        return Err(Refusal::OtherInstitution(project.id.clone()));
    }
    if who.is_requester(of) || officer.user == of.requester {
        return Err(Refusal::OwnRequest);
    }
    Ok(officer)
}

/// The officer the asker is, if certified and in date.
///
/// # Errors
/// [`Refusal::NotAnOfficer`] or [`Refusal::Certificate`].
pub fn certified<'a>(policy: &'a Policy, who: &Who, today: Date) -> Result<&'a Officer, Refusal> {
    use sekisho_policy::schema::Certificate as C;
    let officer = policy.officer_by_user(&who.account).ok_or(Refusal::NotAnOfficer)?;
    match officer.certificate(today) {
        C::Valid => Ok(officer),
        C::NotYet(day) => Err(Refusal::Certificate(format!("it begins on {day}"))),
        C::Expired(day) => Err(Refusal::Certificate(format!("it ended on {day}"))),
        C::Revoked(day) => Err(Refusal::Certificate(format!("it was revoked on {day}"))),
    }
}

#[cfg(test)]
mod test {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    const POLICY: &str = r#"
        version = 1
        [[institution]]
        id = "a"
        name = "A"
        [[institution]]
        id = "b"
        name = "B"
        [[officer]]
        id = "sato"
        name = "Sato"
        institution = "a"
        user = "sato"
        certified_on = 2026-01-01
        valid_until = 2026-12-31
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGOGbwIjXSWjZoWqJFKmsHc3MsgWxbQUaRJqyYDGdlLd"
        [[officer]]
        id = "mori"
        name = "Mori"
        institution = "b"
        user = "mori"
        certified_on = 2026-01-01
        valid_until = 2026-12-31
        revoked_on = 2026-06-01
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGOGbwIjXSWjZoWqJFKmsHc3MsgWxbQUaRJqyYDGdlLe"
        [[project]]
        id = "demo"
        title = "Demo"
        institution = "a"
        from = 2026-01-01
        until = 2027-01-01
        members = ["kato", "sato"]
    "#;

    fn policy() -> Policy {
        Policy::parse("test", POLICY).unwrap()
    }

    fn who(account: &str, uid: u32) -> Who {
        Who { account: account.into(), uid }
    }

    fn of(requester: &str, uid: u32) -> Of<'_> {
        Of { project: "demo", requester, uid }
    }

    #[test]
    fn an_officer_of_the_institution_decides_and_nobody_else() {
        let p = policy();
        let day = date(2026, 5, 1);
        assert_eq!(may_decide(&p, &who("sato", 2), of("kato", 1), day).unwrap().id, "sato");
        let no = |w: Who, o: Of<'_>, d| may_decide(&p, &w, o, d).unwrap_err().reason();
        assert_eq!(no(who("kato", 1), of("kato", 1), day), "not_an_officer");
        assert_eq!(no(who("mori", 3), of("kato", 1), day), "other_institution");
        assert_eq!(no(who("mori", 3), of("kato", 1), date(2026, 6, 1)), "certificate");
        assert_eq!(no(who("sato", 2), of("kato", 1), date(2027, 1, 1)), "certificate");
        assert_eq!(no(who("sato", 2), of("kato", 1), date(2025, 12, 31)), "certificate");
        assert_eq!(no(who("sato", 2), of("sato", 2), day), "own_request");
    }

    #[test]
    fn a_second_name_for_the_same_uid_is_the_same_person() {
        let p = policy();
        assert_eq!(
            may_decide(&p, &who("sato", 1), of("kato", 1), date(2026, 5, 1)),
            Err(Refusal::OwnRequest)
        );
    }

    proptest! {
        #[test]
        fn whoever_may_decide_is_certified_of_that_institution_and_not_the_requester(
            asker in prop::sample::select(vec!["sato", "mori", "kato", "uid:7", ""]),
            asker_uid in 0_u32..4,
            requester in prop::sample::select(vec!["sato", "mori", "kato"]),
            requester_uid in 0_u32..4,
            days in 0_i32..800,
        ) {
            let p = policy();
            let day = date(2025, 6, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            if let Ok(officer) = may_decide(&p, &who(asker, asker_uid), of(requester, requester_uid), day) {
                prop_assert_eq!(officer.user.as_str(), asker);
                prop_assert!(officer.is_certified_on(day));
                prop_assert_eq!(officer.institution.as_str(), "a");
                prop_assert_ne!(asker, requester);
                prop_assert_ne!(asker_uid, requester_uid);
            }
        }
    }
}
