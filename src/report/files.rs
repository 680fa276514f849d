//! The files of images → lines.

use super::lines::size;
use crate::inspect::ListedFiles;
use crate::inspect::files::{FileInfo, FileKind};
use crate::sanitize::sanitize;

/// Returns a line for each file, as `ls -l` has them, under a heading for each platform if there are several.
pub(crate) fn lines(found: &ListedFiles) -> String {
    let mut text = String::new();
    for image in &found.images {
        if found.images.len() > 1 {
            let platform = image.platform.as_ref().map_or_else(|| "no platform".to_owned(), ToString::to_string);
            let separator = if text.is_empty() { "" } else { "\n" };
            text.extend([separator, &format!("{platform} {}\n", image.digest)]);
        }
        let owners: Vec<_> = image.files.iter().map(|file| format!("{}:{}", file.uid, file.gid)).collect();
        let width = owners.iter().map(String::len).max().unwrap_or_default();
        for (file, owner) in image.files.iter().zip(&owners) {
            text += &line(file, owner, width);
        }
    }
    text
}

fn line(file: &FileInfo, owner: &str, width: usize) -> String {
    let bytes = file.size.map(size).unwrap_or_default();
    let target = file.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
    let name = sanitize(&format!("{}{target}", file.path)).replace('\n', "\\n");
    format!("{} {owner:width$} {bytes:>10} {name}\n", permissions(file.kind, &file.mode))
}

/// Returns type and mode as `ls -l` prints them: `drwxr-xr-x`.
pub(super) fn permissions(kind: FileKind, mode: &str) -> String {
    let mode = u32::from_str_radix(mode, 8).unwrap_or_default();
    let mut text = String::from(kind.letter());
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & special == 0, bits & 1 == 0) {
            (true, true) => '-',
            (true, false) => 'x',
            (false, true) => letter.to_ascii_uppercase(),
            (false, false) => letter,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::files::ImageFiles;

    #[test]
    fn file_lines_are_as_ls_prints_them() {
        let file = |path: &str, kind, mode: &str, size, target: Option<&str>| FileInfo {
            path: path.to_owned(),
            kind,
            mode: mode.to_owned(),
            uid: 0,
            gid: 65532,
            size,
            target: target.map(str::to_owned),
            layer: None,
        };
        let files = vec![
            file("/tmp", FileKind::Directory, "1777", None, None),
            file("/a\nb", FileKind::File, "4750", Some(1234), None),
            file("/bin", FileKind::Symlink, "0777", None, Some("usr/bin")),
        ];
        let image = ImageFiles { platform: None, digest: crate::image::digest::sha256(b""), files };
        let found = ListedFiles { reference: String::new(), images: vec![image] };
        let expected = "drwxrwxrwt 0:65532            /tmp\n\
                        -rwsr-x--- 0:65532    1.2 KiB /a\\nb\n\
                        lrwxrwxrwx 0:65532            /bin -> usr/bin\n";
        assert_eq!(lines(&found), expected);
    }
}
