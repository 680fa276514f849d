//! Owners by name → numbers, by the base's own /etc/passwd and /etc/group.

use std::io::Read;

use miette::{Context, Report, miette};

use crate::config::{Account, FileRule};
use crate::error::Result;
use crate::image::accounts::{accounts, groups};
use crate::image::entries::{Entries, Kind};
use crate::platform::Platform;
use crate::store::Source;
use crate::store::layer::{Layer, failed};

/// A user and a group by number.
pub type Numbers = (u64, u64);

/// A base for one platform, by which names have numbers.
pub struct Below<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// Where its layers are.
    pub source: &'a dyn Source,
    /// Its layers, the lowest first.
    pub layers: &'a [Layer],
}

/// Whose the files of each rule are. The base's layers are read only where a rule names someone.
///
/// # Errors
/// An [error](FileRule::error) in a rule that names someone whom the base does not know; a base that cannot be read.
pub fn owners(rules: &[FileRule], below: &Below) -> Result<Vec<Numbers>> {
    let is_name = |account: &Account| matches!(account, Account::Name(_));
    let owners = rules.iter().filter_map(|rule| rule.owner.as_ref()).map(|owner| owner.get_ref());
    let known = match owners.flat_map(|owner| [Some(&owner.user), owner.group.as_ref()]).flatten().any(is_name) {
        true => Known::read(below)
            .wrap_err_with(|| format!("cannot look up owners of `files` in the base for {}", below.platform))?,
        false => Known::default(),
    };
    rules.iter().map(|rule| known.numbers(rule, below.platform)).collect()
}

/// The base's own files of names; empty where it has none.
#[derive(Debug, Default)]
struct Known {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Known {
    /// Reads the layers from the top down, until both files are found.
    fn read(below: &Below) -> Result<Known> {
        let mut files = ["passwd", "group"].map(|name| Sought { name, content: None, is_deleted: false });
        for layer in below.layers.iter().rev() {
            let mut sought: Vec<_> =
                files.iter_mut().filter(|file| file.content.is_none() && !file.is_deleted).collect();
            if sought.is_empty() {
                break;
            }
            layer.read(below.source, |entries| {
                while let Some(entry) = entries.next_entry().map_err(failed)? {
                    sought.iter_mut().try_for_each(|file| file.look(&entry.path, &entry.kind, entries))?;
                }
                Ok(())
            })?;
        }
        let [passwd, group] = files.map(|file| file.content.unwrap_or_default());
        Ok(Known { passwd, group })
    }

    fn numbers(&self, rule: &FileRule, platform: &Platform) -> Result<Numbers> {
        let Some(owner) = &rule.owner else {
            return Ok((0, 0));
        };
        let unknown = |kind: &str, name: &str, known: Vec<String>| unknown(rule, platform, kind, name, &known);
        let (uid, own_group) = match &owner.get_ref().user {
            Account::Number(number) => (*number, *number),
            Account::Name(name) => {
                let accounts = accounts(&self.passwd);
                match accounts.iter().find(|account| account.name == *name) {
                    Some(account) => (account.uid, account.gid),
                    None => {
                        let known = accounts.into_iter().map(|account| account.name).collect();
                        return Err(unknown("user", name, known));
                    }
                }
            }
        };
        let gid = match &owner.get_ref().group {
            None => own_group,
            Some(Account::Number(number)) => *number,
            Some(Account::Name(name)) => {
                let groups = groups(&self.group);
                match groups.iter().find(|group| group.name == *name) {
                    Some(group) => group.gid,
                    None => {
                        let known = groups.into_iter().map(|group| group.name).collect();
                        return Err(unknown("group", name, known));
                    }
                }
            }
        };
        Ok((uid.into(), gid.into()))
    }
}

/// A file in /etc that is looked for.
struct Sought {
    name: &'static str,
    content: Option<Vec<u8>>,
    /// Whether a layer deletes that of the layers below it (image-spec, `layer.md`, "Whiteouts").
    is_deleted: bool,
}

/// No file of names is larger.
const MOST_BYTES: u64 = 4 << 20;

impl Sought {
    fn look(&mut self, path: &[u8], kind: &Kind, content: &mut Entries<&mut dyn Read>) -> Result<()> {
        let parts: Vec<_> = path.split(|byte| *byte == b'/').filter(|part| ![&b""[..], b"."].contains(part)).collect();
        let hides = |part: &[u8], name: &str| part == b".wh..wh..opq" || part == format!(".wh.{name}").as_bytes();
        match (&parts[..], kind) {
            ([b"etc", name], kind) if *name == self.name.as_bytes() => self.content = Some(self.read(kind, content)?),
            ([b"etc", part], _) if hides(part, self.name) => self.is_deleted = true,
            ([part], _) if hides(part, "etc") => self.is_deleted = true,
            _ => {}
        }
        Ok(())
    }

    fn read(&self, kind: &Kind, entries: &mut Entries<&mut dyn Read>) -> Result<Vec<u8>> {
        let why = match kind {
            Kind::File(size) if *size <= MOST_BYTES => {
                let mut content = Vec::new();
                entries.read_to_end(&mut content).map_err(failed)?;
                return Ok(content);
            }
            Kind::File(size) => format!("has {size} bytes; more than {MOST_BYTES} are refused"),
            _ => "is not a file of its own, and links are not followed".to_owned(),
        };
        Err(miette!(help = "write owners by number", "/etc/{} {why}", self.name))
    }
}

/// So many names tell what names there are.
const ENOUGH_NAMES: usize = 8;

fn unknown(rule: &FileRule, platform: &Platform, kind: &str, name: &str, known: &[String]) -> Report {
    let at = rule.owner.as_ref().map_or(rule.from.span(), |owner| owner.span());
    let known = match known {
        [] => format!("it knows no {kind} by name"),
        known => format!("it knows {}", known[..known.len().min(ENOUGH_NAMES)].join(", ")),
    };
    rule.error(
        at,
        format!("the base for {platform} has no {kind} `{name}`"),
        "not there",
        &format!("{known}; a number needs no name"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Section, Whose};
    use crate::image::layer::{Content, Entry, write};
    use crate::image::{Compression, Packing};
    use crate::store::Memory;

    fn file(path: &str, content: &str) -> Entry {
        Entry::file(path, 0o644, Content::Bytes(content.as_bytes().to_vec()))
    }

    /// The owners of rules for `names` over layers of these entries.
    fn numbers(layers: &[Vec<Entry>], names: &[&str]) -> Result<Vec<Numbers>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("Cargo.toml");
        let rules = names.iter().map(|name| format!("{{ from = 'a', to = '/a', owner = '{name}' }}, "));
        let text = format!("package.metadata.oci.files = [{{ from = 'b', to = '/b' }}, {}]", rules.collect::<String>());
        std::fs::write(&manifest, text).expect("a file");
        let whose = Whose::Package { image: "x", binaries: &[] };
        let section = Section::read(&manifest, whose).expect("a right table");
        let rules = section.table.and_then(|table| table.files).expect("rules");

        let memory = Memory::default();
        let layer = |entries: &Vec<Entry>| {
            let mut blob = Vec::new();
            let layer = write(entries, 0, Packing::alone(Compression::Gzip), &mut blob).expect("a layer in memory");
            memory.put(&layer.descriptor, blob);
            Layer { descriptor: layer.descriptor, diff_id: layer.diff_id }
        };
        let layers: Vec<_> = layers.iter().map(layer).collect();
        let platform = "linux/arm64".parse().expect("a platform");
        let found = owners(&rules, &Below { platform: &platform, source: &memory, layers: &layers });
        found.map_err(|error| {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            format!("{} ({})", causes.join(": "), error.help().map(|help| help.to_string()).unwrap_or_default())
        })
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:\n";
    const GROUP: &str = "root:x:0:\nlogs:x:50:web\n";

    fn base() -> Vec<Entry> {
        vec![file("etc/group", GROUP), file("./etc/passwd", PASSWD), file("etc/shadow", "")]
    }

    #[test]
    fn names_have_the_numbers_that_the_base_gives_them() {
        let found = numbers(&[base(), vec![file("app/x", "")]], &["web", "web:logs", "7:logs", "web:9", "5", "5:6"]);
        assert_eq!(found, Ok(vec![(0, 0), (33, 34), (33, 50), (7, 50), (33, 9), (5, 5), (5, 6)]));
    }

    #[test]
    fn numbers_need_no_base() {
        let broken = Entry { path: "etc/passwd".to_owned(), ..Entry::directory("etc/passwd") };
        assert_eq!(numbers(&[vec![broken]], &["1:2"]), Ok(vec![(0, 0), (1, 2)]));
    }

    #[test]
    fn the_uppermost_file_counts_and_a_deleted_one_does_not() {
        let changed = vec![file("etc/passwd", "web:x:99:98::/:\n")];
        assert_eq!(numbers(&[base(), changed.clone()], &["web:logs"]), Ok(vec![(0, 0), (99, 50)]));
        for whiteout in ["etc/.wh.passwd", "etc/.wh..wh..opq", ".wh.etc", ".wh..wh..opq"] {
            let words = numbers(&[base(), vec![file(whiteout, "")]], &["web"]).expect_err("nobody is known");
            assert!(words.contains("it knows no user by name"), "{words}");
            // A layer deletes what is below it, not what is in it.
            let both = [vec![file(whiteout, "")], changed.clone()].concat();
            assert_eq!(numbers(&[base(), both], &["web"]), Ok(vec![(0, 0), (99, 98)]), "{whiteout}");
        }
    }

    #[test]
    fn who_is_not_known_is_told_with_those_who_are() {
        let words = numbers(&[base()], &["www"]).expect_err("nobody");
        assert_eq!(words, "the base for linux/arm64 has no user `www` (it knows root, web; a number needs no name)");
        let words = numbers(&[base()], &["web:web"]).expect_err("no group");
        assert!(words.contains("has no group `web` (it knows root, logs;"), "{words}");
        let words = numbers(&[], &["root"]).expect_err("nothing");
        assert!(words.contains("it knows no user by name"), "{words}");
    }

    #[test]
    fn a_file_of_names_that_is_a_link_or_too_large_is_refused() {
        let link = Entry {
            kind: crate::image::layer::EntryKind::Symlink("../nix/passwd".to_owned()),
            ..Entry::directory("etc/passwd")
        };
        let words = numbers(&[vec![link]], &["web"]).expect_err("a link");
        assert!(
            words.contains("in the base for linux/arm64: ") && words.contains("/etc/passwd is not a file"),
            "{words}"
        );
        let large = file("etc/passwd", &"#\n".repeat(3 << 20));
        let words = numbers(&[vec![large]], &["web"]).expect_err("a large file");
        assert!(words.contains("more than 4194304 are refused (write owners by number)"), "{words}");
    }
}
