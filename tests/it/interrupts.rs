//! Ctrl-C ends every wait soon, with the status 130, and nothing half-written stays.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::base::BaseImage;
use crate::support::environment;
use crate::support::home::Home;
use crate::support::process::{Process, output};
use crate::support::project::Project;
use crate::support::strict::answer::{Answer, Shape};
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::single::{config, image, manifest};

/// How long a program may take to end. It takes less than two seconds on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(4);
/// How long a server does not answer.
const LONG: Duration = Duration::from_secs(30);

/// Interrupts the program when it waits, and checks that it ends soon.
fn interrupt(name: &str, mut command: Command, until_it_waits: impl FnOnce(&mut Process)) {
    let mut running = Process::with_pipes(&mut command);
    until_it_waits(&mut running);
    assert!(running.ended().is_none(), "{name}: it does not wait");
    let pid = Pid::from_raw(i32::try_from(running.id()).expect("an id")).expect("an id");
    let start = Instant::now();
    kill_process(pid, Signal::INT).expect("it runs");
    let status = running.wait(LONG).unwrap_or_else(|| panic!("{name}: it does not end"));
    assert!(start.elapsed() < LIMIT, "{name}: it took {:?}", start.elapsed());
    assert_eq!(status.code(), Some(130), "{name}: {status}");
}

/// Waits until a program handles SIGINT, and then as long as it takes to come to the wait.
fn soon(running: &mut Process) {
    let path = format!("/proc/{}/status", running.id());
    let is_caught = || {
        let status = fs::read_to_string(&path).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << (Signal::INT.as_raw() - 1)) != 0)
    };
    let start = Instant::now();
    while !is_caught() && start.elapsed() < LONG {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(500));
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Answers a request, and whether the client waits now.
type Rule = fn(&Request, SocketAddr) -> (Answer, bool);

/// A registry that lets its clients wait.
struct Slow {
    address: SocketAddr,
    reached: Receiver<Request>,
    _server: Server,
}

struct Answers {
    rule: Rule,
    address: SocketAddr,
    reach: std::sync::Mutex<Sender<Request>>,
}

impl Slow {
    fn start(rule: Rule) -> Slow {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (reach, reached) = channel();
        let answers = Answers { rule, address, reach: reach.into() };
        Slow { address, reached, _server: Server::start(listener, Arc::new(answers)) }
    }

    fn image(&self) -> String {
        format!("{}/acme/x:1", self.address)
    }

    /// Waits until a client waits.
    fn wait(&self) -> Request {
        self.reached.recv_timeout(LONG).expect("the client comes to it")
    }
}

impl Origin for Answers {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        let (answer, waits) = (self.rule)(request, self.address);
        if waits {
            let _ = self.reach.lock().expect("no thread panics").send(request.clone());
        }
        answer
    }
}

fn never() -> (Answer, bool) {
    (Answer { pause: LONG, ..Answer::new(200) }, true)
}

fn stalled(status: u16, body: &[u8]) -> (Answer, bool) {
    (Answer::new(status).body(body.to_vec()).shape(Shape::Stalled(body.len() / 2)), true)
}

fn at(request: &Request, part: &str, waits: fn() -> (Answer, bool)) -> (Answer, bool) {
    if request.path().contains(part) { waits() } else { (image(request), false) }
}

/// Sends clients to a token service, which is the same server.
fn with_tokens(request: &Request, address: SocketAddr, waits: fn() -> (Answer, bool)) -> (Answer, bool) {
    if request.path() == "/token" {
        return waits();
    }
    let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"x\"");
    (Answer::new(401).with("WWW-Authenticate", challenge), false)
}

const RULES: [(&str, Rule); 14] = [
    ("a registry that does not answer", |_, _| never()),
    ("a registry that is busy for a minute", |_, _| (Answer::new(429).with("Retry-After", "60"), true)),
    ("a registry that is away for a minute", |_, _| (Answer::new(503).with("Retry-After", "60"), true)),
    ("an error that has no end", |_, _| (Answer::error(404, "NAME_UNKNOWN").shape(Shape::Stalled(3)), true)),
    ("a challenge that has no end", |_, _| (Answer::error(401, "X").shape(Shape::Stalled(3)), true)),
    ("a token service that does not answer", |request, address| with_tokens(request, address, never)),
    ("a token that has no end", |request, address| {
        with_tokens(request, address, || stalled(200, b"{\"token\":\"x\"}"))
    }),
    ("a token service whose error has no end", |request, address| {
        with_tokens(request, address, || stalled(403, b"{\"errors\":[]}"))
    }),
    ("a token service that is busy", |request, address| {
        with_tokens(request, address, || (Answer::new(429).with("Retry-After", "60"), true))
    }),
    ("a manifest that does not come", |request, _| at(request, "/manifests/sha256:", never)),
    ("a manifest that has no end", |request, _| at(request, "/manifests/sha256:", || stalled(200, &manifest()))),
    ("a config that has no end", |request, _| at(request, "/blobs/", || stalled(200, &config()))),
    ("referrers that do not come", |request, _| at(request, "/referrers/", never)),
    ("a list of referrers that has no end", |request, _| at(request, "/manifests/sha256-", || stalled(200, b"{    }"))),
];

#[test]
fn interrupt_ends_waits_for_registries() {
    thread::scope(|scope| {
        for (name, rule) in RULES {
            scope.spawn(move || {
                let (home, registry) = (Home::new(), Slow::start(rule));
                let mut command = quiet(home.command(env!("CARGO_BIN_EXE_cargo-oci")));
                command.args(["inspect", &registry.image()]);
                interrupt(name, command, |_| {
                    registry.wait();
                    thread::sleep(Duration::from_millis(200));
                });
            });
        }
    });
}

/// Registries that let a client wait that attaches something.
const PUSH_RULES: [(&str, Rule); 5] = [
    ("an upload that does not begin", |request, _| if request.method == "POST" { never() } else { taken(request) }),
    ("an upload that is not stored", |request, _| match (request.method.as_str(), request.path()) {
        ("PUT", path) if path.contains("/uploads/") => never(),
        _ => taken(request),
    }),
    ("a limit on uploads", |request, _| match request.method.as_str() {
        "POST" => (Answer::new(429).with("Retry-After", "60"), true),
        _ => taken(request),
    }),
    ("a chunk that is not stored", |request, _| match (request.method.as_str(), request.path()) {
        ("PUT", path) if path.contains("/uploads/") => (Answer::new(413), false),
        ("PATCH", _) => never(),
        _ => taken(request),
    }),
    ("a manifest that is not stored", |request, _| match (request.method.as_str(), request.path()) {
        ("PUT", path) if path.contains("/manifests/") => never(),
        _ => taken(request),
    }),
];

/// Takes what is pushed.
fn taken(request: &Request) -> (Answer, bool) {
    let answer = match request.method.as_str() {
        "POST" | "PATCH" => Answer::new(202).with("Location", "/v2/acme/x/blobs/uploads/1"),
        "PUT" => Answer::new(201),
        "DELETE" => Answer::new(204),
        _ => image(request),
    };
    (answer, false)
}

#[test]
fn interrupt_ends_waits_of_pushes() {
    thread::scope(|scope| {
        for (name, rule) in PUSH_RULES {
            scope.spawn(move || {
                let (project, registry) = (Project::empty("x").file("a.txt", "a"), Slow::start(rule));
                let args = ["attach", &registry.image(), "a.txt", "--artifact-type", "text/a"];
                interrupt(name, quiet(project.oci(&args).direct()), |_| {
                    registry.wait();
                    thread::sleep(Duration::from_millis(200));
                });
            });
        }
    });
}

#[test]
fn second_interrupt_ends_the_program_at_once() {
    // Output that nobody reads has two seconds after the first.
    let project = Project::empty("x");
    let mut running = Process::with_pipes(&mut with_much_output(&project));
    until_pipe_is_full(&mut running);
    let pid = Pid::from_raw(i32::try_from(running.id()).expect("an id")).expect("an id");
    kill_process(pid, Signal::INT).expect("it runs");
    thread::sleep(Duration::from_millis(100));
    assert!(running.ended().is_none(), "the first interrupt ends it already");
    let start = Instant::now();
    kill_process(pid, Signal::INT).expect("it runs");
    let status = running.wait(LONG).expect("it ends");
    assert!(start.elapsed() < Duration::from_millis(1500), "it took {:?}", start.elapsed());
    assert_eq!(status.code(), Some(130), "{status}");
}

#[test]
fn interrupt_ends_wait_for_connection() {
    // The system drops what connects to a listener whose queue is full.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("an address").as_socket().expect("an address");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let held: Vec<_> = (0..8).map_while(|_| connect().ok()).collect();
    assert!(held.len() < 8, "its queue is never full");
    let home = Home::new();
    let mut command = quiet(home.command(env!("CARGO_BIN_EXE_cargo-oci")));
    command.args(["inspect", &format!("{address}/acme/x:1")]);
    interrupt("a host that does not answer", command, soon);
}

#[test]
fn interrupted_upload_cancels_its_session() {
    let registry = Slow::start(|request, _| match request.method.as_str() {
        "POST" => (Answer::new(202).with("Location", "/v2/acme/x/blobs/uploads/1"), false),
        "PUT" => never(),
        "DELETE" => (Answer::new(204), true),
        _ => (image(request), false),
    });
    let project = Project::empty("x").file("a.txt", "a");
    let command = quiet(project.oci(&["attach", &registry.image(), "a.txt", "--artifact-type", "text/a"]).direct());
    interrupt("an upload", command, |_| drop(registry.wait()));
    let asked = std::iter::from_fn(|| registry.reached.recv_timeout(Duration::from_secs(1)).ok());
    let asked: Vec<_> = asked.map(|request| format!("{} {}", request.method, request.path())).collect();
    assert!(asked.contains(&"DELETE /v2/acme/x/blobs/uploads/1".to_owned()), "{asked:?}");
}

fn make_pipe(project: &Project, name: &str) {
    output(environment::command("mkfifo").arg(project.path(name)));
}

#[test]
fn pipe_instead_of_file_is_an_error() {
    let project = Project::empty("x");
    let base = BaseImage::new().write(&project.path("base"));
    let config = crate::support::blob(&base.folder, &base.platform("linux/amd64").config);
    fs::remove_file(&config).expect("a config");
    output(environment::command("mkfifo").arg(&config));
    make_pipe(&project, "pipe");
    fs::create_dir(project.path("layout")).expect("a folder");
    fs::write(project.path("layout/oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").expect("a file");
    make_pipe(&project, "layout/index.json");
    for args in [
        &["inspect", "base"][..],
        &["inspect", "oci:layout"],
        &["inspect", "oci-archive:pipe"],
        &["validate", "base"],
        &["attach", "base", "pipe", "--artifact-type", "text/a"],
    ] {
        let start = Instant::now();
        let words = project.oci(args).run();
        assert!(start.elapsed() < LONG && words.status == 1, "{args:?}: {words:?}");
        let said = format!("{}{}", words.stdout, words.stderr);
        assert!(said.contains("not a regular file") || said.contains("is not a file"), "{args:?}: {said}");
    }
}

#[test]
fn interrupt_ends_waits_for_pipes() {
    let project = Project::empty("x");
    BaseImage::new().write(&project.path("base"));
    project.oci(&["generate-key"]).env("COSIGN_PASSWORD", "").succeeds();
    make_pipe(&project, "pipe");
    fs::create_dir_all(project.home().join(".docker")).expect("a folder");
    output(environment::command("mkfifo").arg(project.home().join(".docker/config.json")));
    let sign = ["sign", "base", "--key", "cosign.key", "--attest", "https://acme.example/x=pipe"];
    for args in [&["verify", "base", "--key", "pipe"][..], &sign, &["inspect", "127.0.0.1:9/acme/x:1"]] {
        let call = project.oci(args).env("COSIGN_PASSWORD", "");
        interrupt(&args.join(" "), quiet(call.direct()), soon);
    }
    let mut command = quiet(project.oci(&["login", "127.0.0.1:9", "-u", "x", "--password-stdin"]).direct());
    command.stdin(Stdio::piped());
    interrupt("a password that does not come", command, soon);
}

#[test]
fn interrupt_ends_waits_for_locks() {
    let project = Project::new("x").file("a.txt", "a");
    BaseImage::new().write(&project.path("base"));
    let lock = |path: &std::path::Path| {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path).expect("a file");
        file.lock().expect("locks");
        file
    };
    let before = fs::read(project.path("base/index.json")).expect("a file");
    let _layout = lock(&project.path("base/oci-layout"));
    let call = project.oci(&["attach", "base", "a.txt", "--artifact-type", "text/a"]);
    interrupt("a layout that another run writes", quiet(call.direct()), soon);
    assert_eq!(fs::read(project.path("base/index.json")).expect("a file"), before);
    // A cache of its own, whose folder nobody else may write.
    project.oci(&["cache", "prune"]).succeeds();
    let _cache = lock(&project.cache().join("lock"));
    let call = project.oci(&["build", "--base", "127.0.0.1:9/base:1", "--platform", "linux/amd64"]);
    interrupt("a cache that is pruned", quiet(call.direct()), soon);
    assert!(!project.layout().exists());
}

#[test]
fn interrupt_ends_waits_for_programs() {
    let project = Project::new("x");
    // Some programs do not end when they are interrupted.
    for (name, lines) in [("slow", "exec sleep 60"), ("deaf", "trap '' INT TERM\nsleep 8")] {
        for program in ["cargo", "git", "docker-credential-slow"] {
            project.program(program, lines);
        }
        let programs = project.path("programs");
        let build = project.oci(&["build", "--base", "scratch", "--platform", "linux/amd64"]);
        let mut command = quiet(build.direct());
        command.env("CARGO", programs.join("cargo"));
        interrupt(&format!("a {name} cargo"), command, soon);
        let build = project.oci(&["build", "--base", "scratch"]).on_path(&programs);
        let mut command = quiet(build.direct());
        command.env("CARGO", environment::cargo());
        interrupt(&format!("a {name} git"), command, soon);
        fs::create_dir_all(project.home().join(".docker")).expect("a folder");
        fs::write(project.home().join(".docker/config.json"), "{\"credsStore\": \"slow\"}").expect("a file");
        let inspect = project.oci(&["inspect", "127.0.0.1:9/acme/x:1"]).on_path(&programs);
        interrupt(&format!("a {name} helper"), quiet(inspect.direct()), soon);
    }
    assert!(!project.layout().exists());
}

/// A command with more output than a pipe holds.
fn with_much_output(project: &Project) -> Command {
    BaseImage::new().write(&project.path("base"));
    let text = "x".repeat(300_000);
    let index = fs::read_to_string(project.path("base/index.json")).expect("a file");
    let index = index.replacen("\"annotations\":{", &format!("\"annotations\":{{\"org.acme\":\"{text}\","), 1);
    fs::write(project.path("base/index.json"), index).expect("a file");
    let file = project.path("long.txt");
    fs::write(&file, "").expect("a file");
    let note = format!("note={text}");
    let attach = ["attach", "base", "long.txt", "--artifact-type", "text/a", "--annotation", &note[..100_000]];
    project.oci(&attach).succeeds();
    let mut command = quiet(project.oci(&["inspect", "--json", "base"]).direct());
    command.stdout(Stdio::piped());
    command
}

/// Waits until a program waits for the reader of its output.
fn until_pipe_is_full(running: &mut Process) {
    soon(running);
    thread::sleep(Duration::from_secs(1));
}

#[test]
fn interrupt_ends_wait_for_reader_of_stdout() {
    let project = Project::empty("x");
    interrupt("output that nobody reads", with_much_output(&project), until_pipe_is_full);
}

/// Interrupts the program at a prompt by a signal, and not by a key. The terminal must echo afterwards.
#[test]
fn interrupted_prompt_restores_the_terminal() {
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_cargo-oci");
    let inner = format!("sh -c \"echo \\$\\$ > pid; exec {program} login ghcr.io -u robot\"; echo status $?; stty -a");
    let shell = format!(
        ": > screen; {{ while ! grep -q 'Password for' screen; do sleep 0.05; done; sleep 1; kill -INT $(cat pid); sleep 4; }} \
         | script -qfec '{inner}' screen"
    );
    let mut command = home.command("sh");
    command.args(["-c", &shell]).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(command.status().expect("script runs").success());
    let screen = home.read("screen");
    assert!(screen.contains("status 130"), "{screen}");
    assert!(screen.contains(" echo ") && !screen.contains("-echo "), "{screen}");
}
