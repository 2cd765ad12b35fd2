//! Makes the stubs from the contract's descriptors, so that no protoc is needed.

use std::error::Error;
use std::fs;

use prost::Message;
use prost_types::FileDescriptorSet;

const CONTRACT: &str = "../../gosynq/v1/contract.binpb";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={CONTRACT}");
    let mut contract = FileDescriptorSet::decode(fs::read(CONTRACT)?.as_slice())?;
    // Rules and routes are the server's: without them the stubs are smaller and need nothing else.
    contract.file.retain(|file| !file.name().starts_with("buf/") && !file.name().starts_with("google/api/"));
    tonic_prost_build::configure().build_server(false).build_transport(false).compile_fds(contract)?;
    Ok(())
}
