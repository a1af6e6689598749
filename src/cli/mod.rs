//! The command line: which command, with which settings, and what the process answers with.
//!
//! Exit codes: 0 all went well; 1 the system refused something or something broke; 2 the command
//! line makes no sense; 3 a setting, a script or a provisioned file is wrong; 4 no server answers;
//! 5 there is no such call.

mod settings;
mod trace;

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{self, Settings, Wrongs};
use crate::node;

/// Something broke.
const FAILED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// What people wrote is wrong.
const SETTING: u8 = 3;
/// Nobody answers.
const NO_SERVER: u8 = 4;
/// There is no such call.
const NO_CALL: u8 = 5;

/// Does what the process was called for.
pub fn main() -> ExitCode {
    let words: Result<Vec<_>, _> = env::args_os().skip(1).map(OsString::into_string).collect();
    match words.map(|it| parse(&it)) {
        Ok(Ok(Command::Serve(flags))) => with_settings(&flags, serve),
        Ok(Ok(Command::Check(flags))) => with_settings(&flags, check),
        Ok(Ok(Command::Trace { wanted, flags })) => with_settings(&flags, |settings| {
            show(trace::fetch(settings.http, &settings.data, &wanted))
        }),
        Ok(Ok(Command::Help)) => print(&help()),
        Ok(Ok(Command::Version)) => print(concat!("moonswitch ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Err(wrong)) => complain(&wrong, if wrong.is_usage() { USAGE } else { SETTING }),
        Err(word) => complain(&format!("{} is not UTF-8", word.display()), USAGE),
    }
}

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    /// With these flags.
    Serve(Vec<String>),
    /// What these flags mean.
    Check(Vec<String>),
    /// This call of the server that these flags mean.
    Trace {
        wanted: trace::Wanted,
        flags: Vec<String>,
    },
    Help,
    Version,
}

fn parse(words: &[String]) -> Result<Command, config::Wrong> {
    // Whoever asks for help gets it, whatever else the line says.
    if words.iter().any(|it| it == "--help" || it == "-h") {
        return Ok(Command::Help);
    }
    if words.iter().any(|it| it == "--version" || it == "-V") {
        return Ok(Command::Version);
    }
    match words.split_first() {
        Some((first, rest)) if first == "serve" => Ok(Command::Serve(rest.to_vec())),
        Some((first, rest)) if first == "check" => Ok(Command::Check(rest.to_vec())),
        Some((first, rest)) if first == "trace" => {
            let (wanted, flags) = trace::Wanted::parse(rest);
            Ok(Command::Trace { wanted, flags })
        }
        Some((first, _)) if first == "help" => Ok(Command::Help),
        Some((first, _)) if !first.starts_with('-') => Err(config::Wrong::UnknownCommand {
            word: first.clone(),
            nearest: config::nearest(first, ["serve", "check", "trace", "help"]),
        }),
        _ => Ok(Command::Serve(words.to_vec())),
    }
}

/// Does something with the settings, if they are right.
fn with_settings(flags: &[String], act: impl FnOnce(&Settings) -> ExitCode) -> ExitCode {
    let (warnings, read) = settings::read(flags);
    for it in &warnings {
        _ = writeln!(io::stderr(), "moonswitch: warning: {it}");
    }
    match read {
        Ok(settings) => act(&settings),
        Err(wrongs) => complain_of(&wrongs),
    }
}

fn complain_of(wrongs: &Wrongs) -> ExitCode {
    complain(wrongs, if wrongs.is_usage() { USAGE } else { SETTING })
}

fn serve(settings: &Settings) -> ExitCode {
    match node::serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure, if failure.is_setting() { SETTING } else { FAILED }),
    }
}

/// Each problem is a line of its own on standard output, for editors and other programs.
fn check(settings: &Settings) -> ExitCode {
    match node::check(settings) {
        Ok(node::Checked { files, routes, generation }) => {
            print(&format!("{files} scripts, {routes} routes: all good ({generation})\n"))
        }
        Err(node::Failure::Scripts(lines)) => {
            _ = print(&lines.iter().map(|it| format!("{it}\n")).collect::<String>());
            ExitCode::from(SETTING)
        }
        Err(failure) => complain(&failure, if failure.is_setting() { SETTING } else { FAILED }),
    }
}

fn help() -> String {
    format!(
        "\
moonswitch {}: a scriptable PBX

  moonswitch [serve] [SETTING …]   runs until SIGTERM
  moonswitch check [SETTING …]     says what is wrong with the scripts, and starts nothing
  moonswitch trace [CALL] [--full | --json] [SETTING …]
                                   what happened in a call of the server at --http: CALL is its id
                                   (c…), a SIP Call-ID or last; --full shows whole messages
  moonswitch --help | --version

Settings, as --name value or --name=value, as a variable of the environment, or as a key without the
dashes in the file of --config. A flag is stronger than a variable, a variable than the file; what
nobody says has its [default]:
{}
MOONSWITCH_LOG says how much is logged: warn, info (the default), debug.
MOONSWITCH_ADMIN_KEY sets the administrator's access key to the REST API; without it the first
start makes one, shows it on a terminal or leaves it in DATA/admin.key.
MOONSWITCH_KEY is the access key that trace asks with; without it the one in DATA/local.key, which
opens for reading, for as long as the server runs.
Exit codes: 0 ended in order, 1 failed, 2 wrong usage, 3 a setting or file is wrong,
4 no server answers, 5 there is no such call.
",
        env!("CARGO_PKG_VERSION"),
        config::help()
    )
}

fn show(fetched: Result<String, trace::Failure>) -> ExitCode {
    match fetched {
        Ok(text) => print(&text),
        Err(failure) => {
            let code = match failure {
                trace::Failure::NoServer { .. } => NO_SERVER,
                trace::Failure::NoCall { .. } => NO_CALL,
                trace::Failure::NoKey { .. } | trace::Failure::Refused(_) => FAILED,
            };
            complain(&failure, code)
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

fn complain(what: &impl Display, code: u8) -> ExitCode {
    // Nobody can be told that nobody can be told.
    for line in what.to_string().lines() {
        _ = writeln!(io::stderr(), "moonswitch: {line}");
    }
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_serve_is_what_is_meant_when_nothing_is_said() {
        assert_eq!(check(""), check("serve"));
        assert_eq!(check("--http 127.0.0.1:0"), check("serve --http 127.0.0.1:0"));
    }

    #[test]
    fn help_is_given_wherever_it_is_asked_for() {
        for line in ["--help", "help", "serve --help", "--sip nonsense -h"] {
            assert_eq!(check(line), Ok(Command::Help), "{line}");
        }
        assert!(help().contains("--rtp LOW-HIGH"));
    }

    #[test]
    fn an_unknown_command_is_answered_with_the_nearest() {
        let wrong = check("sevre").unwrap_err();
        assert!(wrong.is_usage());
        assert_eq!(wrong.to_string(), "there is no command \"sevre\"; did you mean serve?");
    }

    fn check(line: &str) -> Result<Command, config::Wrong> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }
}
