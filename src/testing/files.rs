//! The files of an image against what is expected.

use super::image::TestedImage;
use super::suite::{ContentTest, ExecutableBy, FileTest};
use super::text::ComparedText;
use crate::filesystem::{NodeKind, Tree};
use crate::image::layer::tar_reader::SpecialFile;

/// Returns what is different about a file. A symbolic link is not followed, as in container-structure-test.
pub(super) fn existence(expected: &FileTest, image: &TestedImage) -> Vec<String> {
    let path = image.expand(&expected.path, &expected.global_env);
    let node = match (image.tree().find_itself(&path), expected.is_there) {
        (None, false) => return Vec::new(),
        (None, true) => return vec![format!("{path} is not in the image")],
        (Some(_), false) => return vec![format!("{path} is in the image")],
        (Some(node), true) => node,
    };
    let node = image.tree().node(node);
    let (mode, (uid, gid)) = (node.attributes.mode, node.attributes.owner);
    let own = permissions(&node.kind, mode);
    let mut found = Vec::new();
    if let Some(permissions) = expected.permissions.as_ref().filter(|text| **text != own) {
        found.push(format!("the mode of {path} is {own}, not {permissions}"));
    }
    if let Some(who) = expected.executable_by
        && mode & who.bits() == 0
    {
        found.push(format!("{path} with the mode {own} is not executable by {}", who.name()));
    }
    for (what, own, expected) in [("owner", uid, expected.uid), ("group", gid, expected.gid)] {
        if let Some(expected) = expected.filter(|expected| *expected != own) {
            found.push(format!("the {what} of {path} is {own}, not {expected}"));
        }
    }
    found
}

/// Returns what is different about the content of a file.
pub(super) fn content(expected: &ContentTest, image: &TestedImage) -> Vec<String> {
    let path = &expected.path;
    let Some(content) = image.content(path) else {
        let is_there = image.tree().find(path).is_some();
        return vec![if is_there { format!("{path} is no file") } else { format!("{path} is not in the image") }];
    };
    let what = format!("the content of {path}");
    ComparedText::of(content).differences(&what, &expected.expected, &expected.excluded)
}

impl ExecutableBy {
    fn bits(self) -> u32 {
        match self {
            ExecutableBy::Owner => 0o100,
            ExecutableBy::Group => 0o010,
            ExecutableBy::Other => 0o001,
            ExecutableBy::Any => 0o111,
        }
    }

    fn name(self) -> &'static str {
        match self {
            ExecutableBy::Owner => "its owner",
            ExecutableBy::Group => "its group",
            ExecutableBy::Other => "others",
            ExecutableBy::Any => "anybody",
        }
    }
}

/// Returns type and mode as Go prints an `os.FileMode`: `-rwxr-xr-x`, `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`.
fn permissions(kind: &NodeKind, mode: u32) -> String {
    let letters = match kind {
        NodeKind::Directory(_) => "d",
        NodeKind::File { .. } => "",
        NodeKind::Symlink(_) => "L",
        NodeKind::Special(SpecialFile::Character(..)) => "Dc",
        NodeKind::Special(SpecialFile::Block(..)) => "D",
        NodeKind::Special(SpecialFile::Fifo) => "p",
    };
    let special = [(0o4000, 'u'), (0o2000, 'g'), (0o1000, 't')];
    // Go's order is dalTLDpSugct: `c` comes after the others but before `t`.
    let mut text: String = letters.chars().filter(|letter| *letter != 'c').collect();
    text.extend(special[..2].iter().filter(|(bit, _)| mode & bit != 0).map(|(_, letter)| *letter));
    text.extend(letters.chars().filter(|letter| *letter == 'c'));
    text.extend(special[2..].iter().filter(|(bit, _)| mode & bit != 0).map(|(_, letter)| *letter));
    if text.is_empty() {
        text.push('-');
    }
    text.extend(
        "rwxrwxrwx".chars().enumerate().map(|(at, letter)| if mode >> (8 - at) & 1 == 0 { '-' } else { letter }),
    );
    text
}

impl Tree {
    /// Resolves an absolute path as [`Tree::find`] does, but does not follow a symbolic link at its end.
    fn find_itself(&self, path: &str) -> Option<usize> {
        let path = path.trim_end_matches('/');
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return self.find(path);
        }
        let parent = self.find(parent)?;
        self.children(parent).find(|(own, _)| *own == name.as_bytes()).map(|(_, node)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_as_go_prints_them() {
        let file = NodeKind::Special(SpecialFile::Fifo);
        assert_eq!(permissions(&file, 0o644), "prw-r--r--");
        let directory = NodeKind::Directory(std::collections::BTreeMap::new());
        assert_eq!(permissions(&directory, 0o1777), "dtrwxrwxrwx");
        assert_eq!(permissions(&directory, 0o2750), "dgrwxr-x---");
        assert_eq!(permissions(&NodeKind::Symlink(Vec::new()), 0o777), "Lrwxrwxrwx");
    }
}
