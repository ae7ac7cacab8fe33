//! Second worlds: the same script with other work in it.
//! The rule: only one thing is changed at a time; whether it shows is for the oracle to say.

use serde_json::Value;

use super::generate::{definition, object};
use super::{Do, Random, Step};

/// The script with one thing added, removed or altered; stamps of the other steps stay.
pub(crate) fn altered(random: &mut Random, steps: &[Step]) -> Vec<Step> {
    let mut other = steps.to_vec();
    let mut at = 1 + random.below(steps.len() - 1);
    match random.below(5) {
        // Two steps one microsecond apart leave no moment in between; the store would move the later one.
        0 | 1 if steps[at].at_us - steps[at - 1].at_us < 2 => {
            at = steps.len();
            other.push(addition(random, steps, at));
        }
        0 | 1 => other.insert(at, addition(random, steps, at)),
        2 => {
            other.remove(at);
        }
        _ => alter(random, &mut other[at].what),
    }
    other
}

/// A new step between two others, at a moment of its own.
fn addition(random: &mut Random, steps: &[Step], at: usize) -> Step {
    let (before, after) = (steps[at - 1].at_us, steps.get(at).map(|step| step.at_us));
    let at_us = after.map_or(before + 1_000_000, |after| before + (after - before) / 2);
    let key = 1000 + steps.iter().map(|step| step.key).max().unwrap_or(0);
    let objects = (0..=random.below(2)).map(|_| if random.percent(15) { definition(random) } else { object(random) }).collect();
    Step { key, at_us, what: Do::Commit { source: random.below(5), objects } }
}

fn alter(random: &mut Random, what: &mut Do) {
    match what {
        Do::Commit { objects, .. } if !objects.is_empty() => {
            let nth = random.below(objects.len());
            match random.below(5) {
                0 => objects.push(object(random)),
                1 => objects[nth] = object(random),
                4 => objects.iter_mut().for_each(alter_parts),
                2 => objects[nth]["description"] = "another text altogether".into(),
                _ => objects[nth]["x_next_ref"] = super::IDS[random.below(super::IDS.len())].into(),
            }
        }
        Do::Pin(definition_of) => *definition_of = definition(random),
        Do::Overlay { object, .. } | Do::Lift { object, .. } => *object = super::IDS[random.below(super::IDS.len())].to_owned(),
        Do::Grant { recipient, .. } | Do::Poll(recipient) => {
            *recipient = (*random.pick(&["bravo", "charlie", "echo", "p-charlie", "public"])).to_owned();
        }
        Do::Remove(rows) => {
            rows.pop();
        }
        _ => {}
    }
}

/// Other texts where a part is marked: what a redacted copy must not tell.
fn alter_parts(object: &mut Value) {
    let marks = object["granular_markings"].as_array().cloned().unwrap_or_default();
    let selectors = marks.iter().flat_map(|mark| mark["selectors"].as_array().cloned().unwrap_or_default());
    for selector in selectors {
        let path = format!("/{}", selector.as_str().unwrap_or_default().replace('.', "/").replace(['[', ']'], ""));
        if let Some(Value::String(text)) = object.pointer_mut(&path)
            && ["seen at the gate", "seen again", "one", "two", "https://example.com/"].contains(&text.as_str())
        {
            text.push_str(" and not to be told");
        }
    }
}
