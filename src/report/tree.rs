//! A tree of lines → text for a terminal or a pipe.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::sanitize::sanitize;

const BRANCHES: Style = Style::new().dimmed();
/// The minimum of columns for the text of a line, however narrow the terminal is.
const MIN_COLUMNS: usize = 20;

/// Lines, and the nodes below them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeNode {
    /// The branch leads to the first of them.
    pub(crate) lines: Vec<TreeLine>,
    /// The nodes below.
    pub(crate) children: Vec<TreeNode>,
}

/// A line of text.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeLine {
    parts: Parts,
    fit: Fit,
}

/// How to fit a line that is too long for the terminal.
#[derive(Clone, Copy, Debug, Default)]
enum Fit {
    /// Not at all, so that it can be copied.
    #[default]
    Whole,
    /// Cut off its end.
    Cut,
    /// Continue on the next line, at this column.
    Wrap(usize),
}

impl TreeLine {
    /// Creates an empty line, which is never cut.
    pub(crate) fn new() -> TreeLine {
        TreeLine::default()
    }

    /// Appends text. TreeLine breaks and terminal control characters are escaped.
    pub(crate) fn text(mut self, style: Style, text: &str) -> TreeLine {
        self.parts.push((style, sanitize(text).replace('\n', "\\n")));
        self
    }

    /// Appends text without a style.
    pub(crate) fn plain(self, text: &str) -> TreeLine {
        self.text(Style::new(), text)
    }

    /// Cuts the line off at the width of the terminal.
    pub(crate) fn cut(mut self) -> TreeLine {
        self.fit = Fit::Cut;
        self
    }

    /// Wraps the line at the width of the terminal. The rest is indented to the current column.
    pub(crate) fn wrap_here(mut self) -> TreeLine {
        self.fit = Fit::Wrap(self.parts.iter().map(|(_, text)| text.width()).sum());
        self
    }

    /// Returns the lines to draw, with that many columns left.
    fn fitted(&self, columns: usize) -> Vec<Parts> {
        let width: usize = self.parts.iter().map(|(_, text)| text.width()).sum();
        if width <= columns {
            return vec![self.parts.clone()];
        }
        match self.fit {
            Fit::Whole => vec![self.parts.clone()],
            Fit::Cut => {
                let (mut first, _) = split(&self.parts, columns - 1);
                first.push((Style::new(), "…".to_owned()));
                vec![first]
            }
            Fit::Wrap(column) => {
                // Indented a little more, to look different from another line.
                let column = if column + 2 + MIN_COLUMNS > columns { 0 } else { column + 2 };
                let (first, mut rest) = split_at_word(&self.parts, columns);
                let mut lines = vec![first];
                while !rest.is_empty() {
                    let (mut line, left) = split_at_word(&rest, columns - column);
                    line.insert(0, (Style::new(), " ".repeat(column)));
                    lines.push(line);
                    rest = left;
                }
                lines
            }
        }
    }
}

/// Parts of a line, each with one style.
type Parts = Vec<(Style, String)>;

/// Splits a line after that many columns, but after one character at least.
fn split(parts: &[(Style, String)], columns: usize) -> (Parts, Parts) {
    let (mut first, mut rest, mut left) = (Parts::new(), Parts::new(), columns);
    for (style, text) in parts {
        let mut at = if rest.is_empty() { text.len() } else { 0 };
        for (start, c) in text[..at].char_indices() {
            let width = c.width().unwrap_or_default();
            if width > left && !(first.is_empty() && start == 0) {
                at = start;
                break;
            }
            left = left.saturating_sub(width);
        }
        let (begin, end) = text.split_at(at);
        for (part, parts) in [(begin, &mut first), (end, &mut rest)] {
            if !part.is_empty() {
                parts.push((*style, part.to_owned()));
            }
        }
    }
    (first, rest)
}

/// Splits a line after that many columns or less: between words or the components of a path, if possible.
fn split_at_word(parts: &[(Style, String)], columns: usize) -> (Parts, Parts) {
    let (mut first, mut rest) = split(parts, columns);
    if let (Some((style, last)), false) = (first.last_mut(), rest.is_empty()) {
        let near = |ends: &str| last.char_indices().rev().take(columns / 3).find(|(_, c)| ends.contains(*c));
        let at = near(" ").or(near(":;,")).or(near("/")).map(|(at, _)| at + 1);
        let moved = last.split_off(at.unwrap_or(last.len()));
        rest.insert(0, (*style, moved));
    }
    (first, rest)
}

/// Draws the tree of each root. Without a width, no line is cut or wrapped.
pub(crate) fn draw(roots: &[TreeNode], width: Option<usize>) -> String {
    let mut drawn = Drawing { width, text: String::new() };
    for (at, root) in roots.iter().enumerate() {
        if at > 0 {
            drawn.text.push('\n');
        }
        drawn.lines("", "", &root.lines);
        drawn.children("", &root.children);
    }
    drawn.text
}

struct Drawing {
    width: Option<usize>,
    text: String,
}

impl Drawing {
    fn children(&mut self, prefix: &str, children: &[TreeNode]) {
        for (at, child) in children.iter().enumerate() {
            let (branch, beside) = if at + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let beside = format!("{prefix}{beside}");
            self.lines(&format!("{prefix}{branch}"), &beside, &child.lines);
            self.children(&beside, &child.children);
        }
    }

    fn lines(&mut self, first: &str, others: &str, lines: &[TreeLine]) {
        let columns = self.width.map_or(usize::MAX, |width| width.saturating_sub(others.width()).max(MIN_COLUMNS));
        let fitted = lines.iter().flat_map(|line| line.fitted(columns));
        for (at, parts) in fitted.enumerate() {
            let prefix = if at == 0 { first } else { others };
            if !prefix.is_empty() {
                let _ = write!(self.text, "{BRANCHES}{prefix}{BRANCHES:#}");
            }
            for (style, text) in parts {
                let _ = write!(self.text, "{style}{text}{style:#}");
            }
            self.text.truncate(self.text.trim_end_matches(' ').len());
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(roots: &[TreeNode], width: Option<usize>) -> String {
        anstream::adapter::strip_str(&draw(roots, width)).to_string()
    }

    fn node(line: TreeLine, children: Vec<TreeNode>) -> TreeNode {
        TreeNode { lines: vec![line], children }
    }

    fn leaf(text: &str) -> TreeNode {
        node(TreeLine::new().plain(text), Vec::new())
    }

    fn root(line: TreeLine) -> [TreeNode; 1] {
        [node(line, Vec::new())]
    }

    #[test]
    fn tree_has_branches_to_all_nodes() {
        let mut middle = node(TreeLine::new().plain("b"), vec![leaf("c"), leaf("d")]);
        middle.lines.push(TreeLine::new().plain("b2"));
        let root = node(TreeLine::new().plain("a"), vec![middle, leaf("e")]);
        assert_eq!(drawn(&[root.clone(), root], None), ["a\n├─ b\n│  b2\n│  ├─ c\n│  └─ d\n└─ e\n"; 2].join("\n"));
    }

    #[test]
    fn long_lines_stay_whole_are_cut_or_wrap() {
        let long = "0123456789abcdefghijklmnopqrstuvwxyz";
        let whole = format!("x {long}\n");
        assert_eq!(drawn(&root(TreeLine::new().plain("x ").plain(long)), Some(24)), whole);
        assert_eq!(drawn(&root(TreeLine::new().plain("x ").plain(long).cut()), Some(24)), "x 0123456789abcdefghijk…\n");
        let wrapped = "x 0123456789abcdefghijkl\n    mnopqrstuvwxyz\n";
        assert_eq!(drawn(&root(TreeLine::new().plain("x ").wrap_here().plain(long)), Some(24)), wrapped);
        assert_eq!(drawn(&root(TreeLine::new().plain("x ").plain(long).cut()), None), whole);
        let path = TreeLine::new().plain("x ").wrap_here().plain("PATH=/usr/sbin:/usr/bin:/app");
        assert_eq!(drawn(&root(path), Some(24)), "x PATH=/usr/sbin:\n    /usr/bin:/app\n");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(
            drawn(&root(TreeLine::new().plain(&"漢".repeat(20)).cut()), Some(25)),
            format!("{}…\n", "漢".repeat(12))
        );
        assert_eq!(drawn(&root(TreeLine::new().plain("a\u{1b}[1m\nb").cut()), None), "a\\u{1b}[1m\\nb\n");
    }
}
