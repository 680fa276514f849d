//! Habits of people who know Docker: each is answered in one line.

use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

#[test]
fn habits_of_docker_match_snapshot() {
    let mut told = Snapshot::of("habits");
    let project = Project::new("x");
    let mut typed = |line: &str| told.misuse("typed", &project, &line.split(' ').collect::<Vec<_>>());
    for command in ["images", "ls", "pull debian", "tag x y", "version", "ps", "publish", "save x", "logs x", "prune"] {
        typed(command);
    }
    for line in [
        "build .",
        "build ./server",
        "build -t ghcr.io/me/app:v1 .",
        "build -t ghcr.io/me/app:v1",
        "build -t app:v1",
        "build -t ghcr.io/me/app",
        "build -t ghcr.io/me/app:v1 -f Dockerfile --build-arg A=b --push .",
        "run -p 80:8080 -it --rm -e A ghcr.io/me/app",
        "build -f Dockerfile",
        "build --file=Dockerfile .",
        "build --push",
        "build --load",
        "build --dry-run",
        "build --build-arg A=b",
        "build --no-cache",
        "build -e A=b",
        "build -d",
        "build server",
        "build -o hello.tar",
        "build -o out/",
        "build -o type=docker,dest=hello.tar",
        "build -o type=registry",
        "load --publish 80:80",
        "push --repository ghcr.io/me/app:v1",
        "push --repository https://ghcr.io/me/app",
        "push --repository ghcr.io",
        "push --repository localhost:5000",
        "push .",
        "push app:v1",
        "push https://ghcr.io/me/app",
        "push ghcr.io",
        "push ghcr.io/Me/app:v1",
        "push oci:target/oci/x",
        "push ghcr.io/me/app --repository ghcr.io/me/app",
        "push ghcr.io/me/app ghcr.io/me/other",
        "push --username me",
        "run -p 5180:8080",
        "run --expose 5180:8080",
        "build -p 5180:8080",
        "run -v /srv/data:/data",
        "run -it",
        "run --memory 1g",
        "run --cmd serve",
        "run ghcr.io/me/app",
        "run serve",
        "push -t localhost:5000/me/app",
        "sbom ghcr.io/me/app:v1",
        "sbom -o sbom.json",
        "inspect x --tls-verify=false",
    ] {
        typed(line);
    }
    told.check();
}

#[test]
fn habits_in_tables_match_snapshot() {
    let mut told = Snapshot::of("habits_in_tables");
    for line in [
        "healthcheck = [\"/app/x\", \"--check\"]",
        "dockerfile = \"Dockerfile\"",
        "from = \"debian:12\"",
        "image = \"ghcr.io/me/app\"",
        "command = [\"serve\"]",
        "ports = [8080]",
        "environment = { A = \"b\" }",
        "copy = [\"a\"]",
        "repository = \"https://ghcr.io/me/app\"",
        "repository = \"https://ghcr.io/{name}\"",
        "repository = \"ghcr.io\"",
        "sign = true",
        "tags = [\"ghcr.io/me/app:v1\"]",
    ] {
        told.error("written", &Project::with_table(line), &["build"]);
    }
    told.check();
}

#[test]
fn near_misses_of_tables_match_snapshot() {
    let mut told = Snapshot::of("near_misses");
    let mut written = |lines: &str| {
        let project = Project::new("x").append("Cargo.toml", lines);
        // It fails, because it has no repository.
        told.error("written", &project, &["push"]);
    };
    written("[package.metadata.oic]\nrepository = \"ghcr.io/me/app\"\n");
    written("[package.metadata.OCI]\nrepository = \"ghcr.io/me/app\"\n");
    written("[package.metadata.cargo-oci]\nrepo = \"ghcr.io/me/app\"\n");
    written("[package.metadata.docker]\nrepository = \"ghcr.io/me/app\"\n");
    written("[workspace.metadata.container]\nrepository = \"ghcr.io/me/app\"\n");
    written("[package.oci]\nrepository = \"ghcr.io/me/app\"\n");
    written("[package.metadata]\nrepository = \"ghcr.io/me/app\"\ntags = [\"v1\"]\n");
    // It is another tool's.
    written("[package.metadata.docker]\nregistry = \"ghcr.io\"\n");
    told.check();
}
