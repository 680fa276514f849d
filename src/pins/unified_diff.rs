//! What an edit changes, as `diff -u` and git write it.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;
/// Beyond this many pairs of lines, all lines between the first and the last change are shown as changed.
const MOST_PAIRS: usize = 4 << 20;

/// A line of both texts, or of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiffLine<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// Returns the difference of two versions of a file, or nothing if there is none.
pub(super) fn unified_diff(path: &Path, old: &str, new: &str) -> String {
    let lines = compare(&old.split_inclusive('\n').collect::<Vec<_>>(), &new.split_inclusive('\n').collect::<Vec<_>>());
    let hunks = hunks(&lines);
    if hunks.is_empty() {
        return String::new();
    }
    let path = path.display();
    let mut text = format!("--- {path}\n+++ {path}\n");
    for hunk in hunks {
        let is_old = |line: &&DiffLine| !matches!(line, DiffLine::Added(_));
        let is_new = |line: &&DiffLine| !matches!(line, DiffLine::Removed(_));
        let (before, inside) = (&lines[..hunk.start], &lines[hunk.clone()]);
        let range = |is_counted: &dyn Fn(&&DiffLine) -> bool| {
            let count = inside.iter().filter(|line| is_counted(line)).count();
            let start = before.iter().filter(|line| is_counted(line)).count();
            // An empty range names the line before it.
            format!("{},{count}", if count == 0 { start } else { start + 1 })
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "@@ -{} +{} @@", range(&is_old), range(&is_new));
        for line in inside {
            let (sign, line) = match line {
                DiffLine::Same(line) => (' ', line),
                DiffLine::Removed(line) => ('-', line),
                DiffLine::Added(line) => ('+', line),
            };
            let end = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
            let _ = write!(text, "{sign}{line}{end}");
        }
    }
    text
}

/// Returns the lines of both texts in their order.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<DiffLine<'a>> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old_inner, new_inner) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
    let same = |lines: &[&'a str]| lines.iter().copied().map(DiffLine::Same).collect::<Vec<_>>();
    let mut lines = same(&old[..start]);
    lines.extend(compare_inner(old_inner, new_inner));
    lines.extend(same(&old_rest[old_inner.len()..]));
    lines
}

/// Does the same by the longest common subsequence.
fn compare_inner<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<DiffLine<'a>> {
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        let removed = old.iter().copied().map(DiffLine::Removed);
        return removed.chain(new.iter().copied().map(DiffLine::Added)).collect();
    }
    // The lengths of the longest common subsequences of what is left of both.
    let mut lengths = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] =
                if old[i] == new[j] { lengths[i + 1][j + 1] + 1 } else { lengths[i + 1][j].max(lengths[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(DiffLine::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && lengths[i + 1][j] >= lengths[i][j + 1] {
            lines.push(DiffLine::Removed(old[i]));
            i += 1;
        } else {
            lines.push(DiffLine::Added(new[j]));
            j += 1;
        }
    }
    lines
}

/// Returns the ranges of lines to show: changes with some lines around them.
fn hunks(lines: &[DiffLine]) -> Vec<Range<usize>> {
    let mut hunks: Vec<Range<usize>> = Vec::new();
    for (number, _) in lines.iter().enumerate().filter(|(_, line)| !matches!(line, DiffLine::Same(_))) {
        let around = number.saturating_sub(CONTEXT)..(number + CONTEXT + 1).min(lines.len());
        match hunks.last_mut() {
            Some(last) if around.start <= last.end => last.end = around.end,
            _ => hunks.push(around),
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> String {
        unified_diff(Path::new("Cargo.toml"), old, new)
    }

    #[test]
    fn unified_diff_has_hunks_with_context() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let new = old.replace("2\n3", "2\nthree").replace("11\n", "11\n11.5\n");
        assert_eq!(
            diff(old, &new),
            "--- Cargo.toml\n+++ Cargo.toml\n@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n\
             @@ -9,4 +9,5 @@\n 9\n 10\n 11\n+11.5\n 12\n"
        );
        assert_eq!(diff(old, old), "");
    }

    #[test]
    fn unified_diff_tells_missing_line_break() {
        assert_eq!(
            diff("a\nb", "a\nb\nc\n"),
            "--- Cargo.toml\n+++ Cargo.toml\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n"
        );
        assert_eq!(diff("", "a\n"), "--- Cargo.toml\n+++ Cargo.toml\n@@ -0,0 +1,1 @@\n+a\n");
    }
}
