//! Reading values and tags by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_ssm::types::{Parameter, ResourceTypeForTagging};
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_secret::SecretBytes;

use super::calls::{self, Calls};
use super::name;
use crate::aws::fault::Judged;
use crate::aws::tags::tags_json;
use crate::planner::{Api, Failure, Name, Reply};

/// The most names that GetParameters takes.
const NAMES: usize = 10;

/// GetParameters, and GetParameter for one name.
#[derive(Debug)]
pub(super) struct Values(pub(super) Arc<Calls>);

impl Api for Values {
    type Key = String;
    type Value = Arc<SecretBytes>;

    fn name(&self) -> Name {
        (calls::PROVIDER, "GetParameter")
    }

    fn limit(&self) -> usize {
        NAMES
    }

    fn call<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        match keys {
            [only] => self.one(only).boxed(),
            many => self.many(many).boxed(),
        }
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.len()
    }
}

impl Values {
    /// GetParameter tells a missing version from a missing parameter, and needs only the
    /// permission that most policies give.
    async fn one(&self, name: &str) -> Result<Vec<Reply<Arc<SecretBytes>>>, Failure> {
        let attempt = self.0.attempt(
            format!("read parameter {name:?}"),
            "ssm:GetParameter",
            Some(name),
        );
        let client = &self.0.client;
        let answer = self
            .0
            .make("GetParameter", &attempt, || {
                client
                    .get_parameter()
                    .name(name)
                    .with_decryption(true)
                    .send()
            })
            .await
            .map_err(|judged| Failure::from(judged.error))?;
        let reply = match answer.parameter.and_then(value) {
            Some(value) => Reply::Value(value),
            None => Reply::Failed(Box::new(attempt.missing(name))),
        };
        Ok(vec![reply])
    }

    async fn many(&self, names: &[String]) -> Result<Vec<Reply<Arc<SecretBytes>>>, Failure> {
        let attempt = self.0.attempt(
            format!("read {} parameters", names.len()),
            "ssm:GetParameters",
            None,
        );
        let client = &self.0.client;
        let answer = self
            .0
            .make("GetParameters", &attempt, || {
                client
                    .get_parameters()
                    .set_names(Some(names.to_vec()))
                    .with_decryption(true)
                    .send()
            })
            .await
            .map_err(|judged| Failure {
                culprit: culprit(names, &judged),
                error: judged.error,
            })?;
        let mut found = answer.parameters.unwrap_or_default();
        let invalid = answer.invalid_parameters.unwrap_or_default();
        Ok(names
            .iter()
            .map(|name| match take(&mut found, name) {
                Some(parameter) => value(parameter).map_or(Reply::Alone, Reply::Value),
                // "Invalid" may be a missing version or a missing parameter: only a call of its
                // own tells which.
                None if name::split(name).1.is_none() && invalid.contains(name) => {
                    Reply::Failed(Box::new(attempt.missing(name)))
                }
                None => Reply::Alone,
            })
            .collect())
    }
}

/// Takes the parameter that answers `name` out of `found`.
fn take(found: &mut Vec<Parameter>, name: &str) -> Option<Parameter> {
    let (base, selector) = name::split(name);
    let place = found.iter().position(|parameter| {
        let named = parameter.name() == Some(base) || parameter.arn() == Some(base);
        let selected = parameter
            .selector()
            .map(|found| found.trim_start_matches(':'))
            .filter(|found| !found.is_empty());
        named && selected == selector
    })?;
    Some(found.swap_remove(place))
}

fn value(parameter: Parameter) -> Option<Arc<SecretBytes>> {
    parameter.value.map(|value| Arc::new(value.into()))
}

fn culprit(names: &[String], judged: &Judged) -> Option<usize> {
    let (_, rest) = judged.message.split_once("on resource: ")?;
    let resource = rest.split_whitespace().next()?.trim_end_matches(['.', ',']);
    names
        .iter()
        .position(|name| name::is_resource(name, resource))
}

/// ListTagsForResource, as a JSON object.
#[derive(Debug)]
pub(super) struct Tags(pub(super) Arc<Calls>);

impl Api for Tags {
    type Key = String;
    type Value = Arc<SecretBytes>;

    fn name(&self) -> Name {
        (calls::PROVIDER, "ListTagsForResource")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for name in keys {
                replies.push(Reply::Value(self.of(name).await?));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.len()
    }
}

impl Tags {
    async fn of(&self, name: &str) -> Result<Arc<SecretBytes>, Failure> {
        let attempt = self.0.attempt(
            format!("read the tags of parameter {name:?}"),
            "ssm:ListTagsForResource",
            Some(name),
        );
        let client = &self.0.client;
        let answer = self
            .0
            .make("ListTagsForResource", &attempt, || {
                client
                    .list_tags_for_resource()
                    .resource_type(ResourceTypeForTagging::Parameter)
                    .resource_id(name)
                    .send()
            })
            .await
            .map_err(|judged| Failure::from(judged.error))?;
        let tags: BTreeMap<String, String> = answer
            .tag_list
            .unwrap_or_default()
            .into_iter()
            .map(|tag| (tag.key, tag.value))
            .collect();
        Ok(Arc::new(tags_json(&tags)?))
    }
}
