//! Results of tests → JUnit XML, as CI services read it: a suite for each image, platform and file.

use std::fmt::Write;

use crate::event::{ImageVerdicts, TestResult, Verdict};

/// Returns the document.
pub(crate) fn document(verdicts: &[ImageVerdicts]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for image in verdicts {
        let mut rest = &image.results[..];
        while let Some(first) = rest.first() {
            let is_same = |other: &TestResult| (&other.platform, &other.suite) == (&first.platform, &first.suite);
            let end = rest.iter().position(|other| !is_same(other)).unwrap_or(rest.len());
            suite(&mut text, image, &rest[..end]);
            rest = &rest[end..];
        }
    }
    text + "</testsuites>\n"
}

fn suite(text: &mut String, image: &ImageVerdicts, results: &[TestResult]) {
    let Some(TestResult { platform, suite, .. }) = results.first() else { return };
    let count = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
    let seconds: f64 = results.iter().map(|result| result.seconds).sum();
    let name = escape(&format!("{} {platform} {suite}", image.image));
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{seconds:.3}\">",
        results.len(),
        count(Verdict::Failed),
        count(Verdict::NotRun),
    );
    for TestResult { name: title, verdict, reasons, seconds, .. } in results {
        let title = escape(title);
        let _ = write!(text, "    <testcase classname=\"{name}\" name=\"{title}\" time=\"{seconds:.3}\"");
        let reasons = escape(&reasons.join("\n"));
        let _ = match verdict {
            Verdict::Passed => writeln!(text, "/>"),
            Verdict::Failed => writeln!(text, "><failure message=\"failed\">{reasons}</failure></testcase>"),
            Verdict::NotRun => writeln!(text, "><skipped message=\"{reasons}\"/></testcase>"),
        };
    }
    *text += "  </testsuite>\n";
}

/// Escapes text for XML 1.0, which has no place for most control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => escaped.push(c),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_document_is_escaped() {
        let result = |name: &str, verdict, reasons: &[&str]| TestResult {
            suite: "a.yaml".to_owned(),
            name: name.to_owned(),
            platform: "linux/arm64".parse().expect("a platform"),
            verdict,
            reasons: reasons.iter().map(ToString::to_string).collect(),
            seconds: 0.5,
        };
        let results = vec![
            result("command: a", Verdict::Passed, &[]),
            result("file: <b>", Verdict::Failed, &["is \"x\" & \u{1b}y", "z"]),
            result("http: c", Verdict::NotRun, &["no engine"]),
        ];
        let image = ImageVerdicts { image: "hello".to_owned(), digest: crate::image::digest::sha256(b""), results };
        let text = document(&[image]);
        for part in [
            "<testsuite name=\"hello linux/arm64 a.yaml\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"1.500\">",
            "name=\"command: a\" time=\"0.500\"/>",
            "name=\"file: &lt;b&gt;\" time=\"0.500\"><failure message=\"failed\">is &quot;x&quot; &amp; \u{fffd}y&#10;z</failure>",
            "<skipped message=\"no engine\"/>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
