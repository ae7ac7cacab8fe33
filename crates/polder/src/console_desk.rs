//! What the console asks of the node.
//!
//! The rule: who somebody is is read anew each time, and a request is the command line's own.

use polder_console::desk::{Asking, Desk, Person, Right, Told};
use polder_release::Policy;
use serde_json::Value;

use crate::auth::token_digest;
use crate::commands;
use crate::failure::Failure;
use crate::node::Node;
use crate::request::Request;

impl From<Failure> for Told {
    fn from(failure: Failure) -> Self {
        Self { message: failure.message, help: failure.help }
    }
}

impl Desk for Node {
    fn login(&self, user: &str, password: &str) -> Option<Person> {
        self.auth.check_password(user, password)?;
        Desk::person(self, user)
    }

    fn person(&self, user: &str) -> Option<Person> {
        let directory = self.directory();
        let entry = directory.users.users.iter().find(|u| u.user == user)?;
        let recipient = directory.recipients.recipients.iter().find(|r| r.id == entry.recipient && !r.suspended)?;
        let of_holder = recipient.organisation.as_ref() == Some(&directory.holder);
        Some(Person {
            user: entry.user.as_str().into(),
            recipient: entry.recipient.as_str().into(),
            role: entry.role.as_str().into(),
            rights: Right::of(&entry.role, of_holder),
            since: token_digest(&entry.password_hash).into(),
        })
    }

    fn policy(&self) -> Option<Policy> {
        self.directory().policy().ok()
    }

    fn name(&self, member: &str) -> String {
        polder_misp::server::Access::name(self, member)
    }

    fn asking(&self, recipient: &str) -> Asking {
        self.beats.of(recipient, self.store.now_us())
    }

    fn pulse(&self) -> u64 {
        self.beats.count()
    }

    fn ask(&self, person: &Person, request: Value, body: &[u8]) -> Result<Value, Told> {
        let request: Request = serde_json::from_value(request).map_err(|e| {
            tracing::error!(error = %e, "the console asked for what there is not");
            Told { message: "the node does not know this request".to_owned(), help: "report this as a defect".to_owned() }
        })?;
        let caller = commands::Caller { by: &person.user, reader: Some(&person.recipient) };
        Ok(commands::run_for(self, caller, request, body, &mut |_, _| {})?.value)
    }
}
