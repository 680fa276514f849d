//! Programs, as they come → the layers that have all of theirs.

use std::sync::Mutex;
use std::sync::mpsc::Sender;

use crate::compile::Binary;
use crate::parallel::lock;
use crate::plan::ImagePlan;
use crate::platform::Target;

/// A layer of binaries, all of which are there.
#[derive(Debug)]
pub struct Ready {
    /// The number of its image in the plan.
    pub image: usize,
    /// What they were built for.
    pub target: Target,
    /// In the order in which the plan names them.
    pub binaries: Vec<Binary>,
}

/// Layers that wait for programs.
pub struct Arrivals<'a> {
    images: &'a [ImagePlan],
    waiting: Mutex<Vec<Ready>>,
    ready: Sender<Ready>,
}

impl<'a> Arrivals<'a> {
    /// None has come yet. `targets` are those of each image; `ready` gets the layers.
    pub fn new(images: &'a [ImagePlan], targets: &[Vec<Target>], ready: Sender<Ready>) -> Arrivals<'a> {
        let layers = targets.iter().enumerate().flat_map(|(image, targets)| {
            targets.iter().map(move |target| Ready { image, target: *target, binaries: Vec::new() })
        });
        Arrivals { images, waiting: Mutex::new(layers.collect()), ready }
    }

    /// A program has come.
    pub fn arrived(&self, binary: &Binary) {
        let mut waiting = lock(&self.waiting);
        for layer in waiting.iter_mut() {
            let image = &self.images[layer.image];
            let is_its = image.unit(layer.target) == binary.unit;
            let is_new = layer.binaries.iter().all(|known| known.name != binary.name);
            if is_its && is_new && image.bins.contains(&binary.name) {
                layer.binaries.push(binary.clone());
            }
        }
        for mut layer in waiting.extract_if(.., |layer| layer.binaries.len() == self.images[layer.image].bins.len()) {
            let bins = &self.images[layer.image].bins;
            layer.binaries.sort_by_key(|binary| bins.iter().position(|bin| *bin == binary.name));
            // Nobody waits for it where something else has failed.
            let _ = self.ready.send(layer);
        }
    }
}
