//! `wecomgw send`: one message through a running gateway.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};

use super::connection::{GatewayArguments, explain};
use crate::grpc::pb;
use crate::grpc::pb::message_service_client::MessageServiceClient;

/// Bytes of the largest file that travels within a message (`InlineMedia` of the
/// contract).
const LARGEST_FILE_BYTES: u64 = 2 * 1024 * 1024;

#[derive(Args)]
#[command(group = ArgGroup::new("recipients").required(true).multiple(true))]
#[command(group = ArgGroup::new("content").required(true))]
pub(super) struct Arguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// Name of the app; may be left out when there is only one.
    #[arg(long, default_value = "", hide_default_value = true)]
    app: String,
    /// Members to send to, by user id; repeat or separate by commas.
    #[arg(
        long,
        value_name = "USER_ID",
        value_delimiter = ',',
        group = "recipients"
    )]
    to: Vec<String>,
    /// Departments to send to, by number.
    #[arg(long, value_name = "ID", value_delimiter = ',', group = "recipients")]
    department: Vec<u32>,
    /// Tags to send to, by number.
    #[arg(long, value_name = "ID", value_delimiter = ',', group = "recipients")]
    tag: Vec<u32>,
    /// Send to everyone whom the app can see.
    #[arg(long, group = "recipients", conflicts_with_all = ["to", "department", "tag"])]
    everyone: bool,
    /// Send this plain text.
    #[arg(long, group = "content")]
    text: Option<String>,
    /// Send this Markdown.
    #[arg(long, group = "content")]
    markdown: Option<String>,
    /// Send this file, at most 2 MiB.
    #[arg(long, value_name = "PATH", group = "content")]
    file: Option<PathBuf>,
    /// Makes a repetition of the same command harmless.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    request_id: String,
    /// Check the message and its quota; send nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let (gateway, dry_run) = (arguments.gateway.clone(), arguments.dry_run);
    let message = message(arguments)?;
    let connection = gateway.connect().await?;
    let mut client = MessageServiceClient::new(connection.channel());
    if dry_run {
        let request = connection.request(pb::ValidateMessageRequest {
            message: Some(message),
        });
        let reply = client
            .validate_message(request)
            .await
            .map_err(|status| explain(&status))?;
        return verdict(reply.into_inner());
    }
    let reply = client
        .send_message(connection.request(message))
        .await
        .map_err(|status| explain(&status))?
        .into_inner();
    println!("accepted by WeCom, message id {}", reply.message_id);
    let skipped = [
        (
            "members not visible to the app",
            reply.invalid_user_ids.join(", "),
        ),
        (
            "members without a licence",
            reply.unlicensed_user_ids.join(", "),
        ),
        (
            "departments not visible to the app",
            join(&reply.invalid_department_ids),
        ),
        ("tags not visible to the app", join(&reply.invalid_tag_ids)),
    ];
    for (what, ids) in skipped.iter().filter(|(_, ids)| !ids.is_empty()) {
        println!("  not sent to {what}: {ids}");
    }
    if !reply.response_code.is_empty() {
        println!(
            "  response code, to update the card once within 72 hours: {}",
            reply.response_code
        );
    }
    Ok(())
}

fn join(ids: &[u32]) -> String {
    ids.iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn message(arguments: Arguments) -> anyhow::Result<pb::SendMessageRequest> {
    let kind = match (arguments.text, arguments.markdown, arguments.file) {
        (Some(content), ..) => pb::content::Kind::Text(pb::Text {
            content,
            mentioned_user_ids: Vec::new(),
        }),
        (_, Some(content), _) => pb::content::Kind::Markdown(pb::Markdown { content }),
        (.., Some(path)) => {
            let data = read(&path)?;
            let name = path.file_name().and_then(|name| name.to_str());
            let file_name = name
                .context("the file has no name that is text")?
                .to_owned();
            let inline = pb::InlineMedia {
                data: data.into(),
                file_name,
            };
            let media = pb::Media {
                source: Some(pb::media::Source::Inline(inline)),
            };
            pb::content::Kind::File(pb::File { media: Some(media) })
        }
        _ => bail!("nothing to send; give one of --text, --markdown and --file"),
    };
    Ok(pb::SendMessageRequest {
        app: arguments.app,
        recipients: Some(pb::Recipients {
            user_ids: arguments.to,
            department_ids: arguments.department,
            tag_ids: arguments.tag,
            everyone: arguments.everyone,
        }),
        content: Some(pb::Content { kind: Some(kind) }),
        request_id: arguments.request_id,
        ..Default::default()
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("cannot read {}", path.display());
    let size = std::fs::metadata(path).with_context(unreadable)?.len();
    if size > LARGEST_FILE_BYTES {
        bail!(
            "{} has {size} bytes; at most {LARGEST_FILE_BYTES} (2 MiB) can be sent like this",
            path.display()
        );
    }
    std::fs::read(path).with_context(unreadable)
}

fn verdict(reply: pb::ValidateMessageResponse) -> anyhow::Result<()> {
    for violation in &reply.violations {
        println!("{}: {}", violation.field, violation.description);
    }
    if !reply.violations.is_empty() {
        bail!(
            "the message breaks {} rule(s); nothing was sent",
            reply.violations.len()
        );
    }
    if let Some(wait) = reply.retry_after {
        bail!(
            "{} is reached; it could go out in {} s",
            reply.quota,
            wait.seconds + 1
        );
    }
    println!(
        "the message is good: {} bytes; nothing was sent",
        reply.body_size_bytes
    );
    Ok(())
}
