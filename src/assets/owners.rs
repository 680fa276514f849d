//! Owners by name → numbers, by the base's own /etc/passwd and /etc/group.

use miette::Report;

use super::plan::OwnerIds;
use crate::config::{Account, FileRule};
use crate::error::Result;
use crate::filesystem::{AccountKind, UserDatabase};
use crate::image::passwd::{parse_group, parse_passwd};
use crate::platform::Platform;

/// Returns the owner of each rule's files.
///
/// # Errors
/// Returns an error if there is no such user or group.
pub(super) fn owners(rules: &[FileRule], users: &UserDatabase, platform: &Platform) -> Result<Vec<OwnerIds>> {
    rules.iter().map(|rule| owner_ids(rule, users, platform)).collect()
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
                return Err(unknown(rule, platform, AccountKind::User, name, &known));
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
                return Err(unknown(rule, platform, AccountKind::Group, name, &known));
            };
            group.gid
        }
    };
    Ok((uid.into(), gid.into()))
}

fn unknown(rule: &FileRule, platform: &Platform, kind: AccountKind, name: &str, known: &[String]) -> Report {
    let at = rule.owner.as_ref().map_or(rule.to.span(), toml::Spanned::span);
    let message = format!("the base for {platform} has no {kind} `{name}`");
    rule.error(at, message, "not in the base", &instead(kind, known))
}

/// The help lists at most this many names.
const MOST_NAMES: usize = 8;

/// Returns what to write in the place of a name that is not among these.
pub(super) fn instead(kind: AccountKind, known: &[String]) -> String {
    match known {
        [] => format!("write a number: the base has no {kind}s"),
        known => {
            let names = known[..known.len().min(MOST_NAMES)].join(", ");
            format!("write a number, or a {kind} of the base, such as {names}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::base::tests::{facts_over, file};
    use crate::image::layer::LayerEntry;

    /// Returns the owners of rules with `names`, over layers of these entries.
    fn ids(layers: &[Vec<LayerEntry>], names: &[&str]) -> Result<Vec<(u64, u64)>, String> {
        let rules = names.iter().map(|name| format!("{{ from = 'a', to = '/a', owner = '{name}' }}, "));
        let table = format!("files = [{{ from = 'b', to = '/b' }}, {}]", rules.collect::<String>());
        facts_over(layers, "", &table, &[]).map(|facts| facts.owners)
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
            which exceeds the limit of 4194304 (write users and owners by number)";
        assert!(message.contains(expected), "{message}");
    }
}
