//! The model in each form: what the forms have in common, and documents for programs. OpenTofu is
//! in `hcl`, the script in `shell`.

mod hcl;
mod shell;

use serde_json::{Value, json};

use super::{Binding, Model, On, PoolSide, Principal, cel};
pub(in crate::render) use hcl::hcl;
pub(in crate::render) use shell::shell;

const POOLS: &str = "iam.googleapis.com/projects";

impl PoolSide {
    fn mapping(&self) -> String {
        if self.short {
            "assertion.sub.extract(\"system:serviceaccount:{subject}\")".to_owned()
        } else {
            "assertion.sub".to_owned()
        }
    }

    fn condition(&self) -> String {
        let subjects: Vec<String> = self.subjects.iter().map(|s| cel(s)).collect();
        format!("assertion.sub in [{}]", subjects.join(", "))
    }
}

impl Binding {
    /// The condition on a prefix, given the project's number.
    fn condition(&self, number: &str) -> Option<String> {
        let On::Prefix(prefix) = &self.on else {
            return None;
        };
        let location = self.location.as_ref().map(|l| format!("locations/{l}/"));
        let place = format!(
            "projects/{number}/{}secrets/{prefix}",
            location.unwrap_or_default()
        );
        Some(format!("resource.name.startsWith({})", cel(&place)))
    }
}

impl Model<'_> {
    /// The pool of a principal and the project that has it.
    fn pool_of<'m>(&'m self, principal: &'m Principal<'_>) -> (String, &'m str) {
        match &principal.gke {
            Some(project) => (format!("{project}.svc.id.goog"), project),
            None => {
                let pool = self.pool.as_ref().map(|side| side.pool.clone());
                (pool.unwrap_or_default(), &self.project)
            }
        }
    }

    /// The number of a project, where it is known: only that of the pool's is.
    fn number_of(&self, project: &str) -> Option<&str> {
        self.number.as_deref().filter(|_| project == self.project)
    }

    /// The projects whose numbers are needed, the pool's first.
    fn numbered(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        let of_pools = self.principals.iter().map(|p| self.pool_of(p).1);
        let grants = self.principals.iter().flat_map(|p| &p.grants);
        let of_conditions = grants
            .filter(|binding| matches!(binding.on, On::Prefix(_)))
            .map(|binding| binding.project.as_str());
        let first = self.pool.as_ref().map(|_| self.project.as_str());
        for project in first.into_iter().chain(of_pools).chain(of_conditions) {
            if !out.contains(&project) {
                out.push(project);
            }
        }
        out
    }
}

/// Documents for programs.
pub(in crate::render) fn json(model: &Model<'_>) -> Value {
    let pool = model.pool.as_ref().map(|side| {
        json!({
            "project": model.project,
            "pool": side.pool,
            "provider": side.provider,
            "issuerUri": side.issuer.as_str(),
            "allowedAudiences": side.audiences,
            "attributeMapping": {"google.subject": side.mapping()},
            "attributeCondition": side.condition(),
        })
    });
    let unknown = "PROJECT_NUMBER";
    let principals = model.principals.iter().map(|p| {
        let (pool, project) = model.pool_of(p);
        let number = model.number_of(project).unwrap_or(unknown);
        let principal = format!(
            "principal://{POOLS}/{number}/locations/global/workloadIdentityPools/{pool}/subject/{}",
            p.subject
        );
        json!({
            "principal": principal,
            "impersonates": p.impersonates,
            "bindings": p.grants.iter().map(|b| json!({
                "project": b.project,
                "location": b.location,
                "role": b.role,
                "secret": match &b.on { On::Secret(id) => Some(id), _ => None },
                "condition": b.condition(model.number_of(&b.project).unwrap_or(unknown)),
            })).collect::<Vec<_>>(),
        })
    });
    json!({"pool": pool, "principals": principals.collect::<Vec<_>>()})
}
