//! The model as a script for the Azure CLI.
//!
//! It can be run again: what exists is found and left as it is. That matters for identities, since
//! the Resource Manager takes away the tags of what is created once more and refuses another
//! region; and for credentials, since it refuses the same issuer and subject under another name.

use super::write::policies;
use super::{Assignment, Credential, Managed, Model};
use crate::plan::Cloud;
use crate::render::shell::{Script, Word};
use crate::render::{Target, head, reasons};

/// What the script asks of an identity: principal, client and tenant on one line.
const IDS: &str = "join(' ', [principalId, clientId, tenantId])";
/// A vault's id, and whether it uses roles.
const VAULT: &str = "join(' ', [id, to_string(properties.enableRbacAuthorization)])";
/// Issuer, subject and audience of a credential on one line.
const CREDENTIALS: &str = "[].join(' ', [issuer, subject, audiences[0]])";

pub(in crate::render) fn shell(model: &Model<'_>) -> String {
    let mut s = Script::new(&head(Target::Azure));
    for managed in &model.identities {
        s.gap();
        identity(&mut s, model, managed);
        trust(&mut s, model, managed);
        if model.access_policies {
            access_policies(&mut s, managed);
        } else {
            roles(&mut s, managed);
        }
        annotations(&mut s, managed);
    }
    s.finish()
}

/// A command of az: its words, flags with their values, and the query for what it prints.
fn az<'a>(words: &str, flags: &[(&'a str, Word<'a>)], query: Option<&'a str>) -> Vec<Word<'a>> {
    let mut out = vec![Word::Text("az")];
    out.extend(words.split(' ').map(|w| Word::Owned(w.to_owned())));
    for (flag, value) in flags {
        out.push(Word::Text(flag));
        out.push(value.clone());
    }
    match query {
        Some(query) => out.extend(["--query", query, "--output", "tsv"].map(Word::Text)),
        None => out.extend(["--output", "none"].map(Word::Text)),
    }
    out
}

fn variable(name: &'static str) -> Word<'static> {
    Word::Variable(name, String::new())
}

/// Finds the identity or creates it: `$identity` is its name, then follow its ids.
fn identity(s: &mut Script, model: &Model<'_>, managed: &Managed<'_>) {
    let group = ("--resource-group", Word::Text(&model.group));
    let name = ("--name", variable("identity"));
    let show = az("identity show", &[name.clone(), group.clone()], Some(IDS));
    if let Some(client) = managed.client {
        // A client id is a GUID, which ends no text of a query.
        let query = format!("[?clientId=='{client}'].name");
        s.comment(&format!(
            "Service accounts are annotated with client id {client}."
        ));
        let list = az("identity list", &[group], Some(&query));
        s.set("identity", &list);
        s.demand(
            "test -n \"$identity\"",
            &format!(
                "no managed identity in resource group {} has client id {client}: name its group, \
                 correct the annotation, or if it is an application, give it its credentials by az \
                 ad app federated-credential create",
                model.group
            ),
        );
        s.set("ids", &show);
    } else {
        s.assign("identity", &managed.name);
        let location = ("--location", Word::Text(&model.location));
        let create = az("identity create", &[name, group, location], Some(IDS));
        s.find_or("ids", &show, &create);
    }
    s.line("set -- $ids");
    s.line("principal=$1 client=$2 tenant=$3");
}

/// Creates the credentials that are not there, under whatever name.
fn trust(s: &mut Script, model: &Model<'_>, managed: &Managed<'_>) {
    let of = [
        ("--identity-name", variable("identity")),
        ("--resource-group", Word::Text(&model.group)),
    ];
    let list = az("identity federated-credential list", &of, Some(CREDENTIALS));
    s.set("known", &list);
    for Credential {
        name,
        subject,
        audience,
        identity,
        ..
    } in &managed.credentials
    {
        s.comment(&reasons(identity));
        let mut flags = vec![("--name", Word::Text(name))];
        flags.extend(of.iter().cloned());
        flags.extend([
            ("--issuer", Word::Text(model.issuer)),
            ("--subject", Word::Text(subject)),
            ("--audiences", Word::Text(audience)),
        ]);
        let create = az("identity federated-credential create", &flags, None);
        let line = format!("{} {subject} {audience}", model.issuer);
        s.unless_among("known", &line, &create);
    }
}

fn access_policies(s: &mut Script, managed: &Managed<'_>) {
    for (vault, kinds) in policies(managed) {
        let flags = [
            ("--name", Word::Text(&vault)),
            ("--object-id", variable("principal")),
        ];
        let mut words = az("keyvault set-policy", &flags, None);
        for (argument, permissions) in kinds {
            words.push(Word::Owned(format!("--{}", argument.replace('_', "-"))));
            words.extend(permissions.iter().map(|p| Word::Owned(p.to_lowercase())));
        }
        s.run(&words);
    }
}

fn roles(s: &mut Script, managed: &Managed<'_>) {
    let mut known = "";
    let assignments = managed.assignments();
    for Assignment { vault, role, part } in &assignments {
        if known != vault {
            let name = ("--name", Word::Text(vault));
            s.set("vault", &az("keyvault show", &[name], Some(VAULT)));
            s.demand(
                "test \"${vault##* }\" = true",
                &format!("{vault} uses access policies: render with --azure-access-policies"),
            );
            s.line("vault=${vault% *}");
            known = vault;
        }
        let part = part.as_ref().map(|part| format!("/{part}"));
        let flags = [
            ("--role", Word::Text(role)),
            ("--assignee-object-id", variable("principal")),
            ("--assignee-principal-type", Word::Text("ServicePrincipal")),
            ("--scope", Word::Variable("vault", part.unwrap_or_default())),
        ];
        // az itself finds what is assigned already.
        s.run(&az("role assignment create", &flags, None));
    }
}

/// What is left to do in the cluster: the ids are known to nobody before.
fn annotations(s: &mut Script, managed: &Managed<'_>) {
    if managed.client.is_some() {
        return;
    }
    for Credential { identity, .. } in &managed.credentials {
        let tenant = matches!(&identity.cloud, Cloud::Azure { tenant: None, .. });
        let mut words: Vec<Word<'_>> = [
            "echo",
            "kubectl",
            "annotate",
            "--overwrite",
            "serviceaccount",
            "--namespace",
        ]
        .map(Word::Text)
        .to_vec();
        words.push(Word::Text(&identity.account.namespace));
        words.push(Word::Text(&identity.account.name));
        words.push(Word::Prefixed(
            "azure.workload.identity/client-id=",
            "client",
        ));
        if tenant {
            words.push(Word::Prefixed(
                "azure.workload.identity/tenant-id=",
                "tenant",
            ));
        }
        s.run(&words);
    }
}
