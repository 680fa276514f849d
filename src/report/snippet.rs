//! The lines of a file that an error or a warning is about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use miette::Diagnostic;

/// Lines of a file that are shown above and below the one with the label.
const CONTEXT: usize = 1;

/// Returns the lines that the label of an error or a warning points at, or `None` if it has none.
pub(super) fn snippet(error: &dyn Diagnostic, level: Level<'static>) -> Option<String> {
    let label = error.labels()?.next()?;
    let lines = error.source_code()?.read_span(label.inner(), CONTEXT, CONTEXT).ok()?;
    let start = label.offset().checked_sub(lines.span().offset())?;
    let annotation = AnnotationKind::Primary.span(start..start + label.len()).label(label.label());
    let snippet = Snippet::source(String::from_utf8_lossy(lines.data()))
        .line_start(lines.line() + 1)
        .path(lines.name())
        .fold(false)
        .annotation(annotation);
    // The stream that this is printed to removes colors where they are unwanted.
    Some(Renderer::styled().render(&[Group::with_level(level).element(snippet)]))
}
