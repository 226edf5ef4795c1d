//! `trunkline bench`: what a call costs here, beside the bare relay that does nothing but copy.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lab::measure::{BargeIn, Entry, Plan, RELAY, Starter, System, Webhook, run_with};

/// The account of the emulated carrier. It exists only on this machine and only while the bench runs.
const ACCOUNT_SID: &str = "AC00000000000000000000000000000be1";
const AUTH_TOKEN: &str = "the-bench-signs-with-this";

/// Caller speech that our own detector needs in the barge-in measure: the default of `bots.call.barge_in`.
const DETECTION_WINDOW_MS: u64 = 200;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// How many calls at a time, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "50,200,500")]
    calls: Vec<u16>,
    /// How long each run is measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often everything is run; the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Also the relay and the gateway with other settings: a relay that polls, sound batched towards the agent.
    #[arg(long)]
    all: bool,
    /// Also the time from the caller's first loud word to silence.
    #[arg(long)]
    barge_in: bool,
    /// How long a media thread gathers ready sockets, in microseconds.
    #[arg(long)]
    gather_us: Option<u32>,
    /// Print JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a Markdown table.
    #[arg(long)]
    markdown: bool,
    /// A folder for the output of what is measured.
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
}

pub(super) fn run(asked: &Asked) -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("trunkline: cannot find this program again: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Records of measured calls are of no use to anybody.
    let data = std::env::temp_dir().join(format!("trunkline-bench-{}", std::process::id()));
    let gateway = |name: &str, batch_ms: u32, more: &[(&str, String)]| {
        let settings = [
            ("TRUNKLINE__SERVER__LISTEN", "127.0.0.1:{port}".to_owned()),
            ("TRUNKLINE__SERVER__PUBLIC_URL", "http://127.0.0.1:{port}".to_owned()),
            ("TRUNKLINE__SERVER__DATA_DIR", data.display().to_string()),
            ("TRUNKLINE__SERVER__MEDIA_THREADS", "1".to_owned()),
            ("TRUNKLINE__SERVER__CONNECTIONS_MAX", "10000".to_owned()),
            ("TRUNKLINE__LIMITS__CALLS", "5000".to_owned()),
            ("TRUNKLINE__LIMITS__CALLS_PER_MINUTE_PER_ADDRESS", "0".to_owned()),
            ("TRUNKLINE__LIMITS__CALLS_PER_MINUTE_PER_CALLER", "0".to_owned()),
            ("TRUNKLINE__LOG__LEVEL", "warn".to_owned()),
            ("TRUNKLINE__LOG__FILE", "none".to_owned()),
            ("TRUNKLINE__AGENTS__ELEVENLABS__SLOTS", "5000".to_owned()),
            ("TRUNKLINE__AGENTS__ELEVENLABS__BATCH_MS", batch_ms.to_string()),
            ("ELEVENLABS_BASE_URL", "http://{agent}".to_owned()),
            ("ELEVENLABS_API_KEY", "bench".to_owned()),
            ("ELEVENLABS_AGENT_ID", "bench".to_owned()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT_SID.to_owned()),
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
        ];
        let gather = asked.gather_us.map(|us| ("TRUNKLINE__SERVER__GATHER_US", us.to_string()));
        let env = settings.into_iter().chain(gather).chain(more.iter().cloned());
        System {
            name: name.to_owned(),
            program: program.clone(),
            args: vec!["serve".to_owned()],
            env: env.map(|(name, value)| (name.to_owned(), value)).collect(),
            ready_url: "http://127.0.0.1:{port}/livez".to_owned(),
            entry: Entry::Webhook(Webhook {
                url: "http://127.0.0.1:{port}/webhooks/inbound".to_owned(),
                signed_as: None,
                account_sid: ACCOUNT_SID.to_owned(),
                auth_token: AUTH_TOKEN.to_owned(),
                to: "+15550100".to_owned(),
            }),
        }
    };
    let mut systems = vec![gateway("gateway", 20, &[])];
    if asked.all {
        systems.push(gateway("gateway, 40 ms towards the agent", 40, &[]));
        systems.push(gateway(
            "gateway, serving at once",
            20,
            &[("TRUNKLINE__SERVER__GATHER_US", "0".to_owned())],
        ));
    }
    let own_ears = [("TRUNKLINE__BOTS__0__NAME", "bench".to_owned())]
        .into_iter()
        .chain([("TRUNKLINE__BOTS__0__AGENT", "elevenlabs".to_owned())])
        .chain([("TRUNKLINE__BOTS__0__CALL__BARGE_IN__DETECTOR", "always".to_owned())])
        .collect::<Vec<_>>();
    let plan = Plan {
        calls: asked.calls.clone(),
        seconds: asked.seconds,
        rounds: asked.rounds,
        relay_tick_us: asked.all.then_some(1_000),
        systems,
        barge_in: asked.barge_in.then(|| BargeIn {
            calls: 50,
            seconds: asked.seconds.max(20),
            // After an interruption by our own ears the rest of the answer is kept from the caller for up to three
            // seconds; the next shout needs something to interrupt.
            every_ms: 4_500,
            by_agent: vec![gateway("gateway, told by the agent", 20, &[])],
            by_system: vec![gateway("gateway, by its own ears", 20, &own_ears)],
            window_ms: DETECTION_WINDOW_MS,
        }),
        logs: asked.logs.clone(),
        ..Plan::default()
    };
    let report = Starter::this_program()
        .and_then(|starter| run_with(&plan, &starter, &mut |line| eprintln!("{line}")));
    // Nothing may be there, when not a single gateway came up.
    let _ = std::fs::remove_dir_all(&data);
    match report {
        Ok(report) => {
            if asked.json {
                super::print_out(&format!(
                    "{}
",
                    serde_json::to_string_pretty(&report).unwrap_or_default()
                ));
            } else if asked.markdown {
                super::print_out(&format!("{}\n", report.markdown()));
            } else {
                super::print_out(&format!("{report}\n"));
            }
            for aim in report.aims(&[RELAY]) {
                let verdict = if aim.is_met { "met" } else { "missed" };
                eprintln!("{verdict:6}  {}: {}", aim.what, aim.found);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("trunkline: {error}");
            ExitCode::FAILURE
        }
    }
}
