use super::*;
use oci_spec::runtime::Spec;

fn image() -> Object {
    let image = json!({
        "os": "linux", "architecture": "arm64", "variant": "v8", "author": "me", "os.features": ["a", "b"],
        "config": {
            "Entrypoint": ["/app/x"], "Cmd": ["y"], "Env": ["A=1"], "User": "web", "StopSignal": "SIGINT",
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} }, "Volumes": { "/data": {}, "/": {} },
            "Labels": { "org.opencontainers.image.author": "another", "mine": "1", "": "no" },
        },
    });
    image.as_object().expect("an object").clone()
}

fn document(image: &Object, rootless: Option<HostOwner>) -> Value {
    let user = ProcessUser { uid: 33, gid: 34, groups: vec![50], home: Some("/srv".to_owned()) };
    let volumes = [Volume { path: "/data".to_owned(), mode: 0o1777, owner: (33, 34) }];
    let config = RuntimeConfig { image, name: "My_app", user: &user, volumes: &volumes, rootless };
    config.document().expect("a config")
}

#[test]
fn process_comes_from_the_image() {
    let process = &document(&image(), None)["process"];
    assert_eq!(process["args"], json!(["/app/x", "y"]));
    assert_eq!(process["env"], json!(["A=1", format!("PATH={DEFAULT_PATH}"), "HOME=/srv"]));
    assert_eq!(process["user"], json!({ "uid": 33, "gid": 34, "additionalGids": [50] }));
    assert_eq!(process["cwd"], "/");
    assert_eq!(process["capabilities"].get("effective"), None);
    assert_eq!(document(&image(), None)["hostname"], "My-app");
}

#[test]
fn labels_take_precedence_over_other_annotations() {
    let annotations = &document(&image(), None)["annotations"];
    let expected = [
        ("architecture", "arm64"),
        ("author", "another"),
        ("exposedPorts", "53/udp,80/tcp"),
        ("os", "linux"),
        ("os.features", "a,b"),
        ("stopSignal", "SIGINT"),
        ("variant", "v8"),
    ];
    let mut expected: Object =
        expected.map(|(key, value)| (format!("org.opencontainers.image.{key}"), json!(value))).into_iter().collect();
    expected.insert("mine".to_owned(), json!("1"));
    assert_eq!(annotations, &Value::Object(expected));
}

#[test]
fn labels_that_configure_runtimes_are_left_out() {
    let runtime_labels = [
        "run.oci.keep_original_groups",
        "org.systemd.property.ExecStop",
        "org.systemd.other",
        "org.criu.config",
        "io.katacontainers.config.hypervisor.path",
        "module.wasm.image/variant",
        "dev.gvisor.spec.mount.x.type",
    ];
    let mut labels: Object = runtime_labels.iter().map(|label| ((*label).to_owned(), json!("1"))).collect();
    labels.insert("run.ocis".to_owned(), json!("fine"));
    let mut image = image();
    image["config"]["Labels"] = json!(labels);
    assert_eq!(super::super::validate::runtime_labels(&image).len(), runtime_labels.len());
    let annotations = document(&image, None)["annotations"].to_string();
    assert!(runtime_labels.iter().all(|label| !annotations.contains(label)), "{annotations}");
    assert!(annotations.contains(r#""run.ocis":"fine""#), "{annotations}");
}

#[test]
fn volumes_keep_owner_and_content_of_the_image() {
    let mounts = document(&image(), None)["mounts"].clone();
    let volume = mounts.as_array().and_then(|mounts| mounts.last()).expect("a mount");
    assert_eq!(volume["destination"], "/data");
    assert_eq!(volume["options"], json!(["nosuid", "nodev", "tmpcopyup", "mode=1777", "uid=33", "gid=34"]));
}

#[test]
fn rootless_container_maps_root_to_the_user() {
    let config = document(&image(), Some((1000, 1001)));
    assert_eq!(config["process"]["user"], json!({ "uid": 0, "gid": 0 }));
    assert_eq!(config["linux"]["uidMappings"], json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]));
    assert_eq!(config["linux"]["gidMappings"], json!([{ "containerID": 0, "hostID": 1001, "size": 1 }]));
    let text = config.to_string();
    assert!(!text.contains("gid=") && !text.contains("network"), "{text}");
}

#[test]
fn args_without_a_program_are_an_error() {
    for config in [json!({}), json!({ "config": null }), json!({ "config": { "Entrypoint": null, "Cmd": [] } })] {
        let error = args(config.as_object().expect("an object")).unwrap_err();
        assert!(error.help().expect("help").to_string().contains("--entrypoint"), "{error}");
    }
}

#[test]
fn config_matches_the_types_of_the_runtime_spec() {
    /// Sorts lists, which are sets in the spec's types.
    fn sorted(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sorted);
                items.sort_by_key(ToString::to_string);
            }
            Value::Object(fields) => fields.values_mut().for_each(sorted),
            _ => {}
        }
    }
    for rootless in [None, Some((1000, 1000))] {
        let mut written = document(&image(), rootless);
        let spec: Spec = serde_json::from_value(written.clone()).expect("is a runtime's config");
        let mut read = serde_json::to_value(&spec).expect("JSON");
        sorted(&mut written);
        sorted(&mut read);
        assert_eq!(written, read);
    }
}
