//! Changes of a file of credentials: one entry of `auths` is written or taken out, and every other byte stays.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use miette::{Report, miette};
use serde_json::json;

use super::file::ConfigFile;
use super::json::Object;
use super::key::Wanted;
use super::mistake::Mistake;
use crate::error::Result;
use crate::store::atomic::TEMP_PREFIX;

/// How a file begins that is new.
const NEW: &str = "{\n\t\"auths\": {}\n}\n";

impl ConfigFile {
    /// The file at `path`, or an empty one where there is none yet.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_or_new(path: &Path) -> Result<ConfigFile> {
        let new = || ConfigFile { path: path.to_owned(), text: NEW.to_owned() };
        let file = ConfigFile::read(path)?.unwrap_or_else(new);
        match file.text.trim_ascii().is_empty() {
            true => Ok(new()),
            false => Ok(file),
        }
    }

    /// The file with this as the `auth` of a registry, in place of all that the entry held.
    ///
    /// # Errors
    /// A mistake in the file.
    pub fn with_auth(&self, wanted: &Wanted, auth: &str) -> Result<ConfigFile> {
        let entry = format!("{{\"auth\": {}}}", json!(auth));
        let text = self.look(|whole| {
            let outer = space(&self.text, whole);
            let inner = deeper(&outer);
            Ok(match whole.object("auths")? {
                Some(auths) => set(&self.text, &auths, (wanted.key(), &entry), (&inner, &outer)),
                None => {
                    let auths = format!("{{{inner}{}: {entry}{outer}}}", json!(wanted.key()));
                    let end = if outer.contains('\n') { "\n" } else { "" };
                    set(&self.text, whole, ("auths", &auths), (&outer, end))
                }
            })
        })?;
        Ok(ConfigFile { path: self.path.clone(), text })
    }

    /// The file without any entry for the whole of a registry; nothing where it has none.
    ///
    /// # Errors
    /// A mistake in the file.
    pub fn without(&self, wanted: &Wanted) -> Result<Option<ConfigFile>> {
        let mut file = self.clone();
        while let Some(text) = file.look(|whole| without_one(&file.text, whole, wanted))? {
            file.text = text;
        }
        Ok((file.text != self.text).then_some(file))
    }

    /// Puts it in place of what was there before, for nobody but its owner to read.
    ///
    /// # Errors
    /// Of writing; a file that was there before is then as it was.
    pub fn write(&self) -> Result<()> {
        // What is written can be read again, or it is not written.
        self.look(|_| Ok(()))?;
        write(&self.path, self.text.as_bytes()).map_err(|error| unwritable(&self.path, &error))
    }
}

/// The text with a new value for a key of `object`; should it be the only one, these spaces go around it.
fn set(text: &str, object: &Object, (key, value): (&str, &str), (before, behind): (&str, &str)) -> String {
    let replaced = |at: Range<usize>, by: &str| format!("{}{by}{}", &text[..at.start], &text[at.end..]);
    let entry = format!("{}: {value}", json!(key));
    match (object.get(key), object.entries.last()) {
        (Some(old), _) => replaced(old.at(), value),
        (None, Some((_, last))) => {
            let end = last.at().end;
            replaced(end..end, &format!(",{}{entry}", space(text, object)))
        }
        (None, None) => replaced(object.at.clone(), &format!("{{{before}{entry}{behind}}}")),
    }
}

fn without_one(text: &str, whole: &Object, wanted: &Wanted) -> Result<Option<String>, Mistake> {
    let Some(auths) = whole.object("auths")? else { return Ok(None) };
    let Some(index) = auths.entries.iter().position(|(key, _)| wanted.is_whole(key)) else { return Ok(None) };
    let end = |index: usize| auths.entries[index].1.at().end;
    let space = space(text, &auths);
    let cut = match index {
        _ if auths.entries.len() == 1 => auths.at.start + 1..auths.at.end - 1,
        // The space and the comma behind it go with the first, and those before it with any other.
        0 => {
            let first = auths.at.start + 1 + space.len();
            let comma = text[end(0)..].find('"').map_or(end(0), |next| end(0) + next);
            first..comma
        }
        _ => end(index - 1)..end(index),
    };
    Ok(Some(format!("{}{}", &text[..cut.start], &text[cut.end..])))
}

/// The space behind an object's opening brace, with which its entries begin.
fn space(text: &str, object: &Object) -> String {
    let inner = text.get(object.at.start + 1..object.at.end.saturating_sub(1)).unwrap_or_default();
    match object.entries.is_empty() {
        true => "\n\t".to_owned(),
        false => inner[..inner.len() - inner.trim_ascii_start().len()].to_owned(),
    }
}

/// The space one level further in, in the same style.
fn deeper(space: &str) -> String {
    match space.rsplit_once('\n') {
        Some((_, indent)) if !indent.is_empty() => format!("{space}{indent}"),
        _ => space.to_owned(),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link to where the file really is stays one.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_private(folder)?;
    // tempfile's own default: a new file that only its owner reads and writes.
    let mut file = tempfile::Builder::new().prefix(TEMP_PREFIX).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// A folder for its owner only, where there is none yet.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn unwritable(path: &Path, error: &io::Error) -> Report {
    miette!(
        help = "nothing was changed. Check who owns it and its folder, or name another folder in DOCKER_CONFIG",
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
        file(text).with_auth(&Wanted::new("b.io", ""), "x").expect("is right").text
    }

    #[test]
    fn an_entry_is_added_in_the_style_of_the_file() {
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
    fn an_entry_is_replaced_as_a_whole_and_nothing_else_is() {
        let before = "{\"z\":{\"b.io\":1},\"auths\":{\"b.io\":{\"auth\":\"old\",\"identitytoken\":\"t\"},\"a.io\":{}}}";
        assert_eq!(added(before), "{\"z\":{\"b.io\":1},\"auths\":{\"b.io\":{\"auth\": \"x\"},\"a.io\":{}}}");
    }

    #[test]
    fn an_entry_is_taken_out_wherever_it_stands() {
        let without =
            |text: &str| file(text).without(&Wanted::new("b.io", "")).expect("is right").map(|file| file.text);
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
