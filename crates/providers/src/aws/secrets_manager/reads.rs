//! Reading values and tags by name.
//!
//! Owns: BatchGetSecretValue for many current versions, GetSecretValue for one, and going on
//! without batches where the identity may not read them. Refuses: deciding what is read together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::ApiErrorType;
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;
use tokio::time::Instant;

use super::calls::{self, Calls};
use super::name::{self, Version};
use crate::Error;
use crate::aws::push;
use crate::planner::{Api, Bucket, Failure, Name, Reply};

/// The most ids that BatchGetSecretValue takes.
const IDS: usize = 20;
/// How long an identity that may not read batches is not asked to again.
const DENIED: Duration = Duration::from_secs(600);
/// The permission that batches need.
const BATCH: &str = "secretsmanager:BatchGetSecretValue";

/// Current versions.
#[derive(Debug)]
pub(super) struct Current {
    calls: Arc<Calls>,
    /// Batches have a rate of their own, lower than that of single reads.
    batches: Arc<Bucket>,
    denied: Mutex<Option<Instant>>,
}

impl Current {
    pub(super) fn new(calls: Arc<Calls>, batches: Arc<Bucket>) -> Self {
        Self {
            calls,
            batches,
            denied: Mutex::default(),
        }
    }

    fn batches_are_denied(&self) -> bool {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.is_some_and(|since| since.elapsed() < DENIED)
    }

    fn deny_batches(&self) {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        *denied = Some(Instant::now());
    }

    async fn one(&self, id: &str) -> Result<Vec<Reply<Arc<SecretBytes>>>, Failure> {
        match single(&self.calls, id, &Version::Current).await {
            Ok(value) => Ok(vec![Reply::Value(value)]),
            Err(error) if self.batches_are_denied() => Err(with_hint(error).into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn many(&self, ids: &[String]) -> Result<Vec<Reply<Arc<SecretBytes>>>, Failure> {
        let attempt = self
            .calls
            .attempt(format!("read {} secrets", ids.len()), BATCH, None);
        self.batches.take().await;
        let client = &self.calls.client;
        let answer = self
            .calls
            .make("BatchGetSecretValue", &attempt, || {
                client
                    .batch_get_secret_value()
                    .set_secret_id_list(Some(ids.to_vec()))
                    .send()
            })
            .await;
        match answer {
            Ok(answer) => {
                self.batches.passed();
                Ok(ids.iter().map(|id| self.pick(id, &answer)).collect())
            }
            // Not an error of any reader: most policies were written before there were batches.
            // A place without the API says so in its own words.
            Err(judged) if judged.code == "UnknownOperationException" || judged.is_denial() => {
                self.deny_batches();
                Ok(ids.iter().map(|_| Reply::Alone).collect())
            }
            Err(judged) => {
                if judged.error.class() == Class::Throttled {
                    self.batches.throttled(judged.error.retry_after());
                }
                Err(judged.error.into())
            }
        }
    }

    fn pick(&self, id: &str, answer: &BatchGetSecretValueOutput) -> Reply<Arc<SecretBytes>> {
        let found = answer
            .secret_values()
            .iter()
            .find(|entry| name::is(id, entry.name(), entry.arn()));
        if let Some(entry) = found {
            return match value(entry.secret_string(), entry.secret_binary(), id) {
                Ok(value) => Reply::Value(value),
                Err(error) => Reply::Failed(Box::new(error)),
            };
        }
        let refused = |error: &&ApiErrorType| error.secret_id() == Some(id);
        let Some(refused) = answer.errors().iter().find(refused) else {
            return Reply::Alone;
        };
        let text = refused.message().unwrap_or_default();
        let intent = format!("read secret {id:?}");
        let attempt = self
            .calls
            .attempt(intent, "secretsmanager:GetSecretValue", Some(id));
        match refused.error_code() {
            Some("ResourceNotFoundException") => Reply::Failed(Box::new(attempt.absent(id, text))),
            Some("InvalidRequestException") if text.contains("marked for deletion") => {
                Reply::Failed(Box::new(attempt.deleted(id)))
            }
            // A call of its own tells more, and may be allowed where a batch is not.
            _ => Reply::Alone,
        }
    }
}

impl Api for Current {
    type Key = String;
    type Value = Arc<SecretBytes>;

    fn name(&self) -> Name {
        (calls::PROVIDER, "GetSecretValue")
    }

    fn limit(&self) -> usize {
        if self.batches_are_denied() { 1 } else { IDS }
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

/// Who lacks both permissions should hear of both.
fn with_hint(mut error: Error) -> Error {
    if error.class() != Class::Denied {
        return error;
    }
    if let Error::Provider { hint, .. } = &mut error {
        let also = format!("; {BATCH} on * is denied too, which would save calls");
        match hint {
            Some(hint) => hint.push_str(&also),
            None => *hint = Some(also.trim_start_matches("; ").to_owned()),
        }
    }
    error
}

async fn single(calls: &Calls, id: &str, version: &Version) -> Result<Arc<SecretBytes>, Error> {
    let intent = match version {
        Version::Current => format!("read secret {id:?}"),
        Version::Stage(stage) => format!("read secret {id:?} at stage {stage:?}"),
        Version::Id(version) => format!("read version {version:?} of secret {id:?}"),
    };
    let attempt = calls.attempt(intent, "secretsmanager:GetSecretValue", Some(id));
    let (version_id, stage) = match version {
        // Asked for by name, so that a policy may demand that stage.
        Version::Current => (None, Some("AWSCURRENT")),
        Version::Stage(stage) => (None, Some(stage.as_str())),
        Version::Id(version) => (Some(version.as_str()), None),
    };
    let answer = calls
        .make("GetSecretValue", &attempt, || {
            calls
                .client
                .get_secret_value()
                .secret_id(id)
                .set_version_id(version_id.map(Into::into))
                .set_version_stage(stage.map(Into::into))
                .send()
        })
        .await
        .map_err(|judged| judged.error)?;
    value(answer.secret_string(), answer.secret_binary(), id)
}

fn value(text: Option<&str>, binary: Option<&Blob>, id: &str) -> Result<Arc<SecretBytes>, Error> {
    match (text, binary) {
        (Some(text), _) => Ok(Arc::new(text.into())),
        (None, Some(bytes)) => Ok(Arc::new(SecretBytes::new(bytes.as_ref().to_vec()))),
        (None, None) => Err(Error::Shape {
            reason: format!("secret {id} has neither SecretString nor SecretBinary"),
            hint: Some("Give it a value".into()),
        }),
    }
}

/// GetSecretValue for a stage or a version id.
#[derive(Debug)]
pub(super) struct Versions(pub(super) Arc<Calls>);

impl Api for Versions {
    type Key = (String, Version);
    type Value = Arc<SecretBytes>;

    fn name(&self) -> Name {
        (calls::PROVIDER, "GetSecretValue")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [Self::Key],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for (id, version) in keys {
                replies.push(Reply::Value(single(&self.0, id, version).await?));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.len()
    }
}

/// DescribeSecret's tags.
#[derive(Debug)]
pub(super) struct Tags(pub(super) Arc<Calls>);

impl Api for Tags {
    type Key = String;
    type Value = Arc<push::Tags>;

    fn name(&self) -> Name {
        (calls::PROVIDER, "DescribeSecret")
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
            for id in keys {
                replies.push(Reply::Value(Arc::new(self.of(id).await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum()
    }
}

impl Tags {
    async fn of(&self, id: &str) -> Result<BTreeMap<String, String>, Error> {
        let attempt = self.0.attempt(
            format!("read the tags of secret {id:?}"),
            "secretsmanager:DescribeSecret",
            Some(id),
        );
        let client = &self.0.client;
        let answer = self
            .0
            .make("DescribeSecret", &attempt, || {
                client.describe_secret().secret_id(id).send()
            })
            .await
            .map_err(|judged| judged.error)?;
        // Describing works until the end, reading does not.
        if answer.deleted_date().is_some() {
            return Err(attempt.deleted(id));
        }
        Ok(tags(answer.tags()))
    }
}

/// The service's tags as a map.
pub(super) fn tags(tags: &[aws_sdk_secretsmanager::types::Tag]) -> push::Tags {
    tags.iter()
        .filter_map(|tag| {
            let value = tag.value().unwrap_or_default();
            Some((tag.key()?.to_owned(), value.to_owned()))
        })
        .collect()
}
