//! A terminal session as a picture: the bytes that programs write to a terminal, drawn as SVG.

use std::fmt::Write;

/// The width of a character and the height of a line, in pixels.
const CELL: (f64, f64) = (8.4, 19.0);
/// The space around the text, and the height of the window's bar.
const MARGIN: f64 = 18.0;
const BAR: f64 = 34.0;
/// Seconds until a typed command appears, and between two lines of its output.
const PAUSE: f64 = 0.6;
const STEP: f64 = 0.06;

/// How characters look: the SGR colour, and whether they are bold or dim.
#[derive(Clone, Copy, Default, PartialEq)]
struct Style {
    color: Option<u8>,
    is_bold: bool,
    is_dim: bool,
}

#[derive(Clone, Copy)]
struct Cell {
    c: char,
    style: Style,
}

/// The lines of a terminal without end.
pub struct Recording {
    columns: usize,
    lines: Vec<Vec<Cell>>,
    /// The first line of each command.
    commands: Vec<usize>,
    row: usize,
    column: usize,
    style: Style,
}

impl Recording {
    /// Creates an empty recording of a terminal of so many columns.
    pub fn new(columns: usize) -> Recording {
        Recording { columns, lines: Vec::new(), commands: Vec::new(), row: 0, column: 0, style: Style::default() }
    }

    /// Adds a command as a person types it, then what it wrote.
    pub fn add(&mut self, command: &str, output: &str) {
        self.row = self.lines.len();
        self.column = 0;
        self.commands.push(self.row);
        self.style = Style { color: Some(2), is_bold: true, is_dim: false };
        self.take("$ ");
        self.style = Style { is_bold: true, ..Style::default() };
        self.take(command);
        self.style = Style::default();
        self.take("\n");
        self.take(output);
        while self.lines.last().is_some_and(Vec::is_empty) {
            self.lines.pop();
        }
    }

    /// Takes text with the terminal's control sequences.
    fn take(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.go(self.row + 1),
                '\x1b' => {
                    let mut order: String = chars.by_ref().take(1).collect();
                    while !order.ends_with(|c: char| c.is_ascii_alphabetic()) || order.len() < 2 {
                        let Some(next) = chars.next() else { return };
                        order.push(next);
                    }
                    self.obey(&order[1..]);
                }
                c if c.is_control() => {}
                c => self.put(c),
            }
        }
    }

    fn put(&mut self, c: char) {
        self.go(if self.column == self.columns { self.row + 1 } else { self.row });
        let line = &mut self.lines[self.row];
        let space = Cell { c: ' ', style: Style::default() };
        line.resize(line.len().max(self.column + 1), space);
        line[self.column] = Cell { c, style: self.style };
        self.column += 1;
    }

    fn go(&mut self, row: usize) {
        if row != self.row {
            self.column = 0;
        }
        self.row = row;
        self.lines.resize(self.lines.len().max(row + 1), Vec::new());
    }

    fn obey(&mut self, order: &str) {
        let (numbers, letter) = order.split_at(order.len() - 1);
        let number: usize = numbers.parse().unwrap_or(1);
        match letter {
            "A" => self.row = self.row.saturating_sub(number),
            "B" => self.row += number,
            "C" => self.column += number,
            "D" => self.column = self.column.saturating_sub(number),
            "G" => self.column = number - 1,
            "K" if numbers == "2" => self.lines[self.row].clear(),
            "K" | "J" => {
                if let Some(line) = self.lines.get_mut(self.row) {
                    line.truncate(self.column);
                }
                if letter == "J" {
                    self.lines.truncate(self.row + 1);
                }
            }
            "m" => numbers.split(';').for_each(|code| self.set(code)),
            _ => {}
        }
    }

    fn set(&mut self, code: &str) {
        match code.parse::<u8>().unwrap_or(0) {
            0 => self.style = Style::default(),
            1 => self.style.is_bold = true,
            2 => self.style.is_dim = true,
            22 => (self.style.is_bold, self.style.is_dim) = (false, false),
            39 => self.style.color = None,
            code @ (30..=37 | 90..=97) => self.style.color = Some(code % 10 + if code >= 90 { 8 } else { 0 }),
            _ => {}
        }
    }

    /// Draws all lines. They appear one after the other where the viewer animates, and at once where it does not.
    pub fn svg(&self, title: &str) -> String {
        let width = self.columns as f64 * CELL.0 + 2.0 * MARGIN;
        let height = self.lines.len() as f64 * CELL.1 + BAR + MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
            aria-label=\"{title}\">\n<style>\n{STYLE}</style>\n\
            <rect class=\"window\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"9\"/>\n",
            width - 1.0,
            height - 1.0,
        );
        for (x, class) in [(20, "close"), (40, "hide"), (60, "grow")] {
            let _ = writeln!(svg, "<circle class=\"{class}\" cx=\"{x}\" cy=\"18\" r=\"6\"/>");
        }
        let mut time = 0.0;
        for (row, line) in self.lines.iter().enumerate() {
            time +=
                if self.commands.contains(&row) || self.commands.contains(&row.wrapping_sub(1)) { PAUSE } else { STEP };
            let y = BAR + MARGIN * 0.5 + row as f64 * CELL.1 + 8.0;
            let _ = writeln!(
                svg,
                "<text x=\"{MARGIN}\" y=\"{y:.1}\" style=\"animation-delay:{time:.2}s\" xml:space=\"preserve\">{}</text>",
                spans(line)
            );
        }
        svg + "</svg>\n"
    }
}

/// Returns the characters of a line, those of one style in an element.
fn spans(line: &[Cell]) -> String {
    let mut out = String::new();
    for (index, part) in line.chunk_by(|a, b| a.style == b.style).enumerate() {
        let text: String = part.iter().map(|cell| cell.c).collect();
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let style = part.first().map(|cell| cell.style).unwrap_or_default();
        let mut classes = style.color.map(|color| format!("c{color}")).into_iter().collect::<Vec<_>>();
        classes.extend(style.is_bold.then(|| "b".to_owned()));
        classes.extend(style.is_dim.then(|| "d".to_owned()));
        if classes.is_empty() && index == 0 && part.len() == line.len() {
            out.push_str(&text);
        } else {
            let _ = write!(out, "<tspan class=\"{}\">{text}</tspan>", classes.join(" "));
        }
    }
    out
}

/// A dark window, with an edge that a dark page shows too.
const STYLE: &str = "\
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace; \
fill: #d7dce5; animation: show 0.01s both; }
@keyframes show { from { opacity: 0; } to { opacity: 1; } }
@media (prefers-reduced-motion: reduce) { text { animation: none; } }
.window { fill: #161b22; stroke: #3d444d; }
.close { fill: #ff5f57; } .hide { fill: #febc2e; } .grow { fill: #28c840; }
.b { font-weight: bold; } .d { fill: #8b949e; }
.c0 { fill: #6e7681; } .c1, .c9 { fill: #ff7b72; } .c2, .c10 { fill: #56d364; } .c3, .c11 { fill: #e3b341; }
.c4, .c12 { fill: #79c0ff; } .c5, .c13 { fill: #d2a8ff; } .c6, .c14 { fill: #56d4dd; } .c7, .c15 { fill: #f0f6fc; }
.c8 { fill: #8b949e; }
";
