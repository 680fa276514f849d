//! Which of the legal answers a registry gives.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Mutex;

use super::lock;
use super::random::Random;

/// The choices of a seed. Without a seed it is always the first choice, which is the plainest.
#[derive(Debug, Default)]
pub struct Chaos {
    seed: Option<u64>,
    /// How often was chosen at each place.
    chosen: Mutex<HashMap<String, u64>>,
}

impl Chaos {
    /// The plainest answers.
    pub fn none() -> Chaos {
        Chaos::default()
    }

    /// The answers of a seed.
    pub fn of(seed: u64) -> Chaos {
        Chaos { seed: Some(seed), chosen: Mutex::default() }
    }

    /// The numbers of a question about some content: the same in every run of the seed, whatever else goes on at the
    /// same time; others when it is asked again.
    pub fn random(&self, question: &str, content: &str) -> Random {
        let nth = {
            let mut chosen = lock(&self.chosen);
            let count = chosen.entry(format!("{question} {content}")).or_default();
            *count += 1;
            *count
        };
        Random::at(self.seed.unwrap_or(0), &[question, content], nth)
    }

    /// One of the legal answers to a question about some content. An answer that is listed twice comes twice as often.
    pub fn pick<T: Copy + Debug>(&self, question: &str, content: &str, answers: &[T]) -> T {
        match self.seed {
            None => answers[0],
            Some(_) => self.random(question, content).pick(answers),
        }
    }

    /// Whether something happens that does once in `times`, and never without a seed.
    pub fn once_in(&self, question: &str, content: &str, times: usize) -> bool {
        self.seed.is_some() && self.random(question, content).once_in(times)
    }
}
