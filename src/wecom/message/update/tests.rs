use serde_json::{Value, json};

use super::*;
use crate::wecom::content::card::*;

const AGENT_ID: u32 = 1_000_002;

fn update(change: CardChange) -> CardUpdate {
    CardUpdate {
        target: CardTarget {
            recipients: Recipients {
                user_ids: vec!["ZhangSan".into(), "lisi".into()],
                ..Recipients::default()
            },
            response_code: "code-1".into(),
        },
        change,
        replace_text: String::new(),
        translate_ids: None,
    }
}

fn grey_out() -> CardUpdate {
    update(CardChange::GreyOut("已处理".into()))
}

fn buttons() -> ButtonInteractionCard {
    ButtonInteractionCard {
        task_id: "task-1".into(),
        main_title: Some(CardMainTitle {
            title: "打印机缺纸".into(),
            ..CardMainTitle::default()
        }),
        buttons: vec![CardButton {
            text: "好".into(),
            key: "ok".into(),
            ..CardButton::default()
        }],
        ..ButtonInteractionCard::default()
    }
}

fn replace(card: ButtonInteractionCard) -> CardUpdate {
    update(CardChange::Replace(TemplateCard::ButtonInteraction(card)))
}

fn notice() -> CardUpdate {
    update(CardChange::Replace(TemplateCard::TextNotice(
        TextNoticeCard {
            action_menu: Some(CardActionMenu {
                actions: vec![CardMenuAction {
                    text: "不再提醒".into(),
                    key: "mute".into(),
                }],
                ..CardActionMenu::default()
            }),
            sub_title_text: "已加纸".into(),
            card_action: Some(CardAction {
                link_type: Some(CardLinkType::Url),
                url: "https://example.com/".into(),
                ..CardAction::default()
            }),
            ..TextNoticeCard::default()
        },
    )))
}

fn fields(violations: Vec<Violation>) -> Vec<String> {
    violations.into_iter().map(|found| found.field).collect()
}

fn body(update: CardUpdate) -> Value {
    let rendered = RenderedCardUpdate::new(update, AGENT_ID).expect("no inline media");
    serde_json::from_slice(&rendered.body).expect("JSON")
}

#[test]
fn both_forms_pass_and_a_replacement_needs_no_task_id() {
    let mut without = buttons();
    without.task_id.clear();
    for update in [grey_out(), replace(buttons()), replace(without), notice()] {
        assert_eq!(update.check(), [], "{update:?}");
    }
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let mut update = grey_out();
    update.target.recipients = Recipients::default();
    update.target.response_code = "a b".into();
    update.change = CardChange::GreyOut(String::new());
    update.replace_text = "x".into();
    update.translate_ids = Some(true);
    assert_eq!(
        fields(update.check()),
        [
            "recipients",
            "response_code",
            "button_text",
            "replace_text",
            "translate_ids"
        ]
    );
    let mut card = buttons();
    card.buttons.clear();
    assert_eq!(
        fields(replace(card).check()),
        ["template_card.button_interaction.buttons"]
    );
}

#[test]
fn only_cards_with_buttons_show_a_replaced_text() {
    let mut update = replace(buttons());
    update.replace_text = "已处理".into();
    assert_eq!(update.check(), []);
    update.change = notice().change;
    assert_eq!(fields(update.check()), ["replace_text"]);
}

#[test]
fn members_go_out_in_arrays_and_everyone_as_a_switch() {
    assert_eq!(
        body(grey_out()),
        json!({
            "userids": ["ZhangSan", "lisi"], "agentid": AGENT_ID, "response_code": "code-1",
            "button": {"replace_name": "已处理"},
        })
    );
    let mut update = grey_out();
    update.target.recipients = Recipients {
        everyone: true,
        ..Recipients::default()
    };
    assert_eq!(
        body(update),
        json!({
            "atall": 1, "agentid": AGENT_ID, "response_code": "code-1",
            "button": {"replace_name": "已处理"},
        })
    );
}

#[test]
fn a_replacement_is_sent_without_its_task_id() {
    let mut update = replace(buttons());
    update.replace_text = "已处理".into();
    update.translate_ids = Some(true);
    let body = body(update);
    assert_eq!(body["enable_id_trans"], 1);
    assert_eq!(
        body["template_card"],
        json!({
            "card_type": "button_interaction", "main_title": {"title": "打印机缺纸"},
            "button_list": [{"text": "好", "key": "ok"}], "replace_text": "已处理",
        })
    );
}

#[test]
fn bytes_in_a_replacement_are_found_and_never_rendered() {
    let mut card = buttons();
    card.horizontal_contents = vec![CardHorizontalContent {
        media: Some(Media::Inline {
            data: (&b"123456"[..]).into(),
            file_name: "a.txt".into(),
        }),
        ..CardHorizontalContent::default()
    }];
    let mut update = replace(card);
    let types: Vec<MediaType> = update
        .inline_media()
        .map(|(media_type, _)| media_type)
        .collect();
    assert_eq!(types, [MediaType::File]);
    assert!(RenderedCardUpdate::new(update, AGENT_ID).is_err());
    assert_eq!(grey_out().inline_media().count(), 0);
}

#[test]
fn ids_return_in_the_callers_spelling() {
    let answer = r#"{"errcode":0,"errmsg":"ok","invaliduser":["zhangsan","stranger"]}"#;
    let mut updated: Updated = serde_json::from_str(answer).expect("an answer of WeCom");
    let rendered = RenderedCardUpdate::new(grey_out(), AGENT_ID).expect("no inline media");
    rendered.spell(&mut updated);
    assert_eq!(updated.invalid_user_ids, ["ZhangSan", "stranger"]);
    for nobody in [r#"{"errcode":0}"#, r#"{"invaliduser":[]}"#] {
        let updated: Updated = serde_json::from_str(nobody).expect("an answer of WeCom");
        assert_eq!(updated, Updated::default());
    }
}

#[test]
fn a_task_card_names_its_members_and_one_of_two_texts() {
    let good = TaskCardUpdate {
        user_ids: vec!["zhangsan".into()],
        agent_id: AGENT_ID,
        task_id: "task-1".into(),
        replace_name: "六个汉字正好".into(),
        clicked_key: String::new(),
    };
    assert_eq!(good.replace_name.len(), 18);
    assert_eq!(good.check(), []);
    let bad = TaskCardUpdate {
        user_ids: vec![],
        task_id: "a b".into(),
        replace_name: "七个汉字就太长".into(),
        clicked_key: "。".into(),
        ..good.clone()
    };
    assert_eq!(
        fields(bad.check()),
        ["user_ids", "task_id", "replace_name", "clicked_key"]
    );
    let neither = TaskCardUpdate {
        replace_name: String::new(),
        ..good.clone()
    };
    assert_eq!(fields(neither.check()), ["replace_name"]);
    let twice = TaskCardUpdate {
        user_ids: vec!["LiSi".into(), "lisi".into()],
        ..good
    };
    assert_eq!(fields(twice.check()), ["user_ids[1]"]);
}
