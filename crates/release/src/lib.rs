//! Labels, marking schemes, the release decision, and the types that let only decided data out.
//!
//! The rule: pure and total. No I/O, no clock; what is not positively permitted is withheld. docs/decision.md states the
//! decision in prose; `tests/oracle` states it a second time without having read this crate.

mod decide;
mod directory;
mod label;
pub mod limits;
mod marking;
mod reader;
mod realm;
mod redact;
mod sealed;
mod tlp;

pub use decide::{Granular, Held, Judge, Judgement, LabelCache, Reason, Removal, RowFacts, Verdict};
pub use directory::{Alliance, Group, Kind, Member, Origin, Policy, Recipient, Standing};
pub use label::{Attribution, Audience, Binding, Label, Principal, Terms};
pub use marking::{DefaultLabel, Definitions, Meaning, audience_definition, audience_of, compile, compile_definition, meaning_of_content, predefined};
pub use reader::{LabelVerdict, Reader, Readers, test_label};
pub use realm::{Exercise, Operations, Realm};
pub use redact::{RawGranular, RedactError, analyse_granular, outline, outline_copy, redact};
pub use sealed::{Decided, Entry, Form, Gate, Item, Ledger, Mark, Outbound, Page, Refused, Released, commit, decide};
pub use tlp::{Level, Pap};
