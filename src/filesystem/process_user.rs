//! The user of the container's process: the image's `User` → numbers, by the image's own /etc/passwd and /etc/group
//! (image-spec, `config.md` and `conversion.md`).

use std::fmt;

use super::users::UserDatabase;
use crate::image::layer::quote::quote;
use crate::image::passwd::{parse_group, parse_id, parse_passwd};

/// A user by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessUser {
    /// The user.
    pub(crate) uid: u32,
    /// The user's group.
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// The home directory, if /etc/passwd has the user.
    pub(crate) home: Option<String>,
}

/// Why an image cannot run as a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserError {
    /// The image has no such user or group.
    #[error("{} has no {kind} {}", kind.file(), quote(name.as_bytes()))]
    Unknown {
        /// Which of both.
        kind: AccountKind,
        /// The name.
        name: String,
        /// The names that the image has.
        known: Vec<String>,
    },
    /// The home of this user has a NUL character.
    #[error("/etc/passwd of the image has a NUL character in the home of user {0}")]
    NulInHome(u32),
}

/// A user or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl AccountKind {
    /// Returns the file that lists accounts of this kind.
    pub(crate) fn file(self) -> &'static str {
        match self {
            AccountKind::User => "/etc/passwd",
            AccountKind::Group => "/etc/group",
        }
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccountKind::User => "user",
            AccountKind::Group => "group",
        })
    }
}

impl ProcessUser {
    /// Returns the user that `user`, `uid`, `user:group` or `uid:gid` names; root for an empty text.
    ///
    /// Numbers are used as they are. Without a group, the group is that of /etc/passwd, and the user is also in every
    /// group of /etc/group that lists it.
    ///
    /// # Errors
    /// Returns an error if the image has no such user or group.
    pub(crate) fn find(spec: &str, users: &UserDatabase) -> Result<ProcessUser, UserError> {
        let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
        let accounts = parse_passwd(users.passwd());
        let account = accounts.iter().find(|account| match parse_id(user) {
            Some(uid) => account.uid == uid,
            None if user.is_empty() => account.uid == 0,
            None => account.name == user,
        });
        let uid = match (account, parse_id(user)) {
            (Some(account), _) => account.uid,
            (None, Some(uid)) => uid,
            (None, None) if user.is_empty() => 0,
            (None, None) => {
                let known = accounts.iter().map(|account| account.name.clone()).collect();
                return Err(UserError::Unknown { kind: AccountKind::User, name: user.to_owned(), known });
            }
        };
        let home = account.map(|account| account.home.clone()).filter(|home| !home.is_empty());
        if home.as_ref().is_some_and(|home| home.contains('\0')) {
            return Err(UserError::NulInHome(uid));
        }
        let known = parse_group(users.group());
        if !group.is_empty() {
            let gid = parse_id(group).or_else(|| known.iter().find(|known| known.name == group).map(|known| known.gid));
            let gid = gid.ok_or_else(|| UserError::Unknown {
                kind: AccountKind::Group,
                name: group.to_owned(),
                known: known.iter().map(|group| group.name.clone()).collect(),
            })?;
            return Ok(ProcessUser { uid, gid, groups: Vec::new(), home });
        }
        let mut groups = Vec::new();
        if let Some(account) = account {
            groups.extend(known.iter().filter(|group| group.members.contains(&account.name)).map(|group| group.gid));
            groups.sort_unstable();
            groups.dedup();
        }
        Ok(ProcessUser { uid, gid: account.map_or(0, |account| account.gid), groups, home })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(spec: &str) -> Result<ProcessUser, UserError> {
        let passwd = b"# users\nroot:x:0:0:root:/root:/bin/sh\n\nweb:x:33:34::/srv/web:\nbroken:x\n12:x:99:99::/:\n";
        let group = b"root:x:0:\nweb:x:34:\nlogs:x:50:root,web\ntls:x:40:web\n";
        let users = UserDatabase::new(passwd.to_vec(), group.to_vec());
        ProcessUser::find(spec, &users)
    }

    fn user(uid: u32, gid: u32, groups: &[u32], home: Option<&str>) -> ProcessUser {
        ProcessUser { uid, gid, groups: groups.to_vec(), home: home.map(str::to_owned) }
    }

    #[test]
    fn users_and_groups_are_found_by_name_or_number() {
        assert_eq!(find(""), Ok(user(0, 0, &[50], Some("/root"))));
        assert_eq!(find("web"), Ok(user(33, 34, &[40, 50], Some("/srv/web"))));
        assert_eq!(find("33"), Ok(user(33, 34, &[40, 50], Some("/srv/web"))));
        assert_eq!(find("web:logs"), Ok(user(33, 50, &[], Some("/srv/web"))));
        assert_eq!(find("web:7"), Ok(user(33, 7, &[], Some("/srv/web"))));
        assert_eq!(find("65532:65533"), Ok(user(65532, 65533, &[], None)));
        assert_eq!(find("65532"), Ok(user(65532, 0, &[], None)));
        // A number is a number, even if a user has it as a name.
        assert_eq!(find("12"), Ok(user(12, 0, &[], None)));
        assert_eq!(ProcessUser::find("", &UserDatabase::default()).expect("root"), ProcessUser::default());
    }

    #[test]
    fn unknown_users_and_groups_are_errors() {
        for (spec, message) in [
            ("nobody", "/etc/passwd has no user `nobody`"),
            ("web:video", "/etc/group has no group `video`"),
            ("4294967295", "no user `4294967295`"),
            ("2147483648", "no user `2147483648`"),
            ("1:2147483648", "no group `2147483648`"),
            ("-1", "no user `-1`"),
        ] {
            let error = find(spec).expect_err(spec).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
