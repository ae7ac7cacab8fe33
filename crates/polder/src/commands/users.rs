//! Logins: who may come in, and what each may do.
//!
//! The rule: only people of the node's own organisation do more than read, and a node keeps an owner who can log in.

use polder_console::desk::Right;
use serde_json::json;

use crate::auth::hash_password;
use crate::directory::{Directory, UserEntry};
use crate::failure::{Failure, exit};
use crate::init::{check_id, new_user};
use crate::node::Node;
use crate::request::{Answer, Request};

/// What `--role` takes. MISP's administrators also give `publisher` and `user`.
const ROLES: [&str; 5] = ["owner", "analyst", "release-officer", "auditor", "reader"];

pub(super) fn run(node: &Node, by: &str, request: Request) -> Result<Answer, Failure> {
    match request {
        Request::UserAdd { user, recipient, role, password } => node.change(by, |d| add(d, &user, &recipient, &role, password)),
        Request::UserPassword { user, password } => node.change(by, |d| new_password(d, &user, password)),
        Request::UserRole { user, role } => node.change(by, |d| set_role(d, &user, &role)),
        Request::UserRemove { user } => node.change(by, |d| remove(d, &user)),
        _ => Ok(list(node)),
    }
}

fn list(node: &Node) -> Answer {
    let directory = node.directory();
    let of_holder = |u: &UserEntry| directory.recipients.recipients.iter().any(|r| r.id == u.recipient && r.organisation.as_ref() == Some(&directory.holder));
    let told = |u: &UserEntry| {
        let rights: Vec<&str> = Right::of(&u.role, of_holder(u)).into_iter().map(Right::name).collect();
        json!({"user": u.user, "recipient": u.recipient, "role": u.role, "rights": rights})
    };
    Answer::ok(json!({"users": directory.users.users.iter().map(told).collect::<Vec<_>>()}))
}

fn entry<'d>(d: &'d mut Directory, user: &str) -> Result<&'d mut UserEntry, Failure> {
    d.users.users.iter_mut().find(|u| u.user == user).ok_or_else(|| Failure::not_found("user", user, "see `polder user list`"))
}

fn check_role(d: &Directory, recipient: &str, role: &str) -> Result<(), Failure> {
    if !ROLES.contains(&role) {
        return Err(Failure::usage(format!("`{role}` is no role"), format!("use one of {}", ROLES.join(", "))));
    }
    let of_holder = d.recipients.recipients.iter().any(|r| r.id == recipient && r.organisation.as_ref() == Some(&d.holder));
    if role != "reader" && !of_holder {
        let why = format!("`{recipient}` is not of this node's own organisation, and its people only read here");
        return Err(Failure::new(exit::NO, why, "use the role reader"));
    }
    Ok(())
}

fn add(d: &mut Directory, user: &str, recipient: &str, role: &str, password: Option<String>) -> Result<Answer, Failure> {
    check_id("user", user)?;
    let recipient = if recipient.is_empty() { d.owner().to_owned() } else { recipient.to_owned() };
    d.need_recipients(std::slice::from_ref(&recipient))?;
    check_role(d, &recipient, role)?;
    if d.users.users.iter().any(|u| u.user == user) {
        return Err(super::people::taken("user", user));
    }
    let made = new_user(user, &recipient, role, password)?;
    let value = json!({"user": made.user, "password": made.password, "token": made.token, "recipient": recipient, "role": role});
    d.users.users.push(made.entry);
    Ok(Answer::ok(value))
}

fn new_password(d: &mut Directory, user: &str, password: Option<String>) -> Result<Answer, Failure> {
    let password = match password {
        Some(given) => given,
        None => crate::auth::random_text(12)?,
    };
    entry(d, user)?.password_hash = hash_password(&password)?;
    Ok(Answer::ok(json!({"user": user, "password": password})))
}

/// Somebody has to be able to give rights back.
fn is_last_owner(d: &Directory, user: &str) -> bool {
    let owners: Vec<&UserEntry> = d.users.users.iter().filter(|u| u.role == "owner").collect();
    matches!(owners.as_slice(), [one] if one.user == user)
}

fn last_owner(user: &str) -> Failure {
    Failure::new(exit::NO, format!("`{user}` is the only owner of this node"), "make another one first: `polder user add NAME --role owner`")
}

fn set_role(d: &mut Directory, user: &str, role: &str) -> Result<Answer, Failure> {
    let recipient = entry(d, user)?.recipient.clone();
    check_role(d, &recipient, role)?;
    if role != "owner" && is_last_owner(d, user) {
        return Err(last_owner(user));
    }
    role.clone_into(&mut entry(d, user)?.role);
    Ok(Answer::ok(json!({"user": user, "role": role})))
}

fn remove(d: &mut Directory, user: &str) -> Result<Answer, Failure> {
    entry(d, user)?;
    if is_last_owner(d, user) {
        return Err(last_owner(user));
    }
    d.users.users.retain(|u| u.user != user);
    Ok(Answer::ok(json!({"removed": user})))
}
