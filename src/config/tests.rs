//! Tables as users write them, valid and invalid.

use super::*;
use crate::config::key::KeyDefault;
use crate::config::keys::IMAGES_EXAMPLE;
use crate::config::text::UserAndGroup;
use crate::config::value::Arguments;
use crate::reference::BaseReference;

const PACKAGE: Whose = Whose::Package { image: "x", binaries: &[] };

fn section(body: &str) -> Result<Section, (String, String, String)> {
    let text = format!("[package]\nname = \"x\"\n[package.metadata.oci]\n{body}\n");
    Section::parse(&text, PACKAGE).map_err(|error| (error.message, error.label, text[error.at].to_owned()))
}

fn parse(body: &str) -> Result<Table, (String, String, String)> {
    section(body).map(|section| section.table.expect("a table"))
}

#[test]
fn package_without_a_table_has_the_defaults() {
    let section = |text: &str| Section::parse(text, PACKAGE).map_err(|error| error.message);
    assert_eq!(section("[package]\nname = 'x'"), Ok(Section::default()));
    let off = section("[package]\nmetadata.oci = false").expect("is right");
    assert!(off.is_off && off.table.is_none());
    assert!(section("[package]\nmetadata.oci = true").is_err());
    assert!(Section::parse("[workspace]\nmetadata.oci = false", Whose::Workspace).is_err());
}

#[test]
fn table_reads_every_type_of_value() {
    let table = parse(
        r#"base = "scratch"
        platforms = ["linux/amd64", "all"]
        bins = ["a"]
        bin-dir = "/usr/local/bin/"
        entrypoint = ["/app/a"]
        cmd = []
        env = { Z = "1", A = "2" }
        user = "1:2"
        workdir = "/srv"
        expose = ["8080", "53/udp"]
        volumes = ["/data"]
        stop-signal = "quit"
        labels = { "a.b" = "c", "e" = false }
        annotations = { "d.e" = "f" }
        tags = ["v{version}"]
        compression = "zstd"
        features = ["tls", "dep/fast"]
        no-default-features = true
        all-features = false
        profile = "dist""#,
    )
    .expect("is right");
    assert_eq!(table.base, Some(BaseReference::Scratch));
    assert_eq!(table.cmd, Some(Arguments(Vec::new())));
    assert_eq!(table.env, Some(vec![("Z".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())]));
    assert_eq!(table.platforms.map(|platforms| platforms.0.len()), Some(2));
    assert_eq!(table.bin_dir.map(|folder| folder.join("a")).as_deref(), Some("/usr/local/bin/a"));
    let ports: Vec<_> = table.expose.unwrap_or_default().iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["8080/tcp", "53/udp"]);
    assert_eq!(table.stop_signal.map(|signal| signal.to_string()).as_deref(), Some("SIGQUIT"));
    let labels = table.labels.expect("labels");
    assert_eq!((labels["a.b"].as_deref(), labels["e"].as_deref()), (Some("c"), None));
    assert_eq!(table.features.map(|features| features.len()), Some(2));
    assert_eq!((table.no_default_features, table.all_features), (Some(true), Some(false)));
}

#[test]
fn keys_read_their_examples_and_reject_wrong_types() {
    for key in KEYS {
        let (name, example) = (key.name, key.example);
        assert!(section(&format!("{name} = {example}")).is_ok(), "{name}");
        let (message, _, at) = section(&format!("{name} = 1.5")).expect_err("a wrong type");
        assert!(message.starts_with("expected "), "{name}: {message}");
        assert_eq!(at, "1.5");
        assert!(section(&format!("images.y.{name} = {example}")).is_ok(), "{name}");
        if let KeyDefault::Value(value) = key.default {
            assert!(section(&format!("{name} = {value}")).is_ok(), "{name}");
        }
    }
    assert!(section(&format!("{IMAGES} = {IMAGES_EXAMPLE}")).is_ok());
}

#[test]
fn variables_of_keys_parse_their_examples() {
    for (key, variable) in KEYS.iter().filter_map(|key| Some((key, key.variable?))) {
        let example = variable.example.trim_matches('\'');
        let items: Vec<_> = if variable.is_split { example.split(',').collect() } else { vec![example] };
        assert_eq!(key.set(&mut Table::default(), &items), Ok(()), "{}", variable.name);
    }
}

#[test]
fn unknown_key_suggests_the_nearest_known_one() {
    let (message, label, at) = parse("platform = []").expect_err("unknown");
    assert_eq!(message, "unknown key `platform` in the table metadata.oci");
    assert_eq!((label.as_str(), at.as_str()), ("did you mean `platforms`?", "platform"));
    let (message, label, at) = parse("[package.metadata.oci.images.y]\nlables = {}").expect_err("unknown");
    assert_eq!(message, "unknown key `lables` in the table metadata.oci.images.y");
    assert_eq!((label.as_str(), at.as_str()), ("did you mean `labels`?", "lables"));
}

#[test]
fn wrong_values_are_shown_at_their_position() {
    for (body, part) in [
        ("platforms = [\"linux/amd64\", \"windows/amd64\"]", "\"windows/amd64\""),
        ("tags = [\"a b\"]", "\"a b\""),
        ("tags = [\"a\", \"{versoin}\"]", "\"{versoin}\""),
        ("base = \"Not a reference\"", "\"Not a reference\""),
        ("workdir = \"srv\"", "\"srv\""),
        ("bins = []", "[]"),
        ("bin-dir = \"app\"", "\"app\""),
        ("user = \"\"", "\"\""),
        ("user = \"1:\"", "\"1:\""),
        ("user = \"me:us:you\"", "\"me:us:you\""),
        ("user = \"4294967296\"", "\"4294967296\""),
        ("cmd = [\"a\", \"\\u0000\"]", "\"\\u0000\""),
        ("profile = \"\"", "\"\""),
        ("platforms = []", "[]"),
        ("no-default-features = 1", "1"),
        ("entrypoint = [\"\", \"x\"]", "\"\""),
        ("env = { A = [1] }", "[1]"),
        ("env = { A = \"{git.shaa}\" }", "\"{git.shaa}\""),
        ("labels = { a = \"x\\ny\" }", "\"x\\ny\""),
        ("labels = { a = true }", "true"),
        ("annotations = { \"a\\u0007\" = \"b\" }", "\"a\\u0007\""),
        ("entrypoint = \"/app/a\"", "\"/app/a\""),
        ("expose = [\"80\", \"70000\"]", "\"70000\""),
        ("expose = [80800]", "80800"),
        ("user = -1", "-1"),
        ("volumes = [\"data\"]", "\"data\""),
        ("volumes = [\"/\"]", "\"/\""),
        ("stop-signal = \"SIGNOPE\"", "\"SIGNOPE\""),
        ("compression = \"xz\"", "\"xz\""),
        ("features = [\"a b\"]", "\"a b\""),
        ("all-features = \"yes\"", "\"yes\""),
        ("images = { y = 1 }", "1"),
        ("images.y.expose = [\"0\"]", "\"0\""),
        ("images.Y = {}", "Y"),
        ("images.\"a/b\" = {}", "\"a/b\""),
        ("images.x = {}", "x"),
        ("images.y.images = {}", "images"),
    ] {
        assert_eq!(parse(body).expect_err(body).2, part, "{body}");
    }
}

#[test]
fn unknown_binary_is_shown_at_its_position() {
    let whose = Whose::Package { image: "x", binaries: &["x", "x-migrate"] };
    for table in ["", ".images.y"] {
        let text = format!("[package.metadata.oci{table}]\nbins = [\"x\", \"x-migrat\"]");
        let error = Section::parse(&text, whose).map(|_| ()).map_err(|error| (error.label, text[error.at].to_owned()));
        assert_eq!(error, Err(("did you mean `x-migrate`?".to_owned(), "\"x-migrat\"".to_owned())));
    }
    assert!(Section::parse("[package.metadata.oci]\nbins = [\"x-migrate\"]", whose).is_ok());
}

#[test]
fn images_key_is_only_for_packages() {
    let text = "[workspace.metadata.oci.images.y]\n";
    let error = Section::parse(text, Whose::Workspace).map(|_| ()).map_err(|error| error.message);
    assert_eq!(error, Err("`images` is only allowed in [package.metadata.oci]".to_owned()));
}

#[test]
fn tables_merge_key_by_key_and_arrays_replace() {
    let own = parse("env = { A = \"1\" }\ntags = [\"a\"]\nexpose = []\nlabels = { l = false }").expect("is right");
    let defaults = parse(
        "env = { A = \"0\", B = \"2\" }\ntags = [\"b\", \"c\"]\nuser = \"1\"\nexpose = [\"80\"]\nlabels = { l = \"1\", m = \"2\" }",
    )
    .expect("is right");
    let merged = own.over(defaults);
    // A may now hold B.
    assert_eq!(merged.env, Some(vec![("B".to_owned(), "2".to_owned()), ("A".to_owned(), "1".to_owned())]));
    assert_eq!(merged.tags.map(|tags| tags.0.len()), Some(1));
    assert_eq!(merged.user, Some(UserAndGroup("1".to_owned())));
    assert_eq!(merged.expose, Some(Vec::new()));
    let labels = merged.labels.expect("labels");
    assert_eq!((labels["l"].as_deref(), labels["m"].as_deref()), (None, Some("2")));
}

#[test]
fn image_with_other_bins_inherits_no_entrypoint() {
    let package = parse("entrypoint = [\"/app/a\"]\ncmd = [\"--listen\"]\nuser = \"1\"").expect("is right");
    let other = parse("bins = [\"b\"]").expect("is right").over(package.clone());
    assert_eq!((other.entrypoint, other.cmd, other.user), (None, None, Some(UserAndGroup("1".to_owned()))));
    let same = parse("user = \"2\"").expect("is right").over(package.clone());
    assert_eq!((same.cmd, same.user), (package.cmd, Some(UserAndGroup("2".to_owned()))));
    let package = parse("bins = [\"b\"]\ncmd = [\"--listen\"]").expect("is right");
    let again = parse("bins = [\"b\"]").expect("is right").over(package.clone());
    assert_eq!(again.cmd, package.cmd);
}

#[test]
fn numbers_stand_for_their_digits() {
    let table = parse(
        "user = 1000\nexpose = [8080, \"53/udp\"]\nfiles = [{ to = \"/data\", owner = 7 }, { from = \"a\", to = \"/\", mtime = 5 }]",
    )
    .expect("is right");
    let ports = table.expose.expect("ports").iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (table.user, ports),
        (Some(UserAndGroup("1000".to_owned())), vec!["8080/tcp".to_owned(), "53/udp".to_owned()])
    );
    let rules = table.files.expect("rules");
    let owner = rules[0].owner.as_ref().expect("an owner").get_ref();
    assert_eq!((owner.user.clone(), rules[1].mtime), (Account::Number(7), FileMtime::Seconds(5)));
    for wrong in ["user = -1", "user = 4294967296", "expose = [0]", "expose = [65536]", "bins = [1]", "workdir = 1"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn file_rule_errors_are_shown_at_their_position() {
    let table = parse("[[package.metadata.oci.files]]\nfrom = \"a\"\nto = \"/b/\"\nowner = \"0:web\"");
    let rules = table.expect("is right").files.expect("rules");
    assert_eq!((rules[0].pattern().expect("a source").fixed.as_str(), rules[0].to.get_ref().as_str()), ("a", "/b/"));
    for (rule, part) in [
        (r#"{ from = "/a", to = "/b" }"#, r#""/a""#),
        (r#"{ from = "a", to = "b" }"#, r#""b""#),
        (r#"{ from = "a", to = "/b", mode = "rw" }"#, r#""rw""#),
        (r#"{ from = "a", to = "/b", mode = 644 }"#, "644"),
        (r#"{ from = "a", to = "/b", owner = "a:" }"#, r#""a:""#),
        (r#"{ from = "a", to = "/b", mtime = "now" }"#, r#""now""#),
        (r#"{ from = "a", to = "/b", mtime = -1 }"#, "-1"),
        (r#"{ from = "a", to = "/b", exclude = "a" }"#, r#""a""#),
        (r#"{ from = "a", to = "/b", exclude = ["a", "../b"] }"#, r#""../b""#),
        (r#"{ to = "/b/", exclude = ["a"] }"#, "exclude"),
        (r#"{ from = "a", to = "/b", user = "a" }"#, "user"),
        (r#"{ from = "a" }"#, r#"{ from = "a" }"#),
        (r#""a""#, r#""a""#),
    ] {
        assert_eq!(parse(&format!("files = [{rule}]")).expect_err(rule).2, part, "{rule}");
    }
    assert_eq!(parse("files = []").expect("is right").files, Some(Vec::new()));
}
