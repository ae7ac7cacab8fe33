//! Verdicts in plain words, with what a person can do about them.

use polder_release::{Label, Principal, Reason, Verdict};
use polder_store::Explained;

use crate::directory::Directory;

/// The verdict as one word.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Release => "release",
        Verdict::Redact => "redact",
        Verdict::Withhold => "withhold",
        Verdict::Hold => "hold",
    }
}

/// Why, in one sentence.
pub(crate) fn reason(e: &Explained, directory: &Directory) -> String {
    let holder = &directory.holder;
    match &e.judgement.reason {
        Reason::ReadBack => "it introduced this object itself".to_owned(),
        Reason::Permitted => format!("its markings permit it ({})", label(&e.row.label)),
        Reason::Suspended => "the recipient is suspended".to_owned(),
        Reason::Irreconcilable => "its markings contradict each other".to_owned(),
        Reason::Class => "it is classified higher than the recipient may hold".to_owned(),
        Reason::Category(name) => format!("the recipient does not hold the category `{name}`"),
        Reason::Window => "it may not be shared at this time".to_owned(),
        Reason::NotNamed if is_unmarked(e, holder) => {
            format!("it names no audience and no TLP level, and its source `{}` has no default label, so it stays with {holder}", e.row.source)
        }
        Reason::NotNamed => "an audience is named and the recipient is not in it".to_owned(),
        Reason::Red => "TLP:RED goes to persons and nodes named by the originator, and no further".to_owned(),
        Reason::Reach(level) => format!("{} does not reach this recipient from {holder}", level.label()),
        Reason::Standing(level) => format!("a standing release of {holder} adds the recipient for {}", level.label()),
        Reason::Opaque(ids) => {
            let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("nobody has explained to this node what {} means", names.join(", "))
        }
        Reason::Granted => "a person released it to this recipient".to_owned(),
        Reason::RequiredReference => "it is about an object the recipient may not hold".to_owned(),
        Reason::NoReferenceLeft => "the recipient may hold none of the objects it is about".to_owned(),
        Reason::RequiredProperty => "a property it cannot do without is marked for others".to_owned(),
        Reason::Properties => "some properties are marked for others".to_owned(),
        Reason::References => "some references lead to objects the recipient may not hold".to_owned(),
        Reason::HiddenLater => "a later version hides a part of it from this recipient".to_owned(),
        Reason::TooDeep => "its references lead deeper than is followed".to_owned(),
    }
}

/// What a person can do, where something can be done.
pub(crate) fn help(e: &Explained, directory: &Directory) -> Option<String> {
    match &e.judgement.reason {
        Reason::NotNamed if is_unmarked(e, &directory.holder) => {
            Some(format!("give the source a default label: `polder source set {} --default-tlp LEVEL`, or mark the object", e.row.source))
        }
        Reason::Opaque(ids) => {
            let which = ids.first().map(ToString::to_string).unwrap_or_default();
            let pin = format!("get the definition of {which} from its author and run `polder marking pin FILE`");
            Some(if e.judgement.verdict == Verdict::Hold {
                format!("{pin}, or release this one object: `polder release approve {} --to {}`", e.row.id, e.recipient)
            } else {
                pin
            })
        }
        Reason::Reach(level) if e.row.source.as_ref() == "own" => Some(format!(
            "this is what {} means. If it is meant to go there, name the recipient as its audience; a standing release (`polder standing add NAME --level {} --member ...`) opens every own object of that level",
            level.label(),
            level.name()
        )),
        Reason::Suspended => Some(format!("`polder recipient resume {}`", e.recipient)),
        _ => None,
    }
}

fn is_unmarked(e: &Explained, holder: &str) -> bool {
    is_held_back(&e.row.label, holder)
}

/// No level, and nobody but the holder: what an unmarked object without a default compiles to.
pub(crate) fn is_held_back(label: &Label, holder: &str) -> bool {
    let only_holder = |sets: &std::collections::BTreeSet<std::collections::BTreeSet<Principal>>| {
        sets.len() == 1 && sets.iter().all(|s| s.len() == 1 && s.iter().all(|p| matches!(p, Principal::Member(m) if **m == *holder)))
    };
    label.terms().is_some_and(|t| t.tlp.is_empty() && only_holder(&t.audience.0))
}

/// A label in a few words.
pub(crate) fn label(label: &Label) -> String {
    let Some(terms) = label.terms() else { return "irreconcilable".to_owned() };
    let mut parts: Vec<String> = terms.tlp.values().map(|b| b.level.label().to_owned()).collect();
    for set in &terms.audience.0 {
        let names: Vec<&str> = set
            .iter()
            .map(|p| match p {
                Principal::Group(n) | Principal::Member(n) | Principal::Node(n) | Principal::Person(n) => &**n,
            })
            .collect();
        parts.push(if names.is_empty() { "for nobody".to_owned() } else { format!("for {}", names.join(", ")) });
    }
    if !terms.opaque.is_empty() {
        parts.push(format!("{} unread marking(s)", terms.opaque.len()));
    }
    if parts.is_empty() { "no restriction".to_owned() } else { parts.join("; ") }
}

/// The reason alone, for counting.
pub(crate) fn short(reason: &Reason) -> String {
    match reason {
        Reason::NotNamed => "named for others, or unmarked",
        Reason::Red => "TLP:RED",
        Reason::Reach(level) => level.label(),
        Reason::Opaque(_) => "a marking nobody has explained",
        Reason::RequiredReference | Reason::NoReferenceLeft => "about an object that is withheld",
        Reason::RequiredProperty => "a needed property is marked for others",
        Reason::HiddenLater => "an earlier version of which a later one hides a part",
        Reason::Window => "not at this time",
        Reason::Suspended => "suspended",
        _ => "other",
    }
    .to_owned()
}
