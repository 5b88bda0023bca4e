//! Pure judgement: what a policy says, what a file contains, and whether it may leave.
//!
//! **Invariant: no I/O, no clock, no async, no unsafe.** Text, facts and "today" come in; findings and a
//! verdict go out. The same call with the same arguments always gives the same answer, which is what lets an
//! auditor repeat a decision years later.
//!
//! What this crate deliberately does not do: read files (that is `sekisho-inspect`), know who is asking
//! (`sekisho-airlock`), or decide for a person where the guideline leaves the decision to a person.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod catalogue;
pub mod earlier;
pub mod facts;
pub mod finding;
pub mod implied;
pub mod numbers;
pub mod request;
pub mod rules;
pub mod schema;

pub use facts::FileFacts;
pub use finding::{FileReport, Finding, RequestReport, Verdict};
pub use request::RequestInfo;
pub use rules::{Scope, beside, judge, judge_within};
pub use schema::{Certificate, Document, Policy, PolicyError};
