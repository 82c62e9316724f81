//! Sends a text to many members: `bulk_send TEXT USER_ID...`.
#![expect(
    clippy::disallowed_macros,
    reason = "an example speaks to the terminal"
)]

use std::error::Error;

use wecomgw_client::v1::bulk_event::Event;
use wecomgw_client::v1::{BulkHeader, BulkItem};
use wecomgw_client::{Client, text};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let client = Client::from_env()?;
    let header = BulkHeader {
        app: "youxiao".to_owned(),
        content: Some(text(arguments.next().unwrap_or_default())),
        ..Default::default()
    };
    let items = arguments.map(|user_id| BulkItem {
        user_id,
        content: None,
    });
    let mut events = client.send_bulk(header, items.collect());
    while let Some(event) = events.next().await? {
        match event.event {
            Some(Event::Accepted(accepted)) => println!("items: {}", accepted.item_count),
            Some(Event::BatchFinished(batch)) => {
                println!("sent so far: {}", batch.totals.unwrap_or_default().accepted);
            }
            Some(Event::Finished(finished)) => {
                let totals = finished.totals.unwrap_or_default();
                let (accepted, invalid) = (totals.accepted, totals.invalid);
                println!("finished: {accepted} accepted, {invalid} invalid");
            }
            _ => {}
        }
    }
    Ok(())
}
