//! What the gateway tells of itself: info, apps, health, reflection, metrics.

use serde_json::json;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use wecomgw::grpc::pb;

use super::harness::{API_TOKEN, SandboxHandle, World, details, example, text_to, verdict};

#[tokio::test]
async fn server_info_names_version_and_services() {
    let world = World::start().await;
    let info = world
        .gateway()
        .get_server_info(example::<pb::GetServerInfoRequest>(
            "GetServerInfoRequest",
            "get_server_info",
        ))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        info.services,
        [
            "wecomgw.v1.AppChatService",
            "wecomgw.v1.AuthService",
            "wecomgw.v1.BulkService",
            "wecomgw.v1.GatewayService",
            "wecomgw.v1.MediaService",
            "wecomgw.v1.MessageService",
            "wecomgw.v1.UserService"
        ]
    );
    assert!(info.started_at.is_some());
    world.stop().await;
}

#[tokio::test]
async fn apps_show_their_token() {
    let world = World::start().await;
    world
        .messages()
        .send_message(text_to("zhangsan", "hello"))
        .await
        .unwrap();
    let apps = world
        .gateway()
        .list_apps(example::<pb::ListAppsRequest>(
            "ListAppsRequest",
            "list_apps",
        ))
        .await
        .unwrap()
        .into_inner()
        .apps;
    assert_eq!(apps[0].name, "youxiao");
    assert_eq!(apps[0].agent_id, 1_000_002);
    let token = apps[0].token.as_ref().unwrap();
    assert!(token.valid && token.refreshes == 1 && token.last_error.is_empty());
    let life = token.expires_at.unwrap().seconds - token.fetched_at.unwrap().seconds;
    assert!((7100..=7201).contains(&life), "{life}");
    world.stop().await;
}

#[tokio::test]
async fn both_ports_know_the_health_of_each_service() {
    let world = World::start().await;
    for address in [&world.grpc, &world.health] {
        let channel = tonic::transport::Endpoint::from_shared(address.clone())
            .unwrap()
            .connect_lazy();
        let mut client = HealthClient::new(channel);
        for service in [
            "",
            "readiness",
            "liveness",
            "startup",
            "wecomgw.v1.MessageService",
        ] {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let reply = client.check(request).await.unwrap().into_inner();
            assert_eq!(
                reply.status(),
                ServingStatus::Serving,
                "{service} on {address}"
            );
        }
        let unknown = HealthCheckRequest {
            service: "wecomgw.v1.NoService".to_owned(),
        };
        assert_eq!(
            client.check(unknown).await.unwrap_err().code(),
            tonic::Code::NotFound
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_nothing_else() {
    let world = World::start().await;
    let mut client = ServerReflectionClient::new(world.channel());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let mut names: Vec<String> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    names.retain(|name| !name.starts_with("grpc.reflection"));
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "wecomgw.v1.AppChatService",
            "wecomgw.v1.AuthService",
            "wecomgw.v1.BulkService",
            "wecomgw.v1.GatewayService",
            "wecomgw.v1.MediaService",
            "wecomgw.v1.MessageService",
            "wecomgw.v1.UserService"
        ]
    );
    world.stop().await;
}

#[tokio::test]
async fn metrics_count_calls_errcodes_and_tokens() {
    let world = World::start().await;
    world
        .messages()
        .send_message(text_to("zhangsan", "hello"))
        .await
        .unwrap();
    world
        .messages()
        .send_message(text_to("nobody", "hello"))
        .await
        .unwrap_err();
    let text = world.metrics().await;
    for expected in [
        r#"rpc_method="wecomgw.v1.MessageService/SendMessage""#,
        r#"rpc_response_status_code="OK""#,
        r#"rpc_response_status_code="INVALID_ARGUMENT""#,
        r#"errcode="81013""#,
        "wecomgw_token_expires_at_seconds",
        "wecomgw_build_info",
        r#"http_client_request_duration_seconds_count{wecom_api="message/send"} 2"#,
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    world.stop().await;
}

/// Name, verdict and errcode of each check of the first demo app.
async fn diagnosis(world: &World) -> Vec<(String, pb::DiagnosisVerdict, i64)> {
    let request = example("DiagnoseAppRequest", "diagnose_app");
    let reply = world
        .gateway()
        .diagnose_app(Request::new(request))
        .await
        .unwrap()
        .into_inner();
    let checks = reply.checks.into_iter();
    checks
        .map(|check| {
            let verdict = check.verdict();
            let unwell = matches!(
                verdict,
                pb::DiagnosisVerdict::Failed | pb::DiagnosisVerdict::Warning
            );
            assert_eq!(unwell, !check.remedy.is_empty(), "{check:?}");
            assert!(!check.finding.is_empty());
            (check.name, verdict, check.errcode)
        })
        .collect()
}

#[tokio::test]
async fn a_diagnosis_finds_the_known_mistakes_and_sends_nothing() {
    use pb::DiagnosisVerdict::{Failed, Ok, Skipped, Warning};
    let check = |name: &str, verdict, errcode| (name.to_owned(), verdict, errcode);
    let world = World::start().await;
    assert_eq!(
        diagnosis(&world).await,
        [
            check("gettoken", Ok, 0),
            check("caller_address", Ok, 0),
            check("agent", Ok, 0),
            check("visible_range", Warning, 0),
            check("redirect_domain", Ok, 0),
        ]
    );

    world.sandbox.set(json!({"trusted_ip": false})).await;
    assert_eq!(
        diagnosis(&world).await,
        [
            check("gettoken", Ok, 0),
            check("caller_address", Failed, 60020),
            check("agent", Skipped, 0),
            check("visible_range", Skipped, 0),
            check("redirect_domain", Skipped, 0),
        ]
    );
    let request = example("DiagnoseAppRequest", "diagnose_app");
    let reply = world
        .gateway()
        .diagnose_app(Request::new(request))
        .await
        .unwrap()
        .into_inner();
    assert!(
        reply.checks[1].finding.contains("203.0.113.7"),
        "the address to add: {reply:?}"
    );
    world.sandbox.set(json!({"trusted_ip": true})).await;

    for (code, verdict) in [(301_002, Failed), (40056, Failed)] {
        world
            .sandbox
            .fault("agent/get", json!({"kind": "errcode", "code": code}), 1)
            .await;
        assert_eq!(diagnosis(&world).await[2], check("agent", verdict, code));
    }
    assert!(world.sandbox.messages().await.is_empty());
    world.stop().await;

    let sandbox = SandboxHandle::start().await;
    sandbox
        .fault("gettoken", json!({"kind": "errcode", "code": 40001}), 0)
        .await;
    let world = World::start_with(sandbox, "").await;
    assert_eq!(diagnosis(&world).await[0], check("gettoken", Failed, 40001));
    world.stop().await;
}

fn callers(api_paths: &str) -> String {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    format!(
        "[[callers]]\nname = \"a\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"*\"]\napps = [\"youxiao\"]\n{api_paths}"
    )
}

fn call_api(request: pb::CallApiRequest) -> Request<pb::CallApiRequest> {
    let mut request = Request::new(request);
    request.metadata_mut().insert(
        "authorization",
        format!("Bearer {API_TOKEN}").parse().unwrap(),
    );
    request
}

#[tokio::test]
async fn a_listed_path_is_called_and_its_errors_are_those_of_every_call() {
    let overlay = callers("api_paths = [\"agent/get\", \"get_api_domain_ip\"]\n");
    let world = World::start_with(SandboxHandle::start().await, &overlay).await;
    let agent = example::<pb::CallApiRequest>("CallApiRequest", "call_api");
    let reply = world
        .gateway()
        .call_api(call_api(agent.clone()))
        .await
        .unwrap()
        .into_inner();
    let answer: serde_json::Value = serde_json::from_str(&reply.json_body).unwrap();
    assert_eq!(
        (answer["errcode"].clone(), answer["name"].clone()),
        (json!(0), json!("youxiao"))
    );

    let mut other = agent.clone();
    other.query.insert("agentid".into(), "1000003".into());
    let status = world.gateway().call_api(call_api(other)).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::PermissionDenied, "WECOM_REFUSED".into())
    );
    assert_eq!(details(&status).1["path"], "agent/get");

    for (name, value) in [("access_token", "x"), ("debug", "1")] {
        let mut bad = agent.clone();
        bad.query.insert(name.into(), value.into());
        let status = world.gateway().call_api(call_api(bad)).await.unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::InvalidArgument, "INVALID_REQUEST".into())
        );
    }
    let bad = pb::CallApiRequest {
        json_body: "{".into(),
        ..agent.clone()
    };
    let status = world.gateway().call_api(call_api(bad)).await.unwrap_err();
    assert_eq!(
        details(&status).2.bad_request().unwrap().field_violations[0].field,
        "json_body"
    );

    // What a path does is not known: a lost answer is not asked for again.
    world
        .sandbox
        .fault("get_api_domain_ip", json!({"kind": "reset_after"}), 0)
        .await;
    let lost = pb::CallApiRequest {
        path: "get_api_domain_ip".into(),
        ..Default::default()
    };
    let status = world.gateway().call_api(call_api(lost)).await.unwrap_err();
    assert_eq!(verdict(&status), (Code::Unknown, "OUTCOME_UNKNOWN".into()));
    assert_eq!(world.sandbox.calls("get_api_domain_ip").await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_path_that_is_not_listed_is_not_called() {
    let not_permitted = (Code::PermissionDenied, "CALLER_NOT_PERMITTED".to_owned());
    let world = World::start_with(SandboxHandle::start().await, &callers("")).await;
    let agent = example::<pb::CallApiRequest>("CallApiRequest", "call_api");
    let status = world
        .gateway()
        .call_api(call_api(agent.clone()))
        .await
        .unwrap_err();
    assert_eq!(verdict(&status), not_permitted);
    assert!(world.sandbox.calls("agent/get").await.is_empty());
    world.stop().await;

    // Nor where everyone is let in.
    let world = World::start().await;
    let status = world.gateway().call_api(agent).await.unwrap_err();
    assert_eq!(verdict(&status), not_permitted);
    world.stop().await;
}

#[tokio::test]
async fn shutdown_ends_with_a_watch_open_and_health_says_so_first() {
    let world = World::start().await;
    let channel = tonic::transport::Endpoint::from_shared(world.grpc.clone())
        .unwrap()
        .connect_lazy();
    let mut watch = HealthClient::new(channel)
        .watch(HealthCheckRequest {
            service: "readiness".to_owned(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let stopping = tokio::spawn(world.stop());
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert_eq!(
        watch.message().await.unwrap_err().code(),
        tonic::Code::Unavailable
    );
    stopping.await.unwrap();
}
