//! What the gateway tells of itself: info, apps, health, reflection, metrics.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use wecomgw::grpc::pb;

use super::harness::{World, text_to};

#[tokio::test]
async fn server_info_names_version_and_services() {
    let world = World::start().await;
    let info = world
        .gateway()
        .get_server_info(pb::GetServerInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        info.services,
        [
            "wecomgw.v1.AppChatService",
            "wecomgw.v1.GatewayService",
            "wecomgw.v1.MessageService"
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
        .list_apps(pb::ListAppsRequest {})
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
            service: "wecomgw.v1.BulkService".to_owned(),
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
            "wecomgw.v1.GatewayService",
            "wecomgw.v1.MessageService"
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

#[tokio::test]
async fn an_rpc_that_is_not_there_yet_is_unimplemented() {
    let world = World::start().await;
    let request = pb::DiagnoseAppRequest::default();
    let status = world.gateway().diagnose_app(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
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
