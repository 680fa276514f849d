//! `from` of the key `files`: where it begins, the folder or file it names, and the pattern of what is below.

use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobBuilder};

/// What a `from` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Where its path begins.
    pub root: Root,
    /// The path up to the first part with a wildcard, without `.` and needless slashes; empty for the root itself.
    pub fixed: String,
    /// The wildcards, for paths below `fixed`; nothing where all of the path is fixed.
    pub glob: Option<Glob>,
    /// Whether folders are taken for themselves, so also empty ones.
    pub takes_folders: bool,
    /// As it is written.
    text: String,
}

/// Where the path of a `from` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// In the folder of the Cargo.toml that it is written in.
    Package,
    /// In cargo's target folder, wherever that is: `target/…`.
    Target,
    /// In the folder that the package's build script writes to: `$OUT_DIR/…`.
    OutDir,
}

/// Why a `from` is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing.
    #[error("this is empty: name a file, a folder or a pattern; `.` is the whole package")]
    Empty,
    /// Windows' way to divide a path.
    #[error("`\\` divides no path here: write `/`, on every system")]
    Backslash,
    /// A path of this computer.
    #[error("this is an absolute path: what goes in is named from the folder of this Cargo.toml")]
    Absolute,
    /// `..`.
    #[error("`..` leaves the folder of this Cargo.toml: what goes in is inside of it")]
    Outside,
    /// A variable that is not `OUT_DIR`.
    #[error("`{0}` means nothing here: `$OUT_DIR` is the one variable that may begin a path")]
    Variable(String),
    /// A pattern that no one can read.
    #[error("this is not a pattern: {0}")]
    Glob(String),
}

/// What makes a part of a path a pattern.
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

impl FromStr for Pattern {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Pattern, Unusable> {
        let is_drive = |text: &str| matches!(text.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
        match text {
            "" => return Err(Unusable::Empty),
            text if text.contains('\\') => return Err(Unusable::Backslash),
            text if text.starts_with('/') || is_drive(text) => return Err(Unusable::Absolute),
            _ => {}
        }
        let mut parts: Vec<_> = text.split('/').filter(|part| !["", "."].contains(part)).collect();
        if parts.contains(&"..") {
            return Err(Unusable::Outside);
        }
        let root = match parts.first() {
            Some(&"target") => Root::Target,
            Some(&"$OUT_DIR") => Root::OutDir,
            Some(part) if part.starts_with('$') => return Err(Unusable::Variable((*part).to_owned())),
            _ => Root::Package,
        };
        if root != Root::Package {
            parts.remove(0);
        }
        let wild = parts.iter().position(|part| part.contains(WILDCARDS));
        let (fixed, wild) = parts.split_at(wild.unwrap_or(parts.len()));
        let glob = match wild {
            [] => None,
            // A `*` stays in its folder, and so does a `?`, which is one byte. `[*]` is a star.
            parts => Some(GlobBuilder::new(&parts.join("/")).literal_separator(true).backslash_escape(false).build()),
        };
        let glob = glob.transpose().map_err(|error| Unusable::Glob(error.kind().to_string()))?;
        let takes_folders = wild.last().is_none_or(|last| *last == "**");
        Ok(Pattern { root, fixed: fixed.join("/"), glob, takes_folders, text: text.to_owned() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Whether what it names may not be there before cargo has run.
    pub fn is_generated(&self) -> bool {
        self.root != Root::Package
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect("a pattern")
    }

    fn matches(text: &str, path: &str) -> bool {
        let glob = pattern(text).glob.expect("wildcards");
        glob.compile_matcher().is_match(path)
    }

    #[test]
    fn a_path_is_fixed_up_to_its_first_wildcard() {
        for (text, root, fixed, glob) in [
            ("assets/**", Root::Package, "assets", Some("**")),
            ("assets/css/*.css", Root::Package, "assets/css", Some("*.css")),
            ("a/{b,c/d}/e", Root::Package, "a", Some("{b,c/d}/e")),
            ("./assets//css/", Root::Package, "assets/css", None),
            (".", Root::Package, "", None),
            ("config.toml", Root::Package, "config.toml", None),
            ("target/doc/**", Root::Target, "doc", Some("**")),
            ("$OUT_DIR", Root::OutDir, "", None),
            ("$OUT_DIR/a.txt", Root::OutDir, "a.txt", None),
            ("targets/a", Root::Package, "targets/a", None),
        ] {
            let read = pattern(text);
            let wild = read.glob.as_ref().map(Glob::glob);
            assert_eq!((read.root, read.fixed.as_str(), wild), (root, fixed, glob), "{text}");
        }
    }

    #[test]
    fn wildcards_mean_what_they_mean_in_a_shell_and_hidden_files_are_files() {
        for (text, path, is) in [
            ("a/*.css", "x.css", true),
            ("a/*.css", "b/x.css", false),
            ("a/*.css", "X.CSS", false),
            ("a/**/*.css", "x.css", true),
            ("a/**/*.css", "b/c/x.css", true),
            ("a/**", "b/.hidden", true),
            ("a/*", ".hidden", true),
            ("a/?.txt", "é.txt", false),
            ("a/?.txt", "e.txt", true),
            ("a/[a-c].txt", "b.txt", true),
            ("a/[!a-c].txt", "b.txt", false),
            ("a/{x,y/z}", "y/z", true),
            ("a/[*]", "*", true),
        ] {
            assert_eq!(matches(text, path), is, "{text} {path}");
        }
    }

    #[test]
    fn folders_come_for_themselves_where_all_of_a_folder_is_meant() {
        for (text, is) in [("a", true), ("a/**", true), ("a/*", false), ("a/**/*.css", false), (".", true)] {
            assert_eq!(pattern(text).takes_folders, is, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_in_the_package_is_refused() {
        for (text, why) in [
            ("", Unusable::Empty),
            ("a\\b", Unusable::Backslash),
            ("/etc/passwd", Unusable::Absolute),
            ("C:/a", Unusable::Absolute),
            ("a/../../b", Unusable::Outside),
            ("$HOME/a", Unusable::Variable("$HOME".to_owned())),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(why), "{text}");
        }
        assert!(matches!("a/[b".parse::<Pattern>(), Err(Unusable::Glob(_))));
        assert!(matches!("a/{b".parse::<Pattern>(), Err(Unusable::Glob(_))));
    }
}
