//! Folders in an image.

use std::fmt;
use std::str::FromStr;

use super::is_whiteout;

/// An absolute path in an image, without a slash at its end (but for the root) and without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder(String);

impl Folder {
    /// The path of what is called `name` in it.
    pub fn join(&self, name: &str) -> String {
        format!("{}/{name}", self.0.trim_end_matches('/'))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root of all.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.trim_end_matches('/');
        // A colon would end it in PATH.
        let is_right = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(':');
        match path.strip_prefix('/') {
            Some(names) if names.split('/').any(is_whiteout) => {
                Err(format!("`{text}` would delete files of the base: names that begin with `.wh.` do that in a layer"))
            }
            Some(names) if names.split('/').all(is_right) => Ok(Folder(path.to_owned())),
            _ if !text.is_empty() && path.is_empty() => Ok(Folder("/".to_owned())),
            _ => Err(format!("`{text}` is not an absolute path in the image, without `..` and `:`")),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_absolute_and_says_where_it_is() {
        let folder = |text: &str| text.parse::<Folder>();
        for (text, path, program) in
            [("/app", "/app", "/app/x"), ("/usr/local/bin/", "/usr/local/bin", "/usr/local/bin/x"), ("/", "/", "/x")]
        {
            let folder = folder(text).expect(text);
            assert_eq!((folder.as_str(), folder.join("x").as_str()), (path, program));
        }
        for wrong in ["", "app", "./app", "/a/../b", "/a//b", "/a/./b", "/a:b"] {
            assert!(folder(wrong).is_err(), "{wrong}");
        }
    }
}
