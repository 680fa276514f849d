//! Who signs: the owner of a key, or somebody whom a certificate names.

use super::bundle::Bundle;
use super::key::PrivateKey;
#[cfg(feature = "keyless")]
use super::keyless::Identity;
use super::statement::Statement;
use crate::error::Result;

/// Who signs.
#[derive(Debug)]
pub enum Signer {
    /// The owner of a key, who signs the same in the same bytes.
    Key(PrivateKey),
    /// Somebody whom a certificate names. Each signature is another, and is in a log that nothing is taken out of.
    #[cfg(feature = "keyless")]
    Identity(Box<Identity>),
}

impl Signer {
    /// The bytes of a bundle with the signed statement.
    ///
    /// # Errors
    /// Of encoding the key; of the services that it takes to sign without one.
    pub fn sign(&self, statement: &Statement) -> Result<Vec<u8>> {
        match self {
            Signer::Key(key) => Ok(Bundle::sign(key, statement)?.bytes()),
            #[cfg(feature = "keyless")]
            Signer::Identity(identity) => identity.sign(&statement.bytes()),
        }
    }
}
