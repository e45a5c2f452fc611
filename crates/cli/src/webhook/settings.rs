//! What the webhook of a cluster was set up with, by the arguments that its Deployment gives it.
//!
//! Owns: reading them back as the program does that they were written for. Refuses: ConfigMaps
//! and environment variables of that program: what they add is not known.

use clap::{Args as _, FromArgMatches as _};
use keyless_admission::cloud::{Cloud, Injectors};

use super::{PartFlags, upstream};

/// The flags that matter, and no others.
#[derive(clap::Args)]
struct Arguments {
    #[command(flatten)]
    part: PartFlags,
    #[command(flatten)]
    upstream: upstream::Flags,
}

/// What injects in a program that was started with `arguments`, for `clouds` where `--inject` does
/// not say for which. Nothing if they cannot be read.
pub fn settings(arguments: &[&str], clouds: &[Cloud]) -> Option<Injectors> {
    let known = known(arguments);
    let names = clouds
        .iter()
        .map(|cloud| cloud.as_str())
        .collect::<Vec<_>>();
    let mut all = vec!["webhook".to_owned()];
    let says = |flag: &str| known.iter().any(|k| k.starts_with(flag));
    if !says("--inject") {
        all.push(format!("--inject={}", names.join(",")));
    }
    // It may come from the environment, which is not known; nothing depends on it here.
    if !says("--azure-tenant-id") {
        all.push("--azure-tenant-id=unknown".to_owned());
    }
    all.extend(known);
    let command = Arguments::augment_args(clap::Command::new("webhook"));
    let matches = command.try_get_matches_from(all).ok()?;
    let read = Arguments::from_arg_matches(&matches).ok()?;
    let part = &read.part;
    part.clouds
        .injectors(&part.inject, Some(&read.upstream))
        .ok()
}

/// The arguments with names that are known, each in one piece. Go's programs take one dash, too.
fn known(arguments: &[&str]) -> Vec<String> {
    let command = Arguments::augment_args(clap::Command::new("webhook"));
    let longs = command.get_arguments().flat_map(|a| {
        let aliases = a.get_all_aliases().unwrap_or_default();
        a.get_long().into_iter().chain(aliases).map(str::to_owned)
    });
    let longs: Vec<String> = longs.collect();
    let mut out = Vec::new();
    let mut rest = arguments.iter().copied().peekable();
    while let Some(argument) = rest.next() {
        let bare = argument.trim_start_matches('-');
        let name = bare.split('=').next().unwrap_or_default();
        if bare.len() == argument.len() || !longs.iter().any(|long| long == name) {
            continue;
        }
        let mut whole = format!("--{bare}");
        if !bare.contains('=')
            && let Some(value) = rest.next_if(|next| !next.starts_with('-'))
        {
            whole = format!("{whole}={value}");
        }
        out.push(whole);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_the_program_reads_them() {
        let own = [
            "webhook",
            "--inject",
            "aws,google",
            "--loglevel=debug",
            "--aws-annotation-prefix=irsa.example.com",
            "--nobody-knows-this",
        ];
        let read = settings(&own, &[]).unwrap();
        assert_eq!(read.aws.unwrap().annotation_prefix, "irsa.example.com");
        assert!(read.google.is_some() && read.azure.is_none());
        let upstream = [
            "/webhook",
            "-annotation-prefix",
            "irsa.example.com",
            "--in-cluster=false",
        ];
        let read = settings(&upstream, &[Cloud::Aws]).unwrap();
        assert_eq!(read.aws.unwrap().annotation_prefix, "irsa.example.com");
        assert!(
            settings(&["--azure-audience=x"], &[Cloud::Azure])
                .unwrap()
                .azure
                .is_some()
        );
        assert_eq!(
            settings(&["--token-default-mode=rwx"], &[Cloud::Google]),
            None
        );
    }
}
