//! `cargo oci run` with programs that stand in for engines: what they are told to do.

use std::fs;

use serde_json::{Value, json};

use crate::snapshots::{AMD64, elf};
use crate::support::handmade::{Image, base};
use crate::support::process::Ran;
use crate::support::project::Project;

/// Returns a package that is compiled already, and a Docker that prints with what it runs an image, and its variable `WORD`.
fn with_docker(table: &str) -> Project {
    let project = Project::with_table(table);
    fs::create_dir(project.path("dist")).expect("a folder");
    fs::write(project.path("dist/program"), elf(AMD64)).expect("a file");
    let info = r#"{"ServerVersion":"28.5.2","OSType":"linux","Architecture":"x86_64"}"#;
    let lines = format!(
        "case $1-$2 in\ninfo-*) echo '{info}' ;;\nimage-load) /bin/cat > /dev/null ;;\n\
         image-ls) ;;\nrun-*) shift; echo \"$@\"; echo \"WORD=$WORD\" ;;\nesac"
    );
    project.program("docker", &lines);
    project
}

fn run(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let own = ["run", "--base", "embedded", "--prebuilt", "linux/amd64=dist/program"];
    let call = project.oci(&[&own, args].concat()).alone();
    let call = variables.iter().fold(call, |call, (key, value)| call.env(key, value));
    call.succeeds()
}

#[test]
fn run_flags_go_to_the_engine() {
    let project = with_docker("entrypoint = [\"/app/x\", \"--all\"]\ncmd = [\"up\"]");
    let run = |args: &[&str]| run(&project, args, &[]).stdout.lines().next().unwrap_or_default().to_owned();
    let own = "--rm --interactive --init --pull=never";
    assert_eq!(run(&[]), format!("{own} x:latest"));
    assert_eq!(run(&["--rm", "--", "down"]), format!("{own} x:latest down"));
    let container = ["-d", "--name", "one", "--network", "host", "-w", "/srv", "-u", "1:1", "-e", "A=b $C"];
    let expected = format!("{own} --detach --env A=b $C --user 1:1 --workdir /srv --name one --network host x:latest");
    assert_eq!(run(&container), expected);
    let program = ["--entrypoint", "/app/x", "--entrypoint", "-v", "--", "down"];
    assert_eq!(run(&program), format!("{own} --entrypoint /app/x x:latest -v down"));
}

#[test]
fn run_debug_starts_a_shell_over_another_base() {
    let project = with_docker("debug-base = \"oci:debug\"\ntags = [\"v1\"]");
    let debug = |entrypoint: Value| {
        Image::new().layer(base()).config("Entrypoint", entrypoint).write(&project.path("debug"));
    };
    debug(json!(["/busybox/sh"]));
    let ran = run(&project, &["--debug", "--", "-c", "ls"], &[]);
    let own = "--rm --interactive --init --pull=never";
    let first = |ran: &Ran| ran.stdout.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&ran), format!("{own} --entrypoint /busybox/sh x:v1-debug -c ls"));
    assert!(ran.stderr.contains("note: this is /busybox/sh; the program is `/app/x`"), "{}", ran.stderr);
    // The image itself has its own layout and its own tag.
    assert!(project.path("target/oci/x.debug@linux-amd64/index.json").is_file());
    assert_eq!(first(&run(&project, &[], &[])), format!("{own} x:v1"));
    let program = run(&project, &["--debug", "--entrypoint", "/app/x"], &[]);
    assert_eq!(first(&program), format!("{own} --entrypoint /app/x x:v1-debug"));
    debug(json!(["/etc/x"]));
    assert_eq!(first(&run(&project, &["--debug"], &[])), format!("{own} --entrypoint sh x:v1-debug"));
}

#[test]
fn run_debug_needs_a_base_with_a_shell() {
    let project = with_docker("");
    Image::new().layer(base()).write(&project.path("base"));
    let args = ["run", "--debug", "--base", "oci:base", "--prebuilt", "linux/amd64=dist/program"];
    let words = project.oci(&args).alone().fails(1);
    assert!(
        words.contains("cannot make the debug twin of x: no debug variant of the base oci:base is known"),
        "{words}"
    );
    assert!(words.contains("set `debug-base` in [package.metadata.oci]"), "{words}");
}

#[test]
fn run_makes_no_image_for_container_flags() {
    let project = with_docker("");
    let loaded = |args: &[&str]| {
        let said = run(&project, args, &[]).stderr;
        let line = said.lines().find(|line| line.contains(" Loaded ")).expect("it is loaded").to_owned();
        line.split('(').nth(1).and_then(|rest| rest.split(',').next()).expect("a digest").to_owned()
    };
    let image = loaded(&[]);
    assert_eq!(loaded(&["--user", "0", "--entrypoint", "/bin/sh", "--workdir", "/", "--env", "A=b"]), image);
    assert_ne!(loaded(&["--label", "a=b"]), image);
}

#[test]
fn run_passes_variables_by_name() {
    let project = with_docker("");
    let args = ["--env", "WORD", "--env", "COSIGN_PASSWORD", "--env", "NOWHERE"];
    let ran = run(&project, &args, &[("WORD", "secret"), ("COSIGN_PASSWORD", "x")]);
    // The value is in no list of processes.
    assert!(ran.stdout.contains("--env WORD --env COSIGN_PASSWORD x:latest\nWORD=secret\n"), "{}", ran.stdout);
    let warning = "warning: the variable NOWHERE is not set here, so the container does not get it";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
}

#[test]
fn run_names_flags_for_exposed_ports() {
    let project = with_docker("expose = [\"8080\", \"53/udp\"]");
    let running = |args: &[&str]| {
        let said = run(&project, args, &[]).stderr;
        said.lines().find(|line| line.contains(" Running ")).expect("it runs").trim().to_owned()
    };
    let told = "(no port is published: add --publish 8080:8080 --publish 53:53/udp)";
    assert_eq!(running(&[]), format!("Running x:latest in Docker 28.5.2 {told}"));
    for args in [["--publish", "80:8080"], ["--network", "host"], ["--engine-arg", "--publish-all"]] {
        assert_eq!(running(&args), "Running x:latest in Docker 28.5.2");
    }
}
