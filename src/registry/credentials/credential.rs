//! A credential for a registry.

use crate::secret::Secret;

/// A credential for a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// No credential.
    #[default]
    Anonymous,
    /// A user, and a password or an access token.
    Basic {
        /// Without a colon.
        user: String,
        /// May contain colons.
        password: Secret,
    },
    /// A token that a token service exchanges for another (OAuth 2's refresh token).
    IdentityToken(Secret),
    /// A bearer token that the registry accepts itself.
    RegistryToken(Secret),
}
