//! What a wide act changes: how many objects each recipient gains and loses.
//!
//! The rule: both sides are counted by the store's own verdicts, before the act and after it; nothing is foretold.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::node::Node;

/// Carries out the act; what it gave, and for each recipient how many objects it gained and lost.
pub(super) fn of<T>(node: &Node, act: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Value), Failure> {
    let recipients: Vec<String> = node.directory().recipients.recipients.iter().map(|r| r.id.clone()).collect();
    let before = recipients.iter().map(|r| permitted(node, r)).collect::<Result<Vec<_>, _>>()?;
    let done = act()?;
    let mut rows = Vec::with_capacity(recipients.len());
    for (recipient, before) in recipients.iter().zip(&before) {
        let after = permitted(node, recipient)?;
        rows.push(json!({"recipient": recipient, "gains": missing_from(before, &after), "loses": missing_from(&after, before)}));
    }
    Ok((done, rows.into()))
}

/// What a recipient may have, as sorted digests of id and version: a store holds millions.
fn permitted(node: &Node, recipient: &str) -> Result<Vec<u64>, Failure> {
    let verdicts = node.store.verdicts(recipient)?;
    let digest = |id: &polder_stix::Id, version: Option<polder_stix::time::Version>| {
        let mut hasher = DefaultHasher::new();
        (id, version.map(polder_stix::time::Version::ns)).hash(&mut hasher);
        hasher.finish()
    };
    let mut held: Vec<u64> = verdicts.iter().filter(|(_, _, judgement)| judgement.permits()).map(|(id, version, _)| digest(id, *version)).collect();
    held.sort_unstable();
    // Two copies of one version are one object to who receives it.
    held.dedup();
    Ok(held)
}

/// How many of the second are not in the first; both are sorted.
fn missing_from(first: &[u64], second: &[u64]) -> usize {
    second.iter().filter(|x| first.binary_search(x).is_err()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_and_losses_are_counted_apart() {
        for (before, after, gains, loses) in
            [(&[][..], &[][..], 0, 0), (&[1, 2, 3][..], &[1, 2, 3][..], 0, 0), (&[][..], &[1, 2][..], 2, 0), (&[1, 2, 3][..], &[2, 4][..], 1, 2)]
        {
            assert_eq!((missing_from(before, after), missing_from(after, before)), (gains, loses), "{before:?} {after:?}");
        }
    }
}
