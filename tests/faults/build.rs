//! Makes the clients of the contract, as any other program would: without jetgate's own code.

use std::error::Error;

const PROTOS: [&str; 2] = ["jetgate/v1/publisher.proto", "jetgate/v1/subscriber.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../../proto");
    let descriptors = protox::compile(PROTOS, ["../../proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
