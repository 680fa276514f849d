//! `from` and `exclude` of the key `files`: the folder that a source starts in, the file or folder it names, and the patterns
//! for what is below.

use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobBuilder};

/// A parsed `from`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The folder that its path starts in.
    pub root: PatternRoot,
    /// The path up to the first part with a wildcard, without `.` and needless slashes; empty for the root itself.
    pub fixed: String,
    /// The wildcards, for paths below `fixed`; `None` if it has none.
    pub glob: Option<Glob>,
    /// Whether folders match too, so that empty ones are copied.
    pub takes_folders: bool,
    /// The text in Cargo.toml.
    text: String,
}

/// The folder that the path of a `from` starts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternRoot {
    /// The folder of the Cargo.toml that it is written in.
    Package,
    /// Cargo's target folder, wherever that is: `target/…`.
    Target,
    /// The folder that the package's build script writes to: `$OUT_DIR/…`.
    OutDir,
}

/// A pattern of `exclude`: for paths relative to the folder that `from` names or starts in. What is in a folder that it
/// matches is left out, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclusion(pub Glob);

/// Why a `from` is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is empty.
    #[error("`from` must not be empty: name a file, a folder or a pattern; `.` is the whole package")]
    Empty,
    /// The path separator of Windows.
    #[error("`\\` is not a path separator here: use `/` on every system")]
    Backslash,
    /// An absolute path.
    #[error("`from` must be relative to the folder of this Cargo.toml")]
    Absolute,
    /// `..`.
    #[error("`from` must stay within the folder of this Cargo.toml: remove `..`")]
    Outside,
    /// A variable that is not `OUT_DIR`.
    #[error("unknown variable `{0}`: only `$OUT_DIR` may begin a path")]
    Variable(String),
    /// An invalid pattern.
    #[error("invalid pattern: {0}")]
    Glob(String),
}

/// Why a pattern of `exclude` is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionError {
    /// It is empty, or the folder itself.
    #[error("a pattern of `exclude` must name something in the folder of `from`")]
    Everything,
    /// The path separator of Windows.
    #[error("`\\` is not a path separator here: use `/` on every system")]
    Backslash,
    /// An absolute path.
    #[error("patterns of `exclude` are relative to the folder of `from`: remove the `/` in front")]
    Absolute,
    /// `..`.
    #[error("patterns of `exclude` must stay within the folder of `from`: remove `..`")]
    Outside,
    /// An exception, as .gitignore and .dockerignore have them.
    #[error("`exclude` has no exceptions with `!`: write narrower patterns, or another rule for what is included")]
    Negated,
    /// An invalid pattern.
    #[error("{0}")]
    Glob(String),
}

/// The characters that make a part of a path a pattern.
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        match text {
            "" => return Err(PatternError::Empty),
            text if text.contains('\\') => return Err(PatternError::Backslash),
            text if text.starts_with('/') || begins_with_drive(text) => return Err(PatternError::Absolute),
            _ => {}
        }
        let mut parts: Vec<_> = text.split('/').filter(|part| !["", "."].contains(part)).collect();
        if parts.contains(&"..") {
            return Err(PatternError::Outside);
        }
        let root = match parts.first() {
            Some(&"target") => PatternRoot::Target,
            Some(&"$OUT_DIR") => PatternRoot::OutDir,
            Some(part) if part.starts_with('$') => return Err(PatternError::Variable((*part).to_owned())),
            _ => PatternRoot::Package,
        };
        if root != PatternRoot::Package {
            parts.remove(0);
        }
        let wild = parts.iter().position(|part| part.contains(WILDCARDS));
        let (fixed, wild) = parts.split_at(wild.unwrap_or(parts.len()));
        let glob = if wild.is_empty() { None } else { Some(glob(wild)?) };
        let takes_folders = wild.last().is_none_or(|last| *last == "**");
        Ok(Pattern { root, fixed: fixed.join("/"), glob, takes_folders, text: text.to_owned() })
    }
}

/// Returns the pattern of these parts. `*` and `?` do not match `/`, and `?` matches one byte. `[*]` matches a star.
fn glob(parts: &[&str]) -> Result<Glob, PatternError> {
    let glob = GlobBuilder::new(&parts.join("/")).literal_separator(true).backslash_escape(false).build();
    glob.map_err(|error| PatternError::Glob(error.kind().to_string()))
}

impl FromStr for Exclusion {
    type Err = ExclusionError;

    fn from_str(text: &str) -> Result<Exclusion, ExclusionError> {
        let parts: Vec<_> = text.split('/').filter(|part| !["", "."].contains(part)).collect();
        match text {
            text if text.contains('\\') => Err(ExclusionError::Backslash),
            text if text.starts_with('!') => Err(ExclusionError::Negated),
            text if text.starts_with('/') || begins_with_drive(text) => Err(ExclusionError::Absolute),
            _ if parts.contains(&"..") => Err(ExclusionError::Outside),
            _ if parts.is_empty() => Err(ExclusionError::Everything),
            _ => glob(&parts).map(Exclusion).map_err(|error| ExclusionError::Glob(error.to_string())),
        }
    }
}

fn begins_with_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Returns whether the files may not exist before cargo has run.
    pub fn is_generated(&self) -> bool {
        self.root != PatternRoot::Package
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
    fn pattern_is_fixed_up_to_its_first_wildcard() {
        for (text, root, fixed, glob) in [
            ("assets/**", PatternRoot::Package, "assets", Some("**")),
            ("assets/css/*.css", PatternRoot::Package, "assets/css", Some("*.css")),
            ("a/{b,c/d}/e", PatternRoot::Package, "a", Some("{b,c/d}/e")),
            ("./assets//css/", PatternRoot::Package, "assets/css", None),
            (".", PatternRoot::Package, "", None),
            ("config.toml", PatternRoot::Package, "config.toml", None),
            ("target/doc/**", PatternRoot::Target, "doc", Some("**")),
            ("$OUT_DIR", PatternRoot::OutDir, "", None),
            ("$OUT_DIR/a.txt", PatternRoot::OutDir, "a.txt", None),
            ("targets/a", PatternRoot::Package, "targets/a", None),
        ] {
            let read = pattern(text);
            let wild = read.glob.as_ref().map(Glob::glob);
            assert_eq!((read.root, read.fixed.as_str(), wild), (root, fixed, glob), "{text}");
        }
    }

    #[test]
    fn wildcards_match_as_in_a_shell() {
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
    fn exclusions_are_below_the_source() {
        for text in [".env*", "**/*.map", "./node_modules/", "a/b"] {
            assert!(text.parse::<Exclusion>().is_ok(), "{text}");
        }
        for (text, why) in [
            ("", ExclusionError::Everything),
            ("./", ExclusionError::Everything),
            ("a\\b", ExclusionError::Backslash),
            ("/a", ExclusionError::Absolute),
            ("../a", ExclusionError::Outside),
            ("!a", ExclusionError::Negated),
        ] {
            assert_eq!(text.parse::<Exclusion>(), Err(why), "{text}");
        }
        assert!(matches!("a[".parse::<Exclusion>(), Err(ExclusionError::Glob(_))));
    }

    #[test]
    fn pattern_matches_folders_if_it_names_all() {
        for (text, is) in [("a", true), ("a/**", true), ("a/*", false), ("a/**/*.css", false), (".", true)] {
            assert_eq!(pattern(text).takes_folders, is, "{text}");
        }
    }

    #[test]
    fn pattern_rejects_paths_outside_the_package() {
        for (text, why) in [
            ("", PatternError::Empty),
            ("a\\b", PatternError::Backslash),
            ("/etc/passwd", PatternError::Absolute),
            ("C:/a", PatternError::Absolute),
            ("a/../../b", PatternError::Outside),
            ("$HOME/a", PatternError::Variable("$HOME".to_owned())),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(why), "{text}");
        }
        assert!(matches!("a/[b".parse::<Pattern>(), Err(PatternError::Glob(_))));
        assert!(matches!("a/{b".parse::<Pattern>(), Err(PatternError::Glob(_))));
    }
}
