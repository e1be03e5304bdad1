//! The beginning of the README.

#![allow(clippy::print_stdout, reason = "an example prints")]

use jetgate_client::Client;

#[tokio::main]
async fn main() -> Result<(), jetgate_client::Error> {
    let address = std::env::var("JETGATE_URL").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let client = Client::connect(&address)?;
    println!("{}", client.publish(("users.login", "ada")).await?);
    Ok(())
}
