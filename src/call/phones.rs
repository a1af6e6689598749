//! What is provisioned, and the phones that depend on it.

use super::Output;
use super::event::What;
use super::plan::Plan;
use super::switch::{Switch, tell};
use crate::base::Now;
use crate::directory::Delta;

impl<P: Plan> Switch<P> {
    /// Takes a change over. Phones of an extension that is deleted, disabled or has another number
    /// now are not registered any more: they proved who they were for what is no longer there.
    pub(super) fn provision(&mut self, now: Now, delta: Delta, out: &mut Vec<Output>) {
        let id = match &delta {
            Delta::Extension(it) => Some(it.id),
            Delta::ExtensionGone(id) => Some(*id),
            Delta::Trunk(_) | Delta::TrunkGone(_) | Delta::Prompt(_) => None,
        };
        let trunk = match &delta {
            Delta::Trunk(it) => Some(it.id),
            Delta::TrunkGone(id) => Some(*id),
            _ => None,
        };
        let before = id.and_then(|id| self.directory.extension_of(id)).cloned();
        self.directory.apply(delta);
        if let Some(trunk) = trunk {
            self.trunk_changed(now, trunk, out);
        }
        if let Some(after) = id.and_then(|id| self.directory.extension_of(id)) {
            self.lamps_of(&after.number.to_string());
        }
        if let Some(id) = id.filter(|id| self.directory.extension_of(*id).is_none()) {
            self.drop_texts(now, id, out);
        }
        let Some(before) = before else { return };
        let number = before.number.as_str();
        let after = self.directory.extension_in(before.domain, number);
        if after.is_some_and(|it| it.id == before.id) {
            return;
        }
        self.end_watches(number);
        for contact in self.registrar.forget(number) {
            let (tenant, extension) = (before.tenant, before.id);
            out.push(Output::Phone { tenant, extension, contact: contact.clone(), kept: None });
            tell(out, now, None, What::Expired { extension: number.to_owned(), contact });
        }
    }

    /// A phone has come, stayed or gone: those who outlive us should know.
    pub(super) fn remember(&self, now: Now, aor: &str, contact: &str, out: &mut Vec<Output>) {
        let Some(it) = self.directory.extension(aor) else { return };
        let kept = self.registrar.kept(now.mono, aor, contact);
        let (tenant, extension) = (it.tenant, it.id);
        out.push(Output::Phone { tenant, extension, contact: contact.to_owned(), kept });
    }

    /// Phones that were noticed to be out of reach, or to be there again.
    pub(super) fn tell_turned(&mut self, now: Now, out: &mut Vec<Output>) {
        for (extension, contact, reachable) in self.registrar.turned() {
            if reachable {
                self.deliver_texts(now, &extension);
            }
            tell(out, now, None, What::Reachable { extension, contact, reachable });
        }
    }
}
