//! States work once, codes are asked for once, ended sessions stay ended.

use super::{NOW, engines, values};
use crate::store::logins::{
    Bring, BroughtCode, Digest, LOGIN_ANSWER_LIFE, LOGIN_CODE_LIFE, LOGIN_STATE_LIFE,
};

const STATE: Digest = [1; 32];
const OTHER_STATE: Digest = [2; 32];
const CODE: Digest = [3; 32];
const OTHER_CODE: Digest = [4; 32];
const STATE_LIFE: i64 = LOGIN_STATE_LIFE.as_millis() as i64;
const ANSWER_LIFE: i64 = LOGIN_ANSWER_LIFE.as_millis() as i64;
const CODE_LIFE: i64 = LOGIN_CODE_LIFE.as_millis() as i64;

fn brought() -> BroughtCode<'static> {
    BroughtCode {
        code: &CODE,
        state: &STATE,
        app: "youxiao",
        caller: "portal",
        state_is_required: true,
    }
}

#[tokio::test]
async fn state_works_once_for_its_app_and_caller_until_it_ends() {
    for (store, _folder) in engines().await {
        let bring = |brought, now| {
            let store = store.clone();
            async move { store.bring_login_code(brought, now).await.unwrap() }
        };
        assert_eq!(bring(brought(), NOW).await, Bring::StateRefused, "unknown");
        assert!(
            store
                .add_login_state(&STATE, "youxiao", "portal", NOW)
                .await
                .unwrap()
        );
        for (what, wrong) in [
            (
                "app",
                BroughtCode {
                    app: "kaoqin",
                    ..brought()
                },
            ),
            (
                "caller",
                BroughtCode {
                    caller: "wiki",
                    ..brought()
                },
            ),
            (
                "state",
                BroughtCode {
                    state: &OTHER_STATE,
                    ..brought()
                },
            ),
        ] {
            assert_eq!(bring(wrong, NOW).await, Bring::StateRefused, "{what}");
        }
        assert_eq!(
            bring(brought(), NOW + STATE_LIFE).await,
            Bring::StateRefused,
            "ended"
        );
        assert_eq!(bring(brought(), NOW + STATE_LIFE - 1).await, Bring::New);
        let again = BroughtCode {
            code: &OTHER_CODE,
            ..brought()
        };
        assert_eq!(bring(again, NOW + 1).await, Bring::StateRefused, "used");
        let anyway = BroughtCode {
            state_is_required: false,
            ..again
        };
        assert_eq!(bring(anyway, NOW + 1).await, Bring::New);
    }
}

#[tokio::test]
async fn state_that_waits_is_not_given_to_another() {
    for (store, _folder) in engines().await {
        let add = |app: &'static str, caller: &'static str, now| {
            let store = store.clone();
            async move {
                store
                    .add_login_state(&STATE, app, caller, now)
                    .await
                    .unwrap()
            }
        };
        assert!(add("youxiao", "portal", NOW).await);
        assert!(!add("youxiao", "wiki", NOW).await);
        assert!(!add("kaoqin", "portal", NOW).await);
        assert!(
            add("youxiao", "portal", NOW + 1).await,
            "the same waits anew"
        );
        assert!(!add("youxiao", "wiki", NOW + STATE_LIFE).await);
        assert!(
            add("youxiao", "wiki", NOW + 1 + STATE_LIFE).await,
            "it has ended"
        );
    }
}

#[tokio::test]
async fn code_is_new_once_and_its_answer_is_for_who_brought_it() {
    for (store, _folder) in engines().await {
        store
            .add_login_state(&STATE, "youxiao", "portal", NOW)
            .await
            .unwrap();
        let bring = |brought, now| {
            let store = store.clone();
            async move { store.bring_login_code(brought, now).await.unwrap() }
        };
        assert_eq!(bring(brought(), NOW).await, Bring::New);
        assert_eq!(bring(brought(), NOW).await, Bring::Unanswered);
        store.keep_login_answer(&CODE, b"first").await.unwrap();
        store.keep_login_answer(&CODE, b"answer").await.unwrap();
        let kept = Bring::Answered(b"answer".to_vec());
        assert_eq!(bring(brought(), NOW + ANSWER_LIFE - 1).await, kept);
        for (what, wrong) in [
            (
                "app",
                BroughtCode {
                    app: "kaoqin",
                    ..brought()
                },
            ),
            (
                "caller",
                BroughtCode {
                    caller: "wiki",
                    ..brought()
                },
            ),
            (
                "state",
                BroughtCode {
                    state: &OTHER_STATE,
                    ..brought()
                },
            ),
        ] {
            assert_eq!(bring(wrong, NOW).await, Bring::Used, "{what}");
        }
        assert_eq!(
            bring(brought(), NOW + ANSWER_LIFE).await,
            Bring::Used,
            "too late"
        );
    }
}

#[tokio::test]
async fn released_code_may_be_brought_again_with_its_state() {
    for (store, _folder) in engines().await {
        store
            .add_login_state(&STATE, "youxiao", "portal", NOW)
            .await
            .unwrap();
        assert_eq!(
            store.bring_login_code(brought(), NOW).await.unwrap(),
            Bring::New
        );
        store.release_login_code(brought(), NOW).await.unwrap();
        assert_eq!(
            store.bring_login_code(brought(), NOW).await.unwrap(),
            Bring::New
        );
        store.keep_login_answer(&CODE, b"answer").await.unwrap();
        store.release_login_code(brought(), NOW).await.unwrap();
        let kept = store.bring_login_code(brought(), NOW).await.unwrap();
        assert_eq!(
            kept,
            Bring::Answered(b"answer".to_vec()),
            "it was asked for"
        );
    }
}

#[tokio::test]
async fn racing_drivers_get_one_new_code() {
    for (store, _folder) in engines().await {
        store
            .add_login_state(&STATE, "youxiao", "portal", NOW)
            .await
            .unwrap();
        let races = (0..32).map(|_| store.bring_login_code(brought(), NOW));
        let brought = futures_util::future::try_join_all(races).await.unwrap();
        let new = brought.iter().filter(|bring| **bring == Bring::New).count();
        let unanswered = brought
            .iter()
            .filter(|bring| **bring == Bring::Unanswered)
            .count();
        assert_eq!((new, unanswered), (1, 31));
    }
}

#[tokio::test]
async fn ended_session_stays_ended_until_its_time() {
    for (store, _folder) in engines().await {
        let id = [7; 16];
        assert!(!store.session_is_revoked(&id).await.unwrap());
        store.revoke_session(&id, NOW + 10).await.unwrap();
        store.revoke_session(&id, NOW + 99).await.unwrap();
        assert!(store.session_is_revoked(&id).await.unwrap());
        assert!(!store.session_is_revoked(&[8; 16]).await.unwrap());
        assert_eq!(store.expire_logins(NOW + 9).await.unwrap(), 0);
        assert_eq!(store.expire_logins(NOW + 10).await.unwrap(), 1);
        assert!(!store.session_is_revoked(&id).await.unwrap());
    }
}

#[tokio::test]
async fn sweep_removes_what_is_over_and_nothing_else() {
    for (store, _folder) in engines().await {
        store
            .add_login_state(&STATE, "youxiao", "portal", NOW)
            .await
            .unwrap();
        store
            .add_login_state(&OTHER_STATE, "youxiao", "portal", NOW + 1)
            .await
            .unwrap();
        store.bring_login_code(brought(), NOW).await.unwrap();
        store.keep_login_answer(&CODE, b"answer").await.unwrap();
        assert_eq!(store.expire_logins(NOW + ANSWER_LIFE - 1).await.unwrap(), 0);
        assert_eq!(
            store.expire_logins(NOW + ANSWER_LIFE).await.unwrap(),
            1,
            "the answer"
        );
        let used = store
            .bring_login_code(brought(), NOW + CODE_LIFE - 1)
            .await
            .unwrap();
        assert_eq!(used, Bring::Used, "the code is remembered");
        assert_eq!(
            store.expire_logins(NOW + CODE_LIFE - 1).await.unwrap(),
            1,
            "a state"
        );
        assert_eq!(
            store.expire_logins(NOW + CODE_LIFE).await.unwrap(),
            1,
            "the code"
        );
    }
}

#[tokio::test]
async fn thousands_of_rows_are_swept_in_rounds() {
    for (store, _folder) in engines().await {
        for number in 0_u32..1500 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let sql = "INSERT INTO revoked_sessions (session_id, expires_at) VALUES ($1, $2)";
            let mut session = store.write("test").await.unwrap();
            session
                .execute(sql, &values![id.as_slice(), NOW])
                .await
                .unwrap();
        }
        assert_eq!(store.expire_logins(NOW).await.unwrap(), 1500);
    }
}
