//! What outlives the engine of a world: what a store would hold.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Mono;
use crate::call::{Input, KeptText, KeptWatch, Output};
use crate::directory::{Delta, Extension, ExtensionId};
use crate::sip::registrar::Kept;
use crate::sip::subscribe;

/// The memory of a world.
#[derive(Debug, Default)]
pub(super) struct Memory {
    extensions: BTreeMap<ExtensionId, Extension>,
    phones: BTreeMap<(ExtensionId, String), (Mono, Kept)>,
    texts: Vec<KeptText>,
    watches: BTreeMap<String, (Mono, ExtensionId, subscribe::Kept)>,
}

impl Memory {
    /// The engine is told something.
    pub(super) fn heard(&mut self, input: &Input) {
        match input {
            Input::Directory(Delta::Extension(it)) => {
                self.extensions.insert(it.id, it.clone());
            }
            Input::Directory(Delta::ExtensionGone(id)) => {
                self.extensions.remove(id);
            }
            _ => {}
        }
    }

    /// The engine wants something to be remembered.
    pub(super) fn done(&mut self, now: Mono, output: &Output) {
        match output {
            Output::Phone { extension, contact, kept, .. } => {
                let key = (*extension, contact.clone());
                match kept {
                    Some(kept) => self.phones.insert(key, (now, kept.clone())),
                    None => self.phones.remove(&key),
                };
            }
            Output::Watch { extension, name, kept, .. } => {
                match kept {
                    Some(kept) => {
                        let it = (now, *extension, kept.clone());
                        self.watches.insert(name.clone(), it)
                    }
                    None => self.watches.remove(name),
                };
            }
            Output::Text { kept: Some(text), .. } => self.texts.push(text.clone()),
            Output::Text { id, kept: None, .. } => self.texts.retain(|it| it.id != *id),
            _ => {}
        }
    }

    /// What a new engine is told first.
    pub(super) fn recall(&self, now: Mono) -> Vec<Input> {
        let extensions = self.extensions.values().cloned().map(Delta::Extension);
        let mut inputs: Vec<Input> = extensions.map(Input::Directory).collect();
        let left = |at: Mono, left: Duration| left.checked_sub(now - at);
        inputs.extend(self.phones.values().filter_map(|(at, it)| {
            Some(Input::Restored(Kept { left: left(*at, it.left)?, ..it.clone() }))
        }));
        inputs.extend(self.watches.values().filter_map(|(at, extension, it)| {
            let subscriber = self.extensions.get(extension)?.number.to_string();
            let kept = subscribe::Kept { left: left(*at, it.left)?, ..it.clone() };
            Some(Input::Watched(KeptWatch { subscriber, kept }))
        }));
        inputs.extend(self.texts.iter().cloned().map(Input::Text));
        inputs
    }
}
