//! The name of a target: `s3://bucket/prefix`, `gs://bucket/prefix`, `azblob://account/container`,
//! `https://host/path`, `configmap:namespace/name`, or a directory.
//!
//! Owns: reading the name, and opening what it names with the identity that the environment gives.
//! Refuses: stored keys beside those that the environment has by itself.

use std::path::PathBuf;
use std::sync::Arc;

use keyless_fault::Class;
use keyless_identity::aws::Region;
use keyless_identity::{
    Cluster, Environment, Exchange, ExchangeOptions, HttpExchange, aws, azure, gcp,
};

use super::authorize::{Anonymous, Authorize, Aws, Entra, Google, TokenFile};
use super::config_map::InConfigMap;
use super::directory::Directory;
use super::object::{Dialect, Objects};
use super::{Target, TargetError};
use crate::cluster::ApiServer;
use crate::effects::Steps;

/// A target's name, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    Directory(PathBuf),
    /// A URL that takes PUT.
    Put(String),
    /// A bucket of S3, or of what is compatible (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`).
    S3 {
        /// The bucket.
        bucket: String,
        /// The path below it, without slashes at its ends.
        prefix: String,
    },
    /// A bucket of Google Cloud Storage (`CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE`).
    Gcs {
        /// The bucket.
        bucket: String,
        /// The path below it.
        prefix: String,
    },
    /// A container of Azure Blob Storage.
    Azure {
        /// The storage account, or the whole endpoint's host.
        account: String,
        /// Container and path.
        path: String,
    },
    /// A ConfigMap.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Place {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let split = |rest: &str| -> Result<(String, String), String> {
            let (first, path) = rest.split_once('/').unwrap_or((rest, ""));
            if first.is_empty() {
                return Err(format!("{text:?} names no bucket"));
            }
            Ok((first.to_owned(), path.trim_matches('/').to_owned()))
        };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = split(rest)?;
            return Ok(Self::S3 { bucket, prefix });
        }
        if let Some(rest) = text.strip_prefix("gs://") {
            let (bucket, prefix) = split(rest)?;
            return Ok(Self::Gcs { bucket, prefix });
        }
        if let Some(rest) = text.strip_prefix("azblob://") {
            let (account, path) = split(rest)?;
            if path.is_empty() {
                return Err(format!(
                    "{text:?} names no container: azblob://ACCOUNT/CONTAINER/PATH"
                ));
            }
            return Ok(Self::Azure { account, path });
        }
        if let Some(rest) = text.strip_prefix("configmap:") {
            let (namespace, name) = rest
                .split_once('/')
                .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
                .ok_or_else(|| format!("{text:?} is not configmap:NAMESPACE/NAME"))?;
            return Ok(Self::ConfigMap {
                namespace: namespace.into(),
                name: name.into(),
            });
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Put(text.to_owned()));
        }
        match text.strip_prefix("dir:").unwrap_or(text) {
            "" => Err("the target has no name".into()),
            other if other.contains("://") => Err(format!(
                "{other:?} is of no kind of target known here: a directory, https://, s3://, gs://, azblob:// or configmap:"
            )),
            folder => Ok(Self::Directory(PathBuf::from(folder))),
        }
    }
}

/// What targets are opened with.
#[derive(Clone, Debug)]
pub struct Opener {
    /// Endpoints, regions, and the pod's own identity.
    pub environment: Environment,
    /// The API server of the cluster, for a ConfigMap.
    pub server: Option<ApiServer>,
    /// A bearer token's file, in place of the environment's identity.
    pub token_file: Option<PathBuf>,
    /// Is asked before each step.
    pub steps: Arc<dyn Steps>,
}

impl Opener {
    /// Opens what `place` names.
    ///
    /// # Errors
    /// The environment does not say enough.
    pub fn open(&self, place: &Place) -> Result<Box<dyn Target>, TargetError> {
        match place {
            Place::Directory(root) => Ok(Box::new(Directory::new(root, Arc::clone(&self.steps)))),
            Place::ConfigMap { namespace, name } => {
                let server = self
                    .server
                    .clone()
                    .ok_or_else(|| unusable("a ConfigMap", "no API server was named".into()))?;
                Ok(Box::new(InConfigMap::new(server, namespace, name)))
            }
            Place::Put(url) => self.objects(url, url, Dialect::Plain, Box::new(Anonymous)),
            Place::S3 { bucket, prefix } => self.s3(bucket, prefix),
            Place::Gcs { bucket, prefix } => self.gcs(bucket, prefix),
            Place::Azure { account, path } => self.azure(account, path),
        }
    }

    fn http(&self) -> Result<Arc<dyn HttpExchange>, TargetError> {
        let options = ExchangeOptions::from_environment(&self.environment);
        let http = Exchange::new(&options).map_err(|e| unusable("the network", e.to_string()))?;
        Ok(Arc::new(http))
    }

    fn objects(
        &self,
        name: &str,
        base: &str,
        dialect: Dialect,
        login: Box<dyn Authorize>,
    ) -> Result<Box<dyn Target>, TargetError> {
        let login = match &self.token_file {
            Some(file) => Box::new(TokenFile(file.clone())),
            None => login,
        };
        Ok(Box::new(Objects::new(
            name,
            base,
            dialect,
            self.http()?,
            login,
        )))
    }

    fn aws(&self) -> Result<Arc<aws::Logins>, TargetError> {
        let cluster: Arc<dyn Cluster> = Arc::new(nobody::Nobody);
        Ok(Arc::new(aws::Logins::new(
            cluster,
            self.http()?,
            self.environment.clone(),
        )))
    }

    fn s3(&self, bucket: &str, prefix: &str) -> Result<Box<dyn Target>, TargetError> {
        let name = format!("s3://{bucket}/{prefix}");
        let env = |key: &str| self.environment.get(key).filter(|v| !v.is_empty());
        let region = env("AWS_REGION").or_else(|| env("AWS_DEFAULT_REGION"));
        let region = region.ok_or_else(|| unusable(&name, "AWS_REGION is not set".into()))?;
        let parsed = Region::parse(region).map_err(|e| unusable(&name, e.to_string()))?;
        let endpoint = env("AWS_ENDPOINT_URL_S3").or_else(|| env("AWS_ENDPOINT_URL"));
        // Path style where an endpoint is given, and for names with dots, which no certificate of
        // virtual-hosted addresses covers.
        let base = match endpoint {
            Some(endpoint) => format!("{}/{bucket}/{prefix}", endpoint.trim_end_matches('/')),
            None if bucket.contains('.') => {
                format!("https://s3.{region}.amazonaws.com/{bucket}/{prefix}")
            }
            None => format!("https://{bucket}.s3.{region}.amazonaws.com/{prefix}"),
        };
        let login = aws::Login {
            region: parsed,
            source: aws::Source::Operator,
            hops: Vec::new(),
        };
        let login = Aws {
            credentials: aws::CachedCredentials::new(self.aws()?, Arc::new(login)),
            region: region.to_owned(),
        };
        self.objects(&name, &base, Dialect::S3, Box::new(login))
    }

    fn gcs(&self, bucket: &str, prefix: &str) -> Result<Box<dyn Target>, TargetError> {
        let name = format!("gs://{bucket}/{prefix}");
        let endpoint = self
            .environment
            .get("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE");
        let endpoint = endpoint
            .unwrap_or("https://storage.googleapis.com")
            .trim_end_matches('/');
        let cloud =
            gcp::Cloud::of(&self.environment).map_err(|e| unusable(&name, e.to_string()))?;
        let cluster: Arc<dyn Cluster> = Arc::new(nobody::Nobody);
        let logins = gcp::Logins::new(cluster, self.http()?, self.environment.clone(), self.aws()?);
        let login = gcp::Login {
            cloud,
            source: gcp::Source::Metadata,
            impersonate: None,
            quota_project: None,
        };
        let login = Google(gcp::CachedToken::new(Arc::new(logins), Arc::new(login)));
        self.objects(
            &name,
            &format!("{endpoint}/{bucket}/{prefix}"),
            Dialect::Gcs,
            Box::new(login),
        )
    }

    fn azure(&self, account: &str, path: &str) -> Result<Box<dyn Target>, TargetError> {
        let name = format!("azblob://{account}/{path}");
        let host = if account.contains('.') || account.contains(':') {
            account.to_owned()
        } else {
            format!("{account}.blob.core.windows.net")
        };
        let base = format!("https://{host}/{path}");
        if self.token_file.is_some() {
            return self.objects(&name, &base, Dialect::Azure, Box::new(Anonymous));
        }
        let env = |key: &'static str| {
            let value = self.environment.get(key).filter(|v| !v.is_empty());
            value.map(str::to_owned).ok_or_else(|| {
                unusable(
                    &name,
                    format!(
                        "{key} is not set: let Azure's webhook inject it, or give a token file"
                    ),
                )
            })
        };
        let authority = self
            .environment
            .get("AZURE_AUTHORITY_HOST")
            .unwrap_or("https://login.microsoftonline.com");
        let cloud = azure::Cloud {
            authority: authority.trim_end_matches('/').to_owned(),
            resource: "https://storage.azure.com".into(),
            domain: "blob.core.windows.net".into(),
            custom: false,
            on_premises: false,
        };
        let client = azure::Client {
            id: env("AZURE_CLIENT_ID")?,
            tenant: env("AZURE_TENANT_ID")?,
        };
        let source = azure::Source::Pod {
            client,
            file: env("AZURE_FEDERATED_TOKEN_FILE")?,
        };
        let cluster: Arc<dyn Cluster> = Arc::new(nobody::Nobody);
        let logins = azure::Logins::new(cluster, self.http()?, self.environment.clone());
        let login = azure::Login { cloud, source };
        let login = Entra(azure::CachedToken::new(Arc::new(logins), Arc::new(login)));
        self.objects(&name, &base, Dialect::Azure, Box::new(login))
    }
}

fn unusable(target: &str, said: String) -> TargetError {
    TargetError::Refused {
        target: target.to_owned(),
        intent: "be opened".into(),
        provider_code: None,
        said,
        class: Class::Config,
        code: "",
        hint: None,
    }
}

mod nobody;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let s3 = |bucket: &str, prefix: &str| Place::S3 {
            bucket: bucket.into(),
            prefix: prefix.into(),
        };
        for (text, place) in [
            ("/srv/issuer", Place::Directory("/srv/issuer".into())),
            ("dir:issuer", Place::Directory("issuer".into())),
            ("s3://b", s3("b", "")),
            ("s3://b/c/1/", s3("b", "c/1")),
            (
                "gs://b/c",
                Place::Gcs {
                    bucket: "b".into(),
                    prefix: "c".into(),
                },
            ),
            (
                "azblob://a/c/p",
                Place::Azure {
                    account: "a".into(),
                    path: "c/p".into(),
                },
            ),
            ("https://h/x", Place::Put("https://h/x".into())),
            (
                "configmap:a/b",
                Place::ConfigMap {
                    namespace: "a".into(),
                    name: "b".into(),
                },
            ),
        ] {
            assert_eq!(Place::parse(text), Ok(place), "{text}");
        }
        for text in ["", "s3://", "azblob://a", "configmap:a", "ftp://x"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
