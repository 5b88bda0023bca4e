//! Questions others ask a policy.

use super::{Institution, Officer, Policy, Project};
use jiff::civil::Date;

/// What an officer's certificate is worth on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// In force.
    Valid,
    /// Begins only on this day.
    NotYet(Date),
    /// This was its last day.
    Expired(Date),
    /// Revoked from this day on.
    Revoked(Date),
}

impl Officer {
    /// The state of the certificate on `day`. Revocation outweighs the rest.
    pub fn certificate(&self, day: Date) -> Certificate {
        match self.revoked_on {
            Some(revoked) if day >= revoked => Certificate::Revoked(revoked),
            _ if day < self.certified_on => Certificate::NotYet(self.certified_on),
            _ if day > self.valid_until => Certificate::Expired(self.valid_until),
            _ => Certificate::Valid,
        }
    }

    /// May this officer decide on `day`?
    pub fn is_certified_on(&self, day: Date) -> bool {
        self.certificate(day) == Certificate::Valid
    }
}

impl Project {
    /// Is `day` inside the approved plan?
    pub fn runs_on(&self, day: Date) -> bool {
        self.from <= day && day <= self.until
    }

    /// Is this account a member?
    pub fn has_member(&self, user: &str) -> bool {
        self.members.iter().any(|m| m == user)
    }
}

impl Policy {
    /// The project with this id.
    pub fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.id == id)
    }

    /// The institution with this id.
    pub fn institution(&self, id: &str) -> Option<&Institution> {
        self.institutions.iter().find(|i| i.id == id)
    }

    /// The officer with this id, certified or not.
    pub fn officer(&self, id: &str) -> Option<&Officer> {
        self.officers.iter().find(|o| o.id == id)
    }

    /// The officer behind a node account. At most one: two entries with one account are refused.
    pub fn officer_by_user(&self, user: &str) -> Option<&Officer> {
        self.officers.iter().find(|o| o.user == user)
    }

    /// The officers of an institution, certified or not.
    pub fn officers_of<'a>(&'a self, institution: &'a str) -> impl Iterator<Item = &'a Officer> {
        self.officers.iter().filter(move |o| o.institution == institution)
    }

    /// The officers whose institution decides for a project, certified or not.
    pub fn officers_for<'a>(&'a self, project: &'a Project) -> impl Iterator<Item = &'a Officer> {
        self.officers_of(&project.institution)
    }

    /// The projects an account is a member of.
    pub fn projects_of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Project> {
        self.projects.iter().filter(move |p| p.has_member(user))
    }

    /// Does this account belong to the platform secretariat?
    pub fn is_secretariat(&self, user: &str) -> bool {
        self.site.secretariat.iter().any(|s| s == user)
    }
}
