//! Binaries, as cargo builds them → layers with all their binaries.

use std::sync::Mutex;
use std::sync::mpsc::Sender;

use super::job::ImageJob;
use crate::compile::Binary;
use crate::parallel::lock;
use crate::platform::Target;

/// A layer whose binaries have all been built.
pub(crate) struct CompleteLayer<'a> {
    /// The job of the image.
    pub job: &'a ImageJob<'a>,
    /// The target of the binaries.
    pub target: Target,
    /// The binaries, in the order of the plan.
    pub binaries: Vec<Binary>,
}

/// Layers that wait for binaries.
pub(crate) struct PendingLayers<'a> {
    waiting: Mutex<Vec<CompleteLayer<'a>>>,
    complete: Sender<CompleteLayer<'a>>,
}

impl<'a> PendingLayers<'a> {
    /// Creates the layers of all images, without binaries. `complete` receives each layer that has all its binaries.
    pub(crate) fn new(jobs: &'a [ImageJob<'a>], complete: Sender<CompleteLayer<'a>>) -> PendingLayers<'a> {
        let layers = jobs.iter().flat_map(|job| {
            job.targets.iter().map(move |target| CompleteLayer { job, target: *target, binaries: Vec::new() })
        });
        PendingLayers { waiting: Mutex::new(layers.collect()), complete }
    }

    /// Adds a binary to the layers that it belongs to.
    pub(crate) fn arrived(&self, binary: &Binary) {
        let mut waiting = lock(&self.waiting);
        for layer in waiting.iter_mut().filter(|layer| layer.job.plan.unit(layer.target) == binary.unit) {
            let is_new = layer.binaries.iter().all(|known| known.name != binary.name);
            if is_new && layer.job.plan.bins.contains(&binary.name) {
                layer.binaries.push(binary.clone());
            }
        }
        for mut layer in waiting.extract_if(.., |layer| layer.binaries.len() == layer.job.plan.bins.len()) {
            let bins = &layer.job.plan.bins;
            layer.binaries.sort_by_key(|binary| bins.iter().position(|bin| *bin == binary.name));
            // There is no receiver if something else has failed.
            let _ = self.complete.send(layer);
        }
    }
}
