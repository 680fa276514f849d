//! Folders in an image.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::check::{is_whiteout, whiteout_in};
use super::value::Text;

/// An absolute path in an image, without `.` and `..`, and without a trailing slash unless it is the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder(String);

impl Folder {
    /// Returns the path of `name` in the folder.
    pub fn join(&self, name: &str) -> String {
        format!("{}/{name}", self.0.trim_end_matches('/'))
    }

    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.trim_end_matches('/');
        match path.strip_prefix('/') {
            Some(names) if names.split('/').any(is_whiteout) => Err(whiteout_in(text)),
            Some(names) if names.split('/').all(is_name) => Ok(Folder(path.to_owned())),
            _ if !text.is_empty() && path.is_empty() => Ok(Folder("/".to_owned())),
            _ => Err(format!("`{text}` is not an absolute path in the image, without `..` and `:`")),
        }
    }
}

/// A colon would separate it in PATH.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(':')
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for Folder {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(?!.*/\\.wh\\.)/" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_must_be_an_absolute_path() {
        for (text, path, program) in
            [("/app", "/app", "/app/x"), ("/usr/local/bin/", "/usr/local/bin", "/usr/local/bin/x"), ("/", "/", "/x")]
        {
            let folder = text.parse::<Folder>().expect(text);
            assert_eq!((folder.as_str(), folder.join("x").as_str()), (path, program));
        }
        for wrong in ["", "app", "./app", "/a/../b", "/a//b", "/a/./b", "/a:b"] {
            assert!(wrong.parse::<Folder>().is_err(), "{wrong}");
        }
    }
}
