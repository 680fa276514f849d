//! A child process that runs all inputs of a target, and what is said when it dies.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cargo_oci::fuzz::FuzzTarget;

use crate::inputs::Inputs;

/// The memory of the child, in bytes.
#[cfg(target_os = "linux")]
const MOST_MEMORY: u64 = 1 << 30;
/// How long one input may take.
const MOST_TIME: Duration = Duration::from_secs(20);
/// The first bytes of an input that are shown; the file has all.
const MOST_SHOWN: usize = 512;

/// Runs all inputs, and notes the number of each before it runs.
pub(crate) fn all(target: &FuzzTarget, inputs: &Inputs, notes: &Path) -> io::Result<()> {
    limit_memory()?;
    let mut notes = File::options().write(true).open(notes)?;
    for number in 0..inputs.count() {
        notes.seek(SeekFrom::Start(0))?;
        notes.write_all(&number.to_le_bytes())?;
        (target.run)(&inputs.get(number));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn limit_memory() -> io::Result<()> {
    let limit = rustix::process::Rlimit { current: Some(MOST_MEMORY), maximum: Some(MOST_MEMORY) };
    Ok(rustix::process::setrlimit(rustix::process::Resource::Data, limit)?)
}

#[cfg(not(target_os = "linux"))]
fn limit_memory() -> io::Result<()> {
    Ok(())
}

/// Runs all inputs in a child process. Returns whether it survives.
pub(crate) fn in_child(target: &FuzzTarget, inputs: &Inputs) -> io::Result<bool> {
    let start = Instant::now();
    let notes = tempfile::NamedTempFile::new()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args([target.name, "--runs", &inputs.runs.to_string(), "--seed", &inputs.seed.to_string(), "--notes"])
        .arg(notes.path())
        .spawn()?;
    let end = wait(&mut child, notes.path())?;
    let mut out = io::stdout();
    if let End::Well = end {
        let seconds = start.elapsed().as_secs_f64();
        writeln!(out, "{}: {} inputs, {seconds:.1} s", target.name, inputs.count())?;
        return Ok(true);
    }
    let number = noted(notes.path())?;
    let path = inputs.save(target, number)?;
    let input = inputs.get(number);
    let shown = input.iter().take(MOST_SHOWN).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let how = if let End::TooLong = end { "takes too long with" } else { "fails with" };
    writeln!(out, "{} {how} input {number} of seed {}, {} bytes:\n{shown}", target.name, inputs.seed, input.len())?;
    writeln!(out, "it is in {}", path.display())?;
    Ok(false)
}

/// How a child ended.
enum End {
    Well,
    Died,
    TooLong,
}

fn wait(child: &mut Child, notes: &Path) -> io::Result<End> {
    let (mut last, mut since) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { End::Well } else { End::Died });
        }
        let number = noted(notes).ok();
        if number != last {
            (last, since) = (number, Instant::now());
        } else if since.elapsed() > MOST_TIME {
            child.kill()?;
            child.wait()?;
            return Ok(End::TooLong);
        }
        sleep(Duration::from_millis(20));
    }
}

/// Returns the number that the child has noted last.
fn noted(notes: &Path) -> io::Result<u64> {
    let mut number = [0; 8];
    File::open(notes)?.read_exact(&mut number)?;
    Ok(u64::from_le_bytes(number))
}
