//! Bars on the terminal: drawn below what is said, drawn over, and taken away without a trace.
//!
//! Libraries for this fill each line up to the last column, and forget that a terminal which becomes narrower makes two
//! lines of such a one: what they take away is then too little. Here a line ends before the last column, and it is known
//! how wide it was; the cursor stays visible, and waits at the beginning of the line below.

use super::bars::Line;

/// The bars that the terminal shows.
#[derive(Debug, Default)]
pub struct Screen {
    widths: Vec<usize>,
}

impl Screen {
    /// What the terminal is told so that it shows these bars in the place of those it shows, `columns` wide by now.
    pub fn draw(&mut self, lines: &[Line], columns: usize) -> String {
        let mut orders = self.up(columns);
        for line in lines {
            // The rest of the line goes, then the cursor goes down.
            orders.push_str(&format!("{}\x1b[K\n", line.text));
        }
        if self.widths.len() + lines.len() > 0 {
            // What is below goes: there may have been more, or the ^C of somebody who is tired of it.
            orders.push_str("\x1b[J");
        }
        self.widths = lines.iter().map(|line| line.width).collect();
        orders
    }

    /// The cursor to the beginning of the first bar.
    fn up(&self, columns: usize) -> String {
        // A line that was drawn on a wider terminal has become several.
        let rows: usize = self.widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        match rows {
            0 => String::new(),
            rows => format!("\r\x1b[{rows}A"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize) -> Line {
        Line { text: "x".repeat(width), width }
    }

    #[test]
    fn bars_are_drawn_over_and_taken_away() {
        let mut screen = Screen::default();
        assert_eq!(screen.draw(&[], 80), "");
        assert_eq!(screen.draw(&[line(2), line(1)], 80), "xx\x1b[K\nx\x1b[K\n\x1b[J");
        assert_eq!(screen.draw(&[line(1)], 80), "\r\x1b[2Ax\x1b[K\n\x1b[J");
        assert_eq!(screen.draw(&[], 80), "\r\x1b[1A\x1b[J");
        assert_eq!(screen.draw(&[], 80), "");
    }

    #[test]
    fn what_a_narrower_terminal_has_wrapped_is_taken_away_whole() {
        let mut screen = Screen::default();
        screen.draw(&[line(119), line(70)], 120);
        assert!(screen.draw(&[], 60).starts_with("\r\x1b[4A"));
    }
}
