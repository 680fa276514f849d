//! Pages of Markdown: fenced blocks, the commands in them, headings and links.

use std::fs;
use std::path::{Path, PathBuf};

/// A page of the repository.
pub struct Page {
    /// Its path from the repository's root.
    pub path: PathBuf,
    /// Its lines, without line ends.
    pub lines: Vec<String>,
}

/// A fenced block, or a comment that begins with `<!-- run`.
pub struct Block {
    /// What follows the opening fence, such as `console no-run`.
    pub info: String,
    /// The index of the first line inside.
    pub start: usize,
    /// The index of the line that closes it.
    pub end: usize,
}

/// A command of a console block and the output that the page shows for it.
pub struct Step {
    /// The command without its prompt; a line that ends in `\` continues on the next.
    pub command: String,
    /// The index of the first line of output.
    pub start: usize,
    /// The index of the line after the output.
    pub end: usize,
}

/// Returns README.md, CONTRIBUTING.md, benches/README.md and all pages in docs/.
pub fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("a folder docs");
    let mut paths: Vec<_> = docs.map(|entry| Path::new("docs").join(entry.expect("an entry").file_name())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.splice(0..0, ["README.md", "CONTRIBUTING.md", "benches/README.md"].map(PathBuf::from));
    paths.into_iter().map(Page::read).collect()
}

impl Page {
    /// Reads the page at a path from the repository's root.
    pub fn read(path: PathBuf) -> Page {
        let text = fs::read_to_string(root_path(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Page { path, lines: text.lines().map(str::to_owned).collect() }
    }

    /// Writes the page back.
    pub fn write(&self) {
        fs::write(root_path(&self.path), self.text()).expect("a page");
    }

    /// Returns all of the page.
    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// Returns the blocks in the order of the page.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.lines.iter().enumerate();
        while let Some((index, line)) = lines.next() {
            let (info, fence) = if let Some(info) = line.trim_start().strip_prefix("```") {
                (info.trim().to_owned(), "```")
            } else if line.starts_with("<!-- run") {
                ("hidden".to_owned(), "-->")
            } else {
                continue;
            };
            let end = lines.find(|(_, line)| line.trim_start().starts_with(fence));
            let (end, _) = end.unwrap_or_else(|| panic!("{}:{}: a block without an end", self.at(index), index + 1));
            blocks.push(Block { info, start: index + 1, end });
        }
        blocks
    }

    /// Returns the lines outside of fenced blocks, with their indexes.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let blocks: Vec<_> = self.blocks().iter().map(|block| block.start - 1..=block.end).collect();
        let lines = self.lines.iter().enumerate();
        let lines = lines.filter(|(index, _)| blocks.iter().all(|block| !block.contains(index)));
        lines.map(|(index, line)| (index, line.as_str())).collect()
    }

    /// Returns the text inside a block.
    pub fn inside(&self, block: &Block) -> String {
        self.lines[block.start..block.end].join("\n")
    }

    /// Returns the commands of a console block.
    pub fn steps(&self, block: &Block) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut index = block.start;
        while index < block.end {
            if let Some(command) = self.lines[index].strip_prefix("$ ") {
                let mut command = command.to_owned();
                while command.ends_with('\\') {
                    index += 1;
                    command.push('\n');
                    command.push_str(&self.lines[index]);
                }
                steps.push(Step { command, start: index + 1, end: index + 1 });
            } else {
                let step = steps.last_mut().unwrap_or_else(|| panic!("{}: output without a command", self.at(index)));
                step.end = index + 1;
            }
            index += 1;
        }
        steps
    }

    /// Returns what a shell reads of a block: the commands of a console block without their output, the steps `sh '…'` of one for
    /// Jenkins, else all of it.
    pub fn shell(&self, block: &Block) -> String {
        if block.info.starts_with("console") {
            let steps = self.steps(block).into_iter();
            steps.map(|step| step.command + "\n").collect()
        } else if block.info == "groovy" {
            let inside = self.inside(block);
            let scripts = inside.split("sh '").skip(1).filter_map(|rest| rest.split_once('\''));
            scripts.map(|(script, _)| format!("{script}\n")).collect()
        } else {
            self.inside(block)
        }
    }

    /// Returns the output that the page shows for a step.
    pub fn shown(&self, step: &Step) -> &[String] {
        &self.lines[step.start..step.end]
    }

    /// Returns the anchors of the page's headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.prose().into_iter().filter_map(|(_, line)| line.strip_prefix('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
    }

    /// Returns the targets of links and pictures, with the indexes of their lines.
    pub fn links(&self) -> Vec<(usize, &str)> {
        let prose = self.prose().into_iter();
        let targets = prose.flat_map(|(index, line)| line.split("](").skip(1).map(move |rest| (index, rest)));
        targets.filter_map(|(index, rest)| Some((index, rest.split(')').next()?))).collect()
    }

    /// Returns a place on the page as an editor takes it.
    pub fn at(&self, index: usize) -> String {
        format!("{}:{}", self.path.display(), index + 1)
    }
}

/// Returns a path from the repository's root as one that can be opened.
pub fn root_path(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Returns the arguments of each `cargo oci` in shell text, without redirections, pipes and comments.
pub fn cargo_oci_calls(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let starts = text.match_indices("cargo oci ").map(|(at, found)| at + found.len());
    starts.map(|at| words(&text[at..])).collect()
}

/// The words of a shell command up to what ends it. A variable stands for its name.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        let is_new = words.last().is_some_and(String::is_empty);
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '&' | ';' | ')' | '>' | '<' | '\n' | '`') => break,
            (None, '#') if is_new => break,
            (None | Some('"'), '$') => {}
            (None, ' ') if is_new => {}
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns whether output is what a page shows: `…` stands for anything on a line, or alone on it for any lines. Digests,
/// sizes and times differ by run and compilers, and compare equal.
pub fn is_shown(shown: &[String], output: &str) -> bool {
    let output: Vec<_> = output.lines().map(normal).collect();
    let shown: Vec<_> = shown.iter().map(|line| normal(line)).collect();
    matches(&shown, &output)
}

/// Returns output as a page shows it in the place of `shown`. A single `…` alone on a line stays, with as many lines
/// before and after it, and so does a `…` inside a line that still fits.
pub fn elided(shown: &[String], output: &str) -> Vec<String> {
    let output: Vec<_> = output.lines().map(|line| shortened(shown, line)).collect();
    let mut gaps = shown.iter().enumerate().filter(|(_, line)| is_gap(line));
    let (Some((before, gap)), None) = (gaps.next(), gaps.next()) else { return output };
    let after = shown.len() - before - 1;
    if output.len() <= before + after {
        return output;
    }
    [&output[..before], std::slice::from_ref(gap), &output[output.len() - after..]].concat()
}

/// Returns a line of output as one of the lines with `…` shows it, or whole.
fn shortened(shown: &[String], line: &str) -> String {
    let fits = |shown: &&String| shown.contains('…') && !is_gap(shown) && is_line(&normal(shown), &normal(line));
    shown.iter().find(fits).map_or_else(|| line.trim_end().to_owned(), Clone::clone)
}

/// Whether a line stands for any lines. It may continue a tree.
fn is_gap(line: &str) -> bool {
    line.trim_matches(['│', ' ']) == "…"
}

fn matches(shown: &[String], output: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return output.is_empty() };
    if is_gap(first) {
        return (0..=output.len()).any(|skipped| matches(rest, &output[skipped..]));
    }
    output.split_first().is_some_and(|(line, others)| is_line(first, line) && matches(rest, others))
}

fn is_line(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut left) = parts.next().and_then(|begin| line.strip_prefix(begin)) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(end) = parts.pop() else { return left.is_empty() };
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

/// A line with `0` for each number that stands for a size, a share or a time, `HEX` for digests, and single spaces.
fn normal(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let mut out = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let is_number = word.trim_matches(['(', ')', '%', 's', ',', '.']).parse::<f64>().is_ok();
        let unit = words.get(index + 1).map(|word| word.trim_matches([')', ',']));
        let has_unit = unit.is_some_and(|unit| ["B", "KiB", "MiB", "GiB"].contains(&unit));
        let is_measured = is_number && (has_unit || word.contains(['%', '.']));
        out.push(if is_measured { "0".to_owned() } else { without_digests(word) });
    }
    out.join(" ")
}

fn without_digests(word: &str) -> String {
    let (mut out, mut run) = (String::new(), String::new());
    for c in word.chars().map(Some).chain([None]) {
        if let Some(c) = c.filter(|c| "0123456789abcdef".contains(*c)) {
            run.push(c);
            continue;
        }
        let is_digest = run.len() >= 7 && run.contains(|c: char| c.is_ascii_digit());
        out.push_str(if is_digest { "HEX" } else { &run });
        run.clear();
        out.extend(c);
    }
    out
}
