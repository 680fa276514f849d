//! Who a program runs as: the image's `User` → numbers, by the image's own /etc/passwd and /etc/group (image-spec,
//! `config.md` and `conversion.md`).

use miette::{Report, miette};

use crate::error::Result;
use crate::image::layer::quote::quote;
use crate::image::passwd::{GroupEntry, parse_group, parse_id, parse_passwd};

/// The files of an image that give users and groups their numbers; empty where it has none.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// The content of /etc/passwd.
    pub passwd: Vec<u8>,
    /// The content of /etc/group.
    pub group: Vec<u8>,
}

/// A user by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Further groups that it is in.
    pub groups: Vec<u32>,
    /// Its home, where /etc/passwd knows the user.
    pub home: Option<String>,
}

impl Accounts {
    /// The user that `user`, `uid`, `user:group` or `uid:gid` means; root where nothing is written.
    ///
    /// Numbers stand for themselves. Where no group is written, it is that of /etc/passwd, and the user is also in every
    /// group of /etc/group that names it.
    ///
    /// # Errors
    /// A name that the image does not know.
    pub fn find(&self, written: &str) -> Result<User> {
        let (user, group) = written.split_once(':').unwrap_or((written, ""));
        let accounts = parse_passwd(&self.passwd);
        let account = match user {
            "" => accounts.iter().find(|account| account.uid == 0),
            user => accounts.iter().find(|account| match parse_id(user) {
                Some(uid) => account.uid == uid,
                None => account.name == user,
            }),
        };
        let uid = match (account, parse_id(user)) {
            (Some(account), _) => account.uid,
            (None, Some(uid)) => uid,
            (None, None) if user.is_empty() => 0,
            (None, None) => return Err(unknown(written, "user", user, "/etc/passwd")),
        };
        let groups = parse_group(&self.group);
        let mut found = User { uid, home: account.map(|account| account.home.clone()), ..User::default() };
        if group.is_empty() {
            found.gid = account.map_or(0, |account| account.gid);
            let is_in = |group: &&GroupEntry| account.is_some_and(|account| group.members.contains(&account.name));
            found.groups = groups.iter().filter(is_in).map(|group| group.gid).collect();
            found.groups.sort_unstable();
            found.groups.dedup();
        } else {
            let named = || groups.iter().find(|known| known.name == group).map(|known| known.gid);
            let gid = parse_id(group).or_else(named);
            found.gid = gid.ok_or_else(|| unknown(written, "group", group, "/etc/group"))?;
        }
        found.home = found.home.filter(|home| !home.is_empty());
        if found.home.as_ref().is_some_and(|home| home.contains('\0')) {
            return Err(miette!("its /etc/passwd has a NUL character in the home of user {uid}"));
        }
        Ok(found)
    }
}

fn unknown(written: &str, kind: &str, name: &str, file: &str) -> Report {
    miette!(
        help = format!(
            "have the image name it by number, as in `--user 65532:65532`, or be built on a base whose {file} has it"
        ),
        "the image runs as {}, but its {file} has no {kind} {}",
        quote(written.as_bytes()),
        quote(name.as_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(written: &str) -> Result<User, String> {
        let accounts = Accounts {
            passwd: b"# users\nroot:x:0:0:root:/root:/bin/sh\n\nweb:x:33:34::/srv/web:\nbroken:x\n12:x:99:99::/:\n"
                .to_vec(),
            group: b"root:x:0:\nweb:x:34:\nlogs:x:50:root,web\ntls:x:40:web\n".to_vec(),
        };
        accounts.find(written).map_err(|error| format!("{error} {}", error.help().expect("a way out")))
    }

    fn user(uid: u32, gid: u32, groups: &[u32], home: Option<&str>) -> Result<User, String> {
        Ok(User { uid, gid, groups: groups.to_vec(), home: home.map(str::to_owned) })
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_by_number() {
        assert_eq!(find(""), user(0, 0, &[50], Some("/root")));
        assert_eq!(find("web"), user(33, 34, &[40, 50], Some("/srv/web")));
        assert_eq!(find("33"), user(33, 34, &[40, 50], Some("/srv/web")));
        assert_eq!(find("web:logs"), user(33, 50, &[], Some("/srv/web")));
        assert_eq!(find("web:7"), user(33, 7, &[], Some("/srv/web")));
        assert_eq!(find("65532:65533"), user(65532, 65533, &[], None));
        assert_eq!(find("65532"), user(65532, 0, &[], None));
        // A number is a number, whatever users are called.
        assert_eq!(find("12"), user(12, 0, &[], None));
        assert_eq!(Accounts::default().find("").expect("root"), User::default());
    }

    #[test]
    fn a_name_that_the_image_does_not_know_is_an_error() {
        for (written, words) in [
            ("nobody", "its /etc/passwd has no user `nobody` have the image name it by number"),
            ("web:video", "runs as `web:video`, but its /etc/group has no group `video`"),
            ("4294967295", "no user `4294967295`"),
            ("2147483648", "no user `2147483648`"),
            ("1:2147483648", "no group `2147483648`"),
            ("-1", "no user `-1`"),
        ] {
            let error = find(written).expect_err(written);
            assert!(error.contains(words), "{error}");
        }
    }
}
