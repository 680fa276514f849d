//! What became of a credential, so that errors say nothing about one that nobody has seen.

use std::sync::Mutex;

use crate::parallel::lock;

/// What became of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum CredentialUse {
    /// It was sent to nobody: nobody has asked for it.
    #[default]
    Unused,
    /// The registry asks for a user and a password, which it is not.
    OfAnotherKind,
    /// It was not sent to the token service at this host, which is not trusted.
    Withheld(String),
    /// It was sent, and not accepted so far.
    Sent,
    /// It was accepted, at least for reading.
    Accepted,
}

/// The record of what became of a credential.
#[derive(Debug, Default)]
pub(super) struct CredentialRecord(Mutex<CredentialUse>);

impl CredentialRecord {
    /// Returns what became of the credential.
    pub(super) fn get(&self) -> CredentialUse {
        lock(&self.0).clone()
    }

    /// Returns whether it was sent.
    pub(super) fn is_sent(&self) -> bool {
        matches!(*lock(&self.0), CredentialUse::Sent | CredentialUse::Accepted)
    }

    /// Notes that the credential is of another kind than the registry asks for.
    pub(super) fn note_other_kind(&self) {
        self.replace_unsent(CredentialUse::OfAnotherKind);
    }

    /// Notes that the credential was not sent to a token service. Returns whether that is new.
    pub(super) fn note_withheld(&self, service: &str) -> bool {
        self.replace_unsent(CredentialUse::Withheld(service.to_owned()))
    }

    /// Notes that the credential is being sent.
    pub(super) fn note_sent(&self) {
        self.replace_unsent(CredentialUse::Sent);
    }

    /// Notes that the credential, if it was sent, was accepted.
    pub(super) fn note_accepted(&self) {
        let mut now = lock(&self.0);
        if *now == CredentialUse::Sent {
            *now = CredentialUse::Accepted;
        }
    }

    fn replace_unsent(&self, new: CredentialUse) -> bool {
        let mut now = lock(&self.0);
        let is_new = *now != new && !matches!(*now, CredentialUse::Sent | CredentialUse::Accepted);
        if is_new {
            *now = new;
        }
        is_new
    }
}
