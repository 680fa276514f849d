//! Images that `inspect` and `validate` cannot find.

use crate::support::base::BaseImage;
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

#[test]
fn lookup_errors_match_snapshot() {
    let mut told = Snapshot::of("lookups");
    let project = Project::new("x");
    BaseImage::new().write(&project.path("base"));
    for command in ["inspect", "validate"] {
        let mut look = |title: &str, args: &[&str]| {
            told.error(&format!("{title}, to {command}"), &project, &[&[command], args].concat());
        };
        look("a layout that is not there", &["./nowhere"]);
        look("a file that is no archive", &["Cargo.toml"]);
        look("a folder that is no layout", &["./src"]);
        look("a tag that is not there", &["base:v9"]);
        look("a platform that is not there", &["base", "--platform", "linux/riscv64"]);
        told.error_later(
            &format!("a registry that is not there, to {command}"),
            &project,
            &[command, "127.0.0.1:9/x:1"],
        );
        told.error(&format!("nothing, to {command}"), &project, &[command, "scratch"]);
    }
    told.check();
}
