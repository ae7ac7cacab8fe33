//! Takes documents of MISP into a store: what is new or changed becomes new versions, the rest is left alone.
//!
//! The rule: an element belongs to the event it came with, and an event to the organisation that made it; nobody may take them over.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::rc::Rc;

use polder_release::Origin;
use polder_stix::{Id, ext};
use polder_store::Store;
use serde_json::{Map, Value};

use super::aside::{ANALYST, ANALYST_DATA, Aside, PROPOSAL, listed};
use super::fields::{flag, number, text};
use super::marks::{Folk, Marks};
use super::rows::{self, Place, Row, Unkept, moment};
use super::scan::{self, Part};
use super::settle::{Settled, moved, new_of, ours, settle};
use super::view::SIGHTINGS;
use crate::limits;
use crate::model::Unread;

/// What became of a document, besides what its keeper counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events in it.
    pub events: usize,
    /// Elements that are held just so.
    pub unchanged: usize,
    /// Elements that are no longer in the document.
    pub withdrawn: usize,
    /// Elements of which a later state is held.
    pub older: usize,
    /// Elements that cannot be kept: where, and why.
    pub refused: Vec<(String, String)>,
}

/// A STIX object to keep, and where it was in the document.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where.
    pub place: String,
    /// The object.
    pub text: String,
}

/// Why a document was not taken to its end; what was kept before stays.
#[derive(Debug, thiserror::Error)]
pub enum Stopped<E> {
    /// It cannot be read.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] polder_store::Error),
    /// The file cannot be opened.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The keeper gave up.
    #[error("not kept")]
    Keep(E),
}

/// Takes documents for one source.
pub struct Taker<'t, E> {
    store: &'t Store,
    source: &'t str,
    marks: Marks<'t>,
    keep: &'t mut dyn FnMut(Vec<Offer>) -> Result<(), E>,
    batch: Vec<Offer>,
    waiting: HashSet<String>,
    /// The STIX type of every attribute of the document, for references.
    kinds: HashMap<u128, &'static str>,
    /// The objects of the document, for the same.
    objects: HashSet<u128>,
    /// Every UUID of the document, where what is missing from it counts as withdrawn.
    seen: Option<HashSet<u128>>,
    /// How often a UUID was stated besides the first time.
    twins: HashMap<u128, u32>,
    taken: Taken,
    raises_only: bool,
    unsigned: bool,
    of_house: bool,
    from: Option<(BTreeSet<Box<str>>, bool)>,
    /// What others propose, by event, as far as it was looked for.
    proposed: RefCell<HashMap<String, Proposed>>,
    fit: Option<Fit<'t>>,
}

/// Fits an event (without its parts) or one of its parts before it is taken; says why it cannot be.
pub type Fit<'t> = &'t mut dyn FnMut(Option<Part>, &mut Map<String, Value>) -> Result<(), String>;

impl<E> std::fmt::Debug for Taker<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taker").field("source", &self.source).finish_non_exhaustive()
    }
}

/// An event of the document, as far as it was read.
struct Reading {
    place: Place,
    /// Its own rows, until its first part comes: so an event and its parts are kept by one commit, if they are not many.
    rows: Option<Vec<Row>>,
    seen: [usize; 3],
}

/// What tells proposals from others.
type Proposed = Rc<BTreeSet<[String; 4]>>;

/// A reference to be: where it was, what it says, and where it stands.
type Reference = (String, Value, Place);

impl<'t, E> Taker<'t, E> {
    /// For a source of a store; `keep` is given batches of objects.
    pub fn new(store: &'t Store, source: &'t str, folk: &'t Folk, keep: &'t mut dyn FnMut(Vec<Offer>) -> Result<(), E>) -> Self {
        let (batch, waiting, kinds, twins) = (Vec::new(), HashSet::new(), HashMap::new(), HashMap::new());
        Self {
            store,
            source,
            marks: Marks::new(folk),
            keep,
            batch,
            waiting,
            kinds,
            objects: HashSet::new(),
            seen: None,
            twins,
            taken: Taken::default(),
            raises_only: false,
            unsigned: false,
            of_house: false,
            from: None,
            proposed: RefCell::default(),
            fit: None,
        }
    }

    /// Documents hold all there is of their events: what is held of them and is not there was withdrawn.
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.seen = Some(HashSet::new());
        self
    }

    /// Keeps something that is said about an event.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn aside(&mut self, aside: Aside) -> Result<Taken, Stopped<E>> {
        let rows = aside.rows(self.store.now_us() / 1_000_000, &mut self.marks);
        self.offer("it", rows)?;
        self.flush()?;
        Ok(std::mem::take(&mut self.taken))
    }

    /// Takes what another MISP lists apart from its events: a `ShadowAttribute`, `Note`, `Opinion` or `Relationship`. One about what the source does
    /// not have is left alone.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn listed(&mut self, name: &str, fields: Map<String, Value>) -> Result<Taken, Stopped<E>> {
        match listed(self.store, self.source, name, fields)? {
            Some(aside) => self.aside(aside),
            None => Ok(Taken::default()),
        }
    }

    /// Whoever sends reads what others said about its events and may send that back with them: it stays what those said, to those they said it to.
    #[must_use]
    pub fn of_house(mut self) -> Self {
        self.of_house = true;
        self
    }

    /// Another organisation sends. What it says the holder made is for the two of them, and with `echoes` it is left alone if the holder has it.
    #[must_use]
    pub fn from_other(mut self, member: Option<&str>, echoes: bool) -> Self {
        self.from = Some((member.into_iter().map(Into::into).collect(), echoes));
        self
    }

    /// Whoever sends may not read what it changes, so it may mark that more strictly and never less.
    #[must_use]
    pub(crate) fn raising_only(mut self) -> Self {
        self.raises_only = true;
        self
    }

    /// Nobody has checked a signature of what comes: a protected event that is held is not changed by it.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.unsigned = true;
        self
    }

    /// What comes is changed on the way.
    #[must_use]
    pub fn fitted(mut self, fit: Fit<'t>) -> Self {
        self.fit = Some(fit);
        self
    }

    /// Takes one document, which is read twice: MISP writes what an event is tagged with after its attributes.
    ///
    /// # Errors
    /// [`Stopped`]; what was kept before stays.
    pub fn take<'o>(&mut self, open: &dyn Fn() -> io::Result<Box<dyn Read + 'o>>) -> Result<Taken, Stopped<E>> {
        let heads = scan::heads(open()?)?;
        let mut events: Vec<Option<Reading>> = Vec::with_capacity(heads.len());
        for (n, head) in heads.into_iter().enumerate() {
            events.push(head.and_then(|head| self.head(n, head)));
        }
        let mut references = Vec::new();
        let mut entered = 0;
        let mut stopped = None;
        let result = scan::parts(open()?, &mut |n, part, value| {
            let taken = self.enter(&mut events, &mut entered, n + 1, &mut references).and_then(|()| match events.get_mut(n) {
                Some(Some(event)) => self.part(n, event, part, value, &mut references),
                _ => Ok(()),
            });
            match taken {
                Ok(()) => true,
                Err(e) => {
                    stopped = Some(e);
                    false
                }
            }
        });
        match stopped {
            Some(e) => return Err(e),
            None => result?,
        }
        let all = events.len();
        self.enter(&mut events, &mut entered, all, &mut references)?;
        self.refer(&mut references)?;
        // Of a document that could not be read in full, nobody knows what is missing.
        if let Some(seen) = self.seen.take().filter(|_| self.taken.refused.is_empty()) {
            for event in events.into_iter().flatten() {
                self.withdraw(&event.place.event, &seen)?;
            }
        }
        self.flush()?;
        self.kinds.clear();
        self.objects.clear();
        self.twins.clear();
        self.proposed.take();
        Ok(std::mem::take(&mut self.taken))
    }

    /// Withdraws what is held of an event and is not in the document.
    fn withdraw(&mut self, event: &str, seen: &HashSet<u128>) -> Result<(), Stopped<E>> {
        self.flush()?;
        let Some(id) = Id::parse(event) else { return Ok(()) };
        for row in self.store.family(self.source, &id) {
            let Ok(Value::Object(mut object)) = serde_json::from_slice(&self.store.row_bytes(row, false)?) else { continue };
            let own = Id::parse(text(&object, "id")).map(|id| id.uuid);
            let part = new_of(&object, "element").and_then(Value::as_str).is_some_and(|e| ["attribute", "object", "report", "reference"].contains(&e));
            if !part || own.is_none_or(|uuid| seen.contains(&uuid)) {
                continue;
            }
            let Some(ours) = object.get_mut("extensions").and_then(|e| e.get_mut(ext::MISP)).and_then(Value::as_object_mut) else { continue };
            let at_s = number(ours.get("timestamp")).unwrap_or_default().saturating_add(1);
            let Some(fields) = ours.get_mut("fields").and_then(Value::as_object_mut) else { continue };
            if flag(fields.get("deleted")) {
                continue;
            }
            fields.insert("deleted".to_owned(), true.into());
            ours.insert("timestamp".to_owned(), at_s.into());
            if object.contains_key("modified") {
                object.insert("modified".to_owned(), moment(at_s).into());
                object.insert("revoked".to_owned(), true.into());
            }
            let id = text(&object, "id").to_owned();
            self.taken.withdrawn += 1;
            self.push("withdrawn", id, Value::Object(object).to_string())?;
        }
        Ok(())
    }

    fn head(&mut self, n: usize, mut head: Map<String, Value>) -> Option<Reading> {
        self.taken.events += 1;
        let fitted = self.fit.as_mut().map_or(Ok(()), |fit| fit(None, &mut head)).map_err(|reason| Unkept { element: "event".to_owned(), reason });
        let event = text(&head, "uuid").to_ascii_lowercase();
        let fitted = fitted.and_then(|()| self.without_others(&event, &mut head));
        match fitted.and_then(|()| rows::event(head, &mut self.marks)) {
            Ok((mut rows, mut place)) => {
                if let Some((members, _)) = self.from.as_ref().filter(|_| place.author.as_deref().is_some_and(|a| self.marks.is_holder(a))) {
                    let mark = self.marks.readers(members);
                    rows.iter_mut().for_each(|row| row.mark(&mark));
                    place.marks.insert(mark);
                }
                Some(Reading { place, rows: Some(rows), seen: [0; 3] })
            }
            Err(e) => {
                self.refuse(&format!("event {}", n + 1), &e);
                None
            }
        }
    }

    /// Enters the events up to one, as far as that was not done; none is left of one that may not come in.
    fn enter(&mut self, events: &mut [Option<Reading>], entered: &mut usize, to: usize, references: &mut Vec<Reference>) -> Result<(), Stopped<E>> {
        for (n, slot) in events.iter_mut().enumerate().take(to).skip(*entered) {
            self.refer(references)?;
            if self.batch.len() > limits::BATCH_OBJECTS / 2 {
                self.flush()?;
            }
            let Some(event) = slot else { continue };
            let at = format!("event {}", n + 1);
            let rows = event.rows.take().unwrap_or_default();
            if self.is_echo(&event.place) {
                self.taken.unchanged += 1;
                *slot = None;
                continue;
            }
            match self.admits(&event.place)? {
                Ok(()) => self.offer(&at, Ok(rows))?,
                Err(reason) => {
                    self.refuse(&at, &Unkept { element: "event".to_owned(), reason });
                    *slot = None;
                }
            }
        }
        *entered = to.max(*entered);
        Ok(())
    }

    /// Did an event go out from here, and is it only coming back?
    fn is_echo(&self, place: &Place) -> bool {
        let echoes = self.from.as_ref().is_some_and(|(_, echoes)| *echoes);
        let made_here = echoes && place.author.as_deref().is_some_and(|author| self.marks.is_holder(author));
        let id = Id::parse(&place.event).filter(|_| made_here);
        id.is_some_and(|id| self.store.rows_of(&id).iter().any(|row| row.origin == Origin::Own))
    }

    /// May an event come in from here, by what is held of it?
    fn admits(&mut self, place: &Place) -> Result<Result<(), String>, Stopped<E>> {
        if self.waiting.contains(&place.event) {
            self.flush()?;
        }
        let held = self.latest(&place.event)?;
        let protected = held.as_ref().and_then(|held| new_of(held.as_object()?, "fields")?.get("protected")).is_some_and(|p| flag(Some(p)));
        if self.unsigned && protected {
            return Ok(Err(format!("event {} is protected, and no signature of this change was checked", place.uuid)));
        }
        let whose = held.is_none_or(|held| held.get("created_by_ref").and_then(Value::as_str) == place.author.as_deref());
        Ok(if whose { Ok(()) } else { Err(format!("event {} is held as made by another organisation", place.uuid)) })
    }

    /// Offers the references between the parts of the last event, of which all parts are known now.
    fn refer(&mut self, references: &mut Vec<Reference>) -> Result<(), Stopped<E>> {
        for (n, (at, value, place)) in references.drain(..).enumerate() {
            let kinds = &self.kinds;
            let objects = &self.objects;
            let find = |uuid: &str| {
                let id = Id::parse(&format!("x--{uuid}"))?.uuid;
                let kind = kinds.get(&id).copied().or_else(|| objects.contains(&id).then_some("x-misp-object"))?;
                Some(format!("{kind}--{uuid}"))
            };
            let row = rows::reference(value, &place, n, &find);
            self.offer(&at, row.map(|row| vec![row]))?;
        }
        Ok(())
    }

    fn part(&mut self, n: usize, event: &mut Reading, part: Part, mut value: Value, references: &mut Vec<Reference>) -> Result<(), Stopped<E>> {
        let [attributes, objects, reports] = &mut event.seen;
        let counter = match part {
            Part::Attribute => attributes,
            Part::Object => objects,
            Part::Report => reports,
        };
        *counter += 1;
        let nth = *counter;
        let at = format!("event {}, {} {nth}", n + 1, format!("{part:?}").to_ascii_lowercase());
        let place = &event.place;
        let fitted = self.fit.as_mut().zip(value.as_object_mut()).map_or(Ok(()), |(fit, value)| fit(Some(part), value));
        if let Err(reason) = fitted {
            self.refuse(&at, &Unkept { element: "part".to_owned(), reason });
            return Ok(());
        }
        let others = value.as_object_mut().map_or(Ok(()), |fields| self.without_others(&place.uuid, fields));
        if let Err(e) = others {
            self.refuse(&at, &e);
            return Ok(());
        }
        match part {
            Part::Attribute => {
                let twin = self.twin(&value);
                let rows = rows::attribute(value, place, nth, twin, &mut self.marks);
                self.offer(&at, rows)
            }
            Part::Report => {
                let row = rows::report(value, place, nth, &mut self.marks);
                self.offer(&at, row)
            }
            Part::Object => self.object(&at, value, place, nth, references),
        }
    }

    /// Takes out what others said about an element of an event and is held as theirs.
    fn without_others(&self, event: &str, fields: &mut Map<String, Value>) -> Result<(), Unkept> {
        if !self.of_house {
            return Ok(());
        }
        let of_others = |kind: &str, uuid: &str| {
            let id = Id::parse(&format!("{kind}--{}", uuid.to_ascii_lowercase()));
            id.is_some_and(|id| self.store.rows_of(&id).iter().any(|row| *row.source != *self.source))
        };
        let mut emptied = Vec::new();
        for (key, value) in fields.iter_mut() {
            let Value::Array(list) = value else { continue };
            let before = list.len();
            match key.as_str() {
                "Sighting" => list.retain(|s| s.as_object().is_none_or(|s| !SIGHTINGS.iter().any(|kind| of_others(kind, text(s, "uuid"))))),
                "ShadowAttribute" if !list.is_empty() => {
                    let held = self.proposed(event)?;
                    list.retain(|p| p.as_object().is_none_or(|p| !held.contains(&proposal(p))));
                }
                key if ANALYST_DATA.contains(&key) => {
                    list.retain(|n| n.as_object().is_none_or(|n| !of_others(ANALYST, text(n, "uuid"))));
                    list.iter_mut().filter_map(Value::as_object_mut).try_for_each(|n| self.without_others(event, n))?;
                }
                "Attribute" => list.iter_mut().filter_map(Value::as_object_mut).try_for_each(|a| self.without_others(event, a))?,
                _ => {}
            }
            if list.is_empty() && before > 0 {
                emptied.push(key.clone());
            }
        }
        emptied.iter().for_each(|key| drop(fields.shift_remove(key)));
        Ok(())
    }

    /// The proposals to an event that are held as others'.
    fn proposed(&self, event: &str) -> Result<Proposed, Unkept> {
        if let Some(known) = self.proposed.borrow().get(event) {
            return Ok(Rc::clone(known));
        }
        let Some(id) = Id::parse(&format!("report--{event}")) else { return Ok(Proposed::default()) };
        let read = |row: u32| {
            let bytes = self.store.row_bytes(row, false).map_err(|e| Unkept { element: "proposal".to_owned(), reason: e.to_string() })?;
            let object: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            Ok(object.as_object().and_then(|o| new_of(o, "fields")?.as_object().map(proposal)))
        };
        let all = self.store.referring(&id, PROPOSAL, self.source).into_iter().filter_map(|row| read(row).transpose());
        let all: Proposed = Rc::new(all.collect::<Result<_, _>>()?);
        self.proposed.borrow_mut().insert(event.to_owned(), Rc::clone(&all));
        Ok(all)
    }

    fn object(&mut self, at: &str, mut value: Value, place: &Place, nth: usize, references: &mut Vec<Reference>) -> Result<(), Stopped<E>> {
        let mut list = |key: &str| match value.as_object_mut().and_then(|map| map.shift_remove(key)) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let (attributes, refers) = (list("Attribute"), list("ObjectReference"));
        let (row, within) = match rows::object(value, place, nth, &mut self.marks) {
            Ok(found) => found,
            Err(e) => {
                self.refuse(at, &e);
                return Ok(());
            }
        };
        self.objects.extend(within.object.as_deref().and_then(Id::parse).map(|id| id.uuid));
        self.offer(at, Ok(row))?;
        for (n, attribute) in attributes.into_iter().enumerate() {
            let twin = self.twin(&attribute);
            let rows = rows::attribute(attribute, &within, n + 1, twin, &mut self.marks);
            self.offer(&format!("{at}, attribute {}", n + 1), rows)?;
        }
        references.extend(refers.into_iter().enumerate().map(|(n, one)| (format!("{at}, reference {}", n + 1), one, within.clone())));
        Ok(())
    }

    /// How many attributes of the document had the same UUID before.
    fn twin(&mut self, attribute: &Value) -> u32 {
        let given = attribute.get("uuid").and_then(Value::as_str).unwrap_or_default();
        let Some(id) = Id::parse(&format!("x--{}", given.trim())).filter(|id| self.kinds.contains_key(&id.uuid)) else { return 0 };
        let seen = self.twins.entry(id.uuid).or_default();
        *seen += 1;
        *seen
    }

    fn refuse(&mut self, at: &str, why: &Unkept) {
        self.taken.refused.push((at.to_owned(), format!("{}: {}", why.element, why.reason)));
    }

    /// Offers the rows of an element to the keeper, as far as they say something new.
    fn offer(&mut self, at: &str, rows: Result<Vec<Row>, Unkept>) -> Result<(), Stopped<E>> {
        let rows = match rows {
            Ok(rows) => rows,
            Err(e) => {
                self.refuse(at, &e);
                return Ok(());
            }
        };
        for row in rows {
            if let (Some(seen), Some(id)) = (&mut self.seen, Id::parse(&row.id)) {
                seen.insert(id.uuid);
            }
            let element = new_of(&row.object, "element").and_then(Value::as_str);
            let (flips, is_state) = (element == Some("attribute"), element == Some("state"));
            let empty = new_of(&row.object, "fields").and_then(Value::as_object).is_some_and(Map::is_empty);
            if self.waiting.contains(&row.id) {
                self.flush()?;
            }
            let held = self.latest(&row.id)?;
            // Most attributes have nothing that is for the holder alone.
            if is_state && empty && held.is_none() {
                continue;
            }
            let was = if flips { self.note_kind(&row.id)? } else { None };
            let before = was.as_ref().or(held.as_ref());
            let row = if self.raises_only { row.marked_as(before) } else { row };
            match settle(row, before, self.store.now_us() / 1_000_000) {
                Settled::New(id, object) => {
                    if let Some(was) = was {
                        let moved = moved(was, &id, &object);
                        let former = text(&moved, "id").to_owned();
                        self.push(at, former, Value::Object(moved).to_string())?;
                    }
                    // A definition is kept with the first that is marked with it.
                    for definition in self.marks.definitions_of(&object) {
                        self.push(at, String::new(), definition)?;
                    }
                    self.push(at, id, Value::Object(object).to_string())?;
                }
                Settled::Unchanged => self.taken.unchanged += 1,
                Settled::Older => self.taken.older += 1,
                Settled::Foreign(why) => self.refuse(at, &Unkept { element: "element".to_owned(), reason: why }),
            }
        }
        Ok(())
    }

    /// Notes what an attribute is in STIX, and gives what it was until now if that was something else.
    fn note_kind(&mut self, id: &str) -> Result<Option<Value>, Stopped<E>> {
        let Some((new, uuid)) = id.split_once("--") else { return Ok(None) };
        let Some(known) = KINDS.iter().find(|k| **k == new) else { return Ok(None) };
        if let Some(id) = Id::parse(id) {
            self.kinds.insert(id.uuid, known);
        }
        for kind in KINDS.iter().filter(|k| **k != new) {
            let id = format!("{kind}--{uuid}");
            if self.waiting.contains(&id) {
                self.flush()?;
            }
            if let Some(held) = self.latest(&id)?.filter(|held| ours(held).contains_key("fields")) {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    fn latest(&self, id: &str) -> Result<Option<Value>, Stopped<E>> {
        let Some(id) = Id::parse(id) else { return Ok(None) };
        let Some(row) = self.store.latest_row(self.source, &id) else { return Ok(None) };
        let bytes = self.store.row_bytes(row, false)?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    fn push(&mut self, at: &str, id: String, text: String) -> Result<(), Stopped<E>> {
        self.batch.push(Offer { place: at.to_owned(), text });
        self.waiting.insert(id);
        if self.batch.len() >= limits::BATCH_OBJECTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stopped<E>> {
        self.waiting.clear();
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { (self.keep)(batch).map_err(Stopped::Keep) }
    }
}

/// What tells a proposal from others: the attribute it is about, what it would be, and who proposes it.
fn proposal(fields: &Map<String, Value>) -> [String; 4] {
    let whose = fields.get("Org").and_then(|o| o.get("uuid")).and_then(Value::as_str).unwrap_or_default();
    [text(fields, "uuid"), text(fields, "type"), text(fields, "value"), whose].map(str::to_owned)
}

/// What an attribute can be in STIX.
pub(crate) const KINDS: [&str; 13] = [
    "indicator",
    super::observe::CUSTOM,
    "autonomous-system",
    "domain-name",
    "email-addr",
    "email-message",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "mutex",
    "url",
    "windows-registry-key",
];
