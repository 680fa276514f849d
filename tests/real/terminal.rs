//! What a person sees at a terminal while content is on its way, and what is left of it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::base::BaseImage;
use crate::support::project::{Call, Project};
use crate::support::registry::DockerRegistry;
use crate::support::slow::Slow;
use crate::support::terminal::Terminal;

/// A registry with a base of some MiB.
fn registry(project: &Project, mib: usize) -> DockerRegistry {
    let registry = DockerRegistry::start();
    let base = BaseImage::new().single("linux/amd64").big(mib).write(&project.path("base"));
    base.push_to(&registry, "base", "1");
    registry
}

/// As a person's terminal is.
fn seen(call: Call) -> Call {
    call.env("TERM", "xterm-256color")
}

/// Lines that begin with this verb and show a bar with bytes and a rate.
fn bars<'a>(picture: &'a str, verb: &str) -> Vec<&'a str> {
    let begin = format!("{verb:>12} ");
    let is_bar = |line: &&str| line.starts_with(&begin) && line.contains(" [") && line.contains("] ");
    picture.lines().filter(is_bar).filter(|line| line.contains("MiB") && line.contains("/s")).collect()
}

#[test]
fn progress_bars_leave_plain_lines() {
    for columns in [80, 200] {
        let project = Project::new("x");
        let (from, to) = (registry(&project, 3), DockerRegistry::start());
        let (from, to) = (Slow::before(&from, 2 << 10), Slow::before(&to, 512));
        let (base, repository) = (from.reference("base:1"), to.reference("x"));
        // With an output the base has to come here.
        let args = ["push", "--platform", "linux/amd64", "--base", &base, "--repository", &repository];
        let call = seen(project.oci(&[&args[..], &["-o", "oci-dir=out"]].concat()));
        let mut terminal = Terminal::start(&call, columns);
        terminal.wait_for(|picture| !bars(picture, "Pulling").is_empty());
        terminal.wait_for(|picture| !bars(picture, "Pushing").is_empty());
        let left = terminal.ended();
        assert_eq!(left.status, 0, "{left:?}");
        assert!(left.is_clean, "{left:?}");
        for picture in &terminal.seen {
            for bar in [bars(picture, "Pulling"), bars(picture, "Pushing")].concat() {
                assert!(bar.contains("/3.0 MiB") && bar.len() < columns, "{bar}");
            }
        }
        let all = left.lines.join("\n");
        for line in ["     Pulling 127.0.0.1:", "     Pushing x to 127.0.0.1:", "      Pushed x to 127.0.0.1:"] {
            assert!(left.lines.iter().any(|left| left.starts_with(line)), "{line}:\n{all}");
        }
        assert!(!all.contains("iB/s") && !all.contains("[=") && !all.contains("[>"), "{all}");
    }
}

#[test]
fn progress_bars_disappear_on_interrupt() {
    let project = Project::new("x");
    let registry = registry(&project, 3);
    let slow = Slow::before(&registry, 200);
    let call = seen(project.oci(&["build", "--platform", "linux/amd64", "--base", &slow.reference("base:1")]));
    let mut terminal = Terminal::start(&call, 80);
    terminal.wait_for(|picture| !bars(picture, "Pulling").is_empty());
    terminal.typed("\x03");
    let left = terminal.ended();
    assert_eq!(left.status, 130, "{left:?}");
    // Cargo has run meanwhile, and said what it says.
    let lines: Vec<_> = left.lines.iter().filter(|line| line.starts_with("     Pulling")).collect();
    assert!(left.is_clean && lines.len() == 1, "{left:?}");
    assert!(lines[0].starts_with("     Pulling 127.0.0.1:") && !lines[0].contains("iB/s"), "{left:?}");
}

#[test]
fn progress_bars_can_be_disabled() {
    let wishes = [
        ("", ("TERM", "dumb")),
        ("", ("CARGO_TERM_PROGRESS_WHEN", "never")),
        ("", ("CI", "true")),
        ("--quiet", ("TERM", "xterm")),
    ];
    let project = Project::new("x");
    let registry = registry(&project, 3);
    let slow = Slow::before(&registry, 3 << 10);
    for (flag, (key, value)) in wishes {
        let base = slow.reference("base:1");
        let args = ["build", "--platform", "linux/amd64", "--base", &base, flag];
        let args: Vec<_> = args.into_iter().filter(|arg| !arg.is_empty()).collect();
        let cache = tempfile::tempdir().expect("a folder");
        let call = seen(project.oci(&args)).env(key, value).env("CARGO_OCI_CACHE_DIR", cache.path());
        let mut terminal = Terminal::start(&call, 80);
        let left = terminal.ended();
        assert_eq!(left.status, 0, "{left:?}");
        assert!(!terminal.seen.iter().any(|picture| picture.contains("iB/s")), "{:?}", terminal.seen);
        assert_eq!(left.lines.iter().any(|line| line.contains("Pulling")), flag.is_empty(), "{left:?}");
    }
}

/// Answers every request with 503 and a pause, except TLS.
fn busy(requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let name = format!("127.0.0.1:{}/x:1", listener.local_addr().expect("an address").port());
    thread::spawn(move || {
        let mut answered = 0;
        while let Ok((mut stream, _)) = listener.accept() {
            let mut begin = [0; 1024];
            if stream.read(&mut begin).is_err() || begin[0] == 0x16 {
                continue;
            }
            answered += 1;
            let answer =
                if answered > requests { "404 Not Found" } else { "503 Service Unavailable\r\nRetry-After: 1" };
            let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    name
}

#[test]
fn retries_are_one_line_in_a_terminal() {
    let project = Project::new("x");
    let mut terminal = Terminal::start(&seen(project.oci(&["inspect", &busy(3)])), 80);
    terminal.wait_for(|picture| picture.contains("    Retrying in 0.4s: "));
    let left = terminal.ended();
    assert!(left.is_clean && left.status == 1, "{left:?}");
    let all = left.lines.join("\n");
    assert!(!all.contains("Retrying") && all.contains("error: cannot inspect"), "{all}");
    for picture in &terminal.seen {
        assert!(picture.matches("Retrying").count() < 2, "{picture}");
    }
    // In a file, it is a line for each.
    let plain = project.oci(&["inspect", &busy(2)]).fails(1);
    assert_eq!(plain.matches("    Retrying in 1.0s: ").count(), 2, "{plain}");
    let quiet = project.oci(&["inspect", "-q", &busy(2)]).fails(1);
    assert!(!quiet.contains("Retrying"), "{quiet}");
}
