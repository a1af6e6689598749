//! The command line: which command, with which settings, and what the process answers with.
//!
//! Exit codes: 0 all went well; 1 the system refused something or something broke; 2 the command
//! line makes no sense; 3 a setting, a script or a provisioned file is wrong.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::{self, Settings};
use crate::node;

/// Something broke.
const FAILED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// What people wrote is wrong.
const SETTING: u8 = 3;

/// Does what the process was called for.
pub fn main() -> ExitCode {
    let words: Result<Vec<_>, _> = env::args_os().skip(1).map(OsString::into_string).collect();
    match words.map(|it| parse(&it)) {
        Ok(Ok(Command::Serve(settings))) => serve(&settings),
        Ok(Ok(Command::Help)) => print(&help()),
        Ok(Ok(Command::Version)) => print(concat!("moonswitch ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Err(wrong)) => complain(&wrong, if wrong.is_usage() { USAGE } else { SETTING }),
        Err(word) => complain(&format!("{} is not UTF-8", word.display()), USAGE),
    }
}

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve(Settings),
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
        Some((first, rest)) if first == "serve" => serve_with(rest),
        Some((first, _)) if first == "help" => Ok(Command::Help),
        Some((first, _)) if !first.starts_with('-') => Err(config::Wrong::UnknownCommand {
            word: first.clone(),
            nearest: config::nearest(first, ["serve", "help"]),
        }),
        _ => serve_with(words),
    }
}

fn serve_with(words: &[String]) -> Result<Command, config::Wrong> {
    config::read(words.iter().cloned()).map(Command::Serve)
}

fn serve(settings: &Settings) -> ExitCode {
    match node::serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure, if failure.is_setting() { SETTING } else { FAILED }),
    }
}

fn help() -> String {
    format!(
        "\
moonswitch {}: a scriptable PBX

  moonswitch [serve] [SETTING …]   runs until SIGTERM
  moonswitch --help | --version

Settings, as --name value or --name=value [default]:
{}
MOONSWITCH_LOG says how much is logged: warn, info (the default), debug.
MOONSWITCH_ADMIN_KEY sets the administrator's access key to the REST API; without it the first
start makes one, shows it on a terminal or leaves it in DATA/admin.key.
Exit codes: 0 ended in order, 1 failed, 2 wrong usage, 3 a setting or file is wrong.
",
        env!("CARGO_PKG_VERSION"),
        config::help()
    )
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

fn complain(what: &impl Display, code: u8) -> ExitCode {
    // Nobody can be told that nobody can be told.
    _ = writeln!(io::stderr(), "moonswitch: {what}");
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
