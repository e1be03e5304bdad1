//! The binary: command line, configuration, logs, gateway, exit code.

use std::{path::Path, process::ExitCode};

use jetgate::{
    app::App,
    cli::{Cli, Command, DevArgs, Failure, print_descriptors},
    config::Config,
    dev::{DevServer, print_welcome},
    nats::config::ServerUrls,
    open_files,
    shutdown::Shutdown,
    telemetry,
};

/// The streams of dead letters that `jetgate dev` makes in a nats-server of its own.
const DEAD_LETTERS: (&str, &str) = ("DEAD_LETTERS", "DEAD_LETTER_ADVISORIES");

/// After how many turns of tasks a worker looks whether others have something to do. tokio's 61 is for turns of a
/// microsecond; a connection that is flooded takes a hundred times that, and whoever calls beside some of them waited
/// for 61 such turns.
const EVENT_INTERVAL: u32 = 3;

fn main() -> ExitCode {
    match Cli::from_arguments() {
        Ok(cli) => run(&cli.command).map_or_else(Failure::report, ExitCode::from),
        Err(code) => code,
    }
}

fn run(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Serve(args) => with_runtime(args.load().map_err(Failure::usage)?, serve),
        Command::Dev(args) => {
            let config = args.load().map_err(Failure::usage)?;
            with_runtime(config, async |config, shutdown| {
                Box::pin(dev(args, config, shutdown)).await
            })
        }
        Command::Config(args) => args.run().map(|()| 0),
        Command::Probe(probe) => probe.run().map(|()| 0).map_err(Failure::other),
        Command::Doctor(args) => args.run(),
        Command::ApiKey(args) => args.run().map(|()| 0),
        Command::Descriptors => print_descriptors().map(|()| 0),
        Command::Policy(args) => args.run(),
        Command::Client(client) => client.run().map(|()| 0),
        Command::Completions(completions) => completions.run().map(|()| 0),
        Command::ExecWithParent(exec) => Err(Failure::other(exec.run())),
    }
}

/// Runs `work` in the main thread, with logs and signals set up.
fn with_runtime<W>(config: Config, work: W) -> Result<u8, Failure>
where
    W: AsyncFnOnce(Config, Shutdown) -> Result<u8, Failure>,
{
    telemetry::init(&config.log).map_err(Failure::other)?;
    open_files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
        .map_err(Failure::other)?;
    let result = runtime.block_on(async {
        let shutdown = Shutdown::new(&config.shutdown);
        shutdown.listen_for_signals().map_err(Failure::other)?;
        work(config, shutdown).await
    });
    // What is still running was told to end and had its time.
    runtime.shutdown_background();
    result
}

async fn serve(config: Config, shutdown: Shutdown) -> Result<u8, Failure> {
    Ok(until_end(bind(config).await?, &shutdown).await)
}

async fn dev(args: &DevArgs, mut config: Config, shutdown: Shutdown) -> Result<u8, Failure> {
    config.web = config.web.or_local();
    config.console = config.console.or_local();
    let Some(options) = args.options() else {
        let nats_url = config.nats.url.clone();
        let app = bind(config).await?;
        welcome(&app, &nats_url, None)?;
        return Ok(until_end(app, &shutdown).await);
    };
    let mut nats = tokio::select! {
        started = DevServer::start(&options) => started.map_err(Failure::unavailable)?,
        () = shutdown.draining().cancelled() => return Ok(0),
    };
    config.nats = config.nats.for_open_server(nats.url().clone());
    let (letters, advisories) = DEAD_LETTERS;
    config.dead_letters = config.dead_letters.or_with_streams(letters, advisories);
    let app = bind(config).await?;
    welcome(&app, nats.url(), Some(nats.store_dir()))?;
    let code = tokio::select! {
        code = until_end(app, &shutdown) => code,
        error = nats.exited() => return Err(Failure::unavailable(error)),
    };
    if code == 0 {
        nats.stop().await; // Otherwise somebody is in a hurry, and dropping it kills it.
    }
    Ok(code)
}

fn welcome(app: &App, nats_url: &ServerUrls, store: Option<&Path>) -> Result<(), Failure> {
    let (public, admin) = (app.public_addr(), app.admin_addr());
    let printed = print_welcome(public, admin, app.console_url(), nats_url, store);
    printed.map_err(Failure::other)
}

async fn bind(config: Config) -> Result<App, Failure> {
    let app = App::bind(config).await.map_err(Failure::unavailable)?;
    let console = app.console_addr().map(tracing::field::display);
    tracing::info!(public = %app.public_addr(), admin = %app.admin_addr(), console, "listening");
    Ok(app)
}

/// Exit code 0 after a drain, or that of the signal that cut it short.
async fn until_end(app: App, shutdown: &Shutdown) -> u8 {
    tokio::select! {
        biased; // The second signal ends the gateway as well, and its code has to win.
        code = shutdown.forced() => code,
        () = app.run(shutdown.clone()) => 0,
    }
}
