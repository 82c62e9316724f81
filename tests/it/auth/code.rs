//! Login: a code is asked for once, whatever fails and whoever repeats.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tonic::Code;
use wecomgw::grpc::pb;

use super::super::harness::{APP, Process, SandboxHandle, World, details, verdict};
use super::{
    ANYONE, Caller, GET_USER_INFO, OTHER_RETURN, PORTAL, WIKI, exchanges, fields,
    world_with_callers,
};

fn errcode(code: i64) -> Value {
    json!({"kind": "errcode", "code": code})
}

fn refused(reason: &str) -> (Code, String) {
    (Code::InvalidArgument, reason.to_owned())
}

#[tokio::test]
async fn member_logs_in_with_details_and_session() {
    let world = World::start().await;
    let login = ANYONE.walk(&world, "lisi").await;
    let answer = ANYONE.login(&world, &login).await.unwrap();
    let user = answer.user.as_ref().unwrap();
    assert_eq!(
        (user.user_id.as_str(), user.name.as_str()),
        ("lisi", "李四")
    );
    let places = user.departments.iter();
    let places: Vec<u32> = places.map(|place| place.department_id).collect();
    assert_eq!(places, [2, 5]);
    assert!(answer.user_ticket.is_empty());
    assert!(answer.session_token.len() <= 4096);
    let life = answer.expires_at.unwrap().seconds;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let life = life - i64::try_from(now.as_secs()).unwrap();
    assert!((43_190..=43_200).contains(&life), "{life}");

    let verified = ANYONE.verify(&world, &answer.session_token).await.unwrap();
    let seen = verified.user.unwrap();
    assert_eq!(
        (seen.user_id.as_str(), seen.name.as_str()),
        ("lisi", "李四")
    );
    let places = seen.departments.iter();
    let places: Vec<u32> = places.map(|place| place.department_id).collect();
    assert_eq!(places, [2, 5]);
    assert_eq!(
        (verified.app.as_str(), verified.expires_at),
        (APP, answer.expires_at)
    );
    world.stop().await;
}

#[tokio::test]
async fn both_pages_and_both_spellings_lead_to_the_member() {
    let world = World::start().await;
    for legacy in [false, true] {
        world.sandbox.set(json!({"legacy_identity": legacy})).await;
        for page in ["LOGIN_PAGE_IN_APP", "LOGIN_PAGE_QR_CODE"] {
            let login = ANYONE
                .walk_with(&world, json!({"page": page}), "LiLei")
                .await;
            let answer = ANYONE.login(&world, &login).await.unwrap();
            assert_eq!(answer.user.unwrap().user_id, "LiLei", "{page} {legacy}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn consent_brings_a_ticket_for_sensitive_fields() {
    let world = World::start().await;
    let private = json!({"scope": "LOGIN_SCOPE_PRIVATE_INFO"});
    let login = ANYONE
        .walk_with(&world, private, "zhangsan&consent=yes")
        .await;
    let answer = ANYONE.login(&world, &login).await.unwrap();
    assert!(!answer.user_ticket.is_empty() && answer.user_ticket.len() <= 512);
    let again = ANYONE.login(&world, &login).await.unwrap();
    assert_eq!(again, answer, "the ticket is kept with the answer");
    // Not from user/get: the app is too young.
    assert_eq!(answer.user.unwrap().mobile, None);

    let ask = |user_ticket: String| {
        let request = pb::GetUserDetailRequest {
            app: APP.into(),
            user_ticket,
        };
        let mut client = world.auth();
        async move { client.get_user_detail(request).await }
    };
    let shown = ask(answer.user_ticket.clone()).await.unwrap().into_inner();
    let shown = shown.user.unwrap();
    assert_eq!(shown.user_id, "zhangsan");
    assert_eq!(shown.gender(), pb::UserGender::Male);
    assert_eq!(shown.mobile.as_deref(), Some("10000000002"));
    for field in [
        shown.email,
        shown.corp_email,
        shown.avatar_url,
        shown.qr_code_url,
        shown.address,
    ] {
        assert!(field.is_some_and(|text| !text.is_empty()));
    }
    let calls = world.sandbox.calls("auth/getuserdetail").await;
    assert_eq!(calls[0]["method"], "POST");
    assert_eq!(calls[0]["body"], json!({"user_ticket": answer.user_ticket}));

    for (ticket, code) in [("made-up", Code::InvalidArgument)] {
        let status = ask(ticket.into()).await.unwrap_err();
        assert_eq!(verdict(&status), (code, "WECOM_REFUSED".into()));
        assert_eq!(details(&status).1["errcode"], "84015");
    }
    world
        .sandbox
        .fault("auth/getuserdetail", errcode(84014), 1)
        .await;
    let status = ask(answer.user_ticket.clone()).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::FailedPrecondition, "WECOM_REFUSED".into())
    );
    // It only reads: a lost answer is asked for again.
    let lost = json!({"kind": "reset_after"});
    world.sandbox.fault("auth/getuserdetail", lost, 1).await;
    ask(answer.user_ticket).await.unwrap();
    let before = world.sandbox.calls("auth/getuserdetail").await.len();
    for wrong in [String::new(), "t".repeat(513), "a b".into(), "a\0".into()] {
        assert_eq!(fields(&ask(wrong).await.unwrap_err()), ["user_ticket"]);
    }
    assert_eq!(
        world.sandbox.calls("auth/getuserdetail").await.len(),
        before
    );
    world.stop().await;
}

#[tokio::test]
async fn who_is_no_member_stays_out() {
    let world = World::start().await;
    for (user, external) in [
        ("*customer", Some("wmSandboxCustomer00000000000001")),
        ("*stranger", None),
    ] {
        let login = ANYONE.walk(&world, user).await;
        for _ in 0..2 {
            let status = ANYONE.login(&world, &login).await.unwrap_err();
            assert_eq!(
                verdict(&status),
                (Code::PermissionDenied, "NOT_A_MEMBER".into())
            );
            let metadata = details(&status).1;
            let id = metadata.get("external_user_id").map(String::as_str);
            assert_eq!(id, external);
        }
    }
    assert_eq!(exchanges(&world).await, 2);
    assert!(world.sandbox.calls("user/get").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_member_out_of_range_logs_in_with_the_id_alone() {
    let world = World::start().await;
    let by_id = |answer: pb::LoginResponse, user_id: &str| {
        let expected = pb::User {
            user_id: user_id.into(),
            ..pb::User::default()
        };
        assert_eq!(answer.user.unwrap(), expected);
    };
    let login = ANYONE.walk(&world, "guwen.ma").await;
    by_id(ANYONE.login(&world, &login).await.unwrap(), "guwen.ma");
    for code in [60111, 60011, 50002] {
        world.sandbox.fault("user/get", errcode(code), 1).await;
        let login = ANYONE.walk(&world, "zhangsan").await;
        by_id(ANYONE.login(&world, &login).await.unwrap(), "zhangsan");
    }
    // Of a linked corp: user/get knows no such id, and is not asked.
    let before = world.sandbox.calls("user/get").await.len();
    let login = ANYONE.walk(&world, "*linked").await;
    let answer = ANYONE.login(&world, &login).await.unwrap();
    let token = answer.session_token.clone();
    by_id(answer, "ww5a9db0c5a9db1111/chenmo");
    let verified = ANYONE.verify(&world, &token).await.unwrap();
    assert_eq!(verified.user.unwrap().user_id, "ww5a9db0c5a9db1111/chenmo");
    assert_eq!(world.sandbox.calls("user/get").await.len(), before);
    world.stop().await;
}

#[tokio::test]
async fn a_repeated_login_gets_the_first_answer_and_nobody_else_does() {
    let world = world_with_callers().await;
    let login = PORTAL.walk(&world, "zhangsan").await;
    let first = PORTAL.login(&world, &login).await.unwrap();
    for _ in 0..3 {
        assert_eq!(PORTAL.login(&world, &login).await.unwrap(), first);
    }
    let status = WIKI.login(&world, &login).await.unwrap_err();
    assert_eq!(verdict(&status), refused("LOGIN_CODE_USED"));
    // With a state of its own it is no different.
    let other = WIKI.walk(&world, "lisi").await;
    let mixed = pb::LoginRequest {
        state: other.state.clone(),
        ..login.clone()
    };
    for caller in [WIKI, PORTAL] {
        let status = caller.login(&world, &mixed).await.unwrap_err();
        assert_eq!(verdict(&status), refused("LOGIN_CODE_USED"));
    }
    let elsewhere = pb::LoginRequest {
        app: "kaoqin".into(),
        ..login
    };
    let status = PORTAL.login(&world, &elsewhere).await.unwrap_err();
    assert_eq!(verdict(&status), refused("LOGIN_CODE_USED"));
    assert_eq!(exchanges(&world).await, 1);
    // The attempts cost the other's state nothing.
    WIKI.login(&world, &other).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_state_works_once_for_its_own_app_and_caller() {
    let world = world_with_callers().await;
    let mut login = PORTAL.walk(&world, "zhangsan").await;
    let good = login.state.clone();
    let swapped = good.to_uppercase();
    for bad in [
        "",
        "unknown",
        &"a".repeat(129),
        "a b",
        "状态",
        &good[1..],
        &swapped,
    ] {
        login.state = bad.to_owned();
        let status = PORTAL.login(&world, &login).await.unwrap_err();
        assert_eq!(verdict(&status), refused("LOGIN_STATE_REFUSED"), "{bad}");
    }
    login.state = good;
    let status = WIKI.login(&world, &login).await.unwrap_err();
    assert_eq!(verdict(&status), refused("LOGIN_STATE_REFUSED"), "caller");
    let elsewhere = pb::LoginRequest {
        app: "kaoqin".into(),
        ..login.clone()
    };
    let status = PORTAL.login(&world, &elsewhere).await.unwrap_err();
    assert_eq!(verdict(&status), refused("LOGIN_STATE_REFUSED"), "app");
    assert_eq!(exchanges(&world).await, 0, "nothing reaches WeCom");

    PORTAL.login(&world, &login).await.unwrap();
    let again = pb::LoginRequest {
        code: "another-code".into(),
        ..login
    };
    let status = PORTAL.login(&world, &again).await.unwrap_err();
    assert_eq!(verdict(&status), refused("LOGIN_STATE_REFUSED"), "used");
    assert_eq!(exchanges(&world).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn without_required_states_a_code_is_still_taken_once() {
    let lax = "[login]\nrequire_state = false\n";
    let world = World::start_with(SandboxHandle::start().await, lax).await;
    let mut login = ANYONE.walk(&world, "zhangsan").await;
    login.state = String::new();
    let first = ANYONE.login(&world, &login).await.unwrap();
    assert_eq!(ANYONE.login(&world, &login).await.unwrap(), first);
    login.state = "own".into();
    let status = ANYONE.login(&world, &login).await.unwrap_err();
    assert_eq!(verdict(&status), refused("LOGIN_CODE_USED"));
    assert_eq!(exchanges(&world).await, 1);
    login.state = "a".repeat(129);
    let status = ANYONE.login(&world, &login).await.unwrap_err();
    assert_eq!(fields(&status), ["state"]);
    world.stop().await;
}

#[tokio::test]
async fn a_bad_code_names_its_field_and_uses_nothing_up() {
    let world = World::start().await;
    let login = ANYONE.walk(&world, "zhangsan").await;
    for bad in [
        "",
        "a b",
        "a\0",
        "a\n",
        &"c".repeat(513),
        &"c".repeat(1 << 20),
    ] {
        let bad = pb::LoginRequest {
            code: bad.to_owned(),
            ..login.clone()
        };
        let status = ANYONE.login(&world, &bad).await.unwrap_err();
        assert_eq!(fields(&status), ["code"]);
    }
    assert_eq!(exchanges(&world).await, 0);
    ANYONE.login(&world, &login).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_logins_with_one_code_are_one_call_and_one_session() {
    let world = world_with_callers().await;
    let slow = json!({"kind": "latency_ms", "latency_ms": 50});
    world.sandbox.fault(GET_USER_INFO, slow, 0).await;
    let login = PORTAL.walk(&world, "zhangsan").await;
    let theirs = pb::LoginRequest {
        state: WIKI.walk(&world, "lisi").await.state,
        ..login.clone()
    };
    let attempt = |caller: Caller, login: pb::LoginRequest| {
        let world = &world;
        async move { caller.login(world, &login).await }
    };
    let attempts = (0..32).map(|_| attempt(PORTAL, login.clone()));
    let answers = join_all(attempts.chain([attempt(WIKI, theirs)])).await;
    let (mine, theirs) = answers.split_at(32);
    // Whoever came first has it, every time that it was asked; the other has nothing.
    let (had, had_not) = match theirs[0] {
        Ok(_) => (theirs, mine),
        Err(_) => (mine, theirs),
    };
    let first = had[0].as_ref().unwrap();
    for answer in had {
        assert_eq!(answer.as_ref().unwrap(), first);
    }
    for answer in had_not {
        let status = answer.as_ref().unwrap_err();
        assert_eq!(verdict(status), refused("LOGIN_CODE_USED"));
    }
    assert_eq!(exchanges(&world).await, 1);
    world.stop().await;
}

/// What is expected of one fault of getuserinfo: the answer, the answer to a repetition,
/// and the calls after the first and after both.
struct Row {
    fault: Value,
    /// How often it strikes; 0 is always.
    count: u32,
    first: Result<(), (Code, &'static str)>,
    second: Result<(), (Code, &'static str)>,
    calls: (usize, usize),
}

fn rows() -> Vec<Row> {
    let kind = |kind: &str| json!({"kind": kind});
    let unknown = Err((Code::Unknown, "OUTCOME_UNKNOWN"));
    let mut rows = Vec::new();
    // The answer is lost: the code may be spent, and is not asked for again.
    for fault in [
        kind("reset_before"),
        kind("reset_after"),
        kind("truncated_body"),
        kind("garbled"),
        kind("empty_body"),
        kind("html"),
        json!({"kind": "http_status", "status": 502}),
        errcode(-1),
        json!({"kind": "errcode_after", "code": -1}),
    ] {
        rows.push(Row {
            fault,
            count: 0,
            first: unknown,
            second: unknown,
            calls: (1, 1),
        });
    }
    // WeCom said no: that is the answer to this code.
    for (code, status, reason) in [
        (40029, Code::InvalidArgument, "WECOM_REFUSED"),
        (42003, Code::InvalidArgument, "WECOM_REFUSED"),
        (42022, Code::InvalidArgument, "WECOM_REFUSED"),
        (50001, Code::FailedPrecondition, "WECOM_REFUSED"),
        (60020, Code::FailedPrecondition, "WECOM_REFUSED"),
        (48002, Code::PermissionDenied, "WECOM_REFUSED"),
        (99_999, Code::Unknown, "WECOM_UNKNOWN_ERRCODE"),
    ] {
        let answer = Err((status, reason));
        rows.push(Row {
            fault: errcode(code),
            count: 1,
            first: answer,
            second: answer,
            calls: (1, 1),
        });
    }
    // The code was not looked at, and is still good.
    for (fault, calls) in [
        (kind("kill_token"), 2),
        (kind("expire_token"), 2),
        (errcode(45033), 2),
    ] {
        rows.push(Row {
            fault,
            count: 1,
            first: Ok(()),
            second: Ok(()),
            calls: (calls, calls),
        });
    }
    rows.push(Row {
        fault: errcode(45009),
        count: 1,
        first: Err((Code::ResourceExhausted, "WECOM_RATE_LIMITED")),
        second: Err((Code::ResourceExhausted, "PACED")),
        calls: (1, 1),
    });
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_exchange_ends_as_promised() {
    for row in rows() {
        let world = World::start().await;
        let login = ANYONE.walk(&world, "zhangsan").await;
        world
            .sandbox
            .fault(GET_USER_INFO, row.fault.clone(), row.count)
            .await;
        for (expected, calls) in [(row.first, row.calls.0), (row.second, row.calls.1)] {
            let answer = ANYONE.login(&world, &login).await;
            let actual = answer.as_ref().map(|_| ()).map_err(verdict);
            let expected = expected.map_err(|(code, reason)| (code, reason.to_owned()));
            assert_eq!(actual, expected, "{}", row.fault);
            assert_eq!(exchanges(&world).await, calls, "{}", row.fault);
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_member_whose_details_cannot_be_read_now_is_not_asked_for_again() {
    let away = json!({"kind": "http_status", "status": 503});
    for (fault, count, code, reason, again) in [
        (
            errcode(60020),
            1,
            Code::FailedPrecondition,
            "WECOM_REFUSED",
            Ok(()),
        ),
        // As often as a call is repeated.
        (away, 3, Code::Unavailable, "WECOM_UNREACHABLE", Ok(())),
        (
            errcode(45009),
            1,
            Code::ResourceExhausted,
            "WECOM_RATE_LIMITED",
            Err((Code::ResourceExhausted, "PACED".to_owned())),
        ),
    ] {
        let world = World::start().await;
        let private = json!({"scope": "LOGIN_SCOPE_PRIVATE_INFO"});
        let login = ANYONE
            .walk_with(&world, private, "zhangsan&consent=yes")
            .await;
        world.sandbox.fault("user/get", fault.clone(), count).await;
        let status = ANYONE.login(&world, &login).await.unwrap_err();
        assert_eq!(verdict(&status), (code, reason.to_owned()), "{fault}");
        let answer = ANYONE.login(&world, &login).await;
        let verdict = answer.as_ref().map(|_| ()).map_err(verdict);
        assert_eq!(verdict, again, "{fault}");
        if let Ok(answer) = answer {
            assert_eq!(answer.user.unwrap().name, "张三", "{fault}");
            assert!(!answer.user_ticket.is_empty());
        }
        assert_eq!(exchanges(&world).await, 1, "{fault}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_caller_in_a_hurry_finds_the_answer_later() {
    let world = World::start().await;
    let login = ANYONE.walk(&world, "zhangsan").await;
    let slow = json!({"kind": "latency_ms", "latency_ms": 400});
    world.sandbox.fault(GET_USER_INFO, slow, 1).await;
    let mut hurried = ANYONE.request(login.clone());
    let timeout = "150m".parse().unwrap();
    hurried.metadata_mut().insert("grpc-timeout", timeout);
    let status = world.auth().login(hurried).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::DeadlineExceeded, "OUTCOME_UNKNOWN".into())
    );
    let answer = ANYONE.login(&world, &login).await.unwrap();
    assert_eq!(answer.user.unwrap().user_id, "zhangsan");
    assert_eq!(exchanges(&world).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn wecom_that_is_away_leaves_code_and_state_as_they_are() {
    let world = World::start().await;
    let login = ANYONE.walk(&world, "zhangsan").await;
    world.sandbox.shut().await;
    for _ in 0..2 {
        let status = ANYONE.login(&world, &login).await.unwrap_err();
        assert_eq!(
            verdict(&status),
            (Code::Unavailable, "WECOM_UNREACHABLE".into())
        );
        assert!(details(&status).2.retry_info().is_some());
    }
    world.stop().await;
}

#[tokio::test]
async fn codes_of_two_apps_are_not_mixed_up() {
    let world = World::start().await;
    let theirs = json!({"app": "kaoqin", "redirect_uri": OTHER_RETURN});
    let mut login = ANYONE.walk_with(&world, theirs, "zhangsan").await;
    // A state of the right app, a code of the other.
    login.state = ANYONE.walk(&world, "zhangsan").await.state;
    login.app = APP.into();
    let status = ANYONE.login(&world, &login).await.unwrap_err();
    assert_eq!(
        verdict(&status),
        (Code::FailedPrecondition, "WECOM_REFUSED".into())
    );
    assert_eq!(details(&status).1["errcode"], "50001");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_under_way_when_the_process_died_is_not_asked_for_again() {
    let sandbox = SandboxHandle::start().await;
    let process = Process::start(&sandbox).await;
    let request = pb::BuildLoginUrlRequest {
        app: APP.into(),
        redirect_uri: super::RETURN.into(),
        ..pb::BuildLoginUrlRequest::default()
    };
    let built = process.auth().build_login_url(request).await.unwrap();
    let (code, state) = super::visit(&built.into_inner().url, "zhangsan").await;
    let login = pb::LoginRequest {
        app: APP.into(),
        code,
        state,
    };
    let slow = json!({"kind": "latency_ms", "latency_ms": 60_000});
    sandbox.fault(GET_USER_INFO, slow, 1).await;
    let mut client = process.auth();
    let under_way = tokio::spawn({
        let login = login.clone();
        async move { client.login(login).await }
    });
    while sandbox.calls(GET_USER_INFO).await.is_empty() {
        tokio::task::yield_now().await;
    }
    let folder = process.kill();
    under_way.await.unwrap().unwrap_err();

    let world = World::start_in(sandbox, "", folder).await;
    for _ in 0..2 {
        let status = ANYONE.login(&world, &login).await.unwrap_err();
        assert_eq!(verdict(&status), (Code::Unknown, "OUTCOME_UNKNOWN".into()));
    }
    assert_eq!(exchanges(&world).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn an_answer_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = super::session::key_file(folder.path(), 1);
    let keys = format!("[login]\nsigning_key_files = [{key:?}]\n");
    let world = World::start_with(SandboxHandle::start().await, &keys).await;
    let login = ANYONE.walk(&world, "zhangsan").await;
    let first = ANYONE.login(&world, &login).await.unwrap();
    let (sandbox, store) = world.stop().await;
    let world = World::start_in(sandbox, &keys, store).await;
    assert_eq!(ANYONE.login(&world, &login).await.unwrap(), first);
    ANYONE.verify(&world, &first.session_token).await.unwrap();
    assert_eq!(exchanges(&world).await, 1);
    world.stop().await;
}
