//! Transfers that run → bars: what they look like on so many columns, and how fast each is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::{UNITS, in_unit, size, unit_of, verb_column};
use crate::event::transfer::{Activity, Counter};
use crate::sanitize::sanitize;

/// What is done sooner gets no bar: it would only flicker.
const SOON: Duration = Duration::from_millis(300);
/// The rate is that of this long.
const WINDOW: Duration = Duration::from_secs(5);
/// The most lines; what does not fit is summed up in the last of them.
const MOST_LINES: usize = 5;
/// The columns of the verb and the space behind it.
const VERB: usize = 13;
/// A wider bar says no more, a narrower one too little.
const BAR: std::ops::RangeInclusive<usize> = 8..=40;

/// The transfers that run.
#[derive(Debug, Default)]
pub struct Bars(Vec<Running>);

#[derive(Debug)]
struct Running {
    counter: Arc<Counter>,
    begun: Instant,
    /// How many bytes were done when, within the last [`WINDOW`].
    seen: VecDeque<(Instant, u64)>,
}

impl Bars {
    /// A transfer begins.
    pub fn begin(&mut self, counter: &Arc<Counter>, now: Instant) {
        let seen = VecDeque::from([(now, 0)]);
        self.0.push(Running { counter: Arc::clone(counter), begun: now, seen });
    }

    /// A transfer has ended.
    pub fn end(&mut self, counter: &Counter) {
        self.0.retain(|running| running.counter.id != counter.id);
    }

    /// Whether nothing runs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counters of what runs.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.0.iter().map(|running| running.counter.as_ref())
    }

    /// Looks at how far each is.
    pub fn look(&mut self, now: Instant) {
        for running in &mut self.0 {
            running.seen.push_back((now, running.counter.done()));
            while running.seen.len() > 2 && running.seen.front().is_some_and(|(then, _)| now - *then > WINDOW) {
                running.seen.pop_front();
            }
        }
    }

    /// The bars as they are `now`, on a terminal of so many columns and rows.
    pub fn lines(&self, (columns, rows): (usize, usize), now: Instant) -> Vec<Line> {
        let shown = self.0.iter().filter(|running| now - running.begun >= SOON);
        let mut shown: Vec<_> = shown.map(Row::of).collect();
        // One line stays for the cursor.
        let most = MOST_LINES.min(rows.saturating_sub(1));
        if most == 0 {
            return Vec::new();
        }
        if shown.len() > most {
            let rest = shown.split_off(most - 1);
            shown.push(Row::sum(&rest));
        }
        lines(&shown, columns)
    }
}

/// A line of the screen.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// With its colours.
    pub text: String,
    /// How many columns it takes.
    pub width: usize,
}

/// What one bar shows.
struct Row {
    activity: Activity,
    name: String,
    done: u64,
    total: u64,
    /// Bytes a second; nothing before that can be told.
    rate: Option<u64>,
}

impl Row {
    fn of(running: &Running) -> Row {
        let counter = &running.counter;
        let rate = match (running.seen.front(), running.seen.back()) {
            (Some((begin, before)), Some((end, after))) if *end - *begin >= SOON => {
                Some(per_second(after.saturating_sub(*before), *end - *begin))
            }
            _ => None,
        };
        let done = counter.done().min(counter.total);
        Row { activity: counter.activity, name: sanitize(&counter.name), done, total: counter.total, rate }
    }

    fn sum(rows: &[Row]) -> Row {
        let sum = |number: fn(&Row) -> u64| rows.iter().map(number).fold(0, u64::saturating_add);
        Row {
            activity: rows[0].activity,
            name: format!("{} more", rows.len()),
            done: sum(|row| row.done),
            total: sum(|row| row.total),
            rate: Some(sum(|row| row.rate.unwrap_or_default())),
        }
    }

    fn amount(&self) -> String {
        amount(self.done, self.total)
    }

    fn whole_amount(&self) -> String {
        amount(self.total, self.total)
    }

    fn rate(&self) -> String {
        self.rate.map(|rate| format!("{}/s", size(rate))).unwrap_or_default()
    }

    /// The time left.
    fn left(&self) -> String {
        let Some(seconds) = self.rate.and_then(|rate| (self.total - self.done).checked_div(rate)) else {
            return String::new();
        };
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match hours {
            0 => format!("{minutes}:{seconds:02}"),
            1..100 => format!("{hours}:{minutes:02}:{seconds:02}"),
            _ => String::new(),
        }
    }

    /// `[====>     ]` of so many columns.
    fn bar(&self, columns: usize) -> String {
        let inner = columns.saturating_sub(2);
        let part = u128::from(self.done) * inner as u128 / u128::from(self.total.max(1));
        let filled = usize::try_from(part).unwrap_or(inner).min(inner);
        let head = if filled == inner { "" } else { ">" };
        let line = "=".repeat(filled);
        format!("[{:inner$}]", line + head)
    }
}

/// `12.3/45.6 MiB`
fn amount(done: u64, total: u64) -> String {
    match unit_of(total) {
        0 => format!("{done}/{total} B"),
        unit => format!("{:.1}/{:.1} {}", in_unit(done, unit), in_unit(total, unit), UNITS[unit]),
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / millis).unwrap_or(u64::MAX)
}

/// The verb that stands before a bar, as before the line that tells of the same.
fn verb(activity: Activity) -> &'static str {
    match activity {
        Activity::Pulling => "Pulling",
        Activity::Copying => "Copying",
        Activity::Layering => "Layering",
        Activity::Pushing => "Pushing",
        Activity::Loading => "Loading",
        Activity::Bundling => "Bundling",
        Activity::Validating => "Validating",
    }
}

/// Rows with their columns below each other. What does not fit is left out, the least telling first: the bar, the rate.
fn lines(rows: &[Row], columns: usize) -> Vec<Line> {
    let widest = |cell: &dyn Fn(&Row) -> String| rows.iter().map(|row| cell(row).chars().count()).max().unwrap_or(0);
    // As wide as they become, so that nothing moves to and fro.
    let (amount, rate, left) = (widest(&Row::whole_amount), widest(&Row::rate).max(11), widest(&Row::left).max(5));
    // A line that reaches the last column is two lines on some terminals.
    let room = columns.saturating_sub(1);
    let numbers = VERB + 1 + amount + 1 + rate + 1 + left;
    let name = widest(&|row| row.name.clone()).min(room.saturating_sub(numbers + BAR.start() + 1).max(12));
    let bar = room.saturating_sub(numbers + name + 1).min(*BAR.end());
    let line = |row: &Row| {
        let cut: String = row.name.chars().take(name).collect();
        let mut text = format!("{cut:name$} ");
        if bar >= *BAR.start() {
            text.push_str(&format!("{} ", row.bar(bar)));
        }
        text.push_str(&format!("{:>amount$} {:>rate$} {:>left$}", row.amount(), row.rate(), row.left()));
        let text: String = text.chars().take(room.saturating_sub(VERB)).collect();
        let text = text.trim_end();
        Line { width: VERB + text.chars().count(), text: format!("{} {text}", verb_column(verb(row.activity))) }
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::transfer::Transfer;

    const MIB: u64 = 1 << 20;

    fn row(name: &str, done: u64, rate: Option<u64>) -> Row {
        Row { activity: Activity::Pulling, name: name.to_owned(), done, total: 45 * MIB, rate }
    }

    fn plain(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(&line.text).to_string()).collect()
    }

    #[test]
    fn bars_stand_below_each_other_and_fill_no_line() {
        let rows = [row("5bcb5dd2f1f0", 15 * MIB, Some(3 * MIB)), row("hello", 0, None)];
        let drawn = lines(&rows, 80);
        assert_eq!(
            plain(&drawn),
            [
                "     Pulling 5bcb5dd2f1f0 [======>            ] 15.0/45.0 MiB   3.0 MiB/s  0:10",
                "     Pulling hello        [>                  ]  0.0/45.0 MiB",
            ]
        );
        assert_eq!(plain(&drawn)[0].len(), drawn[0].width);
    }

    #[test]
    fn every_width_is_kept_and_a_wide_terminal_has_no_endless_bar() {
        let name = "a/very/long/name/of/an/image/that/does/not/end linux/arm64/v8";
        for columns in 1..250 {
            for line in lines(&[row(name, MIB, Some(MIB)), row("x", MIB, None)], columns) {
                assert!(line.width < columns.max(VERB + 1), "{columns}: {line:?}");
            }
        }
        let wide = plain(&lines(&[row("x", 45 * MIB, Some(MIB))], 200));
        assert!(wide[0].contains(&format!("x [{}] 45.0/45.0 MiB", "=".repeat(38))), "{wide:?}");
    }

    #[test]
    fn what_is_too_much_for_the_screen_is_summed_up() {
        let begun = Instant::now();
        let mut bars = Bars::default();
        let transfers: Vec<_> = (0..8).map(|_| Transfer::begin(None, Activity::Pushing, "x", MIB)).collect();
        transfers.iter().for_each(|transfer| bars.begin(transfer.counter(), begun));
        assert_eq!(bars.lines((80, 24), begun), [], "nothing before it takes its time");
        transfers.iter().for_each(|transfer| transfer.counter().add(MIB / 2));
        let later = begun + Duration::from_secs(1);
        bars.look(later);
        let seen = plain(&bars.lines((80, 24), later));
        assert_eq!(seen.len(), 5);
        assert_eq!(seen[0], "     Pushing x      [=============>             ] 0.5/1.0 MiB 512.0 KiB/s  0:01");
        assert_eq!(seen[4], "     Pushing 4 more [=============>             ] 2.0/4.0 MiB   2.0 MiB/s  0:01");
        assert_eq!(bars.lines((80, 3), later).len(), 2);
        transfers.iter().for_each(|transfer| bars.end(transfer.counter()));
        assert!(bars.is_empty());
    }

    #[test]
    fn time_left_is_told_as_a_clock_does() {
        let left = |rate| row("x", 0, Some(rate)).left();
        assert_eq!([left(MIB), left(MIB / 4), left(10 << 10)], ["0:45", "3:00", "1:16:48"]);
        assert_eq!([left(0), left(1)], ["", ""], "nobody waits for that");
    }
}
