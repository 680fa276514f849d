//! The users and groups of an image: `/etc/passwd` and `/etc/group` (passwd(5), group(5)).

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasswdEntry {
    /// The name of the user.
    pub name: String,
    /// The user ID.
    pub uid: u32,
    /// The ID of the user's group.
    pub gid: u32,
    /// The home folder.
    pub home: String,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupEntry {
    /// The name of the group.
    pub name: String,
    /// The group ID.
    pub gid: u32,
    /// The names of further members.
    pub members: Vec<String>,
}

/// Returns the users of an `/etc/passwd`. Skips invalid lines.
pub(crate) fn parse_passwd(passwd: &[u8]) -> Vec<PasswdEntry> {
    parse_lines(passwd, |fields| match fields {
        [name, _, uid, gid, _, home, ..] => Some(PasswdEntry {
            name: (*name).to_owned(),
            uid: parse_id(uid)?,
            gid: parse_id(gid)?,
            home: (*home).to_owned(),
        }),
        _ => None,
    })
}

/// Returns the groups of an `/etc/group`. Skips invalid lines.
pub(crate) fn parse_group(group: &[u8]) -> Vec<GroupEntry> {
    parse_lines(group, |fields| match fields {
        [name, _, gid, members, ..] => Some(GroupEntry {
            name: (*name).to_owned(),
            gid: parse_id(gid)?,
            members: members.split(',').map(|member| member.trim().to_owned()).collect(),
        }),
        _ => None,
    })
}

/// Parses a file with colon-separated fields. Skips lines for which `parse` returns `None`.
fn parse_lines<T>(content: &[u8], parse: impl Fn(&[&str]) -> Option<T>) -> Vec<T> {
    let text = String::from_utf8_lossy(content);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| parse(&line.split(':').collect::<Vec<_>>())).collect()
}

/// The largest user and group ID that engines and runtimes accept.
pub(crate) const MAX_ID: u32 = i32::MAX as u32;

/// Parses a user or group ID. Returns `None` for what is not a number or larger than runtimes accept.
pub(crate) fn parse_id(text: &str) -> Option<u32> {
    is_number(text).then(|| text.parse().ok()).flatten().filter(|number| *number <= MAX_ID)
}

/// Returns whether a text is a user or group ID and no name, however large.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
