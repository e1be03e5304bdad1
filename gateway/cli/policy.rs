//! `jetgate policy`: what the rules say, without a gateway.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, environment};
use crate::auth::policy::{Action, Area, Ask, Decision, Policy};
use crate::auth::{Caller, Kind};
use crate::config::{Config, Sources};
use crate::subscription::own;

/// Arguments of `jetgate policy`.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Say whether a caller may do something, and which rule says so: exit code 0 if so, 77 if not
    Test(TestArgs),
}

#[derive(Args, Debug)]
struct TestArgs {
    /// File of the rules [default: auth.policy_file of the configuration]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Configuration file (TOML) [env: JETGATE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Who asks: the name of its key, certificate or token
    #[arg(long = "as", value_name = "CALLER")]
    caller: String,
    /// A group that the caller belongs to
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// How the caller has proven who it is: api_key, certificate, token or anonymous
    #[arg(long, value_name = "KIND", default_value = "api_key")]
    by: String,
    #[command(subcommand)]
    deed: Deed,
}

/// What is asked for.
#[derive(Debug, Subcommand)]
enum Deed {
    /// Publish a message
    Publish {
        /// Its subject
        subject: String,
    },
    /// Read and settle messages
    Consume {
        /// The stream
        stream: String,
        /// The consumer [default: one that the gateway makes for the caller]
        #[arg(long)]
        consumer: Option<String>,
        /// What the consumer filters by [default: all subjects]
        #[arg(long = "filter", value_name = "SUBJECT")]
        filters: Vec<String>,
    },
    /// Do something with streams
    Streams {
        /// view, read, write, purge, delete or external
        action: String,
        /// The stream [default: all]
        stream: Option<String>,
        /// Subjects that it is about [default: all]
        #[arg(long = "subject", value_name = "SUBJECT")]
        subjects: Vec<String>,
    },
    /// Do something with consumers
    Consumers {
        /// view, write, delete or control
        action: String,
        /// The stream [default: all]
        stream: Option<String>,
        /// The consumer [default: all]
        consumer: Option<String>,
        /// What the consumer filters by [default: all subjects]
        #[arg(long = "filter", value_name = "SUBJECT")]
        filters: Vec<String>,
    },
    /// Do something with dead letters
    DeadLetters {
        /// view, replay or purge
        action: String,
        /// The stream of the messages [default: all]
        stream: Option<String>,
        /// The consumer that they failed for [default: all]
        consumer: Option<String>,
    },
    /// Do something with the gateway
    Gateway {
        /// info, reflection, health, view_sessions or terminate_sessions
        action: String,
    },
}

impl PolicyArgs {
    /// Does what is asked for, and says the exit code.
    ///
    /// # Errors
    ///
    /// When the rules cannot be read, or there are none.
    pub fn run(&self) -> Result<u8, Failure> {
        let PolicyCommand::Test(test) = &self.command;
        test.run()
    }
}

impl TestArgs {
    fn run(&self) -> Result<u8, Failure> {
        let policy = Policy::read(&self.file()?).map_err(Failure::usage)?;
        let kind = Kind::of(&self.by).ok_or_else(|| {
            Failure::usage("--by must be api_key, certificate, token or anonymous")
        })?;
        let caller = Caller::new(kind, &self.caller).in_groups(self.groups.clone());
        let stem = own::stem(caller.owner());
        let ask = self.deed.ask(&stem)?;
        let file = policy.file().display();
        let (code, said) = match policy.decide(&caller, &ask) {
            Decision::Allowed(place) => {
                let (rule, line) = (place.rule, place.line);
                (0, format!("allowed by rule {rule:?} ({file}:{line})"))
            }
            Decision::Denied(place) => {
                let (rule, line) = (place.rule, place.line);
                let text = format!("denied by rule {rule:?} ({file}:{line})");
                (Failure::NO_PERMISSION, text)
            }
            Decision::NotAllowed => {
                let permission = ask.action.permission();
                let rules = match policy.names_concerning(&caller) {
                    names if names.is_empty() => "no rule is about this caller".to_owned(),
                    names => format!("the rules about this caller are {names:?}"),
                };
                let text = format!("denied: no rule allows {permission} here; {rules}");
                (Failure::NO_PERMISSION, text)
            }
        };
        writeln!(io::stdout(), "{said}").map_err(Failure::of_output)?;
        Ok(code)
    }

    fn file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.policy {
            return Ok(file.clone());
        }
        let sources = Sources {
            file: self.config.clone(),
            environment: environment(),
            flags: Vec::new(),
        };
        let config = Config::load(&sources).map_err(Failure::usage)?;
        let none = "there are no rules: neither --policy nor auth.policy_file is set";
        let file = config.auth.policy_file;
        file.ok_or_else(|| Failure::usage(none))
    }
}

impl Deed {
    fn ask<'a>(&'a self, stem: &'a str) -> Result<Ask<'a>, Failure> {
        Ok(match self {
            Self::Publish { subject } => Ask::publish(subject),
            Self::Consume {
                stream,
                consumer,
                filters,
            } => Ask::consume(stream, consumer.as_deref().unwrap_or(stem)).filters(filters),
            Self::Streams {
                action,
                stream,
                subjects,
            } => Ask {
                stream: stream.as_deref(),
                ..Ask::to(action_of(Area::Streams, action)?).filters(subjects)
            },
            Self::Consumers {
                action,
                stream,
                consumer,
                filters,
            } => Ask {
                stream: stream.as_deref(),
                consumer: consumer.as_deref(),
                ..Ask::to(action_of(Area::Consumers, action)?).filters(filters)
            },
            Self::DeadLetters {
                action,
                stream,
                consumer,
            } => Ask {
                stream: stream.as_deref(),
                consumer: consumer.as_deref(),
                ..Ask::to(action_of(Area::DeadLetters, action)?)
            },
            Self::Gateway { action } => Ask::to(action_of(Area::Gateway, action)?),
        })
    }
}

fn action_of(area: Area, word: &str) -> Result<Action, Failure> {
    let words = area.words().join(", ");
    let text = format!("{word:?} is none of {words}");
    area.action(word).ok_or_else(|| Failure::usage(text))
}
