//! Makes COUNT calls, one after the other: `many_calls COUNT`. bench.py measures it.

use std::error::Error;

use wecomgw_client::Client;
use wecomgw_client::v1::GetServerInfoRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).unwrap_or_default().parse()?;
    let client = Client::from_env()?;
    for _ in 0..count {
        let request = GetServerInfoRequest::default();
        client.gateway().get_server_info(request).await?;
    }
    Ok(())
}
