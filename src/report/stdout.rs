//! Lines of stdout.

use std::io::{self, Write};

/// Prints a line to stdout.
pub(crate) fn to_stdout(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
