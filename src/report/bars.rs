//! Running transfers → progress bars, and the rate of each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::{UNITS, in_unit, size, unit_of, verb_column};
use crate::event::counter::{Activity, Counter};
use crate::sanitize::sanitize;

/// A shorter transfer gets no bar: it would only flicker.
const DELAY: Duration = Duration::from_millis(300);
/// The time that the rate is measured over.
const WINDOW: Duration = Duration::from_secs(5);
/// The maximum number of bars. The last one sums up the rest.
const MOST_LINES: usize = 5;
/// The columns of the verb and the space after it.
pub(super) const VERB: usize = 13;
/// The columns of a bar. Below the minimum, there is none.
const BAR: std::ops::RangeInclusive<usize> = 8..=40;

/// The running transfers.
#[derive(Debug, Default)]
pub(crate) struct Bars(Vec<Running>);

#[derive(Debug)]
struct Running {
    counter: Arc<Counter>,
    begun: Instant,
    /// The number of bytes at points in time, within the last [`WINDOW`].
    samples: VecDeque<(Instant, u64)>,
}

impl Bars {
    /// Adds a transfer.
    pub(crate) fn begin(&mut self, counter: &Arc<Counter>, now: Instant) {
        let samples = VecDeque::from([(now, 0)]);
        self.0.push(Running { counter: Arc::clone(counter), begun: now, samples });
    }

    /// Removes a transfer.
    pub(crate) fn end(&mut self, counter: &Counter) {
        self.0.retain(|running| running.counter.id != counter.id);
    }

    /// Returns whether no transfer runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the counters of the running transfers.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.0.iter().map(|running| running.counter.as_ref())
    }

    /// Samples the progress of each transfer.
    pub(crate) fn sample(&mut self, now: Instant) {
        for running in &mut self.0 {
            running.samples.push_back((now, running.counter.done()));
            while running.samples.len() > 2 && running.samples.front().is_some_and(|(then, _)| now - *then > WINDOW) {
                running.samples.pop_front();
            }
        }
    }

    /// Returns the bars for a terminal with that many columns and rows.
    pub(crate) fn lines(&self, columns: usize, rows: usize, now: Instant) -> Vec<BarLine> {
        let shown = self.0.iter().filter(|running| now - running.begun >= DELAY);
        let mut shown: Vec<_> = shown.map(Row::of).collect();
        // One row is for the cursor.
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

/// A bar as drawn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BarLine {
    /// With colors.
    pub(crate) text: String,
    /// Its columns.
    pub(crate) width: usize,
}

/// The content of a bar.
struct Row {
    activity: Activity,
    name: String,
    done: u64,
    total: u64,
    /// Bytes per second, or `None` until it is known.
    rate: Option<u64>,
}

impl Row {
    fn of(running: &Running) -> Row {
        let counter = &running.counter;
        let rate = match (running.samples.front(), running.samples.back()) {
            (Some((begin, before)), Some((end, after))) if *end - *begin >= DELAY => {
                Some(per_second(after.saturating_sub(*before), *end - *begin))
            }
            _ => None,
        };
        let done = counter.done().min(counter.total);
        Row { activity: counter.activity, name: sanitize(&counter.name), done, total: counter.total, rate }
    }

    fn sum(rows: &[Row]) -> Row {
        Row {
            activity: rows[0].activity,
            name: format!("{} more", rows.len()),
            done: total(rows, |row| row.done),
            total: total(rows, |row| row.total),
            rate: Some(total(rows, |row| row.rate.unwrap_or_default())),
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

    /// Returns the time left, or nothing if it is unknown or too long.
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

    /// Returns `[====>     ]` with that many columns.
    fn bar(&self, columns: usize) -> String {
        let inner = columns.saturating_sub(2);
        let part = u128::from(self.done) * inner as u128 / u128::from(self.total.max(1));
        let filled = usize::try_from(part).unwrap_or(inner).min(inner);
        let head = if filled == inner { "" } else { ">" };
        let line = "=".repeat(filled);
        format!("[{:inner$}]", line + head)
    }
}

/// Returns `12.3/45.6 MiB`.
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

/// Returns the verb in front of a bar: the same as in the line of the event.
fn verb(activity: Activity) -> &'static str {
    match activity {
        Activity::Pulling => "Pulling",
        Activity::Copying => "Copying",
        Activity::Layering => "Layering",
        Activity::Pushing => "Pushing",
        Activity::Loading => "Loading",
        Activity::Bundling => "Bundling",
        Activity::Reading => "Reading",
        Activity::Validating => "Validating",
    }
}

/// Returns the sum of a number of all rows.
fn total(rows: &[Row], number: fn(&Row) -> u64) -> u64 {
    rows.iter().map(number).fold(0, u64::saturating_add)
}

/// Returns the width of a column.
fn widest(rows: &[Row], cell: fn(&Row) -> String) -> usize {
    rows.iter().map(|row| cell(row).chars().count()).max().unwrap_or(0)
}

/// Returns the rows with aligned columns. On a narrow terminal, the bar is left out first, then the ends of the lines.
fn lines(rows: &[Row], columns: usize) -> Vec<BarLine> {
    // As wide as they can become, so that columns do not move.
    let (amount, rate, left) =
        (widest(rows, Row::whole_amount), widest(rows, Row::rate).max(11), widest(rows, Row::left).max(5));
    // Some terminals wrap a line that reaches the last column.
    let room = columns.saturating_sub(1);
    let numbers = VERB + 1 + amount + 1 + rate + 1 + left;
    let name = widest(rows, |row| row.name.clone()).min(room.saturating_sub(numbers + BAR.start() + 1).max(12));
    let bar = room.saturating_sub(numbers + name + 1).min(*BAR.end());
    let mut lines = Vec::new();
    for row in rows {
        let cut: String = row.name.chars().take(name).collect();
        let drawn = if bar < *BAR.start() { String::new() } else { format!("{} ", row.bar(bar)) };
        let text = format!("{cut:name$} {drawn}{:>amount$} {:>rate$} {:>left$}", row.amount(), row.rate(), row.left());
        let text: String = text.chars().take(room.saturating_sub(VERB)).collect();
        let text = text.trim_end();
        let width = VERB + text.chars().count();
        lines.push(BarLine { width, text: format!("{} {text}", verb_column(verb(row.activity))) });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::transfer::Transfer;

    const MIB: u64 = 1 << 20;

    fn row(name: &str, done: u64, rate: Option<u64>) -> Row {
        Row { activity: Activity::Pulling, name: name.to_owned(), done, total: 45 * MIB, rate }
    }

    fn plain(lines: &[BarLine]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(&line.text).to_string()).collect()
    }

    #[test]
    fn bars_are_aligned_and_end_before_the_last_column() {
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
    fn bars_fit_every_width() {
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
    fn bars_beyond_the_maximum_are_summed_up() {
        let begun = Instant::now();
        let mut bars = Bars::default();
        let transfers: Vec<_> = (0..8).map(|_| Transfer::begin(None, Activity::Pushing, "x", MIB)).collect();
        for transfer in &transfers {
            bars.begin(transfer.counter(), begun);
        }
        assert_eq!(bars.lines(80, 24, begun), [], "no bar before the delay");
        for transfer in &transfers {
            transfer.counter().add(MIB / 2);
        }
        let later = begun + Duration::from_secs(1);
        bars.sample(later);
        let seen = plain(&bars.lines(80, 24, later));
        assert_eq!(seen.len(), 5);
        assert_eq!(seen[0], "     Pushing x      [=============>             ] 0.5/1.0 MiB 512.0 KiB/s  0:01");
        assert_eq!(seen[4], "     Pushing 4 more [=============>             ] 2.0/4.0 MiB   2.0 MiB/s  0:01");
        assert_eq!(bars.lines(80, 3, later).len(), 2);
        for transfer in &transfers {
            bars.end(transfer.counter());
        }
        assert!(bars.is_empty());
    }

    #[test]
    fn time_left_has_clock_format() {
        fn left(rate: u64) -> String {
            row("x", 0, Some(rate)).left()
        }
        assert_eq!([left(MIB), left(MIB / 4), left(10 << 10)], ["0:45", "3:00", "1:16:48"]);
        assert_eq!([left(0), left(1)], ["", ""], "too long");
    }
}
