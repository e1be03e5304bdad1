//! `make faults`.

fn main() -> jetgate_faults::Result<std::process::ExitCode> {
    jetgate_faults::main()
}
