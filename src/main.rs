//! The `moonswitch` command. Everything it can do stands in [`moonswitch::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    moonswitch::cli::main()
}
