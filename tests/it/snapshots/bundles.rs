//! Images that cannot be unpacked as a bundle.

use crate::support::handmade::{self, Image, Layer};
use crate::support::project::Project;
use crate::support::snapshot::Snapshot;
use serde_json::json;
use std::fs;
use tar::EntryType;

#[test]
fn bundle_errors_match_snapshot() {
    let mut told = Snapshot::of("bundles");
    let mut from = |title: &str, image: Image, args: &[&str]| {
        let project = Project::empty("x");
        image.write(&project.path("image"));
        let args = [&["bundle", "--from", "image"], args, &["out"]].concat();
        told.error(title, &project, &args);
    };
    let rootless = ["--platform", "linux/amd64", "--rootless"];
    let of = |layer: Layer| Image::new().layer(handmade::base()).layer(layer);
    from(
        "an image without entrypoint and command",
        Image::new().layer(handmade::base()).config("Entrypoint", json!([])),
        &rootless,
    );
    from("a name with `..`", of(Layer::new().file("../evil", b"x")), &rootless);
    from("a hard link to an absolute path", of(Layer::new().hard_link("a", "/etc/hostname")), &rootless);
    let through = Layer::new().symlink("out", "/").hard_link("a", "out/proc/self/exe");
    from("a hard link through a link", of(through), &rootless);
    let each_other = Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", b"");
    from("links that lead to each other", of(each_other), &rootless);
    from("a file below a file", of(Layer::new().file("etc/passwd/x", b"")), &rootless);
    from("a device, rootless", of(Layer::new().special(EntryType::Char, "dev/null")), &rootless);
    let file = || Layer::new().file("a", &[7; 3000]);
    from("a gzip with garbage behind it", of(file().with_garbage(b"garbage")), &rootless);
    from("a gzip that is cut off", of(file().cut_by(20)), &rootless);
    from("a wrong diffID", of(file().wrong_diff_id()), &rootless);
    let bomb = Layer::new().record("size", b"42949672960").file("a", b"");
    from("a layer that grows to more than any disk has", of(bomb), &rootless);
    let user = |user: &str| Image::new().layer(handmade::base()).config("User", json!(user));
    from("a user that the image does not have", user("nobody"), &rootless);
    from("a group that the image does not have", user("web:video"), &rootless);
    from("a variable that is none", Image::new().layer(handmade::base()).config("Env", json!(["A"])), &rootless);
    let two = ["--platform", "linux/amd64,linux/arm64", "--rootless"];
    from("two platforms", of(file()), &two);
    from("a platform that the image is not for", of(file()), &["--platform", "linux/arm64", "--rootless"]);

    let project = Project::empty("x").file("taken/file", "").file("file", "");
    Image::new().layer(handmade::base()).layer(file()).write(&project.path("image"));
    let mut place = |title: &str, args: &[&str]| {
        told.error(title, &project, &[&["bundle", "--platform", "linux/amd64", "--rootless"], args].concat());
    };
    place("a place that is taken", &["--from", "image", "taken"]);
    place("a tar file that is there", &["--from", "image", "-o", "tar", "file"]);
    place("a folder that is not there", &["--from", "image", "no/out"]);
    place("a folder's name for a tar file", &["--from", "image", "-o", "tar", "out/"]);
    place("an image that is not there", &["--from", "./nowhere", "out"]);
    let manifest = crate::support::document(&project.path("image"), &crate::support::digest(&project.path("image")));
    let layer = manifest["layers"][1]["digest"].as_str().expect("a digest");
    let blob = crate::support::blob(&project.path("image"), layer);
    let mut bytes = fs::read(&blob).expect("a blob");
    bytes[30] ^= 1;
    fs::write(&blob, bytes).expect("a blob");
    place("a layer that was changed", &["--from", "image", "out"]);
    fs::remove_file(&blob).expect("a blob");
    place("a layer that is gone", &["--from", "image", "out"]);
    told.check();
}
