use serde_json::{Value, json};

use super::*;

fn ids(list: &[&str]) -> Vec<String> {
    list.iter().map(|id| (*id).to_owned()).collect()
}

fn create() -> Create {
    Create {
        name: "年会筹备".to_owned(),
        owner_user_id: "LiSi".to_owned(),
        user_ids: ids(&["zhangsan", "lisi"]),
        chat_id: "party2026".to_owned(),
    }
}

fn update() -> Update {
    Update {
        chat_id: "party2026".to_owned(),
        name: String::new(),
        owner_user_id: String::new(),
        add_user_ids: ids(&["wangwu"]),
        remove_user_ids: ids(&["ZhangSan"]),
    }
}

fn chat() -> Chat {
    Chat {
        chat_id: "party2026".to_owned(),
        name: "年会筹备".to_owned(),
        owner_user_id: "lisi".to_owned(),
        user_ids: ids(&["LISI", "ZhangSan"]),
        kind: Some(0),
    }
}

fn fields(violations: Vec<Violation>) -> Vec<String> {
    violations.into_iter().map(|found| found.field).collect()
}

fn body(call: &impl Call) -> Value {
    match call.payload() {
        Payload::Json(body) => serde_json::from_slice(&body).expect("JSON"),
        _ => panic!("not JSON"),
    }
}

#[test]
fn what_is_not_asked_for_is_not_sent() {
    let bare = Create {
        name: String::new(),
        owner_user_id: String::new(),
        ..create()
    };
    assert_eq!(bare.check(), []);
    assert_eq!(
        body(&bare),
        json!({"userlist": ["zhangsan", "lisi"], "chatid": "party2026"})
    );
    let bare = Update {
        remove_user_ids: Vec::new(),
        ..update()
    };
    assert_eq!(bare.check(), []);
    assert_eq!(
        body(&bare),
        json!({"chatid": "party2026", "add_user_list": ["wangwu"]})
    );
}

#[test]
fn a_name_is_counted_in_characters() {
    let named = |name: String| Create { name, ..create() };
    assert_eq!(named("字".repeat(50)).check(), []);
    let found = named("字".repeat(51)).check();
    assert_eq!(found[0].description, "51 characters, the limit is 50");
    assert_eq!(fields(found), ["name"]);
}

#[test]
fn a_chat_has_two_to_two_thousand_members() {
    let with = |count: usize| Create {
        owner_user_id: String::new(),
        user_ids: (0..count).map(|number| format!("m{number}")).collect(),
        ..create()
    };
    for (count, good) in [
        (0, false),
        (1, false),
        (2, true),
        (2000, true),
        (2001, false),
    ] {
        let found = fields(with(count).check());
        assert_eq!(found.is_empty(), good, "{count}: {found:?}");
        assert!(found.iter().all(|field| field == "user_ids"));
    }
}

#[test]
fn an_endless_list_is_refused_in_no_time() {
    let members: Vec<String> = (0..500_000).map(|number| format!("m{number}")).collect();
    let endless = Update {
        add_user_ids: members.clone(),
        remove_user_ids: members,
        ..update()
    };
    let found = fields(endless.check());
    assert_eq!(found.len(), 2 + MEMBERS_MAX);
    assert_eq!(found[..2], ["add_user_ids", "remove_user_ids"]);
}

#[test]
fn a_new_chat_id_is_good_and_no_number() {
    for _ in 0..1000 {
        let chat_id = new_chat_id();
        assert_eq!(id::chat_id(&chat_id), Ok(()), "{chat_id}");
        assert_eq!(chat_id.len(), 32);
        assert!(chat_id.parse::<f64>().is_err());
    }
    assert_ne!(new_chat_id(), new_chat_id());
}

#[test]
fn the_chat_asked_for_is_known_by_members_name_and_owner() {
    assert!(create().is_met_by(&chat()));
    let left_to_wecom = Create {
        name: String::new(),
        owner_user_id: String::new(),
        ..create()
    };
    assert!(left_to_wecom.is_met_by(&chat()));
    for other in [
        Chat {
            name: "年会".to_owned(),
            ..chat()
        },
        Chat {
            owner_user_id: "zhangsan".to_owned(),
            ..chat()
        },
        Chat {
            user_ids: ids(&["lisi"]),
            ..chat()
        },
        Chat {
            user_ids: ids(&["lisi", "zhangsan", "wangwu"]),
            ..chat()
        },
        Chat {
            user_ids: ids(&["lisi", "wangwu"]),
            ..chat()
        },
    ] {
        assert!(!create().is_met_by(&other), "{other:?}");
    }
}

#[test]
fn a_change_is_known_by_what_it_leaves() {
    let done = Chat {
        user_ids: ids(&["lisi", "WangWu"]),
        ..chat()
    };
    assert!(update().is_met_by(&done));
    assert!(!update().is_met_by(&chat()));
    let halfway = Chat {
        user_ids: ids(&["lisi", "WangWu", "zhangsan"]),
        ..chat()
    };
    assert!(!update().is_met_by(&halfway));
    let renamed = Update {
        name: "年会".to_owned(),
        ..update()
    };
    assert!(!renamed.is_met_by(&done));
}

#[test]
fn answers_are_read_whatever_they_lack() {
    let old = r#"{"errcode":0,"errmsg":"ok","chat_info":{"chatid":"c","userlist":["a","b"]}}"#;
    let got: Got = serde_json::from_str(old).expect("an answer");
    assert_eq!((got.chat.kind, &*got.chat.owner_user_id), (None, ""));
    let made: Made = serde_json::from_str(r#"{"errcode":0}"#).expect("an answer");
    assert_eq!(made.chat_id, "");
}
