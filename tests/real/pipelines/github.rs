//! A stand-in for GitHub and its runners: runs the jobs of workflows, as far as the workflows of this repository need it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::expression::{expanded, expanded_in, holds, shown};
use super::place::{Place, copy, copy_of_cargo_oci, replaced, shell};
use crate::support::environment::{self, Variables};
use crate::support::process::output;

/// The repository of the project.
pub const REPOSITORY: &str = "Acme/Hello";
/// The repository of cargo-oci.
pub const CARGO_OCI: &str = "acme/cargo-oci";
/// A commit of it.
pub const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
/// Who pushes, and with what token.
pub const USER: (&str, &str) = ("octocat", "ghs_token");

/// A stand-in for GitHub, with one repository of a user.
pub struct GitHub {
    pub place: Place,
    /// The repository of the project, and the commit that runs are for.
    pub project: PathBuf,
    pub sha: String,
    /// `push` or `pull_request`, and for which ref.
    pub event: &'static str,
    pub reference: &'static str,
    /// The tag or commit that the action and the workflow are used by.
    pub uses: &'static str,
    /// Names of registries, and the hosts that stand for them.
    pub names: Vec<(String, String)>,
    /// More variables of all jobs.
    pub variables: Vec<(String, String)>,
    /// All that was printed.
    pub log: String,
    /// Whether a step has failed: those after it do not run.
    failed: bool,
    jobs: usize,
}

/// A job that runs.
struct Job {
    workspace: PathBuf,
    temp: PathBuf,
    /// The variables of all its steps.
    variables: Variables,
    path: Vec<String>,
    /// The contexts of expressions, without `steps`, `inputs` and `env`.
    contexts: Map<String, Value>,
    /// The caches that are saved when it has ended: their folders and keys.
    caches: Vec<(PathBuf, String)>,
}

/// The scope of steps: a job's, or that of a composite action.
struct Scope {
    inputs: Value,
    steps: Map<String, Value>,
    env: Map<String, Value>,
    /// The folder of the action.
    action: Option<PathBuf>,
}

impl GitHub {
    pub fn new(project: &Path, sha: &str) -> GitHub {
        GitHub {
            place: Place::new(),
            project: project.to_owned(),
            sha: sha.to_owned(),
            event: "push",
            reference: "refs/heads/main",
            uses: COMMIT,
            names: Vec::new(),
            variables: Vec::new(),
            log: String::new(),
            failed: false,
            jobs: 0,
        }
    }

    /// Runs a workflow of the project. Returns the outputs of its jobs, by their names.
    pub fn run(&mut self, text: &str, secrets: &Value) -> Value {
        let workflow = parsed(&replaced(text, &self.names));
        let jobs = self.run_jobs(&workflow, &json!({}), secrets, "");
        self.assert_has_succeeded();
        json!(jobs)
    }

    /// Runs a workflow, which fails. Returns what was printed.
    pub fn failing(&mut self, text: &str) -> String {
        self.run_jobs(&parsed(text), &json!({}), &json!({}), "");
        assert!(self.failed, "{}", self.log);
        self.failed = false;
        std::mem::take(&mut self.log)
    }

    /// Calls the reusable workflow of this repository. Returns its outputs.
    pub fn call(&mut self, with: &Value, secrets: &Value) -> Value {
        let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.github/workflows/build.yml"))
            .expect("a workflow");
        let workflow = parsed(&replaced(&text, &self.names));
        let call = &workflow["on"]["workflow_call"];
        let inputs = self.inputs(&call["inputs"], with);
        let of_workflow = format!("{CARGO_OCI}/.github/workflows/build.yml@{}", self.uses);
        let jobs = self.run_jobs(&workflow, &inputs, secrets, &of_workflow);
        self.assert_has_succeeded();
        let values =
            entries(&call["outputs"]).into_iter().map(|(name, output)| (name.clone(), output["value"].clone()));
        let outputs: Map<_, _> = values.collect();
        expanded_in(&Value::Object(outputs), &json!({ "jobs": jobs }))
    }

    /// Runs the action alone. Returns its outputs.
    pub fn action(&mut self, with: &Value) -> Value {
        let outputs = self.action_in_job(with);
        self.assert_has_succeeded();
        outputs
    }

    /// Runs the action alone, which fails. Returns what was printed.
    pub fn failing_action(&mut self, with: &Value) -> String {
        self.action_in_job(with);
        assert!(self.failed, "{}", self.log);
        self.failed = false;
        std::mem::take(&mut self.log)
    }

    #[track_caller]
    fn assert_has_succeeded(&self) {
        assert!(!self.failed, "{}", self.log);
    }

    fn action_in_job(&mut self, with: &Value) -> Value {
        let steps = json!([{ "uses": "actions/checkout@v6" }, { "id": "action", "uses": format!("{CARGO_OCI}@{}", self.uses), "with": with }]);
        let outputs = json!({ "all": "${{ steps.action.outputs }}" });
        let job = json!({ "runs-on": "ubuntu-latest", "steps": steps, "outputs": outputs });
        let workflow = json!({ "jobs": { "job": job } });
        self.run_jobs(&workflow, &json!({}), &json!({}), "")["job"]["outputs"]["all"].clone()
    }

    /// The inputs of a workflow or an action: what is given, else the defaults. All must be known.
    fn inputs(&self, known: &Value, with: &Value) -> Value {
        let unknown = entries(with).keys().find(|key| known.get(key.as_str()).is_none()).cloned();
        assert_eq!(unknown, None, "no such input");
        let contexts = json!({ "github": self.github() });
        let values = entries(known).into_iter().map(|(name, input)| {
            let default = expanded_in(&input["default"], &contexts);
            (name.clone(), with.get(name).cloned().unwrap_or(default))
        });
        Value::Object(values.collect())
    }

    fn run_jobs(&mut self, workflow: &Value, inputs: &Value, secrets: &Value, of_workflow: &str) -> Map<String, Value> {
        let mut done = Map::new();
        let mut left: Vec<_> = entries(&workflow["jobs"]).into_iter().collect();
        while !left.is_empty() {
            let ready = |(_, job): &(String, Value)| match &job["needs"] {
                Value::Null => true,
                Value::String(name) => done.contains_key(name),
                names => names
                    .as_array()
                    .expect("names")
                    .iter()
                    .all(|name| done.contains_key(name.as_str().expect("a name"))),
            };
            let at = left.iter().position(ready).expect("a job that needs no other");
            let (name, job) = left.remove(at);
            let contexts = json!({ "github": self.github(), "inputs": inputs, "secrets": secrets, "needs": done });
            if !holds(&job["if"], &contexts) {
                done.insert(name, json!({ "outputs": {} }));
                continue;
            }
            if let Some(uses) = job["uses"].as_str() {
                assert_eq!(uses, format!("{CARGO_OCI}/.github/workflows/build.yml@{}", self.uses));
                let with = expanded_in(&job["with"], &contexts);
                let outputs = self.call(&with, &expanded_in(&job["secrets"], &contexts));
                done.insert(name, json!({ "outputs": outputs }));
                continue;
            }
            let mut outputs = json!({});
            for (index, matrix) in matrix(&job["strategy"]["matrix"], &contexts).into_iter().enumerate() {
                let mut contexts = contexts.as_object().expect("contexts").clone();
                contexts.insert("matrix".to_owned(), matrix);
                contexts.insert("strategy".to_owned(), json!({ "job-index": index }));
                let repository = if of_workflow.is_empty() { REPOSITORY } else { CARGO_OCI };
                let of_job =
                    json!({ "workflow_ref": of_workflow, "workflow_repository": repository, "workflow_sha": COMMIT });
                contexts.insert("job".to_owned(), of_job);
                outputs = self.run_job(&name, &job, &workflow["env"], contexts);
            }
            done.insert(name, json!({ "outputs": outputs }));
        }
        done
    }

    fn run_job(&mut self, name: &str, job: &Value, env: &Value, mut contexts: Map<String, Value>) -> Value {
        self.jobs += 1;
        let folder = self.place.path(&format!("job-{}", self.jobs));
        let (workspace, temp) = (folder.join("hello"), folder.join("temp"));
        for folder in [&workspace, &temp] {
            fs::create_dir_all(folder).expect("a folder");
        }
        contexts["github"]["job"] = json!(name);
        contexts.insert("runner".to_owned(), json!({ "os": "Linux", "arch": arch(), "temp": temp }));
        let mut variables = self.place.variables(&format!("job-{}/home", self.jobs));
        let mut set = |key: &str, value: &str| variables.insert(key.into(), value.into());
        for (key, value) in [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_ACTOR", USER.0),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_REPOSITORY_OWNER", "Acme"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_SHA", &self.sha),
            ("GITHUB_REF", self.reference),
            ("GITHUB_WORKSPACE", &workspace.display().to_string()),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_ARCH", arch()),
            ("RUNNER_TEMP", &temp.display().to_string()),
        ] {
            set(key, value);
        }
        self.variables.iter().for_each(|(key, value)| drop(set(key, value)));
        let inputs = contexts.remove("inputs").unwrap_or_default();
        let mut scope = Scope { inputs, steps: Map::new(), env: Map::new(), action: None };
        let mut job_is = Job { workspace, temp, variables, path: Vec::new(), contexts, caches: Vec::new() };
        let runner = expanded_in(&job["runs-on"], &job_is.all(&scope));
        let known = ["ubuntu-latest", "ubuntu-24.04-arm"];
        assert!(known.contains(&shown(&runner).as_str()), "no such runner: {runner}");
        for env in [env, &job["env"]] {
            for (key, value) in entries(&expanded_in(env, &job_is.all(&scope))) {
                scope.env.insert(key, json!(shown(&value)));
            }
        }
        self.run_steps(&job["steps"], &mut scope, &mut job_is);
        for (folder, key) in job_is.caches.iter().filter(|_| !self.failed) {
            let saved = self.place.path("caches").join(key);
            if folder.exists() && !saved.exists() {
                copy(folder, &saved);
            }
        }
        expanded_in(&job["outputs"], &job_is.all(&scope))
    }

    fn run_steps(&mut self, steps: &Value, scope: &mut Scope, job: &mut Job) {
        for step in steps.as_array().expect("steps") {
            if self.failed {
                return;
            }
            let contexts = job.all(scope);
            if !holds(&step["if"], &contexts) {
                continue;
            }
            let mut env = scope.env.clone();
            for (key, value) in entries(&expanded_in(&step["env"], &contexts)) {
                env.insert(key, json!(shown(&value)));
            }
            let outputs = match (step["uses"].as_str(), step["run"].as_str()) {
                (Some(uses), None) => self.uses(uses, &expanded_in(&step["with"], &contexts), scope, job),
                (None, Some(script)) => {
                    // What comes from outside is in variables, where no shell reads it as commands.
                    assert!(
                        !script.contains("${{") || script.contains("${{ steps."),
                        "an expression in a script: {script}"
                    );
                    self.script(&shown(&expanded(script, &contexts)), step["shell"].as_str(), &env, scope, job)
                }
                _ => panic!("neither uses nor run: {step}"),
            };
            if let Some(id) = step["id"].as_str() {
                scope.steps.insert(id.to_owned(), json!({ "outputs": outputs }));
            }
        }
    }

    /// Runs a script, and reads what it has written for the runner.
    fn script(
        &mut self,
        script: &str,
        shell_name: Option<&str>,
        env: &Map<String, Value>,
        scope: &Scope,
        job: &mut Job,
    ) -> Value {
        let mut variables = job.variables.clone();
        for (key, value) in env {
            variables.insert(key.into(), shown(value).into());
        }
        let files = ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"]
            .map(|name| (name, job.temp.join(name)));
        for (name, path) in &files {
            fs::write(path, "").expect("a file");
            variables.insert((*name).into(), path.into());
        }
        if let Some(action) = &scope.action {
            variables.insert("GITHUB_ACTION_PATH".into(), action.into());
        }
        let before = variables["PATH".as_ref() as &std::ffi::OsStr].clone();
        let path = job.path.iter().rev().map(PathBuf::from).chain(std::env::split_paths(&before));
        variables.insert("PATH".into(), std::env::join_paths(path).expect("folders"));
        // As GitHub starts them.
        let args: &[&str] = match shell_name {
            Some("bash") => &["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"],
            None => &["bash", "-e"],
            Some(other) => panic!("no such shell: {other}"),
        };
        let ran = shell(&job.workspace, &variables, args, script);
        self.log += &format!("$ {script}\n{}", ran.stdout);
        if ran.status != 0 {
            self.log += &format!("ended with {}\n", ran.status);
            self.failed = true;
        }
        let read = |index: usize| pairs(&fs::read_to_string(&files[index].1).expect("a file"));
        for (key, value) in read(1) {
            job.variables.insert(key.clone().into(), value.clone().into());
            job.contexts.entry("env").or_insert(json!({}))[key] = json!(value);
        }
        let added = fs::read_to_string(&files[2].1).expect("a file");
        job.path.extend(added.lines().map(str::to_owned));
        let summary = fs::read_to_string(&files[3].1).expect("a file");
        self.log += &summary;
        json!(read(0))
    }

    fn uses(&mut self, uses: &str, with: &Value, scope: &Scope, job: &mut Job) -> Value {
        let text = |key: &str| shown(&with[key]);
        match uses.split_once('@') {
            Some(("actions/checkout", _)) => {
                self.checkout(&text("repository"), &text("ref"), &job.workspace.join(text("path")));
            }
            Some(("actions/cache", _)) => return self.cache(&text("path"), &text("key"), &text("restore-keys"), job),
            Some(("actions/upload-artifact", _)) => {
                let to = self.place.path("artifacts").join(text("name"));
                assert!(!to.exists(), "there is such an artifact: {}", text("name"));
                let from = job.workspace.join(text("path"));
                if from.is_file() {
                    // A file keeps its name.
                    fs::create_dir_all(&to).expect("a folder");
                    fs::copy(&from, to.join(from.file_name().expect("a name"))).expect("a copy");
                } else {
                    copy(&from, &to);
                }
            }
            Some(("actions/download-artifact", _)) if !with["name"].is_null() => {
                copy(&self.place.path("artifacts").join(text("name")), &job.workspace.join(text("path")));
            }
            Some(("actions/download-artifact", _)) => {
                assert_eq!(text("merge-multiple"), "true");
                let begin = text("pattern").strip_suffix('*').expect("a pattern").to_owned();
                for entry in fs::read_dir(self.place.path("artifacts")).expect("artifacts") {
                    let entry = entry.expect("an entry");
                    if entry.file_name().to_string_lossy().starts_with(&begin) {
                        copy(&entry.path(), &job.workspace.join(text("path")));
                    }
                }
            }
            // By its repository, or by a path in the workspace.
            Some((CARGO_OCI, reference)) => {
                assert_eq!(reference, self.uses);
                let action = job.temp.join("_actions");
                copy_of_cargo_oci(&action, &self.names);
                return self.composite(&action, with, (CARGO_OCI, reference), scope, job);
            }
            None if uses.starts_with("./") => {
                return self.composite(&job.workspace.join(uses), with, ("", ""), scope, job);
            }
            _ => panic!("no such action: {uses}"),
        }
        json!({})
    }

    fn checkout(&self, repository: &str, reference: &str, to: &Path) {
        if repository == CARGO_OCI {
            assert_eq!(reference, COMMIT);
            return copy_of_cargo_oci(to, &self.names);
        }
        assert!(repository.is_empty() || repository == REPOSITORY, "no such repository: {repository}");
        // As the action does it: one commit, and no branch.
        let fetch = "git init --quiet \"$1\" && cd \"$1\" && git fetch --quiet --depth 1 \"$2\" \"$3\" && \
                     git -c advice.detachedHead=false checkout --quiet FETCH_HEAD";
        let from = format!("file://{}", self.project.display());
        output(environment::command("sh").args(["-c", fetch, "sh"]).arg(to).args([&from, &self.sha]));
    }

    fn cache(&self, path: &str, key: &str, restore: &str, job: &mut Job) -> Value {
        assert!(Path::new(path).is_absolute(), "{path}");
        let caches = self.place.path("caches");
        fs::create_dir_all(&caches).expect("a folder");
        let key = key.replace('/', "_");
        let names = fs::read_dir(&caches).expect("caches").map(|entry| entry.expect("an entry").file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        let restore = restore.replace('/', "_");
        let found = names.iter().find(|name| **name == key);
        let found = found.or_else(|| names.iter().find(|name| !restore.is_empty() && name.starts_with(&restore)));
        if let Some(found) = found {
            copy(&caches.join(found), Path::new(path));
        }
        job.caches.push((path.into(), key.clone()));
        json!({ "cache-hit": found.map_or(String::new(), |found| (*found == key).to_string()) })
    }

    fn composite(&mut self, action: &Path, with: &Value, name: (&str, &str), outer: &Scope, job: &mut Job) -> Value {
        let text = fs::read_to_string(action.join("action.yml")).expect("an action");
        let description = parsed(&text);
        job.contexts["github"]["action_repository"] = json!(name.0);
        job.contexts["github"]["action_ref"] = json!(name.1);
        let inputs = {
            let unknown = entries(with).keys().find(|key| description["inputs"].get(key.as_str()).is_none()).cloned();
            assert_eq!(unknown, None, "no such input of the action");
            let contexts = json!({ "github": job.contexts["github"] });
            let values = entries(&description["inputs"]).into_iter().map(|(name, input)| {
                let default = expanded_in(&input["default"], &contexts);
                // All are texts.
                let value = with.get(&name).filter(|value| !value.is_null()).unwrap_or(&default);
                (name, json!(shown(value)))
            });
            Value::Object(values.collect())
        };
        let mut scope = Scope { inputs, steps: Map::new(), env: outer.env.clone(), action: Some(action.to_owned()) };
        for step in description["runs"]["steps"].as_array().expect("steps") {
            assert!(step["run"].is_null() || step["shell"] == "bash", "no shell: {step}");
        }
        // Its steps do not see what only a workflow has.
        let secrets = job.contexts.remove("secrets");
        self.run_steps(&description["runs"]["steps"], &mut scope, job);
        job.contexts.extend(secrets.map(|secrets| ("secrets".to_owned(), secrets)));
        let outputs =
            entries(&description["outputs"]).into_iter().map(|(name, output)| (name, output["value"].clone()));
        expanded_in(&Value::Object(outputs.collect()), &job.all(&scope))
    }

    fn github(&self) -> Value {
        json!({
            "actor": USER.0,
            "token": USER.1,
            "event_name": self.event,
            "ref": self.reference,
            "repository": REPOSITORY,
            "sha": self.sha,
            "workflow": "image",
        })
    }
}

impl Job {
    fn all(&self, scope: &Scope) -> Value {
        let mut contexts = self.contexts.clone();
        // What steps have written for all that follow, below what the scope says.
        let mut env = contexts.get("env").and_then(Value::as_object).cloned().unwrap_or_default();
        env.extend(scope.env.clone());
        contexts.insert("env".to_owned(), Value::Object(env));
        contexts.insert("inputs".to_owned(), scope.inputs.clone());
        contexts.insert("steps".to_owned(), Value::Object(scope.steps.clone()));
        Value::Object(contexts)
    }
}

fn arch() -> &'static str {
    if cfg!(target_arch = "x86_64") { "X64" } else { "ARM64" }
}

/// Reads YAML.
pub fn parsed(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The entries of a map; none if it is missing.
pub fn entries(value: &Value) -> BTreeMap<String, Value> {
    value
        .as_object()
        .map(|entries| entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
        .unwrap_or_default()
}

/// All combinations of a matrix; one without values, if there is none.
fn matrix(matrix: &Value, contexts: &Value) -> Vec<Value> {
    let mut all = vec![json!({})];
    for (key, values) in entries(&expanded_in(matrix, contexts)) {
        let values = values.as_array().expect("an array").clone();
        let with = |one: &Value, value: &Value| {
            let mut one = one.clone();
            one[&key] = value.clone();
            one
        };
        all = all.iter().flat_map(|one| values.iter().map(move |value| with(one, value)).collect::<Vec<_>>()).collect();
    }
    all
}

/// Reads `NAME=VALUE` and `NAME<<END`, as runners do.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<").filter(|(name, _)| !name.contains('=')) {
            let inside: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
            pairs.insert(name.to_owned(), inside.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            pairs.insert(name.to_owned(), value.to_owned());
        }
    }
    pairs
}
