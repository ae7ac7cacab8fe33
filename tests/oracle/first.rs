//! What FIRST's TLP and our own rules promise, as sentences with a world and an expected verdict each.
//! The rule: the expected column is written by hand from the sentence, never from an answer.

use super::alliance::*;
use super::{Event, Level, Verdict, What, rules};

/// The moment at which every sentence is asked: 2026-01-01T00:00:00Z.
pub(crate) const NOW_US: i64 = 1_767_225_600_000_000;

/// A promise about one row of a small world and one recipient.
#[derive(Debug, Clone)]
pub(crate) struct Sentence {
    pub(crate) sentence: &'static str,
    pub(crate) world: Vec<Event>,
    pub(crate) recipient: &'static str,
    pub(crate) row: usize,
    pub(crate) now_us: i64,
    pub(crate) expected: Verdict,
    /// JSON pointers to what the served copy must lack; empty unless the verdict is redact.
    pub(crate) gone: &'static [&'static str],
}

/// A table of sentences: what is promised, the acts, who asks for which row, the verdict, and what a copy lacks.
macro_rules! told {
    ($($sentence:literal: $acts:expr, $who:literal $row:literal => $verdict:ident $(without $($gone:literal)+)?;)+) => {
        vec![$($crate::oracle::first::say(
            ($sentence, $who, &[$($($gone),+)?]), $acts, $row, $crate::oracle::Verdict::$verdict,
        )),+]
    };
}
pub(super) use told;

/// All sentences. Alpha is the holder.
pub(crate) fn sentences() -> Vec<Sentence> {
    [first_hop(), versions(), later_hops(), audiences(), persons(), windows(), rules::sentences()].concat()
}

/// The sentence and its world, whose directory comes first and whose stamps end before now.
pub(super) fn say(
    (sentence, recipient, gone): (&'static str, &'static str, &'static [&'static str]),
    acts: Vec<What>,
    row: usize,
    expected: Verdict,
) -> Sentence {
    let acts = [What::SetDirectory(directory())].into_iter().chain(acts);
    let stamps = NOW_US - 1_000_000..;
    let world = stamps.zip(acts).map(|(stamp_us, what)| Event { stamp_us, what }).collect();
    Sentence { sentence, world, recipient, row, now_us: NOW_US, expected, gone }
}

fn first_hop() -> Vec<Sentence> {
    let of = |marking: &str| vec![own(vec![indicator(&[marking])])];
    told! {
        "CLEAR may go to the public": of(CLEAR), "public" 0 => Release;
        "WHITE of TLP 1 is CLEAR": of(WHITE_1), "public" 0 => Release;
        "GREEN stays in the community: a member": of(GREEN), "bravo" 0 => Release;
        "GREEN stays in the community: a machine of a member": of(GREEN), "siem-charlie" 0 => Release;
        "GREEN stays in the community: not the public": of(GREEN), "public" 0 => Withhold;
        "GREEN reaches all that AMBER reaches: a client outside the community": of(GREEN), "echo" 0 => Release;
        "GREEN stays in the community: not the client of another": of(GREEN), "foxtrot" 0 => Withhold;
        "AMBER goes to the organisation": of(AMBER), "p-alpha" 0 => Release;
        "AMBER goes to a client of the organisation": of(AMBER), "echo" 0 => Release;
        "AMBER goes to a member that is a client": of(AMBER), "delta" 0 => Release;
        "AMBER goes to nobody else: a member": of(AMBER), "bravo" 0 => Withhold;
        "AMBER goes to nobody else: the client of another": of(AMBER), "foxtrot" 0 => Withhold;
        "AMBER of TLP 1 is AMBER, not STRICT": of(AMBER_1), "echo" 0 => Release;
        "STRICT stays in the organisation: its person": of(STRICT), "p-alpha" 0 => Release;
        "STRICT stays in the organisation: not its client": of(STRICT), "echo" 0 => Withhold;
        "RED without names goes to nobody: not even a person of the house": of(RED), "p-alpha" 0 => Withhold;
        "RED is read back by the one who gave it": of(RED), "alpha" 0 => Release;
    }
}

fn versions() -> Vec<Sentence> {
    let then = |first: &str, second: &str| vec![own(vec![indicator(&[first])]), own(vec![later(indicator(&[second]))])];
    let variant = || with(indicator(&[GREEN]), "description", "another text");
    let but = |acts: Vec<What>, gone: usize| acts.into_iter().chain([What::Remove { rows: vec![gone] }]).collect();
    told! {
        "of two levels the stricter holds": vec![own(vec![indicator(&[GREEN, AMBER])])], "bravo" 0 => Withhold;
        "a later version tightens the earlier one": then(GREEN, AMBER), "bravo" 0 => Withhold;
        "an earlier version does not tighten the later one": then(AMBER, GREEN), "bravo" 1 => Release;
        "a variant tightens its twin": vec![own(vec![indicator(&[AMBER])]), own(vec![variant()])], "bravo" 1 => Withhold;
        "removing the version that raised a marking lowers nothing": but(then(GREEN, AMBER), 1), "bravo" 0 => Withhold;
        "removing an earlier version raises nothing": but(then(AMBER, GREEN), 0), "bravo" 1 => Release;
        "a variant that was removed tightens its twin no more":
            but(vec![own(vec![indicator(&[AMBER])]), own(vec![variant()])], 0), "bravo" 1 => Release;
        "a removed version that was unmarked leaves the earlier one to the house":
            but(vec![own(vec![indicator(&[GREEN])]), own(vec![later(indicator(&[]))])], 1), "bravo" 0 => Withhold;
        "a copy of another source tightens nothing":
            vec![own(vec![indicator(&[GREEN])]), feed(vec![later(indicator(&[RED]))])], "bravo" 0 => Release;
        "an overlay tightens": vec![own(vec![indicator(&[GREEN])]), overlay("own", STRICT_LEVEL)], "bravo" 0 => Withhold;
        "an overlay is for its source": vec![own(vec![indicator(&[GREEN])]), overlay("feed", STRICT_LEVEL)],
            "bravo" 0 => Release;
        "an overlay that is lifted counts no more":
            vec![own(vec![indicator(&[GREEN])]), overlay("own", STRICT_LEVEL), lift("own", None)], "bravo" 0 => Release;
        "a level that a lift leaves still counts":
            vec![own(vec![indicator(&[GREEN])]), overlay("own", STRICT_LEVEL), lift("own", Some(Level::Red))], "bravo" 0 => Withhold;
        "a lift is for its source":
            vec![own(vec![indicator(&[GREEN])]), overlay("own", STRICT_LEVEL), lift("feed", None)], "bravo" 0 => Withhold;
        "a lift leaves what the versions say": vec![own(vec![indicator(&[RED])]), lift("own", None)], "bravo" 0 => Withhold;
        "an overlay after a lift tightens again":
            vec![own(vec![indicator(&[GREEN])]), lift("own", None), overlay("own", STRICT_LEVEL)], "bravo" 0 => Withhold;
    }
}

fn later_hops() -> Vec<Sentence> {
    let of = |marking: &str| vec![from_bravo(vec![indicator(&[marking])])];
    let named = || vec![from_bravo(vec![audience(NAMED, &names(&["charlie"])), indicator(&[AMBER, NAMED])])];
    told! {
        "GREEN of a member may go on inside the community": of(GREEN), "charlie" 0 => Release;
        "GREEN of a member goes to the holder's clients": of(GREEN), "echo" 0 => Release;
        "GREEN of a member does not reach the member's clients": of(GREEN), "foxtrot" 0 => Withhold;
        "AMBER of a member stays with the holder and its clients: a client": of(AMBER), "echo" 0 => Release;
        "AMBER of a member does not reach the member's clients": of(AMBER), "foxtrot" 0 => Withhold;
        "AMBER of a member does not reach a third member": of(AMBER), "charlie" 0 => Withhold;
        "STRICT of a member stays with the holder": of(STRICT), "alpha" 0 => Release;
        "RED of a member goes to nobody: not to the holder": of(RED), "alpha" 0 => Withhold;
        "RED of a member goes back to that member": of(RED), "node-bravo" 0 => Release;
        "reading back is for the organisation, not for each person of it": of(RED), "p-bravo" 0 => Withhold;
        "nobody reads a feed back": vec![feed(vec![indicator(&[RED])])], "alpha" 0 => Withhold;
        "a named audience does not lift the level of what others gave": named(), "charlie" 1 => Withhold;
    }
}

fn audiences() -> Vec<Sentence> {
    let to = |names: Value, level: &str| vec![own(vec![audience(NAMED, &names), indicator(&[level, NAMED])])];
    let bravo = || names(&["bravo"]);
    let both = |other: Value| vec![own(vec![audience(NAMED, &bravo()), audience(OTHER, &other), indicator(&[NAMED, OTHER])])];
    told! {
        "the giver may name a member for its AMBER": to(bravo(), AMBER), "bravo" 1 => Release;
        "a person of a named member is of it": to(bravo(), AMBER), "p-bravo" 1 => Release;
        "who is not named gets nothing, however open the level": to(bravo(), CLEAR), "charlie" 1 => Withhold;
        "the public is never named by a member": to(bravo(), CLEAR), "public" 1 => Withhold;
        "a group's members get its AMBER": to(json!({"groups": ["cell"]}), AMBER), "bravo" 1 => Release;
        "a group that is not known is nobody": to(json!({"groups": ["none"]}), CLEAR), "bravo" 1 => Withhold;
        "an audience of nobody is nobody": to(json!({}), CLEAR), "public" 1 => Withhold;
        "two audiences: only who is in both": both(names(&["bravo", "charlie"])), "charlie" 2 => Withhold;
        "two audiences: who is in both": both(names(&["bravo", "charlie"])), "bravo" 2 => Release;
        "two audiences: a member and its group meet": both(json!({"groups": ["cell"]})), "bravo" 2 => Release;
        "two audiences of strangers are nobody": both(names(&["charlie"])), "bravo" 2 => Withhold;
    }
}

fn persons() -> Vec<Sentence> {
    let red = |names: Value| vec![own(vec![audience(NAMED, &names), indicator(&[RED, NAMED])])];
    let twice = |names: Value, others: Value| vec![own(vec![audience(NAMED, &names), audience(OTHER, &others), indicator(&[RED, NAMED, OTHER])])];
    let person = || json!({"persons": ["pid-charlie"]});
    told! {
        "RED is for persons: a named organisation is not enough": red(names(&["bravo"])), "bravo" 1 => Withhold;
        "RED is for persons: being of a named organisation is not enough": red(names(&["bravo"])), "p-bravo" 1 => Withhold;
        "RED goes to a named person": red(person()), "p-charlie" 1 => Release;
        "RED goes to a person of a named group": red(json!({"groups": ["cell"]})), "p-charlie" 1 => Release;
        "RED does not go to a member of a named group": red(json!({"groups": ["cell"]})), "bravo" 1 => Withhold;
        "RED goes to a named node": red(json!({"nodes": ["node-bravo"]})), "node-bravo" 1 => Release;
        "a person named is not that person's organisation": red(person()), "charlie" 1 => Withhold;
        "RED named in person twice goes": twice(person(), json!({"groups": ["cell"]})), "p-charlie" 2 => Release;
        "RED named in person only once does not": twice(person(), names(&["charlie"])), "p-charlie" 2 => Withhold;
        "RED of others goes to nobody, named or not":
            vec![from_bravo(vec![audience(NAMED, &person()), indicator(&[RED, NAMED])])], "p-charlie" 1 => Withhold;
    }
}

fn windows() -> Vec<Sentence> {
    let when = |edge: &str, at: &str| {
        let names = with(names(&["bravo"]), edge, at);
        vec![own(vec![audience(NAMED, &names), indicator(&[NAMED])])]
    };
    told! {
        "nothing before its window": when("not_before", "2026-01-01T00:00:00.000001Z"), "bravo" 1 => Withhold;
        "a window opens at its moment": when("not_before", "2026-01-01T00:00:00Z"), "bravo" 1 => Release;
        "a window closes at its moment": when("not_after", "2026-01-01T00:00:00Z"), "bravo" 1 => Withhold;
        "a window lasts up to its end": when("not_after", "2026-01-01T00:00:00.000001Z"), "bravo" 1 => Release;
        "who reads back reads outside the window": when("not_after", "2025-01-01T00:00:00Z"), "alpha" 1 => Release;
    }
}

/// Every sentence against the oracle.
#[test]
fn the_oracle_keeps_every_sentence() {
    let broken: Vec<String> = sentences().iter().filter_map(check).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[cfg(test)]
fn check(it: &Sentence) -> Option<String> {
    let (verdict, served) = super::verdict(&it.world, it.recipient, it.row, it.now_us);
    let is_left = |gone: &&&str| served.as_ref().is_none_or(|served| served.pointer(gone).is_some());
    let left: Vec<_> = it.gone.iter().filter(is_left).collect();
    let kept = verdict == it.expected && left.is_empty() && it.gone.is_empty() == (verdict != Verdict::Redact);
    (!kept).then(|| format!("{}: expected {:?}, found {verdict:?}; left {left:?}", it.sentence, it.expected))
}
