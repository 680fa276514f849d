//! The key `files`: which files go in beside the binaries, where to, and whose they are there.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use miette::{NamedSource, Report};
use toml::Spanned;
use toml::de::DeValue;

use super::pattern::Pattern;
use super::value::{Mistake, array_of, checked, in_order, parsed, wrong_type};
use super::{ConfigError, nearest};
use crate::image::passwd::parse_id;
use crate::sanitize::{sanitize, sanitize_in_place};

/// One rule of `files`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRule {
    /// What goes in.
    pub from: Spanned<Pattern>,
    /// Where to: an absolute path in the image, without `.` and `..`; a folder where it ends in `/`.
    pub to: Spanned<String>,
    /// The mode of files; by the executable bit where there is none.
    pub mode: Option<u32>,
    /// Whose they are; root's where there is none.
    pub owner: Option<Spanned<Owner>>,
    /// Where the rule is written.
    manifest: Manifest,
}

/// The Cargo.toml that a rule is written in: mistakes in it are also found after it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub path: PathBuf,
    pub text: Arc<str>,
}

/// `user[:group]`, each by number or by a name that the base knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Account,
    /// The group; where there is none, the user's own: of a number the same number.
    pub group: Option<Account>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

/// The keys of a rule.
const KEYS: [&str; 4] = ["from", "to", "mode", "owner"];
/// setuid, setgid, sticky, and the permissions.
const ALL_BITS: u32 = 0o7777;

impl FileRule {
    /// The folder that paths begin in.
    pub fn folder(&self) -> &Path {
        match self.manifest.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// A mistake in the rule, shown `at` a part of it.
    pub fn mistake(&self, at: Range<usize>, message: String, label: &str, help: &str) -> Report {
        Mistake { message, at, label: label.to_owned(), help: Some(help.to_owned()) }
            .within(&self.manifest.path, &self.manifest.text)
            .into()
    }

    pub(super) fn written_in(mut self, manifest: &Manifest) -> FileRule {
        self.manifest = manifest.clone();
        self
    }
}

impl Mistake {
    pub(super) fn within(self, path: &Path, text: &str) -> ConfigError {
        // All of this is drawn as it stands.
        let path = sanitize(&path.display().to_string());
        ConfigError {
            message: self.message,
            manifest: NamedSource::new(path, sanitize_in_place(text)).with_language("toml"),
            at: self.at.into(),
            label: sanitize(&self.label),
            help: self.help,
        }
    }
}

/// The rules in the order they were written; none is the way to take nothing over from the workspace.
pub(super) fn rules(value: &Spanned<DeValue>) -> Result<Vec<FileRule>, Mistake> {
    array_of(value, "an array of tables")?.iter().map(rule).collect()
}

fn rule(value: &Spanned<DeValue>) -> Result<FileRule, Mistake> {
    let keys = value.get_ref().as_table().ok_or_else(|| wrong_type(value, "a table", value.get_ref()))?;
    let (mut from, mut to, mut mode, mut owner) = (None, None, None, None);
    for (key, value) in in_order(keys) {
        match key.get_ref().as_ref() {
            "from" => from = Some(Spanned::new(value.span(), parsed(value)?)),
            "to" => to = Some(Spanned::new(value.span(), clean(&checked(value, check_to)?))),
            "mode" => mode = Some(parsed::<Mode>(value)?.0),
            "owner" => owner = Some(Spanned::new(value.span(), parsed(value)?)),
            other => return Err(unknown_key(other, key.span())),
        }
    }
    let missing = |key: &str| Mistake {
        message: format!("a rule of `files` needs the key `{key}`"),
        at: value.span(),
        label: format!("there is no `{key}`"),
        help: None,
    };
    Ok(FileRule {
        from: from.ok_or_else(|| missing("from"))?,
        to: to.ok_or_else(|| missing("to"))?,
        mode,
        owner,
        manifest: Manifest::default(),
    })
}

fn unknown_key(key: &str, at: Range<usize>) -> Mistake {
    Mistake {
        message: format!("unknown key `{key}` in a rule of `files`"),
        at,
        label: match nearest(key, KEYS) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "no such key".to_owned(),
        },
        help: Some(format!("the keys are {}", KEYS.join(", "))),
    }
}

/// A destination without `.` and needless slashes.
fn clean(to: &str) -> String {
    let parts: Vec<_> = to.split('/').filter(|part| !["", "."].contains(part)).collect();
    match (parts.is_empty(), to.ends_with('/')) {
        (true, _) => "/".to_owned(),
        (false, true) => format!("/{}/", parts.join("/")),
        (false, false) => format!("/{}", parts.join("/")),
    }
}

fn check_to(to: &str) -> Result<(), String> {
    if !to.starts_with('/') {
        return Err(format!("`{to}` is not an absolute path in the image: it has to begin with `/`"));
    }
    if to.split('/').any(|part| part == "..") {
        return Err(format!("`{to}` goes up by `..`: write where it ends"));
    }
    if to.split('/').any(is_whiteout) {
        return Err(format!("`{to}` would delete files of the base: names that begin with `.wh.` do that in a layer"));
    }
    Ok(())
}

/// Whether a layer would take a file of this name for an order to delete one (image-spec, `layer.md`, "Whiteouts").
pub fn is_whiteout(name: &str) -> bool {
    name.starts_with(".wh.")
}

/// A mode as `chmod` takes it.
struct Mode(u32);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let is_octal = (3..=5).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let bits = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
        match bits.filter(|bits| *bits <= ALL_BITS) {
            Some(bits) => Ok(Mode(bits)),
            None => Err(format!("`{text}` is not a mode: it has three or four octal digits, such as 0644 or 0755")),
        }
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Owner, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let account = |account: &str| match account {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => parse_id(digits).map(Account::Number),
            name if name.contains([':', ' ']) => None,
            name => Some(Account::Name(name.to_owned())),
        };
        let wrong = || {
            format!(
                "`{text}` is no owner: write a user, or a user and a group as in `0:0`, by number or by name in the base"
            )
        };
        Ok(Owner {
            user: account(user).ok_or_else(wrong)?,
            group: group.map(|group| account(group).ok_or_else(wrong)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_as_chmod_takes_it() {
        for (text, mode) in [("644", 0o644), ("0755", 0o755), ("4755", 0o4755), ("01777", 0o1777)] {
            assert_eq!(text.parse::<Mode>().map(|mode| mode.0), Ok(mode));
        }
        for text in ["", "7", "0o644", "0888", "rw-", "10000", "077777", "-644", "+644"] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_owner_is_a_user_and_maybe_a_group() {
        let name = |name: &str| Account::Name(name.to_owned());
        for (text, user, group) in [
            ("0:0", Account::Number(0), Some(Account::Number(0))),
            ("65532", Account::Number(65532), None),
            ("www-data", name("www-data"), None),
            ("web:5", name("web"), Some(Account::Number(5))),
            ("0:staff", Account::Number(0), Some(name("staff"))),
        ] {
            assert_eq!(text.parse(), Ok(Owner { user, group }));
        }
        for text in ["", ":", "0:", ":0", "a:b:c", "4294967295", "99999999999", "a b"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_destination_is_absolute_and_says_whether_it_is_a_folder() {
        for (to, cleaned) in [("/", "/"), ("//srv/./www//", "/srv/www/"), ("/etc/x.toml", "/etc/x.toml")] {
            assert_eq!((check_to(to), clean(to).as_str()), (Ok(()), cleaned));
        }
        for to in ["", "srv/", "/srv/../etc/x", "/srv/.wh.x", "/.wh..wh..opq"] {
            assert!(check_to(to).is_err(), "{to}");
        }
    }
}
