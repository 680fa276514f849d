//! Edits of a credentials file: adds or removes one entry of `auths`, and keeps all other bytes.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use miette::{Report, miette};
use serde_json::json;

use super::error::JsonError;
use super::file::ConfigFile;
use super::json::JsonObject;
use super::key::Query;
use crate::error::Result;
use crate::interrupt;
use crate::store::atomic::{self, Audience};

/// The content of a new file.
const NEW: &str = "{\n\t\"auths\": {}\n}\n";

impl ConfigFile {
    /// Reads the file at `path`, or creates an empty one in memory if there is none.
    ///
    /// # Errors
    /// Returns an error if the file exists and cannot be read.
    pub(crate) fn read_or_new(path: &Path) -> Result<ConfigFile> {
        let file = ConfigFile::read(path)?.filter(|file| !file.text.trim_ascii().is_empty());
        Ok(file.unwrap_or_else(|| ConfigFile { path: path.to_owned(), text: NEW.to_owned() }))
    }

    /// Returns the file with `auth` as the entry of a registry, in place of the old entry.
    ///
    /// # Errors
    /// Returns an error if the file is invalid.
    pub(crate) fn with_auth(&self, query: &Query, auth: &str) -> Result<ConfigFile> {
        let entry = format!("{{\"auth\": {}}}", json!(auth));
        let text = self.parse(|whole| {
            let outer = space(&self.text, whole);
            let inner = deeper(&outer);
            if let Some(auths) = whole.object("auths")? {
                let entry = Entry { key: query.key(), value: &entry, before: &inner, after: &outer };
                return Ok(set(&self.text, &auths, &entry));
            }
            let auths = format!("{{{inner}{}: {entry}{outer}}}", json!(query.key()));
            let after = if outer.contains('\n') { "\n" } else { "" };
            Ok(set(&self.text, whole, &Entry { key: "auths", value: &auths, before: &outer, after }))
        })?;
        Ok(ConfigFile { path: self.path.clone(), text })
    }

    /// Returns the file without any entry for the whole of a registry, or `None` if it has none.
    ///
    /// # Errors
    /// Returns an error if the file is invalid.
    pub(crate) fn without(&self, query: &Query) -> Result<Option<ConfigFile>> {
        let mut file = self.clone();
        while let Some(text) = file.parse(|whole| without_one(&file.text, whole, query))? {
            file.text = text;
        }
        Ok((file.text != self.text).then_some(file))
    }

    /// Replaces the file on disk, with permissions for its owner only.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written; the old one is then unchanged.
    pub(crate) fn write(&self) -> Result<()> {
        // Never write what cannot be read again.
        self.parse(|_| Ok(()))?;
        write(&self.path, self.text.as_bytes()).map_err(|error| unwritable(&self.path, &error))
    }
}

/// An entry to write into an object.
struct Entry<'a> {
    key: &'a str,
    /// In JSON.
    value: &'a str,
    /// Space that goes before and after the entry if it is the only one.
    before: &'a str,
    after: &'a str,
}

/// Returns the text with `entry` in `object`, in place of one with the same key.
fn set(text: &str, object: &JsonObject, entry: &Entry) -> String {
    let Entry { key, value, before, after } = entry;
    let line = format!("{}: {value}", json!(key));
    match (object.get(key), object.entries.last()) {
        (Some(old), _) => replaced(text, old.span(), value),
        (None, Some((_, last))) => {
            let end = last.span().end;
            replaced(text, end..end, &format!(",{}{line}", space(text, object)))
        }
        (None, None) => replaced(text, object.span.clone(), &format!("{{{before}{line}{after}}}")),
    }
}

fn replaced(text: &str, span: Range<usize>, by: &str) -> String {
    format!("{}{by}{}", &text[..span.start], &text[span.end..])
}

fn without_one(text: &str, whole: &JsonObject, query: &Query) -> Result<Option<String>, JsonError> {
    let Some(auths) = whole.object("auths")? else { return Ok(None) };
    let Some(index) = auths.entries.iter().position(|(key, _)| query.is_whole(key)) else { return Ok(None) };
    let end = |index: usize| auths.entries[index].1.span().end;
    let space = space(text, &auths);
    let cut = match index {
        _ if auths.entries.len() == 1 => auths.span.start + 1..auths.span.end - 1,
        // The first entry goes with the comma after it, any other with the comma before it.
        0 => {
            let first = auths.span.start + 1 + space.len();
            let comma = text[end(0)..].find('"').map_or(end(0), |next| end(0) + next);
            first..comma
        }
        _ => end(index - 1)..end(index),
    };
    Ok(Some(replaced(text, cut, "")))
}

/// Returns the space before each entry of an object: what follows its opening brace.
fn space(text: &str, object: &JsonObject) -> String {
    let inner = text.get(object.span.start + 1..object.span.end.saturating_sub(1)).unwrap_or_default();
    if object.entries.is_empty() {
        return "\n\t".to_owned();
    }
    inner[..inner.len() - inner.trim_ascii_start().len()].to_owned()
}

/// Returns the space for one more level, in the same style.
fn deeper(space: &str) -> String {
    match space.rsplit_once('\n') {
        Some((_, indent)) if !indent.is_empty() => format!("{space}{indent}"),
        _ => space.to_owned(),
    }
}

/// Locks the folder of a file, so that several logins at once do not lose each other's entry. The lock ends when the result
/// is dropped. Without file locks, there is none.
pub(super) fn lock_folder_of(path: &Path) -> Option<File> {
    let lock = open_lock(folder_of(path)).ok()?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Some(lock),
            // Polling, because a blocking call could not be interrupted.
            Err(TryLockError::WouldBlock) => interrupt::check().ok()?,
            Err(TryLockError::Error(_)) => return None,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
fn open_lock(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

/// Opens a file in the folder: other systems do not open a folder as they open a file.
#[cfg(not(unix))]
fn open_lock(folder: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(folder.join(".cargo-oci-lock"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // A symbolic link to the file is kept: those who keep their settings in one place have it.
    atomic::replace_for(Audience::Owner, path, |file| file.write_all(content))
}

/// Creates the folder of a file, for its owner only, if there is none.
pub(super) fn create_folder_of(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder_of(path))
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Report {
    miette!(
        help = "nothing was changed. Check the permissions of the file and its folder, or set DOCKER_CONFIG to another folder",
        "cannot write {}: {error}",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ConfigFile {
        ConfigFile { path: "config.json".into(), text: text.to_owned() }
    }

    fn added(text: &str) -> String {
        file(text).with_auth(&Query::new("b.io", ""), "x").expect("a valid file").text
    }

    #[test]
    fn new_entry_follows_the_style_of_the_file() {
        assert_eq!(added(NEW), "{\n\t\"auths\": {\n\t\t\"b.io\": {\"auth\": \"x\"}\n\t}\n}\n");
        assert_eq!(added("{}"), NEW.replace("{}", "{\n\t\t\"b.io\": {\"auth\": \"x\"}\n\t}").trim_end());
        assert_eq!(added("{\"z\": 1}"), "{\"z\": 1,\"auths\": {\"b.io\": {\"auth\": \"x\"}}}");
        assert_eq!(added("{ \"auths\": null }"), "{ \"auths\": { \"b.io\": {\"auth\": \"x\"} } }");
        assert_eq!(
            added("{\n  \"auths\": {\n    \"a.io\": {}\n  },\n  \"z\": 1\n}\n"),
            "{\n  \"auths\": {\n    \"a.io\": {},\n    \"b.io\": {\"auth\": \"x\"}\n  },\n  \"z\": 1\n}\n"
        );
    }

    #[test]
    fn replaced_entry_leaves_other_bytes_alone() {
        let before = "{\"z\":{\"b.io\":1},\"auths\":{\"b.io\":{\"auth\":\"old\",\"identitytoken\":\"t\"},\"a.io\":{}}}";
        assert_eq!(added(before), "{\"z\":{\"b.io\":1},\"auths\":{\"b.io\":{\"auth\": \"x\"},\"a.io\":{}}}");
    }

    #[test]
    fn removed_entry_may_be_first_middle_or_last() {
        let without =
            |text: &str| file(text).without(&Query::new("b.io", "")).expect("a valid file").map(|file| file.text);
        assert_eq!(without("{\n\t\"auths\": {\n\t\t\"b.io\": {}\n\t}\n}"), Some("{\n\t\"auths\": {}\n}".to_owned()));
        let three = |names: &[&str]| {
            let entries: Vec<_> = names.iter().map(|name| format!("\n    \"{name}\": {{\"auth\": \"\"}}")).collect();
            format!("{{\n  \"auths\": {{{}\n  }},\n  \"z\": [ 1 ]\n}}\n", entries.join(","))
        };
        for names in [["b.io", "a", "c"], ["a", "b.io", "c"], ["a", "c", "https://b.io/v1/"]] {
            assert_eq!(without(&three(&names)), Some(three(&["a", "c"])), "{names:?}");
        }
        assert_eq!(without(&three(&["b.io", "https://b.io", "a"])), Some(three(&["a"])));
        for none in ["{}", "", "{\"auths\":null}", &three(&["a", "b.io/org"])] {
            assert_eq!(without(none), None, "{none}");
        }
    }
}
