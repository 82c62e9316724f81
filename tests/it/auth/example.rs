//! The examples, in the order in which a login needs them.

use wecomgw::grpc::pb;

use super::super::harness::{World, example};
use super::visit;

#[tokio::test]
async fn every_example_works() {
    let world = World::start().await;
    let mut client = world.auth();
    let request: pb::BuildLoginUrlRequest = example("BuildLoginUrlRequest", "build_login_url");
    let built = client.build_login_url(request).await.unwrap().into_inner();
    let (code, state) = visit(&built.url, "zhangsan").await;

    let request: pb::LoginRequest = example("LoginRequest", "login");
    let request = pb::LoginRequest {
        code,
        state,
        ..request
    };
    let answer = client.login(request).await.unwrap().into_inner();
    let session_token = answer.session_token;

    let _: pb::VerifySessionRequest = example("VerifySessionRequest", "verify_session");
    let request = pb::VerifySessionRequest {
        session_token: session_token.clone(),
    };
    let answer = client.verify_session(request).await.unwrap().into_inner();
    assert_eq!(answer.user.unwrap().user_id, "zhangsan");

    let request: pb::SignJsSdkRequest = example("SignJsSdkRequest", "sign_js_sdk");
    client.sign_js_sdk(request).await.unwrap();
    let request: pb::GetAccessTokenRequest = example("GetAccessTokenRequest", "get_access_token");
    client.get_access_token(request).await.unwrap();
    let request: pb::GetUserDetailRequest = example("GetUserDetailRequest", "get_user_detail");
    let status = client.get_user_detail(request).await.unwrap_err();
    assert_eq!(
        status.code(),
        tonic::Code::InvalidArgument,
        "no real ticket"
    );

    let _: pb::LogoutRequest = example("LogoutRequest", "logout");
    client
        .logout(pb::LogoutRequest { session_token })
        .await
        .unwrap();
    world.stop().await;
}
