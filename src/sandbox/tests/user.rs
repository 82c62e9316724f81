//! The directory: members, departments, tags, and who may see what of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, code, json_of};
use crate::sandbox::Settings;

const YOUXIAO: usize = 0;
/// Created before 2022-06-20.
const KAOQIN: usize = 1;

impl Bench {
    async fn contacts_token(&self) -> String {
        let answer = self
            .get_token(&self.corp_id, "sandbox-secret-contacts")
            .await;
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    async fn ask_with(&self, token: &str, path: &str, query: &str) -> Value {
        let path = format!("/cgi-bin/{path}?access_token={token}&{query}");
        self.get_json(&path).await
    }

    /// A GET by the app at this place.
    async fn ask(&self, app: usize, path: &str, query: &str) -> Value {
        self.ask_with(&self.token(app).await, path, query).await
    }

    async fn tell_with(&self, token: &str, path: &str, body: impl Into<reqwest::Body>) -> Value {
        let path = format!("/cgi-bin/{path}?access_token={token}");
        json_of(self.post(&path, body).await).await
    }

    /// A POST by the app at this place.
    async fn tell(&self, app: usize, path: &str, body: Value) -> Value {
        self.tell_with(&self.token(app).await, path, body.to_string())
            .await
    }
}

/// The values of `field` in a list.
fn column(list: &Value, field: &str) -> Vec<Value> {
    let list = list.as_array().expect("a list").iter();
    list.map(|item| item[field].clone()).collect()
}

const PRIVATE: [&str; 7] = [
    "mobile",
    "email",
    "biz_mail",
    "avatar",
    "thumb_avatar",
    "qr_code",
    "address",
];

#[tokio::test]
async fn new_apps_are_not_given_what_is_private() {
    let bench = Bench::demo().await;
    let new = bench.ask(YOUXIAO, "user/get", "userid=baiyun").await;
    let old = bench.ask(KAOQIN, "user/get", "userid=baiyun").await;
    assert!(
        PRIVATE.iter().all(|field| new.get(field).is_none()),
        "{new}"
    );
    assert!(PRIVATE.iter().all(|field| old[field].is_string()), "{old}");
    assert_eq!((&new["gender"], &old["gender"]), (&json!("0"), &json!("1")));
    for field in [
        "name",
        "department",
        "order",
        "position",
        "status",
        "extattr",
    ] {
        assert_eq!(new[field], old[field], "{field}");
    }
    let list = bench.ask(YOUXIAO, "user/list", "department_id=4").await;
    assert!(list["userlist"][0].get("mobile").is_none());
    // Which apps are old is a switch.
    bench.put_modes(json!({"old_apps": [1_000_002]})).await;
    let old = bench.ask(YOUXIAO, "user/get", "userid=baiyun").await;
    assert!(old["mobile"].is_string());
    let new = bench.ask(KAOQIN, "user/get", "userid=baiyun").await;
    assert!(new.get("mobile").is_none());
}

#[tokio::test]
async fn a_member_is_seen_within_the_range_and_by_any_spelling() {
    let bench = Bench::demo().await;
    let get = async |app, query: &str| bench.ask(app, "user/get", query).await;
    assert_eq!(get(YOUXIAO, "userid=LILEI").await["userid"], "LiLei");
    for (app, query, expected) in [
        (YOUXIAO, "userid=guwen.ma", 60111),
        (YOUXIAO, "userid=nobody", 60111),
        (KAOQIN, "userid=lisi", 60111),
        (YOUXIAO, "userid=a%7Cb", 40003),
        (YOUXIAO, "userid=", 41009),
        (YOUXIAO, "", 41009),
    ] {
        let answer = get(app, query).await;
        assert_eq!(code(&answer), expected, "{query}");
        assert_eq!(answer["department"], json!([]), "default fields are there");
    }
    // Departments out of range are left out, and the main one with them.
    let single = get(YOUXIAO, "userid=zhaomin").await;
    assert_eq!(single["department"], json!([]));
    assert!(single.get("main_department").is_none());
    let two = get(YOUXIAO, "userid=lisi").await;
    assert_eq!(two["department"], json!([2, 5]));
    assert_eq!(two["main_department"], 2);
    assert_eq!(two["order"].as_array().map(Vec::len), Some(2));
    assert_eq!(two["is_leader_in_dept"], json!([0, 1]), "the first in 5");
    assert_eq!(two["direct_leader"], json!(["zhangsan"]));
    let idle = get(YOUXIAO, "userid=sunba").await;
    assert_eq!((&idle["status"], &two["status"]), (&json!(4), &json!(1)));
}

#[tokio::test]
async fn lists_hold_those_of_one_department() {
    let bench = Bench::demo().await;
    let brief = bench
        .ask(YOUXIAO, "user/simplelist", "department_id=5")
        .await;
    let ids = column(&brief["userlist"], "userid");
    assert_eq!(ids[..2], [json!("lisi"), json!("qianqi")]);
    let fields = brief["userlist"][0].as_object().expect("an object");
    let fields: Vec<_> = fields.keys().map(String::as_str).collect();
    assert_eq!(fields, ["department", "name", "userid"]);
    let full = bench.ask(YOUXIAO, "user/list", "department_id=5").await;
    assert_eq!(column(&full["userlist"], "userid"), ids);
    assert_eq!(full["userlist"][0]["english_name"], "LISI");
    for path in ["user/simplelist", "user/list"] {
        for (query, expected) in [
            ("department_id=1", 60011),
            ("department_id=6", 60011),
            ("department_id=77", 60003),
            ("department_id=0", 60123),
            ("department_id=x", 60123),
            ("", 60123),
        ] {
            let answer = bench.ask(YOUXIAO, path, query).await;
            assert_eq!(code(&answer), expected, "{path} {query}");
        }
    }
}

#[tokio::test]
async fn ids_come_in_pages_for_the_contacts_secret_only() {
    let bench = Bench::demo().await;
    let body = |cursor: &str, limit: u32| json!({"cursor": cursor, "limit": limit}).to_string();
    let own = bench.tell(YOUXIAO, "user/list_id", json!({})).await;
    assert_eq!(code(&own), 48002);
    let token = bench.contacts_token().await;
    let ask = async |body: String| bench.tell_with(&token, "user/list_id", body).await;
    let whole = ask("{}".into()).await;
    let all = whole["dept_user"].as_array().expect("a list").clone();
    assert_eq!((all.len(), &whole["next_cursor"]), (31, &json!("")));
    assert_eq!(all[2], json!({"userid": "lisi", "department": 2}));
    assert_eq!(all[3], json!({"userid": "lisi", "department": 5}));
    let (mut cursor, mut pages) = (String::new(), Vec::new());
    loop {
        let page = ask(body(&cursor, 10)).await;
        pages.push(page["dept_user"].as_array().expect("a list").clone());
        cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 10, 1]);
    assert_eq!(pages.concat(), all);
    // A page that ends with the last entry says so.
    assert_eq!(ask(body("", 31)).await["next_cursor"], "");
    for wrong in [body("nonsense", 10), body("", 10_001)] {
        assert_eq!(code(&ask(wrong).await), 40058);
    }
}

#[tokio::test]
async fn the_contacts_secret_reads_ids_from_everywhere_and_details_from_old_addresses() {
    let bench = Bench::demo().await;
    let token = bench.contacts_token().await;
    let details = [
        ("user/get", "userid=guwen.ma"),
        ("user/simplelist", "department_id=6"),
        ("user/list", "department_id=6"),
        ("department/list", ""),
        ("department/get", "id=6"),
    ];
    for (path, query) in details {
        assert_eq!(
            code(&bench.ask_with(&token, path, query).await),
            48009,
            "{path}"
        );
    }
    let ids = bench.ask_with(&token, "department/simplelist", "").await;
    assert_eq!(ids["department_id"].as_array().map(Vec::len), Some(6));
    let tag = bench.ask_with(&token, "tag/get", "tagid=4").await;
    assert_eq!(column(&tag["userlist"], "userid"), ["guwen.ma", "guwen.hu"]);
    bench.put_modes(json!({"contacts_details": true})).await;
    for (path, query) in details {
        assert_eq!(
            code(&bench.ask_with(&token, path, query).await),
            0,
            "{path}"
        );
    }
    let adviser = bench.ask_with(&token, "user/get", "userid=guwen.ma").await;
    assert!(adviser["mobile"].is_string());
    // It is no app.
    for (path, body) in [
        ("message/send", json!({})),
        ("user/getuserid", json!({"mobile": "10000000002"})),
        ("user/convert_to_openid", json!({"userid": "zhangsan"})),
    ] {
        let answer = bench.tell_with(&token, path, body.to_string()).await;
        assert_eq!(code(&answer), 48002, "{path}");
    }
}

#[tokio::test]
async fn a_corp_may_have_no_contacts_secret() {
    let mut settings = Settings::demo(([127, 0, 0, 1], 0).into());
    settings.contacts_secret = None;
    let bench = Bench::start(settings).await;
    let answer = bench
        .get_token(&bench.corp_id, "sandbox-secret-contacts")
        .await;
    assert_eq!(code(&answer), 40001);
}

#[tokio::test]
async fn a_contacts_token_dies_like_any_other() {
    let bench = Bench::demo().await;
    let token = bench.contacts_token().await;
    assert_ne!(token, bench.token(YOUXIAO).await);
    bench.post("/sandbox/tokens/kill", "").await;
    assert_eq!(code(&bench.ask_with(&token, "tag/list", "").await), 40014);
    let token = bench.contacts_token().await;
    assert_eq!(code(&bench.ask_with(&token, "tag/list", "").await), 0);
    bench.put_modes(json!({"trusted_ip": false})).await;
    assert_eq!(code(&bench.ask_with(&token, "tag/list", "").await), 60020);
}

#[tokio::test]
async fn members_are_found_by_mobile_and_mail_within_the_range() {
    let bench = Bench::demo().await;
    let resolve = async |path: &str, body: Value| bench.tell(YOUXIAO, path, body).await;
    let (by_mobile, by_mail) = ("user/getuserid", "user/get_userid_by_email");
    for (path, body, expected) in [
        (by_mobile, json!({"mobile": "10000000002"}), "zhangsan"),
        (
            by_mail,
            json!({"email": "LILEI@sandbox.example.com"}),
            "LiLei",
        ),
        (
            by_mail,
            json!({"email": "lilei@sandbox.example.com", "email_type": 1}),
            "LiLei",
        ),
        (
            by_mail,
            json!({"email": "zhangsan@mail.example.net", "email_type": 2}),
            "zhangsan",
        ),
    ] {
        let answer = resolve(path, body.clone()).await;
        assert_eq!(answer["userid"], expected, "{body}: {answer}");
    }
    let adviser = "guwen.ma@sandbox.example.com";
    for (path, body, expected) in [
        (by_mobile, json!({"mobile": "10000000028"}), 46004),
        (by_mobile, json!({"mobile": "13800000000"}), 46004),
        (by_mobile, json!({"mobile": "1234"}), 40058),
        (by_mobile, json!({}), 40058),
        (by_mail, json!({"email": adviser}), 46004),
        (
            by_mail,
            json!({"email": "zhangsan@mail.example.net"}),
            46004,
        ),
        (by_mail, json!({"email": "a@b", "email_type": 3}), 40058),
        (by_mail, json!({"email": ""}), 40058),
    ] {
        let answer = resolve(path, body.clone()).await;
        assert_eq!(code(&answer), expected, "{body}");
    }
}

#[tokio::test]
async fn too_many_misses_close_the_look_up_for_the_day() {
    let bench = Bench::demo().await;
    bench.put_modes(json!({"resolve_misses": 2})).await;
    let ask = async |mobile: &str| {
        let body = json!({"mobile": mobile});
        code(&bench.tell(YOUXIAO, "user/getuserid", body).await)
    };
    let mut codes = Vec::new();
    for mobile in ["10000000002", "10000009999", "10000009998", "10000000002"] {
        codes.push(ask(mobile).await);
    }
    assert_eq!(codes, [0, 46004, 46004, 45009]);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    tokio::time::resume();
    assert_eq!(ask("10000000002").await, 0);
}

#[tokio::test]
async fn openids_are_converted_both_ways() {
    let bench = Bench::demo().await;
    let to_open = async |body: Value| bench.tell(YOUXIAO, "user/convert_to_openid", body).await;
    let to_user = async |body: Value| bench.tell(YOUXIAO, "user/convert_to_userid", body).await;
    let open_id = to_open(json!({"userid": "ZhangSan"})).await["openid"].clone();
    let back = to_user(json!({"openid": open_id})).await;
    assert_eq!(back["userid"], "zhangsan");
    for (user_id, expected) in [
        ("", 41009),
        ("nobody", 60111),
        ("guwen.ma", 60011),
        ("taoran", 43004),
    ] {
        let answer = to_open(json!({"userid": user_id})).await;
        assert_eq!(code(&answer), expected, "{user_id}");
    }
    for (open_id, expected) in [
        ("", 40073),
        ("oSomebodyElse", 40073),
        ("oSandbox00000000000000000028", 60011),
    ] {
        let answer = to_user(json!({"openid": open_id})).await;
        assert_eq!(code(&answer), expected, "{open_id}");
    }
    let token = bench.token(YOUXIAO).await;
    let broken = bench.tell_with(&token, "user/convert_to_openid", "{").await;
    assert_eq!(code(&broken), 41009, "broken JSON has no fields");
}

#[tokio::test]
async fn departments_are_those_in_range() {
    let bench = Bench::demo().await;
    let list = async |app, query: &str| bench.ask(app, "department/list", query).await;
    let all = list(YOUXIAO, "").await;
    assert_eq!(column(&all["department"], "id"), [2, 3, 4, 5]);
    assert_eq!(column(&list(KAOQIN, "").await["department"], "id"), [4]);
    let two = list(YOUXIAO, "id=2").await;
    assert_eq!(column(&two["department"], "id"), [2, 5]);
    let first = &two["department"][0];
    assert_eq!(first["parentid"], 1);
    assert_eq!(first["department_leader"], json!(["zhangsan"]));
    assert_eq!(first["name_en"], "Department 2");
    assert!(two["department"][1].get("name_en").is_none());
    let brief = bench.ask(YOUXIAO, "department/simplelist", "id=2").await;
    assert_eq!(column(&brief["department_id"], "id"), [2, 5]);
    let fields = brief["department_id"][0].as_object().expect("an object");
    assert_eq!(fields.len(), 3, "id, parentid, order");
    let one = bench.ask(YOUXIAO, "department/get", "id=2").await;
    assert_eq!(&one["department"], first, "an object, no list");
    for path in ["department/list", "department/simplelist", "department/get"] {
        for (query, expected) in [("id=1", 60011), ("id=77", 60003), ("id=x", 60123)] {
            let answer = bench.ask(YOUXIAO, path, query).await;
            assert_eq!(code(&answer), expected, "{path} {query}");
        }
    }
    assert_eq!(code(&bench.ask(YOUXIAO, "department/get", "").await), 60123);
}

#[tokio::test]
async fn tags_are_all_listed_and_filled_with_those_in_range() {
    let bench = Bench::demo().await;
    let list = bench.ask(KAOQIN, "tag/list", "").await;
    assert_eq!(column(&list["taglist"], "tagid"), [1, 2, 3, 4]);
    let get = async |app, query: &str| bench.ask(app, "tag/get", query).await;
    let tag = get(YOUXIAO, "tagid=2").await;
    assert_eq!(tag["tagname"], "羽毛球");
    assert_eq!(column(&tag["userlist"], "userid"), ["wangwu", "HanMeimei"]);
    assert_eq!(tag["partylist"], json!([4]));
    assert_eq!(get(KAOQIN, "tagid=2").await["userlist"], json!([]));
    assert_eq!(get(YOUXIAO, "tagid=4").await["partylist"], json!([]));
    for (query, expected) in [("", 41017), ("tagid=9", 40068), ("tagid=x", 40068)] {
        assert_eq!(code(&get(YOUXIAO, query).await), expected, "{query}");
    }
}
