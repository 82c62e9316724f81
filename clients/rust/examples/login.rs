//! Logs a member in with what the redirect brought: `login CODE STATE`.
#![expect(
    clippy::disallowed_macros,
    reason = "an example speaks to the terminal"
)]

use std::error::Error;

use wecomgw_client::Client;
use wecomgw_client::v1::{LoginRequest, LogoutRequest, VerifySessionRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let client = Client::from_env()?;
    let request = LoginRequest {
        app: "youxiao".to_owned(),
        code: arguments.next().unwrap_or_default(),
        state: arguments.next().unwrap_or_default(),
    };
    let login = client.auth().login(request).await?.into_inner();
    println!("hello: {}", login.user.unwrap_or_default().name);
    let session_token = login.session_token;
    let request = VerifySessionRequest {
        session_token: session_token.clone(),
    };
    let session = client.auth().verify_session(request).await?.into_inner();
    println!("session of: {}", session.user.unwrap_or_default().user_id);
    client
        .auth()
        .logout(LogoutRequest { session_token })
        .await?;
    println!("logged out");
    Ok(())
}
