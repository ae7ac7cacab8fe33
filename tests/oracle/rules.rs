//! The sentences about our own rules: standing releases, unread and unmarked rows, granular markings, references.
//! The rule: the expected column is written by hand from the sentence, never from an answer.

use super::alliance::*;
use super::first::{Sentence, told};
use super::{Audience, DefaultLabel, Directory, Level, Standing, What};

pub(super) fn sentences() -> Vec<Sentence> {
    [standing(), presence(), unread(), grants(), unmarked(), granular(), hidden_later(), references(), scope()].concat()
}

fn standing() -> Vec<Sentence> {
    let rule = |levels: Vec<Level>, types: &[&str], act: What| {
        let rule = Standing { levels, types: types.iter().map(|it| (*it).to_owned()).collect(), members: vec!["bravo".to_owned()], recipients: Vec::new() };
        vec![What::SetDirectory(Directory { standing: vec![rule], ..directory() }), act]
    };
    let of = |marking: &str| own(vec![indicator(&[marking])]);
    let amber = || vec![Level::Amber];
    told! {
        "a standing release adds its member": rule(amber(), &["indicator"], of(AMBER)), "bravo" 0 => Release;
        "a standing release for no type is for all": rule(amber(), &[], of(AMBER)), "bravo" 0 => Release;
        "a standing release is for its types": rule(amber(), &["malware"], of(AMBER)), "bravo" 0 => Withhold;
        "a standing release is for its levels": rule(vec![Level::Green], &[], of(AMBER)), "bravo" 0 => Withhold;
        "a standing release adds nobody else": rule(amber(), &[], of(AMBER)), "charlie" 0 => Withhold;
        "a standing release is never for RED": rule(vec![Level::Red], &[], of(RED)), "bravo" 0 => Withhold;
        "a standing release is for own rows": rule(amber(), &[], feed(vec![indicator(&[AMBER])])), "bravo" 0 => Withhold;
        "a standing release reads no unread marking": rule(amber(), &[], own(vec![indicator(&[AMBER, UNKNOWN])])),
            "bravo" 0 => Hold;
    }
}

fn presence() -> Vec<Sentence> {
    let clear = || own(vec![indicator(&[CLEAR])]);
    told! {
        "who is not active gets nothing": vec![clear()], "gone" 0 => Withhold;
        "who is not active does not read back": vec![from_bravo(vec![indicator(&[CLEAR])])], "gone" 0 => Withhold;
        "who is not known gets nothing": vec![clear()], "nobody" 0 => Withhold;
        "what was removed is not there": vec![clear(), What::Remove { rows: vec![0] }], "public" 0 => Withhold;
        "what never was is not there": vec![clear()], "public" 1 => Withhold;
    }
}

fn unread() -> Vec<Sentence> {
    let strange = || own(vec![indicator(&[GREEN, UNKNOWN])]);
    let pin = |level: &str| vec![strange(), What::Pin(statement(UNKNOWN, &format!("TLP:{level}")))];
    let defined = |by: fn(Vec<Value>) -> What| vec![strange(), by(vec![statement(UNKNOWN, "TLP:CLEAR")])];
    let more = || vec![own(vec![with(statement(UNKNOWN, "TLP:GREEN"), "created", "2025-02-01T00:00:00.000Z")])];
    let gone = |row: usize| vec![What::Remove { rows: vec![row] }];
    told! {
        "an unread marking on an own row waits for a person": vec![strange()], "bravo" 0 => Hold;
        "an unread marking does not stop the house": vec![strange()], "p-alpha" 0 => Release;
        "an unread marking on a row of others stops it": vec![feed(vec![indicator(&[GREEN, UNKNOWN])])],
            "bravo" 0 => Withhold;
        "only what everything else permits is held": vec![strange()], "public" 0 => Withhold;
        "a pinned definition is read": pin("GREEN"), "bravo" 0 => Release;
        "a pinned definition binds": pin("AMBER"), "bravo" 0 => Withhold;
        "a pinned definition that names no level is unread": pin("BLUE"), "bravo" 0 => Hold;
        "a definition from another source is not taken": defined(feed), "bravo" 0 => Hold;
        "a definition that comes later counts from then on": defined(own), "bravo" 0 => Release;
        "removing a definition leaves its marking unread": [defined(own), gone(1)].concat(), "bravo" 0 => Hold;
        "removing the last definition does not bring back the one before": [defined(own), more(), gone(2)].concat(), "bravo" 0 => Hold;
        "removing a definition that is not the last changes nothing": [defined(own), more(), gone(1)].concat(), "bravo" 0 => Release;
        "a definition that comes after a removed one is read": [defined(own), gone(1), more()].concat(), "bravo" 0 => Release;
        "a pin reads what a removed definition left unread":
            [defined(own), gone(1), vec![What::Pin(statement(UNKNOWN, "TLP:GREEN"))]].concat(), "bravo" 0 => Release;
    }
}

fn grants() -> Vec<Sentence> {
    let granted = |markings: &[&str]| vec![own(vec![indicator(markings)]), What::Grant { recipient: "bravo".to_owned(), row: 0 }];
    let strange = || granted(&[GREEN, UNKNOWN]);
    let more = || [strange(), vec![own(vec![later(indicator(&[GREEN, NAMED]))])]].concat();
    told! {
        "a grant lets it go": strange(), "bravo" 0 => Release;
        "a grant is for one recipient": strange(), "charlie" 0 => Hold;
        "a grant does not cover what came to be unread later": more(), "bravo" 0 => Hold;
        "a grant does not lift a level": granted(&[AMBER, UNKNOWN]), "bravo" 0 => Withhold;
    }
}

fn unmarked() -> Vec<Sentence> {
    let bare = || feed(vec![indicator(&[])]);
    let with_text = |text: &str| vec![feed(vec![statement(NAMED, text), indicator(&[NAMED])])];
    let preset = |level, members: Option<&str>, act: What| {
        let named = |id: &str| Audience { members: [id.to_owned()].into(), ..Audience::default() };
        let default = Some(DefaultLabel { level, audience: members.map(named) });
        vec![act, What::SetDefault { source: "feed".to_owned(), default }]
    };
    told! {
        "what is unmarked stays in the house": vec![bare()], "bravo" 0 => Withhold;
        "what is unmarked is for the house": vec![bare()], "p-alpha" 0 => Release;
        "a statement alone leaves it unmarked": with_text("be kind"), "bravo" 1 => Withhold;
        "a PAP alone leaves it unmarked": with_text("PAP:CLEAR"), "bravo" 1 => Withhold;
        "a statement that names a level is a level": with_text("tlp green"), "bravo" 1 => Release;
        "the default of a source speaks for what is unmarked": preset(Some(Level::Green), None, bare()),
            "bravo" 0 => Release;
        "a default may name an audience": preset(None, Some("bravo"), bare()), "bravo" 0 => Release;
        "a default's audience is all": preset(None, Some("bravo"), bare()), "charlie" 0 => Withhold;
        "a default is not for what is marked": preset(Some(Level::Clear), None, feed(vec![indicator(&[AMBER])])),
            "bravo" 0 => Withhold;
        "the definition of RED is no secret": vec![own(vec![definition_of_red()])], "public" 0 => Release;
    }
}

fn granular() -> Vec<Sentence> {
    let entry = |marking: &str, selector: &str| vec![own(vec![in_part(with_labels(indicator(&[GREEN])), marking, selector)])];
    let granted = || What::Grant { recipient: "bravo".to_owned(), row: 0 };
    told! {
        "a part marked stricter is taken out": entry(AMBER, "description"),
            "bravo" 0 => Redact without "/description" "/granular_markings";
        "a part marked stricter stays for who may hold it": entry(STRICT, "description"), "p-alpha" 0 => Release;
        "an element of a list is taken out": entry(AMBER, "labels.[1]"),
            "bravo" 0 => Redact without "/labels/1" "/granular_markings";
        "what a type needs cannot be taken out": entry(AMBER, "pattern"), "bravo" 0 => Withhold;
        "a marking that points nowhere is about everything": entry(AMBER, "no_such"), "bravo" 0 => Withhold;
        "a part with an unread marking is taken out": entry(UNKNOWN, "description"),
            "bravo" 0 => Redact without "/description";
        "a part marked weaker is no stricter than the whole": entry(CLEAR, "description"), "bravo" 0 => Release;
        "a part is judged by its own marking: an audience of the whole does not lift its level":
            vec![own(vec![audience(NAMED, &names(&["bravo"])), in_part(indicator(&[AMBER, NAMED]), AMBER, "description")])],
            "bravo" 1 => Redact without "/description";
        "a grant covers the parts with the same unread marking":
            vec![own(vec![in_part(indicator(&[GREEN, UNKNOWN]), UNKNOWN, "description")]), granted()], "bravo" 0 => Release;
        "a grant does not cover a part with another unread marking":
            vec![own(vec![in_part(indicator(&[GREEN, UNKNOWN]), OTHER, "description")]), granted()],
            "bravo" 0 => Redact without "/description";
        "who reads back reads every part": entry(RED, "description"), "alpha" 0 => Release;
    }
}

fn hidden_later() -> Vec<Sentence> {
    let part = |marking: &str, selector: &str| in_part(with_labels(indicator(&[GREEN])), marking, selector);
    let then = |first: Value, second: Value| vec![own(vec![first]), own(vec![later(second)])];
    let whole = || with_labels(indicator(&[GREEN]));
    let variant = || with(whole(), "description", "another text");
    let but = |acts: Vec<What>, gone: usize| [acts, vec![What::Remove { rows: vec![gone] }]].concat();
    let removed = || but(then(whole(), part(AMBER, "description")), 1);
    let linked = || [then(whole(), part(AMBER, "pattern")), vec![own(vec![malware(1, CLEAR), relationship(INDICATOR, &malware_id(1))])]].concat();
    told! {
        "what a later version hides is not in an earlier one": then(whole(), part(AMBER, "description")), "bravo" 0 => Withhold;
        "a later version that hides a part is served without it": then(whole(), part(AMBER, "description")),
            "bravo" 1 => Redact without "/description";
        "both versions hide the part": then(part(STRICT, "description"), part(AMBER, "description")),
            "bravo" 0 => Redact without "/description";
        "an earlier version hides nothing of a later one": then(part(AMBER, "description"), whole()), "bravo" 1 => Release;
        "who may hold the part may have both": then(whole(), part(AMBER, "description")), "delta" 0 => Release;
        "who reads back reads what was hidden later": then(whole(), part(AMBER, "description")), "alpha" 0 => Release;
        "an entry that hides nothing covers nothing": then(part(GREEN, "description"), part(AMBER, "description")),
            "bravo" 0 => Withhold;
        "a list hidden covers its elements": then(part(AMBER, "labels"), part(AMBER, "labels.[1]")),
            "bravo" 0 => Redact without "/labels";
        "an element hidden does not cover the list": then(part(AMBER, "labels.[1]"), part(AMBER, "labels")),
            "bravo" 0 => Withhold;
        "a variant hides for its twin": vec![own(vec![part(AMBER, "description")]), own(vec![variant()])], "bravo" 1 => Withhold;
        "a removed version hides what it hid": removed(), "bravo" 0 => Withhold;
        "what a removed version hid stays for who may hold it": removed(), "delta" 0 => Release;
        "a removed version hides nothing that the earlier one hides too":
            but(then(part(STRICT, "description"), part(AMBER, "description")), 1), "bravo" 0 => Redact without "/description";
        "a removed twin hides no part": but(vec![own(vec![part(AMBER, "description")]), own(vec![variant()])], 0),
            "bravo" 1 => Release;
        "a removed earlier version hides nothing of a later one": but(then(part(AMBER, "description"), whole()), 0),
            "bravo" 1 => Release;
        "a copy of another source hides nothing": vec![own(vec![whole()]), feed(vec![later(part(AMBER, "description"))])],
            "bravo" 0 => Release;
        "a version withheld for its parts is no target": linked(), "bravo" 3 => Withhold;
    }
}

fn references() -> Vec<Sentence> {
    let secret = || indicator(&[RED]);
    let shown = || malware(1, CLEAR);
    let link = || relationship(INDICATOR, &malware_id(1));
    let gone = |row: usize| What::Remove { rows: vec![row] };
    let circle = |number, next| with(malware(number, CLEAR), "x_next_ref", &malware_id(next));
    told! {
        "a relationship to what may not be held is not told": vec![own(vec![secret(), shown(), link()])],
            "bravo" 2 => Withhold;
        "a relationship of two that may be held is told": vec![own(vec![indicator(&[CLEAR]), shown(), link()])],
            "bravo" 2 => Release;
        "a target that never was hides nothing": vec![own(vec![shown(), link()])], "bravo" 1 => Release;
        "removing a target lets out nothing that was withheld for it": vec![own(vec![secret(), shown(), link()]), gone(0)],
            "bravo" 2 => Withhold;
        "removing a target that may be held hides nothing": vec![own(vec![indicator(&[CLEAR]), shown(), link()]), gone(0)],
            "bravo" 2 => Release;
        "a removed target that comes back is judged as it is":
            vec![own(vec![secret(), shown(), link()]), gone(0), own(vec![indicator(&[CLEAR])])], "bravo" 2 => Release;
        "a report lists what may be held": vec![own(vec![secret(), shown(), report(&[INDICATOR, &malware_id(1)])])],
            "bravo" 2 => Redact without "/object_refs/1";
        "a report of nothing that may be held is not told": vec![own(vec![secret(), report(&[INDICATOR])])],
            "bravo" 1 => Withhold;
        "an author who may not be known is not named":
            vec![own(vec![identity(RED), with(shown(), "created_by_ref", IDENTITY)])],
            "bravo" 1 => Redact without "/created_by_ref";
        "a circle does not withhold itself": vec![own(vec![circle(1, 2), circle(2, 1)])], "public" 0 => Release;
        "who reads back reads in full": vec![own(vec![secret(), report(&[INDICATOR])])], "alpha" 1 => Release;
    }
}

fn scope() -> Vec<Sentence> {
    let secret = || vec![indicator(&[RED])];
    let linked = || vec![malware(1, CLEAR), relationship(INDICATOR, &malware_id(1))];
    let copies = || vec![feed(secret()), from_bravo(vec![indicator(&[CLEAR])]), own(linked())];
    told! {
        "rows of others are judged among themselves": vec![own(secret()), feed(linked())], "bravo" 2 => Release;
        "an own row is judged by all rows": vec![feed(secret()), own(linked())], "bravo" 2 => Withhold;
        "one copy that may be held is enough": copies(), "charlie" 3 => Release;
    }
}
