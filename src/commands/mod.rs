//! The commands: make the plan, call the verbs, give the result.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`build`] | `cargo oci build`, from the plan to the result |
//! | [`push`] | `cargo oci push`: the same, and on to registries |
//! | [`load`], [`run`] | `cargo oci load` and `run`: the same, on to engines, and run there |
//! | [`bundle`] | `cargo oci bundle`: the same, or any image, and on to what a runtime starts |
//! | [`inspect`] | `cargo oci inspect`: what an image holds |
//! | [`validate`] | `cargo oci validate`: an image is what it says, or not |
//! | [`generate_key`], [`sign`], [`verify`] | `cargo oci generate-key`, `sign` and `verify`: keys, signatures, and whether they are right |
//! | [`attach`], [`referrers`] | `cargo oci attach` and `referrers`: what is attached to an image |
//! | [`sbom`] | `cargo oci sbom`: what an image would be made of |
//! | [`login`], [`logout`] | `cargo oci login` and `logout`: credentials kept and forgotten |
//! | [`cache`] | `cargo oci cache`: what is kept between runs |
//! | [`schema`] | `cargo oci schema`: the JSON Schema of the table |
//! | [`completions`], [`man`] | `cargo oci completions` and `man`: what was said of the arguments, for shells and as pages |
//! | `line` | the plan → finished layouts, everything as soon as it can be |
//! | `together` | work side by side: what fails first stops the rest |
//! | `arrivals` | programs, as they come → the layers that have all of theirs |
//! | `below` | what is below the images of a plan |
//! | `bases` | a reference → the source it means, pulled |
//! | `base_verify` | a base that is not signed as `base-verify` wants it is refused |
//! | `registries` | as whom, and through what, registries are spoken to |
//! | `origin` | a base's registry, asked when there is a question |
//! | `assemble` | plan, base and binaries → images in a layout |
//! | `materials` | what programs are made of and made with |
//! | `auditable` | programs that hold the list of their crates |
//! | `attachments` | what is said of an image, attached to it |
//! | `companions` | what goes to a registry with an image |
//! | `programs` | the programs of all images, compiled or not |
//! | `loaders` | what dynamic programs need of a base |
//! | `layers` | entries → a layer, which is not made where it was made before |
//! | `assets` | the key `files` → the layer of assets for each platform |
//! | `keys` | where keys are → the keys, with their passwords |
//! | `subjects` | an image that something is attached to, where it is |
//! | `named` | the text `REF\|PATH` → the images it means, and where they are |
//! | `outputs` | a finished layout → other places and forms |

mod arrivals;
mod assemble;
mod assets;
pub mod attach;
mod attachments;
mod auditable;
mod base_verify;
mod bases;
mod below;
pub mod build;
pub mod bundle;
pub mod cache;
mod companions;
pub mod completions;
pub mod generate_key;
pub mod inspect;
mod keys;
mod layers;
mod line;
pub mod load;
mod loaders;
pub mod login;
pub mod logout;
pub mod man;
mod materials;
mod named;
mod origin;
mod outputs;
mod programs;
pub mod push;
pub mod referrers;
mod registries;
pub mod run;
pub mod sbom;
pub mod schema;
pub mod sign;
mod subjects;
mod together;
pub mod validate;
pub mod verify;
