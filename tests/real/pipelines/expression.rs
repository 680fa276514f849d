//! The expressions of GitHub's workflows: `${{ inputs.push && fromJSON(inputs.platforms) || 'x' }}`.

use serde_json::{Map, Value, json};

/// Replaces each `${{ … }}` in a text. A text that is one expression keeps the type of its value.
pub fn expanded(text: &str, contexts: &Value) -> Value {
    let is_one = text.starts_with("${{") && text.find("}}") == Some(text.len().wrapping_sub(2));
    if is_one {
        return evaluated(&text[3..text.len() - 2], contexts);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inside, after) = after.split_once("}}").unwrap_or_else(|| panic!("an expression without an end: {text}"));
        out += before;
        out += &shown(&evaluated(inside, contexts));
        rest = after;
    }
    Value::String(out + rest)
}

/// Replaces the expressions in all texts of a value.
pub fn expanded_in(value: &Value, contexts: &Value) -> Value {
    match value {
        Value::String(text) => expanded(text, contexts),
        Value::Array(items) => items.iter().map(|item| expanded_in(item, contexts)).collect(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), expanded_in(value, contexts)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Whether a condition holds, with or without `${{ }}` around it.
pub fn holds(condition: &Value, contexts: &Value) -> bool {
    match condition {
        Value::Null => true,
        Value::String(text) if text.contains("${{") => is_true(&expanded(text, contexts)),
        Value::String(text) => is_true(&evaluated(text, contexts)),
        other => is_true(other),
    }
}

/// A value as a text has it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => panic!("no text: {value}"),
        other => other.to_string(),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    }
}

fn evaluated(text: &str, contexts: &Value) -> Value {
    let mut reader = Reader { tokens: tokens(text), at: 0, contexts };
    let value = reader.or();
    assert!(reader.at == reader.tokens.len(), "the rest of `{text}` is not understood");
    value
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Mark(&'static str),
}

const MARKS: [&str; 11] = ["&&", "||", "==", "!=", "!", "(", ")", "[", "]", ",", "."];

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let used = if let Some(quoted) = rest.strip_prefix('\'') {
            let end = quoted.find('\'').unwrap_or_else(|| panic!("a quote without an end: {text}"));
            tokens.push(Token::Text(quoted[..end].to_owned()));
            end + 2
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            tokens.push(Token::Mark(mark));
            mark.len()
        } else {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            assert!(end > 0, "`{rest}` is not understood");
            tokens.push(Token::Name(rest[..end].to_owned()));
            end
        };
        rest = rest[used..].trim_start();
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    contexts: &'a Value,
}

impl Reader<'_> {
    fn takes(&mut self, mark: &'static str) -> bool {
        let is = self.tokens.get(self.at) == Some(&Token::Mark(mark));
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Value {
        let mut value = self.and();
        while self.takes("||") {
            let other = self.and();
            value = if is_true(&value) { value } else { other };
        }
        value
    }

    fn and(&mut self) -> Value {
        let mut value = self.equal();
        while self.takes("&&") {
            let other = self.equal();
            value = if is_true(&value) { other } else { value };
        }
        value
    }

    fn equal(&mut self) -> Value {
        let value = self.one();
        // Texts are compared without case.
        let same = |one: &Value, other: &Value| shown(one).eq_ignore_ascii_case(&shown(other));
        if self.takes("==") {
            let other = self.one();
            return json!(same(&value, &other));
        }
        if self.takes("!=") {
            let other = self.one();
            return json!(!same(&value, &other));
        }
        value
    }

    fn one(&mut self) -> Value {
        if self.takes("!") {
            return json!(!is_true(&self.one()));
        }
        let mut value = if self.takes("(") {
            let inside = self.or();
            assert!(self.takes(")"), "`)` is missing");
            inside
        } else {
            match self.tokens.get(self.at).cloned() {
                Some(Token::Text(text)) => {
                    self.at += 1;
                    Value::String(text)
                }
                Some(Token::Name(name)) => {
                    self.at += 1;
                    self.named(&name)
                }
                other => panic!("{other:?} is not understood"),
            }
        };
        loop {
            if self.takes(".") {
                let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else { panic!("a name is missing") };
                self.at += 1;
                value = value.get(&name).cloned().unwrap_or_default();
            } else if self.takes("[") {
                let key = shown(&self.or());
                assert!(self.takes("]"), "`]` is missing");
                value = value.get(&key).cloned().unwrap_or_default();
            } else {
                return value;
            }
        }
    }

    /// A constant, the call of a function, or a context.
    fn named(&mut self, name: &str) -> Value {
        match name {
            "true" | "false" => return json!(name == "true"),
            "null" => return Value::Null,
            number if number.parse::<i64>().is_ok() => return json!(number.parse::<i64>().ok()),
            _ => {}
        }
        if self.takes("(") {
            let mut args = Vec::new();
            while !self.takes(")") {
                args.push(self.or());
                self.takes(",");
            }
            return called(name, &args);
        }
        // A context that there is not is a mistake of the workflow.
        self.contexts.get(name).cloned().unwrap_or_else(|| panic!("there is no context `{name}`"))
    }
}

fn called(name: &str, args: &[Value]) -> Value {
    match (name, args) {
        ("fromJSON", [Value::String(text)]) => {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
        }
        ("join", [Value::Array(items), with]) => json!(items.iter().map(shown).collect::<Vec<_>>().join(&shown(with))),
        ("startsWith", [text, begin]) => json!(shown(text).starts_with(&shown(begin))),
        // Stands for what it is: a text that changes with the files.
        ("hashFiles", [_]) => json!("0123abcd"),
        _ => panic!("{name}({args:?}) is not understood"),
    }
}

#[test]
fn expressions_have_values_as_on_github() {
    let contexts = json!({
        "inputs": { "push": true, "platforms": "[\"linux/amd64\", \"linux/arm64\"]", "empty": "" },
        "matrix": { "platform": "linux/arm64" },
        "strategy": { "job-index": 1 },
    });
    for (text, value) in [
        ("${{ inputs.push && 'a' || 'b' }}", json!("a")),
        ("${{ !inputs.push }}", json!(false)),
        ("x-${{ strategy.job-index }}.json", json!("x-1.json")),
        ("${{ fromJSON(inputs.platforms) }}", json!(["linux/amd64", "linux/arm64"])),
        ("${{ join(fromJSON(inputs.platforms), ',') }}", json!("linux/amd64,linux/arm64")),
        ("${{ fromJSON('{\"linux/arm64\": \"arm\"}')[matrix.platform] || 'x' }}", json!("arm")),
        ("${{ inputs.empty || inputs.nothing || 'last' }}", json!("last")),
        ("${{ inputs.push == 'true' }}", json!(true)),
        ("${{ (inputs.empty != '') }} ${{ inputs.nothing }}.", json!("false .")),
        ("no expression", json!("no expression")),
    ] {
        assert_eq!(expanded(text, &contexts), value, "{text}");
    }
    assert!(holds(&json!("matrix.platform == 'LINUX/arm64'"), &contexts));
    assert!(!holds(&json!("inputs.empty"), &contexts));
}
