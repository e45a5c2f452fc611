//! Endpoints that take connections and never answer.

use super::*;
use crate::doctor::patience;

/// A listener that nobody serves: the kernel takes connections, and nothing comes back.
fn silent() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

fn kubeconfig(folder: &std::path::Path, user: &str, address: std::net::SocketAddr) -> String {
    let file = folder.join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{name: a, cluster: {{server: 'http://{address}'}}}}]\nusers: [{{name: a, user: {user}}}]\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn flags(arguments: &[&str]) -> Flags {
    let all = ["keyless", "doctor"]
        .into_iter()
        .chain(arguments.iter().copied());
    match Cli::try_parse_from(all).unwrap().command {
        Command::Doctor(flags) => *flags,
        _ => panic!("another command"),
    }
}

/// By the command's own deadlines, on a clock that stands still while anything works.
#[test]
fn a_silent_api_server_is_left_at_the_deadline() {
    let listener = silent();
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path(), "{}", listener.local_addr().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    for asked in [vec![], vec!["es", "a"], vec!["pod", "a"], vec!["pods"]] {
        let mut arguments = asked.clone();
        arguments.extend(["--kubeconfig", &config]);
        let flags = flags(&arguments);
        runtime.block_on(async {
            let begin = tokio::time::Instant::now();
            let end = match collect::gather(&flags, &Environment::default()).await {
                Ok(Ok(facts)) => panic!("{facts:?}"),
                Ok(Err(outcome)) => outcome,
                Err(error) => Outcome::from_error(error),
            };
            assert!(
                matches!(end, Outcome::CouldNotLook(ref why) if why.contains("no answer in time")),
                "{asked:?}: {end:?}"
            );
            assert!(
                begin.elapsed() <= patience::LISTED + Duration::from_millis(10),
                "{:?}",
                begin.elapsed()
            );
        });
    }
}

/// What holds the whole thread does not hold the command.
#[test]
fn a_kubeconfig_that_starts_a_program_that_hangs() {
    let listener = silent();
    let folder = tempfile::tempdir().unwrap();
    let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['40'], interactiveMode: Never}}";
    let config = kubeconfig(folder.path(), user, listener.local_addr().unwrap());
    let begin = Instant::now();
    let (_, outcome) = run("keyless", &["--kubeconfig", &config]);
    assert!(matches!(outcome, Outcome::CouldNotLook(_)), "{outcome:?}");
    // The program sleeps for longer than this.
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
    eprintln!("left after {:?}", begin.elapsed());
}
