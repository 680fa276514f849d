//! `FILE` or `env://VARIABLE`: a key.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A key in a file, or in an environment variable that holds the content of such a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyReference {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl KeyReference {
    /// Returns the same reference, with a relative path resolved from `folder`.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> KeyReference {
        match self {
            KeyReference::File(path) => KeyReference::File(folder.join(path)),
            variable @ KeyReference::Variable(_) => variable,
        }
    }
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyReference::File(path) => path.display().fmt(f),
            KeyReference::Variable(name) => write!(f, "env://{name}"),
        }
    }
}

impl FromStr for KeyReference {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyReference, String> {
        match text.split_once("://") {
            Some(("env", "")) => Err("expected a variable name, as in `env://SIGNING_KEY`".to_owned()),
            Some(("env", name)) if name.contains(['=', '\0']) => Err(format!("`{name}` is not a variable name")),
            Some(("env", name)) => Ok(KeyReference::Variable(name.to_owned())),
            Some((scheme, _)) => {
                Err(format!("unsupported key scheme {scheme}://: expected a file or `env://VARIABLE`"))
            }
            None if text.is_empty() => Err("expected a file or `env://VARIABLE`".to_owned()),
            None => Ok(KeyReference::File(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_reference_is_a_file_or_a_variable() {
        for text in ["cosign.pub", "/keys/a b.pub", "env://KEY"] {
            assert_eq!(text.parse::<KeyReference>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        for wrong in ["", "env://", "env://A=B", "awskms:///alias/key"] {
            assert!(wrong.parse::<KeyReference>().is_err(), "{wrong}");
        }
        let beside = "a.pub".parse::<KeyReference>().map(|key| key.relative_to(Path::new("/x")));
        assert_eq!(beside, Ok(KeyReference::File("/x/a.pub".into())));
    }
}
