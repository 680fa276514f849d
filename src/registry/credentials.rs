//! placeholder until the credentials branch is merged
use std::fmt;
/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);
impl Secret {
    /// new
    pub fn new(text: String) -> Secret {
        Secret(text)
    }
    /// expose
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
/// Credential.
#[derive(Clone, Debug, Default)]
pub enum Credential {
    /// none
    #[default]
    Anonymous,
    /// basic
    Basic {
        /// user
        user: String,
        /// password
        password: Secret,
    },
    /// identity
    IdentityToken(Secret),
    /// registry
    RegistryToken(Secret),
}
