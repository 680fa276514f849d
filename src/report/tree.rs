//! A tree of lines, drawn for a terminal or a pipe.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::sanitize::sanitize;

const BRANCHES: Style = Style::new().dimmed();
/// A line has this many columns for its text at least, however narrow the terminal is.
const LEAST: usize = 20;

/// Lines, and what is below them.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The first has the branch to its left.
    pub lines: Vec<Line>,
    /// Below.
    pub children: Vec<Node>,
}

/// A line of text.
#[derive(Clone, Debug, Default)]
pub struct Line {
    parts: Parts,
    fit: Fit,
}

/// What becomes of a line that is too long for the terminal.
#[derive(Clone, Copy, Debug, Default)]
enum Fit {
    /// It stays as it is, for someone may copy it.
    #[default]
    Whole,
    /// Its end is cut off.
    Cut,
    /// It goes on in the next line, under this column.
    Wrap(usize),
}

impl Line {
    /// An empty one, which stays whole.
    pub fn new() -> Line {
        Line::default()
    }

    /// With more text at its end. What would be another line, or an order to the terminal, is shown and not given.
    pub fn text(mut self, style: Style, text: &str) -> Line {
        self.parts.push((style, sanitize(text).replace('\n', "\\n")));
        self
    }

    /// With plain text at its end.
    pub fn plain(self, text: &str) -> Line {
        self.text(Style::new(), text)
    }

    /// Cut off where the terminal ends.
    pub fn cut(mut self) -> Line {
        self.fit = Fit::Cut;
        self
    }

    /// Broken where the terminal ends; the rest is under the column that comes next.
    pub fn wrap_here(mut self) -> Line {
        self.fit = Fit::Wrap(self.parts.iter().map(|(_, text)| text.width()).sum());
        self
    }

    /// The lines that it is drawn as, in a terminal with so many columns left.
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
                // A little further in, so that it is not taken for another line.
                let column = if column + 2 + LEAST > columns { 0 } else { column + 2 };
                let (first, mut rest) = split_kindly(&self.parts, columns);
                let mut lines = vec![first];
                while !rest.is_empty() {
                    let (mut line, left) = split_kindly(&rest, columns - column);
                    line.insert(0, (Style::new(), " ".repeat(column)));
                    lines.push(line);
                    rest = left;
                }
                lines
            }
        }
    }
}

/// Pieces of a line, each of one style.
type Parts = Vec<(Style, String)>;

/// The parts of a line that fit into so many columns (one character at least), and the rest.
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
        let kept = |text: &str| (*style, text.to_owned());
        first.extend(Some(begin).filter(|text| !text.is_empty()).map(kept));
        rest.extend(Some(end).filter(|text| !text.is_empty()).map(kept));
    }
    (first, rest)
}

/// The same, but between words or the parts of a path where there are such.
fn split_kindly(parts: &[(Style, String)], columns: usize) -> (Parts, Parts) {
    let (mut first, mut rest) = split(parts, columns);
    if let (Some((style, last)), false) = (first.last_mut(), rest.is_empty()) {
        let near = |ends: &str| last.char_indices().rev().take(columns / 3).find(|(_, c)| ends.contains(*c));
        let at = near(" ").or(near(":;,")).or(near("/")).map(|(at, _)| at + 1);
        let moved = last.split_off(at.unwrap_or(last.len()));
        rest.insert(0, (*style, moved));
    }
    (first, rest)
}

/// The tree below each of `roots`, with line breaks; as long as it comes where there is no terminal's width to keep to.
pub fn draw(roots: &[Node], width: Option<usize>) -> String {
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
    fn children(&mut self, prefix: &str, children: &[Node]) {
        for (at, child) in children.iter().enumerate() {
            let (branch, beside) = if at + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let beside = format!("{prefix}{beside}");
            self.lines(&format!("{prefix}{branch}"), &beside, &child.lines);
            self.children(&beside, &child.children);
        }
    }

    fn lines(&mut self, first: &str, others: &str, lines: &[Line]) {
        let columns = self.width.map_or(usize::MAX, |width| width.saturating_sub(others.width()).max(LEAST));
        let fitted = lines.iter().flat_map(|line| line.fitted(columns));
        for (at, parts) in fitted.enumerate() {
            let prefix = if at == 0 { first } else { others };
            if !prefix.is_empty() {
                self.text.push_str(&format!("{BRANCHES}{prefix}{BRANCHES:#}"));
            }
            for (style, text) in parts {
                self.text.push_str(&format!("{style}{text}{style:#}"));
            }
            self.text.truncate(self.text.trim_end_matches(' ').len());
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(roots: &[Node], width: Option<usize>) -> String {
        anstream::adapter::strip_str(&draw(roots, width)).to_string()
    }

    fn node(line: Line, children: Vec<Node>) -> Node {
        Node { lines: vec![line], children }
    }

    #[test]
    fn branches_lead_to_all_lines() {
        let leaf = |text| node(Line::new().plain(text), Vec::new());
        let mut middle = node(Line::new().plain("b"), vec![leaf("c"), leaf("d")]);
        middle.lines.push(Line::new().plain("b2"));
        let root = node(Line::new().plain("a"), vec![middle, leaf("e")]);
        assert_eq!(drawn(&[root.clone(), root], None), ["a\n├─ b\n│  b2\n│  ├─ c\n│  └─ d\n└─ e\n"; 2].join("\n"));
    }

    #[test]
    fn a_long_line_stays_whole_is_cut_or_goes_on_below() {
        let long = "0123456789abcdefghijklmnopqrstuvwxyz";
        let root = |line: Line| [node(line, Vec::new())];
        let whole = format!("x {long}\n");
        assert_eq!(drawn(&root(Line::new().plain("x ").plain(long)), Some(24)), whole);
        assert_eq!(drawn(&root(Line::new().plain("x ").plain(long).cut()), Some(24)), "x 0123456789abcdefghijk…\n");
        let wrapped = "x 0123456789abcdefghijkl\n    mnopqrstuvwxyz\n";
        assert_eq!(drawn(&root(Line::new().plain("x ").wrap_here().plain(long)), Some(24)), wrapped);
        assert_eq!(drawn(&root(Line::new().plain("x ").plain(long).cut()), None), whole);
        let path = Line::new().plain("x ").wrap_here().plain("PATH=/usr/sbin:/usr/bin:/app");
        assert_eq!(drawn(&root(path), Some(24)), "x PATH=/usr/sbin:\n    /usr/bin:/app\n");
    }

    #[test]
    fn wide_characters_count_twice_and_orders_to_the_terminal_are_shown() {
        let root = |text: &str| [node(Line::new().plain(text).cut(), Vec::new())];
        assert_eq!(drawn(&root(&"漢".repeat(20)), Some(25)), format!("{}…\n", "漢".repeat(12)));
        assert_eq!(drawn(&root("a\u{1b}[1m\nb"), None), "a\\u{1b}[1m\\nb\n");
    }
}
