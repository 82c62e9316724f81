//! The examples, each sent to gateway and sandbox as it stands in `examples/`, but for
//! ids that an earlier answer gave. Every RPC has one, and no file is left over.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use sha2::Digest as _;

use super::auth;
use super::dynamic::methods;
use super::harness::{API_TOKEN, APP, SandboxHandle, World};

const FOLDER: &str = "examples";
/// Examples of sends that are not SendMessage.
pub(crate) const NO_MESSAGES: [&str; 2] = ["send_bulk", "send_chat_message"];

/// Sends examples and remembers which.
struct Run {
    world: World,
    files: BTreeSet<String>,
    rpcs: BTreeSet<String>,
}

impl Run {
    async fn start() -> Self {
        let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
        let caller = format!(
            "[[callers]]\nname = \"examples\"\ntoken_sha256 = \"{digest}\"\n\
             permissions = [\"*\", \"AuthService/GetAccessToken\"]\napps = [\"{APP}\"]\n\
             api_paths = [\"agent/get\"]\n"
        );
        Self {
            world: World::start_with(SandboxHandle::start().await, &caller).await,
            files: BTreeSet::new(),
            rpcs: BTreeSet::new(),
        }
    }

    /// Sends `examples/{file}.json` with `ids` in their places; gives the first reply.
    async fn send(&mut self, rpc: &str, file: &str, ids: &[(&str, &Value)]) -> Value {
        let text = fs::read_to_string(format!("{FOLDER}/{file}.json")).unwrap();
        // The messages of a stream stand one after the other.
        let requests = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let mut requests: Vec<Value> = requests.map(Result::unwrap).collect();
        for (field, id) in ids {
            let place = requests[0].get_mut(*field);
            *place.unwrap_or_else(|| panic!("{file} has no {field}")) = (*id).clone();
        }
        self.files.insert(file.to_owned());
        self.rpcs.insert(rpc.to_owned());
        let replies = self.world.rpc(rpc, &requests).await;
        let replies = replies.unwrap_or_else(|status| panic!("{rpc} with {file}: {status:?}"));
        replies.into_iter().next().unwrap()
    }
}

#[tokio::test]
async fn every_example_works_and_every_rpc_has_one() {
    let mut run = Run::start().await;
    log_in_and_out(&mut run).await;
    let sent = send_all(&mut run).await;
    run.send(
        "RecallMessage",
        "recall_message",
        &[("message_id", &sent["message_id"])],
    )
    .await;
    let media = run.send("UploadMedia", "upload_media", &[]).await;
    run.send("UploadImage", "upload_image", &[]).await;
    run.send(
        "DownloadMedia",
        "download_media",
        &[("media_id", &media["media_id"])],
    )
    .await;
    let accepted = run.send("SendBulk", "send_bulk", &[]).await;
    let job = [("job_id", &accepted["job_id"])];
    run.send("WatchBulkJob", "watch_bulk_job", &job).await;
    run.send("GetBulkJob", "get_bulk_job", &job).await;
    run.send("CancelBulkJob", "cancel_bulk_job", &job).await;
    run.send("RecallBulkJob", "recall_bulk_job", &job).await;
    run.send("ListBulkOutcomes", "list_bulk_outcomes", &job)
        .await;
    for (rpc, file) in [
        ("ListBulkJobs", "list_bulk_jobs"),
        ("ValidateMessage", "validate_message"),
        ("GetSendStatistics", "get_send_statistics"),
        ("UpdateTaskCard", "update_task_card"),
        ("CreateChat", "create_chat"),
        ("GetChat", "get_chat"),
        ("SendChatMessage", "send_chat_message"),
        ("UpdateChat", "update_chat"),
        ("GetUser", "get_user"),
        ("ResolveUserId", "resolve_user_id"),
        ("ConvertToOpenId", "convert_to_open_id"),
        ("ConvertToUserId", "convert_to_user_id"),
        ("ListUsers", "list_users"),
        ("ListUserIds", "list_user_ids"),
        ("ListDepartments", "list_departments"),
        ("GetDepartment", "get_department"),
        ("ListTags", "list_tags"),
        ("GetTag", "get_tag"),
        ("GetServerInfo", "get_server_info"),
        ("ListApps", "list_apps"),
        ("DiagnoseApp", "diagnose_app"),
        ("CallApi", "call_api"),
    ] {
        run.send(rpc, file, &[]).await;
    }

    let files = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let files: BTreeSet<String> = files
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(run.files, files);
    let rpcs = methods().into_iter();
    let rpcs: BTreeSet<String> = rpcs.map(|method| method.name().to_owned()).collect();
    assert_eq!(run.rpcs, rpcs);
    run.world.stop().await;
}

/// AuthService, in the order in which a login needs it.
async fn log_in_and_out(run: &mut Run) {
    let built = run.send("BuildLoginUrl", "build_login_url", &[]).await;
    let (code, state) = visit(&built["url"], "zhangsan").await;
    let session = run
        .send("Login", "login", &[("code", &code), ("state", &state)])
        .await;
    let token = [("session_token", &session["session_token"])];
    let verified = run.send("VerifySession", "verify_session", &token).await;
    assert_eq!(verified["user"]["user_id"], "zhangsan");
    run.send("Logout", "logout", &token).await;
    run.send("SignJsSdk", "sign_js_sdk", &[]).await;
    run.send("GetAccessToken", "get_access_token", &[]).await;

    // The page that asks the person for sensitive fields gives a ticket for them.
    let built = run
        .send("BuildLoginUrl", "build_login_url_in_app", &[])
        .await;
    let (code, state) = visit(&built["url"], "zhangsan&consent=yes").await;
    let session = run
        .send("Login", "login", &[("code", &code), ("state", &state)])
        .await;
    let ticket = [("user_ticket", &session["user_ticket"])];
    run.send("GetUserDetail", "get_user_detail", &ticket).await;
}

/// Every kind of content and of card; gives the reply to the text.
async fn send_all(run: &mut Run) -> Value {
    let mut sends: Vec<String> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|name| name.starts_with("send_") && !NO_MESSAGES.contains(&name.as_str()))
        .collect();
    sends.sort();
    let mut text = Value::Null;
    for file in sends {
        let reply = run.send("SendMessage", &file, &[]).await;
        match file.as_str() {
            "send_text" => text = reply,
            "send_button_interaction" => {
                let code = [("response_code", &reply["response_code"])];
                run.send("UpdateTemplateCard", "update_template_card", &code)
                    .await;
            }
            _ => {}
        }
    }
    text
}

/// Code and state that `user` brings back from the page at `url`.
async fn visit(url: &Value, user: &str) -> (Value, Value) {
    let (code, state) = auth::visit(url.as_str().unwrap(), user).await;
    (code.into(), state.into())
}
