//! The request each command becomes.

use super::{Collection, Command, Config, Ledger, Marking, Member, Object, Recipient, Release, Source, Standing, User};
use crate::request::Request;

/// The request of a command that asks a node something; `None` for those that do not.
pub(crate) fn request(command: &Command) -> Option<Request> {
    Some(match command {
        Command::Export { to, format, .. } => Request::Export { to: to.clone(), format: format.name().to_owned() },
        Command::Object(Object::Get { id, original, all }) => Request::ObjectGet { id: id.clone(), original: *original, all: *all },
        Command::Object(Object::Find { words, object_type, refers_to, since, until, limit }) => Request::ObjectFind {
            words: words.clone(),
            object_type: object_type.clone(),
            refers_to: refers_to.clone(),
            since: since.clone(),
            until: until.clone(),
            limit: *limit,
        },
        Command::Object(Object::Mark { id, tlp, source, dry_run }) => {
            Request::ObjectMark { id: id.clone(), level: tlp.clone(), source: source.clone(), dry_run: *dry_run }
        }
        Command::Object(Object::Lift { id, to, dry_run }) => {
            Request::ObjectLift { id: id.clone(), left: to.clone().unwrap_or_default(), seen: None, answer: (!dry_run).then(|| "yes".to_owned()) }
        }
        Command::Object(Object::Recall { id, dry_run }) => Request::ObjectRecall { id: id.clone(), dry_run: *dry_run },
        Command::Marking(Marking::Pin { .. }) => Request::MarkingPin,
        Command::Source(Source::Add { name, kind, member, default_tlp, default_members }) => Request::SourceAdd {
            name: name.clone(),
            kind: kind.clone(),
            member: member.clone(),
            default_tlp: default_tlp.clone(),
            default_members: default_members.clone(),
        },
        Command::Source(Source::Set { name, default_tlp, default_members }) => {
            Request::SourceSet { name: name.clone(), default_tlp: default_tlp.clone(), default_members: default_members.clone() }
        }
        Command::Source(Source::Remove { name }) => Request::SourceRemove { name: name.clone() },
        Command::Source(Source::List) => Request::SourceList,
        Command::Standing(Standing::Add { id, levels, types, members, recipients }) => {
            Request::StandingAdd { id: id.clone(), levels: levels.clone(), types: types.clone(), members: members.clone(), recipients: recipients.clone() }
        }
        Command::Standing(Standing::Remove { id }) => Request::StandingRemove { id: id.clone() },
        Command::Standing(Standing::List) => Request::StandingList,
        Command::Recipient(r) => recipient_request(r),
        Command::User(u) => user_request(u),
        Command::Member(m) => member_request(m),
        Command::Collection(c) => collection_request(c),
        Command::Release(r) => release_request(r),
        Command::Ledger(Ledger::WhoHas { object }) => Request::WhoHas { id: object.clone(), receipts: true },
        Command::Ledger(Ledger::WhatHas { recipient }) => Request::WhatHas { recipient: recipient.clone() },
        Command::Doctor { .. } => Request::Doctor,
        Command::Config(Config::Show { .. }) => Request::ConfigShow,
        Command::Misp(_)
        | Command::Init(_)
        | Command::Serve { .. }
        | Command::Demo(_)
        | Command::Import { .. }
        | Command::Taxii(_)
        | Command::Completions { .. } => return None,
    })
}

fn user_request(command: &User) -> Request {
    match command {
        User::Add { user, recipient, role, .. } => {
            Request::UserAdd { user: user.clone(), recipient: recipient.clone().unwrap_or_default(), role: role.clone(), password: None }
        }
        User::Password { user, .. } => Request::UserPassword { user: user.clone(), password: None },
        User::Role { user, role } => Request::UserRole { user: user.clone(), role: role.clone() },
        User::Remove { user } => Request::UserRemove { user: user.clone() },
        User::List => Request::UserList,
    }
}

fn recipient_request(command: &Recipient) -> Request {
    match command {
        Recipient::Add { id, kind, organisation, person, user, .. } => Request::RecipientAdd {
            id: id.clone(),
            kind: kind.clone(),
            organisation: organisation.clone(),
            person: person.clone(),
            user: user.clone(),
            password: None,
        },
        Recipient::Suspend { id } => Request::RecipientSuspend { id: id.clone(), suspend: true },
        Recipient::Resume { id } => Request::RecipientSuspend { id: id.clone(), suspend: false },
        Recipient::Remove { id } => Request::RecipientRemove { id: id.clone() },
        Recipient::List => Request::RecipientList,
    }
}

fn release_request(command: &Release) -> Request {
    match command {
        Release::Explain { object, to } => Request::Explain { id: object.clone(), to: to.clone() },
        Release::Audience { object } => Request::Audience { id: object.clone() },
        Release::Queue => Request::Queue,
        Release::Approve { object, to } => Request::Approve { id: object.clone(), to: to.clone(), seen: None },
        Release::Refuse { object, to } => Request::Refuse { id: object.clone(), to: to.clone(), seen: None },
        Release::Summary { to } => Request::Summary { recipient: to.clone() },
    }
}

fn member_request(command: &Member) -> Request {
    match command {
        Member::Add { id, name, kind, uuid, client_of, outside } => Request::MemberAdd {
            id: id.clone(),
            name: name.clone(),
            kind: kind.name().to_owned(),
            identity: uuid.clone(),
            client_of: client_of.clone(),
            outside: *outside,
        },
        Member::Group { id, members, persons } => Request::GroupAdd { id: id.clone(), members: members.clone(), persons: persons.clone() },
        Member::Remove { id } => Request::MemberRemove { id: id.clone() },
        Member::RemoveGroup { id } => Request::GroupRemove { id: id.clone() },
        Member::List => Request::MemberList,
    }
}

fn collection_request(command: &Collection) -> Request {
    match command {
        Collection::Add { alias, title, types, sources, read, write } => Request::CollectionAdd {
            alias: alias.clone(),
            title: title.clone().unwrap_or_else(|| alias.clone()),
            types: types.clone(),
            sources: sources.clone(),
            read: read.clone(),
            write: write.clone(),
        },
        Collection::Remove { alias } => Request::CollectionRemove { alias: alias.clone() },
        Collection::List => Request::CollectionList,
    }
}
