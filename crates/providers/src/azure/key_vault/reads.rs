//! Reading objects by name.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use keyless_fault::{Class, Link};

use super::calls::{Calls, PROVIDER};
use super::name::{self, Kind};
use super::object::Object;
use crate::planner::{Api, Failure, Name, Reply};
use crate::rest::Judge;
use crate::{Error, Ref};

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) version: Option<String>,
}

impl Wanted {
    /// What `reference` names.
    ///
    /// # Errors
    /// When key or version are none that Key Vault has.
    pub(super) fn of(reference: &Ref) -> Result<Self, Error> {
        let (kind, name) = name::parse(&reference.key)?;
        let version = reference.version.as_deref().filter(|v| !v.is_empty());
        if let Some(version) = version.filter(|version| !name::is_version(version)) {
            return Err(Error::Shape {
                reason: format!("{version:?} is no version of Azure Key Vault"),
                hint: Some("Set remoteRef.version to a version's id, or remove it".into()),
            });
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    /// The newest version of an object.
    pub(super) fn newest(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            version: None,
        }
    }

    pub(super) fn path(&self) -> String {
        let mut path = format!("/{}/{}", self.kind.collection(), self.name);
        if let Some(version) = &self.version {
            path.push('/');
            path.push_str(version);
        }
        path
    }
}

/// GetSecret, GetCertificate and GetKey: Key Vault reads one object at a time.
#[derive(Debug)]
pub(super) struct Objects(pub(super) Arc<Calls>);

impl Api for Objects {
    type Key = Wanted;
    type Value = Arc<Object>;

    fn name(&self) -> Name {
        (PROVIDER, "GetSecret")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [Wanted],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for wanted in keys {
                replies.push(Reply::Value(Arc::new(self.read(wanted).await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        let tags = value.tags.iter();
        value.value.len() + tags.map(|(k, v)| k.len() + v.len() + 48).sum::<usize>()
    }
}

impl Objects {
    /// The object, or why there is none. A missing version of a secret that exists is no missing
    /// secret: whoever pins a version does not ask for the Secret's deletion.
    async fn read(&self, wanted: &Wanted) -> Result<Object, Error> {
        let error = match self.get(wanted).await {
            Err(error) if error.is_no_secret() && wanted.version.is_some() => error,
            other => return other,
        };
        let newest = Wanted::newest(wanted.kind, &wanted.name);
        match self.get(&newest).await {
            Err(other) if other.is_no_secret() => Err(error),
            _ => Err(Error::Provider {
                intent: intent(wanted),
                service: self.0.service().to_owned(),
                provider_code: "VersionNotFound".into(),
                message: format!("{} {} has no such version", wanted.kind, wanted.name),
                request_id: None,
                link: Link::Secret,
                class: Class::NotFound,
                code: "Z22",
                required: None,
                hint: Some("Correct remoteRef.version: it is a version's id".into()),
                retry_after: None,
            }),
        }
    }

    pub(super) async fn get(&self, wanted: &Wanted) -> Result<Object, Error> {
        let (name, permission) = match wanted.kind {
            Kind::Secret => ("GetSecret", "secrets get"),
            Kind::Certificate => ("GetCertificate", "certificates get"),
            Kind::Key => ("GetKey", "keys get"),
        };
        let attempt = self
            .0
            .attempt(intent(wanted), permission, Some(&wanted.name));
        let call = Calls::call(Method::GET, self.0.url(&wanted.path(), ""), None);
        let body = self
            .0
            .make(name, &attempt, &call)
            .await
            .map_err(|refused| refused.error)?;
        Object::read(wanted.kind, &body).map_err(|reason| attempt.unreadable(reason))
    }
}

fn intent(wanted: &Wanted) -> String {
    match &wanted.version {
        Some(version) => format!(
            "read version {version} of {} {:?}",
            wanted.kind, wanted.name
        ),
        None => format!("read {} {:?}", wanted.kind, wanted.name),
    }
}
