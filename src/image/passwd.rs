//! /etc/passwd and /etc/group of an image: names and numbers (passwd(5), group(5)).

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswdEntry {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its home.
    pub home: String,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupEntry {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// The names of users that are in it beside those whose own it is.
    pub members: Vec<String>,
}

/// The users of a /etc/passwd; lines that are none are passed over.
pub fn parse_passwd(passwd: &[u8]) -> Vec<PasswdEntry> {
    let account = |fields: &[&str]| match fields {
        [name, _, uid, gid, _, home, ..] => Some(PasswdEntry {
            name: (*name).to_owned(),
            uid: number(uid)?,
            gid: number(gid)?,
            home: (*home).to_owned(),
        }),
        _ => None,
    };
    lines(passwd, account)
}

/// The groups of a /etc/group; lines that are none are passed over.
pub fn parse_group(group: &[u8]) -> Vec<GroupEntry> {
    let group_of = |fields: &[&str]| match fields {
        [name, _, gid, members, ..] => Some(GroupEntry {
            name: (*name).to_owned(),
            gid: number(gid)?,
            members: members.split(',').map(|member| member.trim().to_owned()).collect(),
        }),
        _ => None,
    };
    lines(group, group_of)
}

/// What can be read of a file with colons between the fields of each line.
fn lines<T>(content: &[u8], read: impl Fn(&[&str]) -> Option<T>) -> Vec<T> {
    let text = String::from_utf8_lossy(content);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| read(&line.split(':').collect::<Vec<_>>())).collect()
}

/// The largest user and group that engines and runtimes take.
const MOST_ID: u32 = i32::MAX as u32;

/// A user or group by number; larger ones than runtimes take are none.
pub fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().filter(|number| *number <= MOST_ID)
}
