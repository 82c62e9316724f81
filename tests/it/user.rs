//! UserService: the directory over real sockets.

mod bad_input;
mod contacts;
mod faults;
mod lists;

use serde_json::{Value, json};
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;

use super::harness::{API_TOKEN, APP, World, details, example, from_json, verdict};

/// One of the ten RPCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rpc {
    GetUser,
    ResolveUserId,
    ConvertToOpenId,
    ConvertToUserId,
    ListUsers,
    ListUserIds,
    ListDepartments,
    GetDepartment,
    ListTags,
    GetTag,
}
use Rpc::{
    ConvertToOpenId, ConvertToUserId, GetDepartment, GetTag, GetUser, ListDepartments, ListTags,
    ListUserIds, ListUsers, ResolveUserId,
};

const ALL: [Rpc; 10] = [
    GetUser,
    ResolveUserId,
    ConvertToOpenId,
    ConvertToUserId,
    ListUsers,
    ListUserIds,
    ListDepartments,
    GetDepartment,
    ListTags,
    GetTag,
];

impl Rpc {
    /// The call of WeCom that its [`Rpc::request`] makes.
    fn path(self) -> &'static str {
        match self {
            GetUser => "user/get",
            ResolveUserId => "user/getuserid",
            ConvertToOpenId => "user/convert_to_openid",
            ConvertToUserId => "user/convert_to_userid",
            ListUsers => "user/simplelist",
            ListUserIds => "user/list_id",
            ListDepartments => "department/list",
            GetDepartment => "department/get",
            ListTags => "tag/list",
            GetTag => "tag/get",
        }
    }

    /// A request without a fault.
    fn request(self) -> Value {
        match self {
            GetUser | ConvertToOpenId => json!({"app": APP, "user_id": "zhangsan"}),
            ResolveUserId => json!({"app": APP, "mobile": "10000000002"}),
            ConvertToUserId => json!({"app": APP, "open_id": "oSandbox00000000000000000002"}),
            ListUsers | GetDepartment => json!({"app": APP, "department_id": 2}),
            ListUserIds | ListDepartments | ListTags => json!({"app": APP}),
            GetTag => json!({"app": APP, "tag_id": 2}),
        }
    }

    /// Calls it with the API token of the tests, and reads a stream to its end. Gives
    /// the number of messages.
    async fn call(self, world: &World, json: &Value) -> Result<usize, Status> {
        self.call_within(world, json, None).await
    }

    async fn call_within(
        self,
        world: &World,
        json: &Value,
        timeout: Option<&str>,
    ) -> Result<usize, Status> {
        fn request<T: prost::Message + Default>(
            rpc: Rpc,
            json: &Value,
            timeout: Option<&str>,
        ) -> Request<T> {
            let message = from_json(&format!("{rpc:?}Request"), &json.to_string());
            let mut request = Request::new(message);
            let metadata = request.metadata_mut();
            let bearer = format!("Bearer {API_TOKEN}").parse().unwrap();
            metadata.insert("authorization", bearer);
            if let Some(timeout) = timeout {
                metadata.insert("grpc-timeout", timeout.parse().unwrap());
            }
            request
        }
        macro_rules! unary {
            ($method:ident) => {{
                let mut client = world.users();
                client.$method(request(self, json, timeout)).await?;
                1
            }};
        }
        macro_rules! stream {
            ($method:ident) => {{
                let mut client = world.users();
                let answer = client.$method(request(self, json, timeout)).await?;
                let mut stream = answer.into_inner();
                let mut messages = 0;
                while stream.message().await?.is_some() {
                    messages += 1;
                }
                messages
            }};
        }
        Ok(match self {
            GetUser => unary!(get_user),
            ResolveUserId => unary!(resolve_user_id),
            ConvertToOpenId => unary!(convert_to_open_id),
            ConvertToUserId => unary!(convert_to_user_id),
            ListUsers => stream!(list_users),
            ListUserIds => stream!(list_user_ids),
            ListDepartments => unary!(list_departments),
            GetDepartment => unary!(get_department),
            ListTags => unary!(list_tags),
            GetTag => unary!(get_tag),
        })
    }
}

/// The calls of the sandbox that were more than gettoken.
async fn arrivals(world: &World) -> Vec<Value> {
    let calls = world.sandbox.get("calls").await;
    let mut calls = calls.as_array().unwrap().clone();
    calls.retain(|call| call["path"] != "gettoken");
    calls
}

async fn get_user(world: &World, app: &str, user_id: &str) -> pb::User {
    let request = pb::GetUserRequest {
        app: app.into(),
        user_id: user_id.into(),
    };
    let reply = world.users().get_user(request).await.unwrap();
    reply.into_inner().user.unwrap()
}

/// The parts of a stream.
async fn collect<T>(mut stream: tonic::Streaming<T>) -> Vec<T> {
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        parts.push(part);
    }
    parts
}

#[tokio::test]
async fn every_example_works() {
    let world = World::start().await;
    let mut client = world.users();

    let get = example::<pb::GetUserRequest>("GetUserRequest", "get_user");
    let user = client.get_user(get).await.unwrap().into_inner().user;
    let user = user.unwrap();
    assert_eq!((&*user.user_id, &*user.name), ("zhangsan", "张三"));
    assert_eq!(user.main_department_id, 2);
    assert!(user.departments[0].leader && user.departments[0].order > 0);
    assert_eq!(user.status(), pb::UserStatus::Active);
    assert_eq!(user.attributes.len(), 2);
    assert!(user.external_profile.is_some());

    let resolve = example::<pb::ResolveUserIdRequest>("ResolveUserIdRequest", "resolve_user_id");
    let reply = client.resolve_user_id(resolve);
    assert_eq!(reply.await.unwrap().into_inner().user_id, "zhangsan");

    let to = example::<pb::ConvertToOpenIdRequest>("ConvertToOpenIdRequest", "convert_to_open_id");
    let reply = client.convert_to_open_id(to);
    let open_id = reply.await.unwrap().into_inner().open_id;
    let back =
        example::<pb::ConvertToUserIdRequest>("ConvertToUserIdRequest", "convert_to_user_id");
    assert_eq!(back.open_id, open_id);
    let reply = client.convert_to_user_id(back).await.unwrap();
    assert_eq!(reply.into_inner().user_id, "zhangsan");

    let list = example::<pb::ListUsersRequest>("ListUsersRequest", "list_users");
    let reply = client.list_users(list);
    let parts = collect(reply.await.unwrap().into_inner()).await;
    let sizes: Vec<_> = parts.iter().map(|part| part.users.len()).collect();
    assert_eq!(sizes, [7, 6], "those of 2, then the others of 5");
    assert_eq!(parts[0].users[0].english_name, "ZHANGSAN");

    let ids = example::<pb::ListUserIdsRequest>("ListUserIdsRequest", "list_user_ids");
    let reply = client.list_user_ids(ids);
    let pages = collect(reply.await.unwrap().into_inner()).await;
    assert_eq!((pages.len(), pages[0].entries.len()), (1, 31));
    assert_eq!(pages[0].resume_token, "");

    let list = example::<pb::ListDepartmentsRequest>("ListDepartmentsRequest", "list_departments");
    let reply = client.list_departments(list);
    let departments = reply.await.unwrap().into_inner().departments;
    let get = example::<pb::GetDepartmentRequest>("GetDepartmentRequest", "get_department");
    let reply = client.get_department(get);
    let department = reply.await.unwrap().into_inner().department.unwrap();
    assert_eq!(departments[0], department);
    assert_eq!((department.department_id, &*department.name), (2, "研发部"));
    assert_eq!(department.parent_department_id, 1);
    assert_eq!(department.leader_user_ids, ["zhangsan"]);
    assert_eq!(department.english_name, "Department 2");
    assert!(department.order > 0);

    let list = example::<pb::ListTagsRequest>("ListTagsRequest", "list_tags");
    let reply = client.list_tags(list);
    let tags = reply.await.unwrap().into_inner().tags;
    let get = example::<pb::GetTagRequest>("GetTagRequest", "get_tag");
    let reply = client.get_tag(get);
    let tag = reply.await.unwrap().into_inner();
    assert_eq!(tags.len(), 4);
    assert_eq!(tag.tag.as_ref(), Some(&tags[1]));
    let users: Vec<_> = tag.users.iter().map(|user| &*user.user_id).collect();
    assert_eq!(users, ["wangwu", "HanMeimei"]);
    assert_eq!(tag.department_ids, [4]);
    world.stop().await;
}

#[tokio::test]
async fn posts_go_out_as_in_the_fixtures() {
    let world = World::start().await;
    let fixture = |name: &str| -> Value {
        let path = format!("tests/fixtures/cgi-bin/user/{name}.request.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    for (rpc, request, name) in [
        (ResolveUserId, ResolveUserId.request(), "getuserid"),
        (
            ResolveUserId,
            json!({"app": APP, "email": "zhangsan@sandbox.example.com", "email_kind": "EMAIL_KIND_CORP"}),
            "get_userid_by_email",
        ),
        (
            ConvertToOpenId,
            ConvertToOpenId.request(),
            "convert_to_openid",
        ),
        (
            ConvertToUserId,
            ConvertToUserId.request(),
            "convert_to_userid",
        ),
        (
            ListUserIds,
            json!({"app": APP, "resume_token": "entry-10000"}),
            "list_id",
        ),
    ] {
        rpc.call(&world, &request).await.unwrap();
        let calls = world.sandbox.calls(&format!("user/{name}")).await;
        assert_eq!(calls[0]["method"], "POST", "{name}");
        assert_eq!(calls[0]["body"], fixture(name), "{name}");
    }
    for rpc in [
        GetUser,
        ListUsers,
        ListDepartments,
        GetDepartment,
        ListTags,
        GetTag,
    ] {
        rpc.call(&world, &rpc.request()).await.unwrap();
        let calls = world.sandbox.calls(rpc.path()).await;
        assert_eq!((&calls[0]["method"], calls.len()), (&json!("GET"), 1));
    }
    world.stop().await;
}

#[tokio::test]
async fn what_a_new_app_may_not_read_is_absent_and_not_empty() {
    let world = World::start().await;
    let (new, old) = (APP.to_owned(), world.other_app());
    let private = |user: &pb::User| {
        [
            user.mobile.clone(),
            user.email.clone(),
            user.corp_email.clone(),
            user.avatar_url.clone(),
            user.thumbnail_avatar_url.clone(),
            user.qr_code_url.clone(),
            user.address.clone(),
        ]
    };
    let user = get_user(&world, &new, "QinChuan").await;
    assert!(private(&user).iter().all(Option::is_none), "{user:?}");
    assert_eq!(user.gender(), pb::UserGender::Unspecified);
    let user = get_user(&world, &old, "qinchuan").await;
    assert!(private(&user).iter().all(Option::is_some), "{user:?}");
    assert_eq!(user.user_id, "QinChuan", "as stored");
    assert_eq!(user.email.as_deref(), Some(""), "nothing entered");
    assert_eq!(user.mobile.as_deref(), Some("10000000025"));
    world.stop().await;
}

#[tokio::test]
async fn members_are_found_by_each_key() {
    let world = World::start().await;
    for (key, found) in [
        (json!({"mobile": "10000000008"}), "LiLei"),
        (json!({"email": "lilei@sandbox.example.com"}), "LiLei"),
        (
            json!({"email": "lilei@mail.example.net", "email_kind": "EMAIL_KIND_PERSONAL"}),
            "LiLei",
        ),
    ] {
        let request: pb::ResolveUserIdRequest =
            from_json("ResolveUserIdRequest", &with_app(&key).to_string());
        let reply = world.users().resolve_user_id(request).await.unwrap();
        assert_eq!(reply.into_inner().user_id, found, "{key}");
    }
    world.stop().await;
}

fn with_app(fields: &Value) -> Value {
    let mut request = fields.clone();
    request["app"] = json!(APP);
    request
}

#[tokio::test]
async fn departments_come_in_both_depths() {
    let world = World::start().await;
    for (fields, ids, named) in [
        (json!({}), vec![2, 3, 4, 5], true),
        (
            json!({"detail": "LIST_DETAIL_FULL", "department_id": 2}),
            vec![2, 5],
            true,
        ),
        (
            json!({"detail": "LIST_DETAIL_BRIEF"}),
            vec![2, 3, 4, 5],
            false,
        ),
        (
            json!({"detail": "LIST_DETAIL_BRIEF", "department_id": 5}),
            vec![5],
            false,
        ),
    ] {
        let request: pb::ListDepartmentsRequest =
            from_json("ListDepartmentsRequest", &with_app(&fields).to_string());
        let reply = world.users().list_departments(request).await.unwrap();
        let departments = reply.into_inner().departments;
        let met: Vec<_> = departments.iter().map(|one| one.department_id).collect();
        assert_eq!(met, ids, "{fields}");
        assert!(departments.iter().all(|one| one.name.is_empty() != named));
        assert!(departments.iter().all(|one| one.parent_department_id > 0));
    }
    world.stop().await;
}

#[tokio::test]
async fn each_rpc_has_a_permission_of_its_name() {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(API_TOKEN));
    for permitted in [GetUser, ListUserIds, GetTag] {
        let callers = format!(
            "[[callers]]\nname = \"hr\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"UserService/{permitted:?}\"]\napps = [\"{APP}\"]\n"
        );
        let sandbox = super::harness::SandboxHandle::start().await;
        let world = World::start_with(sandbox, &callers).await;
        for rpc in ALL {
            let result = rpc.call(&world, &rpc.request()).await;
            if rpc == permitted {
                result.unwrap();
                let mut other = rpc.request();
                other["app"] = json!("kaoqin");
                let status = rpc.call(&world, &other).await.unwrap_err();
                assert_eq!(verdict(&status), (Code::NotFound, "APP_NOT_FOUND".into()));
            } else {
                let expected = (Code::PermissionDenied, "CALLER_NOT_PERMITTED".to_owned());
                assert_eq!(verdict(&result.unwrap_err()), expected, "{rpc:?}");
            }
        }
        let calls = arrivals(&world).await;
        assert!(calls.iter().all(|call| call["path"] == permitted.path()));
        world.stop().await;
    }
}

#[tokio::test]
async fn the_far_side_knows_who_is_not_there_and_who_is_out_of_range() {
    let world = World::start().await;
    for (rpc, fields, code, errcode) in [
        (
            GetUser,
            json!({"user_id": "nobody"}),
            Code::NotFound,
            "60111",
        ),
        (
            GetUser,
            json!({"user_id": "guwen.ma"}),
            Code::NotFound,
            "60111",
        ),
        (
            ResolveUserId,
            json!({"mobile": "13800000000"}),
            Code::NotFound,
            "46004",
        ),
        (
            ResolveUserId,
            json!({"email": "guwen.ma@sandbox.example.com"}),
            Code::NotFound,
            "46004",
        ),
        (
            ConvertToOpenId,
            json!({"user_id": "nobody"}),
            Code::NotFound,
            "60111",
        ),
        (
            ConvertToOpenId,
            json!({"user_id": "taoran"}),
            Code::FailedPrecondition,
            "43004",
        ),
        (
            ConvertToOpenId,
            json!({"user_id": "guwen.ma"}),
            Code::PermissionDenied,
            "60011",
        ),
        (
            ConvertToUserId,
            json!({"open_id": "oStranger"}),
            Code::NotFound,
            "40073",
        ),
        (
            ListUsers,
            json!({"department_id": 77}),
            Code::NotFound,
            "60003",
        ),
        (
            ListUsers,
            json!({"department_id": 6, "recursive": true}),
            Code::PermissionDenied,
            "60011",
        ),
        (
            ListDepartments,
            json!({"department_id": 77}),
            Code::NotFound,
            "60003",
        ),
        (
            ListDepartments,
            json!({"department_id": 1}),
            Code::PermissionDenied,
            "60011",
        ),
        (
            GetDepartment,
            json!({"department_id": 77}),
            Code::NotFound,
            "60003",
        ),
        (GetTag, json!({"tag_id": 77}), Code::NotFound, "40068"),
        (
            ListUserIds,
            json!({"resume_token": "nonsense"}),
            Code::InvalidArgument,
            "40058",
        ),
    ] {
        let status = rpc.call(&world, &with_app(&fields)).await.unwrap_err();
        let expected = (code, "WECOM_REFUSED".to_owned());
        assert_eq!(verdict(&status), expected, "{rpc:?} {fields}");
        let (_, metadata, _) = details(&status);
        assert_eq!(metadata["errcode"], errcode, "{rpc:?} {fields}");
        assert!(!metadata["hint"].is_empty());
    }
    world.stop().await;
}
