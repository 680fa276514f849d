//! A stand-in for GitLab and its runners: runs the jobs of a pipeline, as far as those of this repository need it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::expression::shown;
use super::github::{entries, parsed};
use super::place::{Place, copy, replaced, shell};
use crate::support::environment;
use crate::support::process::output;

/// Names that a job cannot have: they are keys of a pipeline.
const KEYWORDS: [&str; 9] =
    ["image", "services", "stages", "types", "before_script", "after_script", "variables", "cache", "include"];

/// A stand-in for GitLab, with one repository of a user.
pub struct GitLab {
    pub place: Place,
    /// The repository of the project, and the commit that pipelines are for.
    pub project: PathBuf,
    pub sha: String,
    /// The host that stands for GitLab's registry, and who may push there.
    pub registry: String,
    pub user: (&'static str, &'static str),
    /// The variables of the pipeline: branch, tag, source.
    pub event: Vec<(&'static str, &'static str)>,
    /// More variables of all jobs.
    pub variables: Vec<(String, String)>,
    /// Names of registries, and the hosts that stand for them.
    pub names: Vec<(String, String)>,
    /// All that was printed.
    pub log: String,
    /// What jobs gave to those that follow.
    pub dotenv: BTreeMap<String, String>,
    jobs: usize,
}

impl GitLab {
    pub fn new(project: &Path, sha: &str, registry: &str, user: (&'static str, &'static str)) -> GitLab {
        GitLab {
            place: Place::new(),
            project: project.to_owned(),
            sha: sha.to_owned(),
            registry: registry.to_owned(),
            user,
            event: vec![("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_REF_NAME", "main"), ("CI_PIPELINE_SOURCE", "push")],
            variables: Vec::new(),
            names: Vec::new(),
            log: String::new(),
            dotenv: BTreeMap::new(),
            jobs: 0,
        }
    }

    /// Runs a pipeline. Returns the names of the jobs that ran.
    pub fn run(&mut self, text: &str) -> Vec<String> {
        let pipeline = parsed(&replaced(text, &self.names));
        let mut all = entries(&pipeline);
        for include in all.remove("include").iter().flat_map(|list| list.as_array().expect("a list")) {
            let component = include["component"].as_str().expect("a component");
            assert!(component.contains("/cargo-oci/build@"), "{component}");
            all.extend(entries(&parsed(&self.component(&include["inputs"]))));
        }
        let misnamed = all.iter().find(|(name, job)| KEYWORDS.contains(&name.as_str()) && job.is_object());
        assert!(misnamed.is_none(), "this is no name for a job: {misnamed:?}");
        let mut left: Vec<_> = all.iter().filter(|(name, job)| !name.starts_with('.') && job.is_object()).collect();
        let mut ran = Vec::new();
        let mut done: Vec<String> = Vec::new();
        while !left.is_empty() {
            let needs = |job: &Value| job["needs"].as_array().cloned().unwrap_or_default();
            let ready = |(_, job): &(&String, &Value)| needs(job).iter().all(|name| done.contains(&shown(name)));
            let at = left.iter().position(ready).expect("a job that needs no other");
            let (name, job) = left.remove(at);
            done.push(name.clone());
            if self.run_job(name, &whole(job, &all)) {
                ran.push(name.clone());
            }
        }
        ran
    }

    /// The component of this repository, with its inputs filled in.
    pub fn component(&self, with: &Value) -> String {
        let text =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/build.yml")).expect("a component");
        let (header, jobs) = text.split_once("\n---\n").expect("a header");
        let known = parsed(header)["spec"]["inputs"].clone();
        // It is YAML before, too.
        parsed(jobs);
        let unknown = entries(with).keys().find(|key| known.get(key.as_str()).is_none()).cloned();
        assert_eq!(unknown, None, "no such input of the component");
        let filled = entries(&known).into_iter().fold(jobs.to_owned(), |text, (name, input)| {
            let value =
                with.get(&name).or(input.get("default")).unwrap_or_else(|| panic!("the input {name} is required"));
            let value = if value.is_array() { value.to_string() } else { shown(value) };
            text.replace(&format!("$[[ inputs.{name} ]]"), &value)
        });
        assert!(!filled.contains("$[["), "{filled}");
        replaced(&filled, &self.names)
    }

    /// Runs a job, once for each combination of its matrix; returns whether a rule lets it run.
    fn run_job(&mut self, name: &str, job: &Value) -> bool {
        let combinations = job["parallel"]["matrix"].as_array().cloned().unwrap_or_else(|| vec![json!({})]);
        let mut has_run = false;
        for (index, combination) in combinations.iter().enumerate() {
            self.jobs += 1;
            let folder = self.place.path(&format!("job-{}", self.jobs)).join("hello");
            let mut variables = self.of_pipeline(&folder, name, index + 1);
            for (key, value) in entries(&job["variables"]).into_iter().chain(entries(combination)) {
                variables.push((key, shown(&value)));
            }
            let Some(of_rule) = rule(&job["rules"], &settled(&variables)) else { continue };
            variables.extend(entries(&of_rule).into_iter().map(|(key, value)| (key, shown(&value))));
            variables.extend(self.dotenv.clone());
            has_run = true;
            self.run_script(name, job, &folder, &settled(&variables));
        }
        has_run
    }

    fn run_script(&mut self, name: &str, job: &Value, folder: &Path, settled: &BTreeMap<String, String>) {
        self.clone_to(folder);
        let key = filled(&shown(&job["cache"]["key"]), settled).replace('/', "-");
        let cache = self.place.path("caches").join(if key.is_empty() { "none" } else { &key });
        if cache.exists() {
            copy(&cache, folder);
        }
        for needed in job["needs"].as_array().into_iter().flatten() {
            let artifacts = self.place.path("artifacts").join(shown(needed));
            assert!(artifacts.exists(), "{name} needs what {needed} has not made");
            copy(&artifacts, folder);
        }
        let mut variables = self.place.variables(&format!("job-{}/home", self.jobs));
        variables.extend(settled.iter().map(|(key, value)| (key.into(), value.into())));
        if job["id_tokens"]["SIGSTORE_ID_TOKEN"].is_null() {
            variables.remove("SIGSTORE_ID_TOKEN".as_ref() as &std::ffi::OsStr);
        }
        let lines = [&job["before_script"], &job["script"]]
            .into_iter()
            .flat_map(|lines| lines.as_array().into_iter().flatten());
        let script: String = lines.map(|line| shown(line) + "\n").collect();
        let ran = shell(folder, &variables, &["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"], &script);
        self.log += &format!("$ {script}\n{}", ran.stdout);
        assert!(ran.status == 0, "{name} ended with {}:\n{}", ran.status, self.log);
        let keep = |paths: &Value, to: &Path| {
            for path in paths.as_array().into_iter().flatten() {
                let path = shown(path);
                if folder.join(&path).exists() {
                    copy(&folder.join(&path), &to.join(&path));
                }
            }
        };
        keep(&job["cache"]["paths"], &cache);
        keep(&job["artifacts"]["paths"], &self.place.path("artifacts").join(name));
        if let Some(file) = job["artifacts"]["reports"]["dotenv"].as_str() {
            let text = fs::read_to_string(folder.join(file)).expect("variables for the jobs that follow");
            let lines = text.lines().map(|line| line.split_once('=').expect("NAME=VALUE"));
            self.dotenv.extend(lines.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
    }

    /// As runners do it: one commit, and no branch.
    fn clone_to(&self, folder: &Path) {
        let fetch = "git init --quiet \"$1\" && cd \"$1\" && git fetch --quiet --depth 1 \"$2\" \"$3\" && \
                     git -c advice.detachedHead=false checkout --quiet FETCH_HEAD";
        let from = format!("file://{}", self.project.display());
        output(environment::command("sh").args(["-c", fetch, "sh"]).arg(folder).args([&from, &self.sha]));
    }

    fn of_pipeline(&self, folder: &Path, job: &str, index: usize) -> Vec<(String, String)> {
        let slug: String = job.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = folder.display().to_string();
        let index = index.to_string();
        let image = format!("{}/acme/hello", self.registry);
        let fixed = [
            ("CI", "true"),
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_SHA", &self.sha),
            ("CI_COMMIT_SHORT_SHA", &self.sha[..8]),
            ("CI_CONFIG_PATH", ".gitlab-ci.yml"),
            ("CI_DEFAULT_BRANCH", "main"),
            ("CI_JOB_NAME_SLUG", &slug),
            ("CI_NODE_INDEX", &index),
            ("CI_PROJECT_DIR", &folder),
            ("CI_PROJECT_URL", "https://gitlab.example/acme/hello"),
            ("CI_REGISTRY", &self.registry),
            ("CI_REGISTRY_IMAGE", &image),
            ("CI_REGISTRY_USER", self.user.0),
            ("CI_REGISTRY_PASSWORD", self.user.1),
            ("CI_SERVER_FQDN", "gitlab.example"),
            ("CI_SERVER_URL", "https://gitlab.example"),
        ];
        let all = fixed.iter().chain(&self.event).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        all.chain(self.variables.iter().cloned()).collect()
    }
}

/// A job with what it extends.
fn whole(job: &Value, all: &BTreeMap<String, Value>) -> Value {
    let Some(base) = job["extends"].as_str() else { return job.clone() };
    let base = all.get(base).unwrap_or_else(|| panic!("no job {base} to extend"));
    let mut whole = whole(base, all);
    merge(&mut whole, job);
    whole
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The values of variables, which may name those before them.
fn settled(variables: &[(String, String)]) -> BTreeMap<String, String> {
    let mut settled = BTreeMap::new();
    for (key, value) in variables {
        let value = filled(value, &settled);
        settled.insert(key.clone(), value);
    }
    settled
}

/// Replaces `$NAME` by its value. What is no variable of the pipeline is nothing.
fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        out += variables.get(&part[..end]).map_or("", String::as_str);
        out += &part[end..];
    }
    out
}

/// The variables of the first rule that holds, or `None` if there are rules and none holds.
fn rule(rules: &Value, variables: &BTreeMap<String, String>) -> Option<Value> {
    let Some(rules) = rules.as_array() else { return Some(json!({})) };
    let rule = rules.iter().find(|rule| holds(rule["if"].as_str().expect("a condition"), variables))?;
    Some(Value::Object(rule["variables"].as_object().cloned().unwrap_or_else(Map::new)))
}

/// Conditions with `||`, `&&`, `==` and `!=`, without parentheses.
fn holds(condition: &str, variables: &BTreeMap<String, String>) -> bool {
    let value = |text: &str| {
        let text = text.trim();
        match text.strip_prefix('$') {
            Some(name) => variables.get(name).cloned().unwrap_or_default(),
            None => {
                text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("a text in quotes").to_owned()
            }
        }
    };
    condition.split("||").any(|all| {
        all.split("&&").all(|one| match (one.split_once("=="), one.split_once("!=")) {
            (Some((left, right)), _) => value(left) == value(right),
            (_, Some((left, right))) => value(left) != value(right),
            _ => !value(one).is_empty(),
        })
    })
}
