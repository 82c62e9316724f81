//! Bytes as WeCom's answers.

use prost::Message;
use serde_json::Value as Json;

use crate::grpc::{convert, pb};
use crate::wecom::message::{Sent, Statistics, Updated};
use crate::wecom::raw::redact;
use crate::wecom::{Call, app_chat, auth, fuzzing, media, user};

/// The first byte chooses one of WeCom's calls, the others are its answer.
pub fn answer(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    match kind % 17 {
        0 => {
            if let Some(mut sent) = fuzzing::answer::<Sent>(body) {
                let recipients = convert::message::recipients(pb::Recipients {
                    user_ids: vec!["ZhangSan".into()],
                    ..Default::default()
                });
                sent.in_the_spelling_of(&recipients);
                encode(&convert::message::sent(sent));
            }
        }
        1 => reply::<user::Get>(body, |it| encode(&convert::user::user(it))),
        2 => encode(&convert::user::users(fuzzing::members(body))),
        3 => reply::<user::ByMobile>(body, |it| drop(it.user_id)),
        4 => reply::<user::ToOpenId>(body, |it| drop(it.open_id)),
        5 => {
            if let Some(page) = fuzzing::answer::<user::IdPage>(body) {
                encode(&convert::user::id_page(page));
            }
        }
        6 => reply::<user::DepartmentList>(body, |it| {
            let list = it.departments.into_iter();
            list.for_each(|it| encode(&convert::user::department(it)));
        }),
        7 => reply::<user::DepartmentListBrief>(body, |it| {
            let list = it.departments.into_iter();
            list.for_each(|it| encode(&convert::user::department(it)));
        }),
        8 => reply::<user::GetDepartment>(body, |it| {
            encode(&convert::user::department(it.department));
        }),
        9 => reply::<user::ListTags>(body, |it| {
            it.tags
                .into_iter()
                .for_each(|it| encode(&convert::user::tag(it)));
        }),
        10 => reply::<user::GetTag>(body, |it| encode(&convert::user::tag_holders(1, it))),
        11 => {
            if let Some(chat) = fuzzing::answer::<<app_chat::Get as Call>::Reply>(body) {
                let get = app_chat::Get {
                    chat_id: "c1".into(),
                };
                encode(&convert::app_chat::got(&get, chat.chat));
            }
            drop(fuzzing::answer::<app_chat::Made>(body));
        }
        12 => reply::<auth::GetUserInfo>(body, drop),
        13 => {
            if let Some(uploaded) = fuzzing::answer::<media::Uploaded>(body) {
                encode(&convert::media::uploaded(&uploaded, false));
            }
        }
        14 => {
            if let Some(statistics) = fuzzing::answer::<Statistics>(body) {
                encode(&convert::update::statistics(statistics));
            }
        }
        15 => {
            if let Some(updated) = fuzzing::answer::<Updated>(body) {
                encode(&convert::update::card_updated(updated));
            }
        }
        _ => {
            if let Some(mut answer) = fuzzing::answer::<Json>(body) {
                redact(&mut answer);
            }
        }
    }
}

fn reply<C: Call>(body: &[u8], good: impl FnOnce(C::Reply)) {
    if let Some(reply) = fuzzing::answer::<C::Reply>(body) {
        good(reply);
    }
}

fn encode(message: &impl Message) {
    drop(message.encode_to_vec());
}
