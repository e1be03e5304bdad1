//! The command line: what can be asked of the binary, and which keys its flags set.

mod api_key;
mod client;
mod completions;
mod descriptors;
mod doctor;
mod exec_with_parent;
mod failure;
mod output;
mod policy;
mod probe;
mod table;

use std::{
    convert::Infallible,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

pub(crate) use self::probe::reachable;
pub use self::{
    api_key::ApiKeyArgs,
    client::ClientCommand,
    completions::CompletionsArgs,
    descriptors::print_descriptors,
    doctor::DoctorArgs,
    exec_with_parent::{ExecWithParent, NAME as EXEC_WITH_PARENT},
    failure::Failure,
    policy::PolicyArgs,
    probe::{Probe, ProbeError},
};
use crate::{
    config::{Config, Problems, Secret, Sources},
    dev::DevOptions,
};

/// A gRPC gateway to NATS JetStream, and a client of it.
#[derive(Debug, Parser)]
#[command(name = "jetgate", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    Serve(ServeArgs),
    /// Run the gateway beside a nats-server of its own, to try things out
    Dev(DevArgs),
    /// Check or print the configuration that would be in force
    Config(ConfigArgs),
    /// Ask a running gateway whether it is ready: exit code 0 if so, 1 if not
    Probe(Probe),
    /// Look for what is wrong or unsafe: configuration, certificates, NATS servers, permissions, JetStream; exit
    /// code 0 where all is sound, 1 where something is to be mended
    Doctor(Box<DoctorArgs>),
    /// Make an API key for a caller, and the entry for the gateway's file (auth.api_keys_file)
    ApiKey(ApiKeyArgs),
    /// Write the contract's descriptor set to stdout, for proxies and tools without reflection
    Descriptors,
    /// Ask the rules of who may do what (auth.policy_file)
    Policy(PolicyArgs),
    /// What people ask of a gateway that runs
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Print a script that completes this command line in a shell
    Completions(CompletionsArgs),
    /// Replace this process by a program that ends together with its parent
    #[command(name = EXEC_WITH_PARENT, hide = true)]
    ExecWithParent(ExecWithParent),
}

/// Flags of `jetgate serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// NATS servers, separated by commas [default: nats://127.0.0.1:4222]
    #[arg(long, value_name = "URL", value_parser = secret)]
    nats_url: Option<Secret>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Flags of every command that reads the configuration.
#[derive(Args, Debug)]
struct CommonArgs {
    /// Configuration file (TOML) [env: JETGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the gRPC listener [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Address of probes and metrics [default: 127.0.0.1:50052]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
    /// Address of the console [default: none; with `dev` 127.0.0.1:50053, or a free port]
    #[arg(long, value_name = "ADDR")]
    console_listen: Option<String>,
    /// How logs look: pretty or json [default: pretty]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Flags of `jetgate dev`.
#[derive(Args, Debug)]
pub struct DevArgs {
    /// A nats-server that runs, instead of starting one
    #[arg(long, value_name = "URL", value_parser = secret, conflicts_with_all = ["store_dir", "nats_server"])]
    nats_url: Option<Secret>,
    /// Where the nats-server keeps its streams
    #[arg(long, value_name = "DIR", default_value = "./.jetgate")]
    store_dir: PathBuf,
    /// The nats-server to start
    #[arg(
        long,
        value_name = "PATH",
        env = "JETGATE_DEV_NATS_SERVER",
        default_value = "nats-server"
    )]
    nats_server: PathBuf,
    #[command(flatten)]
    common: CommonArgs,
}

/// Arguments of `jetgate config`.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report every mistake, or nothing
    Check(ServeArgs),
    /// Print every value in force as TOML, secrets redacted
    Print(ServeArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
}

impl Cli {
    /// Reads the arguments of this process.
    ///
    /// # Errors
    ///
    /// With the exit code, after saying what is wrong, or what was asked for by `--help`.
    pub fn from_arguments() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            let _closed = error.print();
            ExitCode::from(if error.use_stderr() {
                Failure::USAGE
            } else {
                0
            })
        })
    }
}

impl ConfigArgs {
    /// Checks the configuration, or prints what is asked for.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the configuration.
    pub fn run(&self) -> Result<(), Failure> {
        let text = match &self.command {
            ConfigCommand::Check(args) => {
                args.load().map_err(Failure::usage)?;
                return Ok(());
            }
            ConfigCommand::Print(args) => {
                let config = args.load().map_err(Failure::usage)?;
                config.to_toml().map_err(Failure::other)?
            }
            ConfigCommand::Schema => format!("{:#}\n", Config::schema()),
        };
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::other)
    }
}

impl ServeArgs {
    /// Loads the configuration that these flags, the environment and the file make.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, Problems> {
        Config::load(&self.common.sources_with(self.nats_url.as_ref()))
    }
}

impl DevArgs {
    /// Loads the configuration. Unless [`DevArgs::options`] is `None`, `nats.url` is to be replaced by
    /// the started server's.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, Problems> {
        Config::load(&self.common.sources_with(self.nats_url.as_ref()))
    }

    /// Which nats-server to start, and where it keeps its data; `None` where one is given.
    pub fn options(&self) -> Option<DevOptions> {
        self.nats_url.is_none().then(|| DevOptions {
            nats_server: self.nats_server.clone(),
            store_dir: self.store_dir.clone(),
        })
    }
}

impl CommonArgs {
    fn sources_with(&self, nats_url: Option<&Secret>) -> Sources {
        let mut sources = self.sources();
        let nats_url = nats_url.map(|url| ("--nats-url", "nats.url", url.expose().to_owned()));
        sources.flags.extend(nats_url);
        sources
    }

    /// The values stay text here: the loader reports bad ones together with all other problems.
    fn sources(&self) -> Sources {
        let flags = [
            ("--listen", "server.listen", &self.listen),
            ("--admin-listen", "admin.listen", &self.admin_listen),
            ("--console-listen", "console.listen", &self.console_listen),
            ("--log-format", "log.format", &self.log_format),
        ];
        let given = |(flag, key, value): (_, _, &Option<String>)| Some((flag, key, value.clone()?));
        Sources {
            file: self.config.clone(),
            environment: environment(),
            flags: flags.into_iter().filter_map(given).collect(),
        }
    }
}

/// A flag that may hold a password.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// The process environment. What is not UTF-8 is mended rather than dropped, so that a variable of
/// ours is reported as invalid instead of being overlooked.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn passwords_of_flags_and_variables_are_not_shown() {
        for command in ["serve", "dev"] {
            let cli = Cli::try_parse_from(["jetgate", command, "--nats-url=nats://ada:pssst@n1"]);
            let shown = format!("{:?}", cli.unwrap());
            assert!(shown.contains("nats_url"), "{shown}");
            assert!(!shown.contains("pssst"), "{shown}");
        }
        let variable = ("JETGATE_NATS_PASSWORD".to_owned(), "pssst".to_owned());
        let sources = Sources {
            environment: vec![variable],
            flags: vec![("--nats-url", "nats.url", "nats://ada:pssst@n1".to_owned())],
            ..Sources::default()
        };
        let shown = format!("{sources:?}");
        assert!(shown.contains("JETGATE_NATS_PASSWORD") && shown.contains("--nats-url"));
        assert!(!shown.contains("pssst"), "{shown}");
    }

    #[test]
    fn flags_set_their_keys() {
        let cli = Cli::try_parse_from([
            "jetgate",
            "serve",
            "--listen=127.0.0.1:1",
            "--admin-listen=127.0.0.1:2",
            "--console-listen=127.0.0.1:3",
            "--nats-url=nats://n1",
            "--log-format=json",
        ]);

        let Ok(Cli {
            command: Command::Serve(args),
        }) = cli
        else {
            panic!("{cli:?}")
        };
        let sources = Sources {
            environment: Vec::new(),
            ..args.common.sources_with(args.nats_url.as_ref())
        };
        let config = Config::load(&sources).unwrap();
        assert_eq!(config.server.listen.port(), 1);
        assert_eq!(config.admin.listen.port(), 2);
        assert_eq!(config.console.listen.unwrap().port(), 3);
        assert_eq!(config.nats.url, "nats://n1".parse().unwrap());
        assert_eq!(config.log.format, crate::telemetry::Format::Json);
    }
}
