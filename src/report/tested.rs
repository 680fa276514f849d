//! Results of tests → lines.

use anstyle::{AnsiColor, Style};

use super::lines::plural;
use crate::event::{ImageVerdicts, TestResult, Verdict};
use crate::sanitize::sanitize;

const PASSED: Style = AnsiColor::BrightGreen.on_default();
const FAILED: Style = AnsiColor::BrightRed.on_default().bold();
const NOT_RUN: Style = AnsiColor::BrightYellow.on_default();

/// Returns a line for each test, with the reasons below it.
pub(crate) fn lines(verdicts: &[ImageVerdicts]) -> String {
    let mut text = String::new();
    for image in verdicts {
        for result in &image.results {
            let image = if verdicts.len() > 1 { format!("{} ", image.image) } else { String::new() };
            text += &line(&image, result);
        }
    }
    text
}

fn line(image: &str, result: &TestResult) -> String {
    let style = match result.verdict {
        Verdict::Passed => PASSED,
        Verdict::Failed => FAILED,
        Verdict::NotRun => NOT_RUN,
    };
    let word = result.verdict.word();
    let title = sanitize(&format!("{image}{} {}", result.platform, result.name)).replace('\n', " ");
    let reasons = result.reasons.iter().map(|reason| {
        let reason = sanitize(reason);
        reason.lines().map(|line| format!("         {line}\n")).collect::<Vec<_>>().concat()
    });
    format!("{style}{word:<7}{style:#}  {title}\n{}", reasons.collect::<String>())
}

/// Returns the numbers of all verdicts: `3 passed, 1 failed, 2 not run`.
pub(crate) fn total(verdicts: &[ImageVerdicts]) -> String {
    let count = |verdict| verdicts.iter().map(|image| image.count(verdict)).sum::<usize>();
    let passed = count(Verdict::Passed);
    let mut parts = vec![format!("{passed} {} passed", plural(passed, "test"))];
    for verdict in [Verdict::Failed, Verdict::NotRun] {
        match count(verdict) {
            0 => {}
            count => parts.push(format!("{count} {}", verdict.word())),
        }
    }
    parts.join(", ")
}
