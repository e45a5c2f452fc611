//! IAM: who may do what with which resource.
//!
//! Owns: policies as `getIamPolicy` and `setIamPolicy` speak of them, and their evaluation with
//! conditions. Refuses: deny policies, custom roles, groups and domains.

pub(super) mod request;
mod role;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use keyless_trust::gcp::{Caller, Member};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Answer;
use super::cel::Expression;
pub(super) use role::Kind;

/// Longest condition, in characters.
const LONGEST: usize = 4096;

/// When a binding holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name.
    #[serde(default)]
    pub title: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// In CEL.
    pub expression: String,
}

/// One role and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    pub role: String,
    #[serde(default)]
    pub members: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// The policy of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// What it is the policy of, which decides about the roles in it.
    of: Kind,
    bindings: Vec<Binding>,
    /// Changes with every change.
    generation: u64,
}

/// What conditions are told of a resource.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub name: String,
    pub kind: &'static str,
    pub service: &'static str,
}

impl Policy {
    /// An empty policy of such a resource.
    pub fn of(kind: Kind) -> Self {
        Self {
            of: kind,
            ..Self::default()
        }
    }

    /// Whether a binding holds under a condition only.
    pub fn has_conditions(&self) -> bool {
        self.bindings.iter().any(|b| b.condition.is_some())
    }

    /// Whether `member` has any role.
    pub fn names(&self, member: &str) -> bool {
        self.bindings
            .iter()
            .any(|binding| binding.members.iter().any(|m| m == member))
    }

    /// Adds one member to a role.
    pub fn add(
        &mut self,
        role: &str,
        member: &str,
        condition: Option<Condition>,
    ) -> Result<(), Answer> {
        let binding = Binding {
            role: role.to_owned(),
            members: vec![member.to_owned()],
            condition,
        };
        check(self.of, &binding)?;
        self.generation += 1;
        let same = self
            .bindings
            .iter_mut()
            .find(|b| b.role == binding.role && b.condition == binding.condition);
        match same {
            Some(found) if found.members.iter().any(|m| m == member) => {}
            Some(found) => found.members.push(member.to_owned()),
            None => self.bindings.push(binding),
        }
        Ok(())
    }

    /// Takes every role from one member.
    pub fn remove(&mut self, member: &str) {
        self.generation += 1;
        for binding in &mut self.bindings {
            binding.members.retain(|m| m != member);
        }
        self.bindings.retain(|binding| !binding.members.is_empty());
    }

    fn etag(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(self.generation.to_be_bytes())
    }

    /// As `getIamPolicy` answers.
    pub fn show(&self) -> Value {
        let mut shown = json!({
            "version": if self.has_conditions() { 3 } else { 1 },
            "etag": self.etag(),
        });
        if let (false, Some(fields)) = (self.bindings.is_empty(), shown.as_object_mut()) {
            fields.insert("bindings".into(), json!(self.bindings));
        }
        shown
    }

    /// As [`Policy::show`], for who asked for `version`: below 3 a condition is left out, and the
    /// role's name says so.
    pub fn show_as(&self, version: i64) -> Value {
        if version >= 3 || !self.has_conditions() {
            return self.show();
        }
        let mut shown = self.show();
        let mut bindings = self.bindings.clone();
        for binding in &mut bindings {
            if let Some(condition) = binding.condition.take() {
                let mut hash = DefaultHasher::new();
                condition.expression.hash(&mut hash);
                binding.role = format!("{}_withcond_{:020x}", binding.role, hash.finish());
            }
        }
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("version".into(), json!(1));
            fields.insert("bindings".into(), json!(bindings));
        }
        shown
    }

    /// As `setIamPolicy` does: the whole policy is replaced.
    pub fn set(&mut self, request: &Value) -> Result<(), Answer> {
        let bad = |message: String| Answer::error("INVALID_ARGUMENT", message);
        let policy = request
            .get("policy")
            .ok_or_else(|| bad("Policy is required.".to_owned()))?;
        let etag = policy.get("etag").and_then(Value::as_str);
        if etag.is_some_and(|etag| !etag.is_empty() && etag != self.etag()) {
            return Err(Answer::error(
                "ABORTED",
                "There were concurrent policy changes. Please retry the whole read-modify-write \
                 with exponential backoff. The request's ETag did not match the current policy's.",
            ));
        }
        let bindings = policy.get("bindings").cloned().unwrap_or_else(|| json!([]));
        let bindings: Vec<Binding> =
            serde_json::from_value(bindings).map_err(|error| bad(error.to_string()))?;
        let version = policy.get("version").and_then(Value::as_i64).unwrap_or(1);
        for binding in &bindings {
            check(self.of, binding)?;
            if binding.condition.is_some() && version != 3 {
                return Err(bad(
                    "Policy version must be 3 to set a policy with conditions.".to_owned(),
                ));
            }
        }
        self.bindings = merged(bindings);
        self.generation += 1;
        Ok(())
    }
}

/// Bindings of the same role and condition are one; one without members is none.
fn merged(bindings: Vec<Binding>) -> Vec<Binding> {
    let mut out: Vec<Binding> = Vec::new();
    for mut binding in bindings {
        let members = std::mem::take(&mut binding.members);
        let same = |b: &&mut Binding| b.role == binding.role && b.condition == binding.condition;
        let found = out.iter_mut().find(same);
        let into = match found {
            Some(found) => &mut found.members,
            None => &mut binding.members,
        };
        for member in members {
            if !into.contains(&member) {
                into.push(member);
            }
        }
        if !binding.members.is_empty() {
            out.push(binding);
        }
    }
    out
}

fn check(kind: Kind, binding: &Binding) -> Result<(), Answer> {
    let bad = |message: String| Answer::error("INVALID_ARGUMENT", message);
    if !role::supports(&binding.role, kind) {
        return Err(bad(format!(
            "Role {} is not supported for this resource.",
            binding.role
        )));
    }
    for name in &binding.members {
        Member::parse(name).map_err(|error| bad(error.to_string()))?;
    }
    if let Some(condition) = &binding.condition {
        if role::is_basic(&binding.role) {
            // Ours: no report of the text was found.
            return Err(bad(format!(
                "The basic role {} cannot be granted under a condition.",
                binding.role
            )));
        }
        Expression::parse(&condition.expression, LONGEST)
            .and_then(|expression| expression.refers_to(&["resource", "request"]))
            .map_err(|error| bad(format!("Condition expression compilation failed: {error}")))?;
    }
    Ok(())
}

/// Whether one of `policies`, those of the resource and of what it is in, gives `who` the
/// permission.
pub(super) fn allows(
    policies: &[&Policy],
    who: &Caller,
    permission: &str,
    resource: &Resource,
    now: i64,
) -> bool {
    let facts = json!({
        "name": resource.name,
        "type": resource.kind,
        "service": resource.service,
    });
    let holds = |condition: &Condition| {
        Expression::parse(&condition.expression, LONGEST)
            .is_ok_and(|expression| expression.holds(&[("resource", &facts)], now))
    };
    policies
        .iter()
        .flat_map(|policy| &policy.bindings)
        .any(|binding| {
            role::includes(&binding.role, permission)
                && binding.members.iter().any(|member| is(member, who))
                && binding.condition.as_ref().is_none_or(holds)
        })
}

fn is(member: &str, who: &Caller) -> bool {
    Member::parse(member).is_ok_and(|member| member.includes(who))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: &str = "serviceAccount:a@p.iam.gserviceaccount.com";
    const ACCESSOR: &str = "roles/secretmanager.secretAccessor";

    fn resource(name: &str) -> Resource {
        Resource {
            name: name.to_owned(),
            kind: "secretmanager.googleapis.com/SecretVersion",
            service: "secretmanager.googleapis.com",
        }
    }

    #[test]
    fn a_condition_narrows_a_binding() {
        let mut policy = Policy::default();
        let condition = Condition {
            title: "team".to_owned(),
            expression: "resource.name.startsWith('projects/1/secrets/team-')".to_owned(),
            ..Condition::default()
        };
        policy.add(ACCESSOR, MEMBER, Some(condition)).unwrap();
        let who = Caller::ServiceAccount("a@p.iam.gserviceaccount.com".to_owned());
        let may =
            |name: &str, permission: &str| allows(&[&policy], &who, permission, &resource(name), 0);
        let access = "secretmanager.versions.access";
        assert!(may("projects/1/secrets/team-a/versions/1", access));
        assert!(!may("projects/1/secrets/other/versions/1", access));
        assert!(!may(
            "projects/1/secrets/team-a",
            "secretmanager.secrets.get"
        ));
        assert_eq!(policy.show()["version"], 3);
        policy.remove(MEMBER);
        assert!(policy.show().get("bindings").is_none());
    }

    #[test]
    fn a_policy_is_replaced_as_a_whole_and_never_by_a_stale_one() {
        let mut policy = Policy::default();
        policy.add(ACCESSOR, MEMBER, None).unwrap();
        let mut read = policy.show();
        policy.add("roles/viewer", MEMBER, None).unwrap();
        let stale = policy.set(&json!({"policy": read})).unwrap_err();
        assert_eq!(stale.status, 409);
        read["etag"] = policy.show()["etag"].clone();
        policy.set(&json!({"policy": read})).unwrap();
        assert_eq!(policy.show()["bindings"].as_array().unwrap().len(), 1);
        for bindings in [
            json!([{"role": "roles/none", "members": [MEMBER]}]),
            json!([{"role": ACCESSOR, "members": ["a@p.iam.gserviceaccount.com"]}]),
            json!([{"role": ACCESSOR, "members": [MEMBER], "condition": {"expression": "true"}}]),
            json!([{"role": ACCESSOR, "members": [MEMBER], "condition": {"expression": "("}}]),
            json!([{"role": "roles/owner", "members": [MEMBER], "condition": {"expression": "true"}}]),
        ] {
            let refused = policy.set(&json!({"policy": {"bindings": bindings}}));
            assert_eq!(refused.unwrap_err().status, 400, "{bindings}");
        }
    }

    #[test]
    fn a_resource_takes_its_own_roles_only() {
        for (kind, role, good) in [
            (Kind::Secret, ACCESSOR, true),
            (Kind::Secret, "roles/iam.workloadIdentityUser", false),
            (Kind::Account, "roles/iam.workloadIdentityUser", true),
            (Kind::Account, ACCESSOR, false),
            (Kind::Project, ACCESSOR, true),
        ] {
            let added = Policy::of(kind).add(role, MEMBER, None);
            assert_eq!(added.is_ok(), good, "{kind:?} {role}");
        }
    }

    #[test]
    fn equal_bindings_are_one_and_conditions_are_hidden_from_old_readers() {
        let mut policy = Policy::default();
        let other = "serviceAccount:b@p.iam.gserviceaccount.com";
        let condition = json!({"title": "t", "expression": "resource.name == 'a'"});
        let given = json!({"version": 3, "bindings": [
            {"role": ACCESSOR, "members": [MEMBER]},
            {"role": ACCESSOR, "members": [MEMBER, other]},
            {"role": "roles/viewer", "members": []},
            {"role": ACCESSOR, "members": [other], "condition": condition},
        ]});
        policy.set(&json!({"policy": given})).unwrap();
        let shown = policy.show();
        assert_eq!(shown["bindings"].as_array().unwrap().len(), 2);
        assert_eq!(shown["bindings"][0]["members"], json!([MEMBER, other]));
        let old = policy.show_as(1);
        assert_eq!(old["version"], 1);
        let role = old["bindings"][1]["role"].as_str().unwrap();
        assert!(role.starts_with(&format!("{ACCESSOR}_withcond_")), "{role}");
        assert!(old["bindings"][1].get("condition").is_none());
        for expression in ["subject == 'a'", "resource.name == nobody"] {
            let bad = json!([{"role": ACCESSOR, "members": [MEMBER],
                "condition": {"title": "t", "expression": expression}}]);
            let refused = policy.set(&json!({"policy": {"version": 3, "bindings": bad}}));
            assert_eq!(refused.unwrap_err().status, 400, "{expression}");
        }
    }
}
