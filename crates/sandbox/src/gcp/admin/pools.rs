//! The handle's part for workload identity pools: their providers, and how bindings and exchanges
//! name them.

use keyless_trust::gcp::{Pool as PoolName, PoolProvider};

use super::super::iam_admin::{pools, providers};
use super::super::pool::{self, AwsProvider, OidcProvider, Pool, Provider};
use super::super::state::State;
use super::{AdminError, Gcp, Result};

/// A pool by the number of `project` and its own id.
fn pool<'a>(state: &'a mut State, project: &str, id: &str) -> Result<&'a mut Pool> {
    let name = pool_name(state, project, id)?;
    state
        .pools
        .get_mut(&name)
        .ok_or_else(|| AdminError::missing(id))
}

fn pool_name(state: &State, project: &str, id: &str) -> Result<PoolName> {
    let found = state.project(project);
    let number = &found.ok_or_else(|| AdminError::missing(project))?.number;
    PoolName::new(number, id).map_err(|_| AdminError::missing(id))
}

impl Gcp {
    /// Creates a workload identity pool in `project`.
    ///
    /// # Errors
    /// As the API: a bad id, or one that is taken, by a deleted pool too.
    pub fn create_pool(&self, project: &str, id: &str) -> Result<()> {
        pool::check_id("Pool", id)?;
        let mut state = self.state();
        let name = pool_name(&state, project, id)?;
        Ok(pools::add(&mut state, &name, Pool::default())?)
    }

    /// Disables or enables a pool.
    ///
    /// # Errors
    /// When there is no such pool.
    pub fn disable_pool(&self, project: &str, id: &str, disabled: bool) -> Result<()> {
        pool(&mut self.state(), project, id)?.disabled = disabled;
        Ok(())
    }

    /// Deletes a pool; its id stays taken.
    ///
    /// # Errors
    /// When there is no such pool.
    pub fn delete_pool(&self, project: &str, id: &str) -> Result<()> {
        let now = self.now();
        pool(&mut self.state(), project, id)?.deleted = Some(now);
        Ok(())
    }

    /// Adds a provider for an OpenID Connect issuer to a pool.
    ///
    /// # Errors
    /// As the API: a provider that breaks its rules, or an id that is taken.
    pub fn create_oidc_provider(
        &self,
        project: &str,
        pool: &str,
        id: &str,
        provider: &OidcProvider,
    ) -> Result<()> {
        let name = self.provider_name(project, pool, id)?;
        self.add_provider(project, pool, id, provider.check(name)?)
    }

    fn provider_name(&self, project: &str, pool: &str, id: &str) -> Result<PoolProvider> {
        Ok(PoolProvider {
            pool: pool_name(&self.state(), project, pool)?,
            id: id.to_owned(),
        })
    }

    /// Adds a provider for an AWS account to a pool.
    ///
    /// # Errors
    /// As the API: a provider that breaks its rules, or an id that is taken.
    pub fn create_aws_provider(
        &self,
        project: &str,
        pool: &str,
        id: &str,
        provider: &AwsProvider,
    ) -> Result<()> {
        self.add_provider(project, pool, id, provider.check()?)
    }

    fn add_provider(&self, project: &str, of: &str, id: &str, made: Provider) -> Result<()> {
        let name = self.provider_name(project, of, id)?;
        Ok(providers::add(&mut self.state(), &name, made)?)
    }

    /// Puts a provider in place of one that exists.
    ///
    /// # Errors
    /// As the API: a provider that breaks its rules, or none to replace.
    pub fn update_oidc_provider(
        &self,
        project: &str,
        of: &str,
        id: &str,
        provider: &OidcProvider,
    ) -> Result<()> {
        let made = provider.check(self.provider_name(project, of, id)?)?;
        let mut state = self.state();
        let found = pool(&mut state, project, of)?.providers.get_mut(id);
        *found.ok_or_else(|| AdminError::missing(id))? = made;
        Ok(())
    }

    /// The principal of a Kubernetes service account of a GKE cluster of `project`, as bindings
    /// name it.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn gke_principal(&self, project: &str, namespace: &str, name: &str) -> Result<String> {
        let pool = pool_name(&self.state(), project, &format!("{project}.svc.id.goog"))?;
        Ok(pool.principal(&format!("ns/{namespace}/sa/{name}")))
    }

    /// The principal of a pool's subject, as bindings name it.
    ///
    /// # Errors
    /// When there is no such project, or the pool's name is none.
    pub fn pool_principal(&self, project: &str, pool: &str, subject: &str) -> Result<String> {
        Ok(pool_name(&self.state(), project, pool)?.principal(subject))
    }

    /// The audience of exchanges with a provider: its full name.
    ///
    /// # Errors
    /// When there is no such project, or the pool's name is none.
    pub fn provider_audience(&self, project: &str, pool: &str, provider: &str) -> Result<String> {
        Ok(self.provider_name(project, pool, provider)?.to_string())
    }
}
