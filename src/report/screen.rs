//! Progress bars on the terminal: drawn below the lines, redrawn in place, and removed without a trace.
//!
//! Why no library: those at hand fill each line up to the last column, and do not account for a terminal that becomes
//! narrower and wraps such a line: they then remove too few lines. Here, a line ends before the last column, and its width
//! is kept; the cursor stays visible, at the start of the line below.

use super::bars::BarLine;

/// The widths of the bars that the terminal shows.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    widths: Vec<usize>,
}

impl Screen {
    /// Returns the escape sequences that replace the bars on the terminal, which is now `columns` wide.
    pub(crate) fn draw(&mut self, lines: &[BarLine], columns: usize) -> String {
        let mut output = self.up(columns);
        for line in lines {
            // Clear the rest of the line and move down.
            output.push_str(&line.text);
            output.push_str("\x1b[K\n");
        }
        if self.widths.len() + lines.len() > 0 {
            // Clear below: there may have been more bars, or an echoed ^C.
            output.push_str("\x1b[J");
        }
        self.widths = lines.iter().map(|line| line.width).collect();
        output
    }

    /// Returns the escape sequence that moves the cursor to the start of the first bar.
    fn up(&self, columns: usize) -> String {
        // A line that was drawn on a wider terminal may be wrapped now.
        let rows: usize = self.widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        if rows == 0 { String::new() } else { format!("\r\x1b[{rows}A") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize) -> BarLine {
        BarLine { text: "x".repeat(width), width }
    }

    #[test]
    fn screen_redraws_and_removes_bars() {
        let mut screen = Screen::default();
        assert_eq!(screen.draw(&[], 80), "");
        assert_eq!(screen.draw(&[line(2), line(1)], 80), "xx\x1b[K\nx\x1b[K\n\x1b[J");
        assert_eq!(screen.draw(&[line(1)], 80), "\r\x1b[2Ax\x1b[K\n\x1b[J");
        assert_eq!(screen.draw(&[], 80), "\r\x1b[1A\x1b[J");
        assert_eq!(screen.draw(&[], 80), "");
    }

    #[test]
    fn screen_removes_wrapped_bars_completely() {
        let mut screen = Screen::default();
        screen.draw(&[line(119), line(70)], 120);
        assert!(screen.draw(&[], 60).starts_with("\r\x1b[4A"));
    }
}
