//! Makes 50 calls a second that may be repeated, sends and reads in turn, and counts those that
//! failed: `steady NAME FIRST_MEMBER COUNT`. drain.py stops gateways meanwhile.
#![expect(
    clippy::disallowed_macros,
    reason = "an example speaks to the terminal"
)]

use std::error::Error;
use std::time::Duration;

use tokio::task::JoinSet;
use wecomgw_client::v1::{GetUserRequest, SendMessageRequest};
use wecomgw_client::{Client, GatewayError, text, users};

async fn call(client: Client, user: String, id: String, send: bool) -> Result<(), GatewayError> {
    let app = "youxiao".to_owned();
    if send {
        let request = SendMessageRequest {
            app,
            recipients: Some(users([user])),
            content: Some(text(id.clone())),
            request_id: id,
            ..Default::default()
        };
        client.messages().send_message(request).await?;
    } else {
        let request = GetUserRequest { app, user_id: user };
        client.users().get_user(request).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let first: u32 = arguments.next().unwrap_or_default().parse()?;
    let count: u32 = arguments.next().unwrap_or_default().parse()?;
    let client = Client::from_env()?;
    let mut calls = JoinSet::new();
    for number in 0..count {
        let (user, id) = (
            format!("user{:07}", first + number),
            format!("{name}-{number}"),
        );
        let (client, after) = (client.clone(), Duration::from_millis(20) * number);
        calls.spawn(async move {
            tokio::time::sleep(after).await;
            let result = call(client, user, id, number % 2 == 0).await;
            result.inspect_err(|error| eprintln!("{error}")).is_err()
        });
    }
    let mut failed = 0;
    while let Some(result) = calls.join_next().await {
        failed += u32::from(result?);
    }
    println!("calls={count} failed={failed}");
    Ok(())
}
