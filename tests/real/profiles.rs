//! The two profile settings that most people change.

use crate::support::container::{Runtime, run, unpack};
use crate::support::project::Project;

/// Builds with these lines in the release profile, and runs both programs. They end by a panic in a thread if panics unwind:
/// else, nothing stops the first process of a container at once.
#[track_caller]
fn check(profile: &str) {
    let program = "fn main() {\n    std::panic::set_hook(Box::new(|_| {}));\n    if cfg!(panic = \"abort\") {\n        \
                   return println!(\"aborts\");\n    }\n    let thread = std::thread::spawn(|| panic!(\"unwinds\"));\n    \
                   println!(\"unwinds={}\", thread.join().is_err());\n}\n";
    let project = Project::new("x").file("src/main.rs", program);
    let project = project.append("Cargo.toml", &format!("\n[profile.release]\n{profile}\n"));
    project.build(&[]).without_zig().succeeds();
    let expected = if profile.contains("abort") { "aborts\n" } else { "unwinds=true\n" };
    for architecture in ["amd64", "arm64"] {
        let bundle = project.path(architecture);
        unpack(&project.layout(), "latest", architecture, &bundle);
        let ran = run(&bundle, Runtime::Runc, &[]);
        assert_eq!((ran.stdout.as_str(), ran.status), (expected, 0), "{architecture}: {}", ran.stderr);
    }
}

#[test]
fn lto_builds_for_both_targets() {
    check("lto = true");
}

#[test]
fn lto_of_one_unit_builds_for_both_targets() {
    check("lto = \"fat\"\ncodegen-units = 1");
}

#[test]
fn panic_abort_builds_for_both_targets() {
    check("panic = \"abort\"");
}

#[test]
fn panic_abort_with_lto_builds_for_both_targets() {
    check("panic = \"abort\"\nlto = true\nopt-level = \"z\"\nstrip = true");
}
