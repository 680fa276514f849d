//! Owners by name → numbers, by the base's own /etc/passwd and /etc/group.

use miette::{Context, Report};

use crate::config::{Account, FileRule, Owner};
use crate::error::{Result, or_help};
use crate::filesystem::UserDatabase;
use crate::image::Layer;
use crate::image::passwd::{parse_group, parse_passwd};
use crate::platform::Platform;
use crate::store::Source;

/// A user and a group by number.
pub(crate) type OwnerIds = (u64, u64);

/// A base for one platform, whose users and groups give names their numbers.
pub(crate) struct BaseLayers<'a> {
    /// The platform.
    pub(crate) platform: &'a Platform,
    /// The source of its layers.
    pub(crate) source: &'a dyn Source,
    /// Its layers, the lowest first.
    pub(crate) layers: &'a [Layer],
}

/// Returns the owner of each rule's files. The base's layers are read only if a rule has a name.
///
/// # Errors
/// Returns an error if the base has no such user or group, or cannot be read.
pub(crate) fn owners(rules: &[FileRule], base: &BaseLayers) -> Result<Vec<OwnerIds>> {
    let users = if rules.iter().filter_map(|rule| rule.owner.as_ref()).any(|owner| has_name(owner.get_ref())) {
        UserDatabase::read(base.source, base.layers)
            .map_err(|error| or_help(error, || "write owners by number".to_owned()))
            .wrap_err_with(|| format!("cannot look up owners of `files` in the base for {}", base.platform))?
    } else {
        UserDatabase::default()
    };
    rules.iter().map(|rule| owner_ids(rule, &users, base.platform)).collect()
}

fn has_name(owner: &Owner) -> bool {
    is_name(&owner.user) || owner.group.as_ref().is_some_and(is_name)
}

fn is_name(account: &Account) -> bool {
    matches!(account, Account::Name(_))
}

fn owner_ids(rule: &FileRule, users: &UserDatabase, platform: &Platform) -> Result<OwnerIds> {
    let Some(owner) = &rule.owner else {
        return Ok((0, 0));
    };
    let (uid, own_group) = match &owner.get_ref().user {
        Account::Number(number) => (*number, *number),
        Account::Name(name) => {
            let accounts = parse_passwd(users.passwd());
            let Some(account) = accounts.iter().find(|account| account.name == *name) else {
                let known: Vec<_> = accounts.into_iter().map(|account| account.name).collect();
                return Err(unknown(rule, platform, "user", name, &known));
            };
            (account.uid, account.gid)
        }
    };
    let gid = match &owner.get_ref().group {
        None => own_group,
        Some(Account::Number(number)) => *number,
        Some(Account::Name(name)) => {
            let groups = parse_group(users.group());
            let Some(group) = groups.iter().find(|group| group.name == *name) else {
                let known: Vec<_> = groups.into_iter().map(|group| group.name).collect();
                return Err(unknown(rule, platform, "group", name, &known));
            };
            group.gid
        }
    };
    Ok((uid.into(), gid.into()))
}

/// The help lists at most this many names.
const MOST_NAMES: usize = 8;

fn unknown(rule: &FileRule, platform: &Platform, kind: &str, name: &str, known: &[String]) -> Report {
    let at = rule.owner.as_ref().map_or(rule.from.span(), toml::Spanned::span);
    let help = match known {
        [] => format!("write a number: the base has no {kind}s"),
        known => {
            let names = known[..known.len().min(MOST_NAMES)].join(", ");
            format!("write a number, or a {kind} of the base, such as {names}")
        }
    };
    rule.error(at, format!("the base for {platform} has no {kind} `{name}`"), "not in the base", &help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Section, Whose};
    use crate::image::layer::{FileContent, LayerEntry, write};
    use crate::image::{Compression, CompressionOptions};
    use crate::store::Memory;

    fn file(path: &str, content: &str) -> LayerEntry {
        LayerEntry::file(path, 0o644, FileContent::Bytes(content.as_bytes().to_vec()))
    }

    /// Returns the owners of rules with `names`, over layers of these entries.
    fn ids(layers: &[Vec<LayerEntry>], names: &[&str]) -> Result<Vec<OwnerIds>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("Cargo.toml");
        let rules = names.iter().map(|name| format!("{{ from = 'a', to = '/a', owner = '{name}' }}, "));
        let text = format!("package.metadata.oci.files = [{{ from = 'b', to = '/b' }}, {}]", rules.collect::<String>());
        std::fs::write(&manifest, text).expect("a file");
        let whose = Whose::Package { image: "x", binaries: &[] };
        let section = Section::read(&manifest, whose).expect("a right table");
        let rules = section.table.and_then(|table| table.files).expect("rules");

        let memory = Memory::default();
        let mut written = Vec::new();
        for entries in layers {
            let mut blob = Vec::new();
            let layer = write(entries, CompressionOptions::single_threaded(Compression::Gzip), &mut blob)
                .expect("a layer in memory");
            memory.put(&layer.descriptor, blob);
            written.push(Layer { descriptor: layer.descriptor, diff_id: layer.diff_id });
        }
        let platform = "linux/arm64".parse().expect("a platform");
        let base = BaseLayers { platform: &platform, source: &memory, layers: &written };
        owners(&rules, &base).map_err(|error| {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            format!("{} ({})", causes.join(": "), error.help().map(|help| help.to_string()).unwrap_or_default())
        })
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:\n";
    const GROUP: &str = "root:x:0:\nlogs:x:50:web\n";

    fn base() -> Vec<LayerEntry> {
        vec![file("etc/group", GROUP), file("./etc/passwd", PASSWD), file("etc/shadow", "")]
    }

    #[test]
    fn owners_have_the_numbers_of_the_base() {
        let found = ids(&[base(), vec![file("app/x", "")]], &["web", "web:logs", "7:logs", "web:9", "5", "5:6"]);
        assert_eq!(found, Ok(vec![(0, 0), (33, 34), (33, 50), (7, 50), (33, 9), (5, 5), (5, 6)]));
    }

    #[test]
    fn owners_by_number_need_no_base() {
        let broken = LayerEntry { path: "etc/passwd".to_owned(), ..LayerEntry::directory("etc/passwd") };
        assert_eq!(ids(&[vec![broken]], &["1:2"]), Ok(vec![(0, 0), (1, 2)]));
    }

    #[test]
    fn owners_come_from_the_uppermost_passwd() {
        let changed = vec![file("etc/passwd", "web:x:99:98::/:\n")];
        assert_eq!(ids(&[base(), changed.clone()], &["web:logs"]), Ok(vec![(0, 0), (99, 50)]));
        for whiteout in ["etc/.wh.passwd", "etc/.wh..wh..opq", ".wh.etc", ".wh..wh..opq"] {
            let message = ids(&[base(), vec![file(whiteout, "")]], &["web"]).expect_err("no such user");
            assert!(message.contains("the base has no users"), "{message}");
            // A whiteout removes files of lower layers, not of its own.
            let both = [vec![file(whiteout, "")], changed.clone()].concat();
            assert_eq!(ids(&[base(), both], &["web"]), Ok(vec![(0, 0), (99, 98)]), "{whiteout}");
        }
    }

    #[test]
    fn unknown_owners_are_errors_that_list_known_ones() {
        let message = ids(&[base()], &["www"]).expect_err("no such user");
        assert_eq!(
            message,
            "the base for linux/arm64 has no user `www` (write a number, or a user of the base, such as root, web)"
        );
        let message = ids(&[base()], &["web:web"]).expect_err("no such group");
        assert!(
            message.contains("has no group `web` (write a number, or a group of the base, such as root, logs)"),
            "{message}"
        );
        let message = ids(&[], &["root"]).expect_err("no users at all");
        assert!(message.contains("the base has no users"), "{message}");
    }

    #[test]
    fn passwd_may_be_a_link_within_the_base() {
        let link = LayerEntry {
            kind: crate::image::layer::EntryKind::Symlink("../nix/passwd".to_owned()),
            ..LayerEntry::directory("etc/passwd")
        };
        assert_eq!(ids(&[vec![link.clone(), file("nix/passwd", PASSWD)]], &["web"]), Ok(vec![(0, 0), (33, 34)]));
        let message = ids(&[vec![link]], &["web"]).expect_err("a dangling link");
        assert!(message.contains("the base has no users"), "{message}");
    }

    #[test]
    fn passwd_has_a_limit_of_size() {
        let large = file("etc/passwd", &"#\n".repeat(3 << 20));
        let message = ids(&[vec![large]], &["web"]).expect_err("a large file");
        let expected = "in the base for linux/arm64: /etc/passwd of the image has 6291456 bytes, \
            which exceeds the limit of 4194304 (write owners by number)";
        assert!(message.contains(expected), "{message}");
    }
}
