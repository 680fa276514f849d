//! Who signs: the owner of a key, or an identity that a certificate names.

use super::bundle::Bundle;
use super::key::PrivateKey;
use super::keyless::Identity;
use super::statement::Statement;
use crate::error::Result;

/// Signs statements.
#[derive(Debug)]
pub(crate) enum Signer {
    /// Signs with a key. The same statement gives the same bytes.
    Key(PrivateKey),
    /// Signs with a short-lived certificate. Each signature differs, and is kept in a public log for good.
    Identity(Box<Identity>),
}

impl Signer {
    /// Signs a statement and returns the bytes of its bundle.
    ///
    /// # Errors
    /// Returns an error if the key cannot be encoded, or a service for keyless signing fails.
    pub(crate) fn sign(&self, statement: &Statement) -> Result<Vec<u8>> {
        match self {
            Signer::Key(key) => Ok(Bundle::sign(key, statement)?.bytes()),
            Signer::Identity(identity) => identity.sign(&statement.bytes()),
        }
    }
}
