//! Sends a text: `send_text USER_ID TEXT`. The gateway is named by `WECOMGW_ADDRESS` and
//! `WECOMGW_TOKEN`.
#![expect(
    clippy::disallowed_macros,
    reason = "an example speaks to the terminal"
)]

use std::error::Error;

use wecomgw_client::v1::SendMessageRequest;
use wecomgw_client::{Client, text, users};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let client = Client::from_env()?;
    let request = SendMessageRequest {
        app: "youxiao".to_owned(),
        recipients: Some(users(arguments.next())),
        content: Some(text(arguments.next().unwrap_or_default())),
        ..Default::default()
    };
    match client.messages().send_message(request).await {
        Ok(reply) => println!("message id: {}", reply.into_inner().message_id),
        Err(error) => {
            println!("error: {}", error.reason);
            std::process::exit(1);
        }
    }
    Ok(())
}
