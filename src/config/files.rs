//! The key `files`: which files are copied into the image, where to, and who owns them there.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use miette::Report;
use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::check::{is_whiteout, whiteout_in};
use super::document::{array, in_order, parsed, parsed_number, string, strings, table, wrong_value};
use super::error::ValueError;
use super::pattern::{Exclusion, Pattern};
use super::value::KeyValue;
use crate::image::passwd::{MAX_ID, parse_id};
use crate::suggest::nearest;

/// One rule of `files`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRule {
    /// The source; `None` for an empty folder.
    pub from: Option<Spanned<Pattern>>,
    /// The destination: an absolute path in the image, without `.` and `..`; a folder if it ends in `/`.
    pub to: Spanned<String>,
    /// What is left out of a source that is a folder.
    pub exclude: Vec<Exclusion>,
    /// The mode of files, or of the folder of a rule without a source; `None` for the default.
    pub mode: Option<u32>,
    /// The owner; `None` for root.
    pub owner: Option<Spanned<Owner>>,
    /// The modification time of files.
    pub mtime: FileMtime,
    /// The file that the rule is written in.
    source: ManifestSource,
}

/// The Cargo.toml that a rule is written in: errors in it are also found after it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ManifestSource {
    pub path: PathBuf,
    pub text: Arc<str>,
}

/// `user[:group]`, each a number or a name that the base knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Account,
    /// The group; `None` for the user's own, which for a number is the same number.
    pub group: Option<Account>,
}

/// The modification time of files in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMtime {
    /// That of the image, which is mostly the time of the commit.
    Commit,
    /// Seconds since 1970.
    Seconds(u64),
}

impl Default for FileMtime {
    /// Returns 1970, so that a layer changes only with its files.
    fn default() -> FileMtime {
        FileMtime::Seconds(0)
    }
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

impl Owner {
    /// Returns whether user or group is a name.
    pub fn has_name(&self) -> bool {
        let is_name = |account: &Account| matches!(account, Account::Name(_));
        is_name(&self.user) || self.group.as_ref().is_some_and(is_name)
    }
}

/// The keys of a rule, with what they hold.
pub(crate) const RULE_KEYS: [(&str, &str); 6] = [
    (
        "from",
        "A file, a folder or a pattern, relative to the folder of this Cargo.toml; `target/…` and `$OUT_DIR/…` too; \
         without it, `to` is an empty folder",
    ),
    ("to", "An absolute path in the image; a folder if it ends in `/`, or if `from` is one"),
    ("exclude", "Patterns of files and folders to leave out, relative to the folder that `from` names or starts in"),
    ("mode", "The mode of the files in octal, such as `0644`; by default 0755 for executable files, else 0644"),
    ("owner", "`user[:group]`, each a number or a name in the base; by default `0:0`"),
    ("mtime", "The modification time of the files: `commit`, or seconds since 1970; by default `0`"),
];
/// The latest time that a tar header holds in octal digits.
const MAX_MTIME: u64 = (1 << 33) - 1;
/// setuid, setgid, sticky, and the permissions.
const ALL_BITS: u32 = 0o7777;

impl FileRule {
    /// Returns the folder that paths are relative to.
    pub fn folder(&self) -> &Path {
        match self.source.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Returns the source's pattern, or `None` for an empty folder.
    pub fn pattern(&self) -> Option<&Pattern> {
        self.from.as_ref().map(Spanned::get_ref)
    }

    /// Returns what messages call the rule, and where that is: its source, or its folder if it has none.
    pub fn title(&self) -> (String, Range<usize>) {
        match &self.from {
            Some(from) => (from.get_ref().to_string(), from.span()),
            None => (self.to.get_ref().clone(), self.to.span()),
        }
    }

    /// Returns an error that shows the part of the rule `at` this position.
    pub fn error(&self, at: Range<usize>, message: String, label: &str, help: &str) -> Report {
        ValueError { message, at, label: label.to_owned(), help: Some(help.to_owned()) }
            .within(&self.source.path, &self.source.text)
            .into()
    }

    pub(super) fn written_in(mut self, source: &ManifestSource) -> FileRule {
        self.source = source.clone();
        self
    }
}

impl KeyValue for Vec<FileRule> {
    const TYPE: &'static str = "array of tables";
    const IS_LIST: bool = true;

    fn read(value: &Spanned<DeValue>) -> Result<Vec<FileRule>, ValueError> {
        array(value, "an array of tables")?.iter().map(rule).collect()
    }

    fn parse(_: &[&str]) -> Result<Vec<FileRule>, String> {
        Err("only Cargo.toml can set this".to_owned())
    }

    fn schema() -> Json {
        let string = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        let or_number = |pattern: &str, most: u64| json!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 0, "maximum": most });
        let types = [
            // Not absolute, no backslash, no `..`, no variable but $OUT_DIR.
            string(r"^(?!/|[A-Za-z]:/)(?!.*\\)(?!(.*/)?\.\.(/|$))(?!\$(?!OUT_DIR(/|$)))."),
            string(r"^(?!.*/\.\.(/|$))(?!.*/\.wh\.)/"),
            json!({ "type": "array", "items": string(r"^(?!/|!|[A-Za-z]:/)(?!.*\\)(?!(.*/)?\.\.(/|$)).") }),
            string(r"^0?[0-7]{3,4}$"),
            or_number(r"^[^\s:]+(:[^\s:]+)?$", MAX_ID.into()),
            or_number(r"^(commit|[0-9]{1,10})$", MAX_MTIME),
        ];
        let properties = RULE_KEYS.iter().zip(types).map(|((key, help), mut value)| {
            value["description"] = json!(help);
            ((*key).to_owned(), value)
        });
        let properties = Json::Object(properties.collect());
        let mut rule =
            json!({ "type": "object", "properties": properties, "required": ["to"], "additionalProperties": false });
        rule["dependencies"] = json!({ "exclude": ["from"], "mtime": ["from"] });
        json!({ "type": "array", "items": rule })
    }
}

fn rule(value: &Spanned<DeValue>) -> Result<FileRule, ValueError> {
    let (mut from, mut to, mut mode, mut owner) = (None, None, None, None);
    let (mut exclude, mut mtime) = (Vec::new(), FileMtime::default());
    // A key that only means something with `from`.
    let mut of_source = None;
    for (key, value) in in_order(table(value, "a table")?) {
        match key.get_ref().as_ref() {
            "from" => from = Some(Spanned::new(value.span(), parsed(value)?)),
            "to" => to = Some(Spanned::new(value.span(), destination(value)?)),
            "mode" => mode = Some(parsed::<Mode>(value)?.0),
            "owner" => owner = Some(Spanned::new(value.span(), parsed_number(value)?)),
            "exclude" => exclude = strings(value)?.iter().map(parsed).collect::<Result<_, _>>()?,
            "mtime" => mtime = parsed_number(value)?,
            other => return Err(unknown_key(other, key.span())),
        }
        if ["exclude", "mtime"].contains(&key.get_ref().as_ref()) {
            of_source = of_source.or(Some(key));
        }
    }
    if let (None, Some(key)) = (&from, of_source) {
        return Err(needs_source(key.get_ref(), key.span()));
    }
    if let (None, Some(to)) = (&from, to.as_ref().filter(|to: &&Spanned<String>| to.get_ref() == "/")) {
        return Err(ValueError {
            message: "every image has the folder `/`".to_owned(),
            at: to.span(),
            label: "here".to_owned(),
            help: Some("add `from`, or name a folder below it, as in `to = \"/data/\"`".to_owned()),
        });
    }
    Ok(FileRule {
        from,
        to: to.ok_or_else(|| missing_key("to", value))?,
        exclude,
        mode,
        owner,
        mtime,
        source: ManifestSource::default(),
    })
}

fn missing_key(key: &str, rule: &Spanned<DeValue>) -> ValueError {
    ValueError {
        message: format!("missing key `{key}` in a rule of `files`"),
        at: rule.span(),
        label: format!("missing `{key}`"),
        help: None,
    }
}

fn needs_source(key: &str, at: Range<usize>) -> ValueError {
    ValueError {
        message: format!("`{key}` needs `from` in the same rule of `files`"),
        at,
        label: "there are no files".to_owned(),
        help: Some(format!("add `from`, or remove `{key}`: a rule without `from` makes an empty folder")),
    }
}

fn unknown_key(key: &str, at: Range<usize>) -> ValueError {
    let keys = RULE_KEYS.map(|(key, _)| key);
    ValueError {
        message: format!("unknown key `{key}` in a rule of `files`"),
        at,
        label: nearest(key, keys).map_or_else(|| "unknown key".to_owned(), |known| format!("did you mean `{known}`?")),
        help: Some(format!("the keys are {}", keys.join(", "))),
    }
}

fn destination(value: &Spanned<DeValue>) -> Result<String, ValueError> {
    let to = string(value)?;
    check_destination(&to).map_err(|why| wrong_value(value, why))?;
    Ok(clean(&to))
}

/// Returns a destination without `.` and repeated slashes.
fn clean(to: &str) -> String {
    let parts: Vec<_> = to.split('/').filter(|part| !["", "."].contains(part)).collect();
    if parts.is_empty() {
        return "/".to_owned();
    }
    let end = if to.ends_with('/') { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

fn check_destination(to: &str) -> Result<(), String> {
    if !to.starts_with('/') {
        return Err(format!("`{to}` is not an absolute path in the image: it must begin with `/`"));
    }
    if to.split('/').any(|part| part == "..") {
        return Err(format!("`{to}` must not contain `..`"));
    }
    if to.split('/').any(is_whiteout) {
        return Err(whiteout_in(to));
    }
    Ok(())
}

/// A mode, as `chmod` parses it.
struct Mode(u32);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let is_octal = (3..=5).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let bits = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
        let bits = bits.filter(|bits| *bits <= ALL_BITS);
        bits.map(Mode)
            .ok_or_else(|| format!("invalid mode `{text}`: expected three or four octal digits, such as 0644"))
    }
}

impl FromStr for FileMtime {
    type Err = String;

    fn from_str(text: &str) -> Result<FileMtime, String> {
        if text == "commit" {
            return Ok(FileMtime::Commit);
        }
        let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
        let seconds = text.parse().ok().filter(|seconds| is_number && *seconds <= MAX_MTIME);
        seconds.map(FileMtime::Seconds).ok_or_else(|| {
            format!("invalid mtime `{text}`: expected `commit`, or seconds since 1970, such as 1767225600")
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => self.user.fmt(f),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Number(number) => number.fmt(f),
            Account::Name(name) => f.write_str(name),
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
        let invalid = || {
            format!(
                "invalid owner `{text}`: expected USER or USER:GROUP, each a number or a name in the base, such as `0:0`"
            )
        };
        Ok(Owner {
            user: account(user).ok_or_else(invalid)?,
            group: group.map(|group| account(group).ok_or_else(invalid)).transpose()?,
        })
    }
}

fn account(text: &str) -> Option<Account> {
    if text.is_empty() || text.contains([':', ' ']) {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return parse_id(text).map(Account::Number);
    }
    Some(Account::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_octal_as_for_chmod() {
        for (text, mode) in [("644", 0o644), ("0755", 0o755), ("4755", 0o4755), ("01777", 0o1777)] {
            assert_eq!(text.parse::<Mode>().map(|mode| mode.0), Ok(mode));
        }
        for text in ["", "7", "0o644", "0888", "rw-", "10000", "077777", "-644", "+644"] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
    }

    #[test]
    fn mtime_is_the_commit_or_seconds() {
        assert_eq!("commit".parse(), Ok(FileMtime::Commit));
        for (text, seconds) in [("0", 0), ("1767225600", 1_767_225_600), ("8589934591", MAX_MTIME)] {
            assert_eq!(text.parse(), Ok(FileMtime::Seconds(seconds)));
        }
        for text in ["", "-1", "+1", "1.5", "now", "Commit", "8589934592", "99999999999999999999"] {
            assert!(text.parse::<FileMtime>().is_err(), "{text}");
        }
    }

    #[test]
    fn owner_is_a_user_and_an_optional_group() {
        fn name(name: &str) -> Account {
            Account::Name(name.to_owned())
        }
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
    fn destination_keeps_its_trailing_slash() {
        for (to, cleaned) in [("/", "/"), ("//srv/./www//", "/srv/www/"), ("/etc/x.toml", "/etc/x.toml")] {
            assert_eq!((check_destination(to), clean(to).as_str()), (Ok(()), cleaned));
        }
        for to in ["", "srv/", "/srv/../etc/x", "/srv/.wh.x", "/.wh..wh..opq"] {
            assert!(check_destination(to).is_err(), "{to}");
        }
    }
}
