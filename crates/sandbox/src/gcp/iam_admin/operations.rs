//! Long-running operations: what a change answers with, and how it ended.
//!
//! A change here holds at once; its operation is over as soon as somebody asks.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::state::State;
use super::missing;

/// The answer to a change of `resource`, which then is as `shown`. `kind` is its message's name.
pub(super) fn begin(state: &mut State, resource: &str, kind: &str, shown: Value) -> Answer {
    let name = format!(
        "{resource}/operations/{:026x}",
        rand::random::<u128>() >> 24
    );
    let typed = |kind: &str| format!("type.googleapis.com/google.iam.v1.{kind}");
    let mut response = shown;
    if let Some(fields) = response.as_object_mut() {
        fields.insert("@type".into(), json!(typed(kind)));
    }
    let metadata = json!({"@type": typed(&format!("{kind}OperationMetadata"))});
    let done = json!({"name": name, "metadata": metadata, "done": true, "response": response});
    state.operations.insert(name.clone(), done);
    Answer::ok(json!({"name": name, "metadata": metadata}))
}

/// An operation by its path; `project` is the name of its project by number.
pub(super) fn get(state: &State, path: &[&str], project: &str) -> Result<Answer, Answer> {
    let rest = path.get(2..).unwrap_or_default().join("/");
    let found = state.operations.get(&format!("{project}/{rest}"));
    found.cloned().map(Answer::ok).ok_or_else(missing)
}
