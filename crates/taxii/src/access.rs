//! Who asks, and which collections there are: what the binary tells this crate.
//!
//! The rule: no right is assumed. A collection in which a caller has no right at all does not exist for that caller.

use polder_store::Prepared;

/// The binary's answer to who is who.
pub trait Access: Send + Sync {
    /// Who sends this `Authorization` header, or none. Called on an async thread, so it must be cheap.
    ///
    /// # Errors
    /// [`Denied`].
    fn authenticate(&self, authorization: Option<&str>) -> Result<Login, Denied>;

    /// The collections of this node.
    fn collections(&self) -> Vec<Collection>;

    /// Name of the store's source that takes what this login posts; it may be made for that.
    ///
    /// # Errors
    /// The store's.
    fn poster_source(&self, login: &Login) -> Result<Box<str>, polder_store::Error>;

    /// Of each object that a login posts to its source, why it may not be kept, where the login's role does not reach so far.
    ///
    /// # Errors
    /// The store's.
    fn objections(&self, _login: &Login, _source: &str, objects: &[Prepared]) -> Result<Vec<Option<String>>, polder_store::Error> {
        Ok(vec![None; objects.len()])
    }

    /// Held while what a login posts is kept, so that nobody changes what it was looked at against; none where nothing is looked at. It counts who acts: where
    /// somebody has since the look, that is repeated.
    fn turn(&self, _login: &Login) -> Option<std::sync::MutexGuard<'_, u64>> {
        None
    }

    /// Must this login leave definitions of markings where they are, since what carries them could be given to more without?
    fn keeps_definitions(&self, _login: &Login) -> bool {
        false
    }

    /// Title of this server.
    fn title(&self) -> String;
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Name of the login, for the log of acts.
    pub user: Box<str>,
    /// The recipient it belongs to.
    pub recipient: Box<str>,
    /// May it add what its recipient may add? An auditor's login reads alone.
    pub writes: bool,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credentials were sent.
    #[error("no credentials")]
    Missing,
    /// They are not valid.
    #[error("wrong credentials")]
    Wrong,
}

/// A collection: a stored query over what each caller may see, and what was posted to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// A UUID.
    pub id: Box<str>,
    /// A name that works in URLs instead of the UUID.
    pub alias: Option<Box<str>>,
    /// Title.
    pub title: Box<str>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Types it takes in; none means all.
    pub types: Option<Vec<Box<str>>>,
    /// Sources it takes in; none means all.
    pub sources: Option<Vec<Box<str>>>,
    /// Who may do what.
    pub rights: Vec<Right>,
}

/// What a recipient may do with a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// A recipient's id, or `*` for every authenticated one.
    pub recipient: Box<str>,
    /// See that it is there.
    pub list: bool,
    /// Read from it.
    pub read: bool,
    /// Add to it.
    pub write: bool,
}

/// A login, and whether it showed credentials.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) login: Login,
    pub(crate) anonymous: bool,
}

/// The rights of one caller in one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rights {
    pub(crate) list: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Collection {
    pub(crate) fn rights_of(&self, caller: &Caller) -> Rights {
        let meant = |r: &&Right| *r.recipient == *caller.login.recipient || (*r.recipient == *"*" && !caller.anonymous);
        let writes = caller.login.writes;
        self.rights.iter().filter(meant).fold(Rights::default(), |sum, r| Rights {
            list: sum.list || r.list,
            read: sum.read || r.read,
            write: sum.write || (r.write && writes),
        })
    }

    /// Does its stored query take in every row there is?
    pub(crate) fn takes_everything(&self) -> bool {
        self.types.is_none() && self.sources.is_none()
    }
}

/// The collection a caller means by a UUID or an alias, if the caller has any right in it.
pub(crate) fn find(collections: Vec<Collection>, caller: &Caller, name: &str) -> Option<(Collection, Rights)> {
    let named = |c: &Collection| c.id.eq_ignore_ascii_case(name) || c.alias.as_deref() == Some(name);
    let known = collections.into_iter().filter(named).map(|c| (c.rights_of(caller), c));
    known.filter(|(rights, _)| *rights != Rights::default()).map(|(rights, c)| (c, rights)).next()
}
