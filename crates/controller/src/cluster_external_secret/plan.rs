//! What to do about one ClusterExternalSecret in one namespace, decided from facts alone.

use std::sync::Arc;

use keyless_api::constants::message;

use crate::index::Standing;
use crate::object::{ClusterExternalSecret, ExternalSecret};

/// The finalizer by which a user says that dependents are to stay.
const ORPHAN: &str = "orphan";

/// What is to become of the ExternalSecrets of a ClusterExternalSecret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Each selected namespace has one, and no other has.
    Provide,
    /// The spec means nothing: what is there stays as it is.
    Hold,
    /// The object goes or is gone.
    Withdraw {
        /// Whether its ExternalSecrets are deleted here, and not by the garbage collector.
        delete: bool,
    },
}

/// The intent. The garbage collector deletes what a deleted ClusterExternalSecret had made, in
/// the way that the user asked for. An object that carries ESO's finalizer is deleted as ESO does
/// it, because whoever waits for its end expects the ExternalSecrets to be gone by then.
#[must_use]
pub fn intent(object: Option<&ClusterExternalSecret>) -> Intent {
    let Some(object) = object else {
        return Intent::Withdraw { delete: false };
    };
    if object.deleting {
        let orphan = object.finalizers.iter().any(|f| **f == *ORPHAN);
        return Intent::Withdraw {
            delete: object.foreign_finalizer().is_some() && !orphan,
        };
    }
    match object.template {
        Ok(_) => Intent::Provide,
        Err(_) => Intent::Hold,
    }
}

/// Whether a namespace can take an ExternalSecret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not exist.
    Gone,
    /// It is being deleted.
    Ending,
    /// It exists.
    Active,
}

/// The ExternalSecret of the wanted name.
#[derive(Clone, Debug)]
pub enum Existing {
    /// There is none.
    Nothing,
    /// It belongs to someone else.
    Foreign,
    /// It is ours.
    Made {
        /// The object.
        object: Arc<ExternalSecret>,
        /// Whether it is as wanted.
        same: bool,
    },
}

/// A namespace as a ClusterExternalSecret sees it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub namespace: Arc<str>,
    /// Its state.
    pub state: State,
    /// Whether it is selected.
    pub selected: bool,
    /// Where ESO's finalizer for this ClusterExternalSecret stands in its list.
    pub held: Option<usize>,
    /// The ExternalSecret of the wanted name.
    pub existing: Existing,
    /// What it made here under other names.
    pub others: Vec<Arc<ExternalSecret>>,
}

/// A change to the ExternalSecret of the wanted name.
#[derive(Clone, Debug)]
pub enum Write {
    /// None.
    Nothing,
    /// It is created.
    Create,
    /// It is changed.
    Update(Arc<ExternalSecret>),
}

/// What to do in one namespace.
#[derive(Clone, Debug)]
pub struct Step {
    /// The namespace.
    pub namespace: Arc<str>,
    /// ExternalSecrets to delete, before anything is written.
    pub delete: Vec<Arc<ExternalSecret>>,
    /// What to write.
    pub write: Write,
    /// The position of the finalizer to take off the namespace, at last.
    pub release: Option<usize>,
    /// How the namespace stands when all that is done; `None` is as before.
    pub standing: Option<Standing>,
}

impl Step {
    /// Whether there is nothing to request.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.delete.is_empty() && matches!(self.write, Write::Nothing) && self.release.is_none()
    }
}

/// What to do in `place`.
#[must_use]
pub fn step(intent: Intent, place: &Place) -> Step {
    let mut step = Step {
        namespace: Arc::clone(&place.namespace),
        delete: Vec::new(),
        write: Write::Nothing,
        release: place.held,
        standing: Some(Standing::Absent),
    };
    if place.state != State::Active {
        // Its ExternalSecrets end with it.
        return step;
    }
    match intent {
        Intent::Withdraw { delete: false } => {}
        Intent::Withdraw { delete: true } => step.delete = made(place),
        Intent::Hold => {
            step.release = None;
            step.standing = None;
        }
        Intent::Provide if !place.selected => step.delete = made(place),
        Intent::Provide => {
            step.release = None;
            step.delete = living(&place.others);
            (step.write, step.standing) = provide(&place.existing);
        }
    }
    step
}

fn provide(existing: &Existing) -> (Write, Option<Standing>) {
    match existing {
        Existing::Nothing => (Write::Create, Some(Standing::Provisioned)),
        Existing::Foreign => {
            let reason = message::EXTERNAL_SECRET_EXISTS.to_owned();
            (Write::Nothing, Some(Standing::Failed(reason)))
        }
        // Its end wakes us, and then it is made anew.
        Existing::Made { object, .. } if object.deleting => (Write::Nothing, None),
        Existing::Made { same: true, .. } => (Write::Nothing, Some(Standing::Provisioned)),
        Existing::Made { object, .. } => (
            Write::Update(Arc::clone(object)),
            Some(Standing::Provisioned),
        ),
    }
}

/// Everything that it made in `place`.
fn made(place: &Place) -> Vec<Arc<ExternalSecret>> {
    let mut made = living(&place.others);
    if let Existing::Made { object, .. } = &place.existing {
        made.extend(living(std::slice::from_ref(object)));
    }
    made
}

/// Those that are not being deleted already.
fn living(objects: &[Arc<ExternalSecret>]) -> Vec<Arc<ExternalSecret>> {
    let living = objects.iter().filter(|object| !object.deleting);
    living.cloned().collect()
}

#[cfg(test)]
mod tests;
