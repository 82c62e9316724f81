//! Rows of MessageService: contents that are cards.

use serde_json::{Value, json};

use super::{Row, a, bad, content, over};

fn card(kind: &str, fields: Value) -> Value {
    content(json!({"template_card": {kind: fields}}))
}

/// A good text notice with some fields replaced.
fn notice(fields: Value) -> Value {
    let notice = json!({
        "main_title": {"title": "Water"},
        "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://intranet.example.com"},
    });
    card("text_notice", over(notice, fields))
}

/// A good card with buttons and some fields replaced.
fn buttons(fields: Value) -> Value {
    let buttons = json!({
        "main_title": {"title": "Lunch"}, "task_id": "lunch-1",
        "buttons": [{"text": "Yes", "key": "yes"}],
    });
    card("button_interaction", over(buttons, fields))
}

fn vote(fields: Value) -> Value {
    let vote = json!({
        "main_title": {"title": "Lunch"}, "task_id": "lunch-1",
        "checkbox": {"question_key": "q", "options": [{"id": "a", "text": "Rice"}]},
        "submit_button": {"text": "Send", "key": "send"},
    });
    card("vote_interaction", over(vote, fields))
}

fn choices(fields: Value) -> Value {
    let choices = json!({
        "main_title": {"title": "Lunch"}, "task_id": "lunch-1",
        "selections": [{"question_key": "q", "options": [{"id": "a", "text": "Rice"}]}],
        "submit_button": {"text": "Send", "key": "send"},
    });
    card("multiple_interaction", over(choices, fields))
}

fn selection(fields: Value) -> Value {
    let selection = json!({"question_key": "q", "options": [{"id": "a", "text": "Rice"}]});
    choices(json!({"selections": [over(selection, fields)]}))
}

fn task(fields: Value) -> Value {
    let task =
        json!({"title": "Leave", "task_id": "leave-1", "buttons": [{"key": "ok", "name": "OK"}]});
    content(json!({"task_card": over(task, fields)}))
}

fn mini(fields: Value) -> Value {
    let mini =
        json!({"app_id": "wx0123456789abcdef", "title": "Room booked", "page": "pages/index"});
    content(json!({"mini_program_notice": over(mini, fields)}))
}

#[rustfmt::skip] // a table
pub(super) fn rows() -> Vec<Row> {
    let option = |id: &str| json!({"id": id, "text": "Rice"});
    let rows: Vec<(Value, &[&'static str])> = vec![
        // Mini-program notice.
        (mini(json!({"app_id": ""})), &["content.mini_program_notice.app_id"]),
        (mini(json!({"title": "abc"})), &["content.mini_program_notice.title"]),
        (mini(json!({"title": a(13)})), &["content.mini_program_notice.title"]),
        (mini(json!({"description": "abc"})), &["content.mini_program_notice.description"]),
        (mini(json!({"page": a(1025)})), &["content.mini_program_notice.page"]),
        (mini(json!({"items": vec![json!({"key": "k", "value": "v"}); 11]})), &["content.mini_program_notice.items"]),
        (mini(json!({"items": [{"key": a(11), "value": a(31)}]})), &["content.mini_program_notice.items[0].key", "content.mini_program_notice.items[0].value"]),
        (mini(json!({"items": [{}]})), &["content.mini_program_notice.items[0]"]),
        (json!({"app": "youxiao", "recipients": {"everyone": true}, "content": {"mini_program_notice": {"app_id": "wx1", "title": "Room booked"}}}), &["recipients.everyone"]),
        // Task card.
        (task(json!({"title": ""})), &["content.task_card.title"]),
        (task(json!({"task_id": ""})), &["content.task_card.task_id"]),
        (task(json!({"task_id": "a b"})), &["content.task_card.task_id"]),
        (task(json!({"task_id": a(129)})), &["content.task_card.task_id"]),
        (task(json!({"buttons": []})), &["content.task_card.buttons"]),
        (task(json!({"buttons": vec![json!({"key": "k", "name": "n"}); 3]})), &["content.task_card.buttons"]),
        (task(json!({"buttons": [{"key": "ok", "name": a(19)}]})), &["content.task_card.buttons[0].name"]),
        (task(json!({"buttons": [{"key": "ok", "name": "OK", "color": 7}]})), &["content.task_card.buttons[0].color"]),
        (task(json!({"url": "intranet"})), &["content.task_card.url"]),
        // Template cards.
        (content(json!({"template_card": {}})), &["content.template_card"]),
        (notice(json!({"main_title": {}})), &["content.template_card.text_notice.main_title.title"]),
        (notice(json!({"card_action": null})), &["content.template_card.text_notice.card_action.link_type"]),
        (notice(json!({"card_action": {}})), &["content.template_card.text_notice.card_action.link_type"]),
        (notice(json!({"card_action": {"link_type": "CARD_LINK_TYPE_URL"}})), &["content.template_card.text_notice.card_action.url"]),
        (notice(json!({"card_action": {"link_type": "CARD_LINK_TYPE_MINI_PROGRAM"}})), &["content.template_card.text_notice.card_action.app_id"]),
        (notice(json!({"quote_area": {"link_type": 9}})), &["content.template_card.text_notice.quote_area.link_type"]),
        (notice(json!({"action_menu": {"actions": [{"text": "Stop", "key": "stop"}]}})), &["content.template_card.text_notice.task_id"]),
        (notice(json!({"task_id": "t", "action_menu": {}})), &["content.template_card.text_notice.action_menu.actions"]),
        (notice(json!({"task_id": "t", "action_menu": {"actions": vec![json!({"text": "a", "key": "k"}); 2]}})), &["content.template_card.text_notice.action_menu.actions[1].key"]),
        (notice(json!({"task_id": "t", "action_menu": {"actions": [{"text": "", "key": ""}]}})), &["content.template_card.text_notice.action_menu.actions[0].text", "content.template_card.text_notice.action_menu.actions[0].key"]),
        (notice(json!({"horizontal_contents": vec![json!({"key": "k"}); 7]})), &["content.template_card.text_notice.horizontal_contents"]),
        (notice(json!({"horizontal_contents": [{}]})), &["content.template_card.text_notice.horizontal_contents[0].key"]),
        (notice(json!({"horizontal_contents": [{"key": "k", "type": "CARD_HORIZONTAL_CONTENT_TYPE_URL"}]})), &["content.template_card.text_notice.horizontal_contents[0].url"]),
        (notice(json!({"horizontal_contents": [{"key": "k", "type": "CARD_HORIZONTAL_CONTENT_TYPE_FILE"}]})), &["content.template_card.text_notice.horizontal_contents[0].media"]),
        (notice(json!({"horizontal_contents": [{"key": "k", "type": "CARD_HORIZONTAL_CONTENT_TYPE_USER"}]})), &["content.template_card.text_notice.horizontal_contents[0].user_id"]),
        (notice(json!({"jumps": vec![json!({"title": "t"}); 4]})), &["content.template_card.text_notice.jumps"]),
        (notice(json!({"jumps": [{"title": "t"}, {}]})), &["content.template_card.text_notice.jumps[1].title"]),
        (notice(json!({"quote_area": {"link_type": "CARD_LINK_TYPE_URL"}})), &["content.template_card.text_notice.quote_area.url"]),
        (notice(json!({"source": {"icon_url": "icon"}})), &["content.template_card.text_notice.source.icon_url"]),
        (card("news_notice", json!({"main_title": {"title": "t"}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}})), &["content.template_card.news_notice.card_image"]),
        (card("news_notice", json!({"main_title": {"title": "t"}, "card_image": {"url": "https://e.com/a.png", "aspect_ratio": 3}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}})), &["content.template_card.news_notice.card_image.aspect_ratio"]),
        (card("news_notice", json!({"main_title": {"title": "t"}, "card_image": {}, "card_action": {"link_type": "CARD_LINK_TYPE_URL", "url": "https://e.com"}, "vertical_contents": vec![json!({"title": "v"}); 5]})), &["content.template_card.news_notice.card_image.url", "content.template_card.news_notice.vertical_contents"]),
        (buttons(json!({"task_id": ""})), &["content.template_card.button_interaction.task_id"]),
        (buttons(json!({"main_title": null})), &["content.template_card.button_interaction.main_title.title"]),
        (buttons(json!({"buttons": []})), &["content.template_card.button_interaction.buttons"]),
        (buttons(json!({"buttons": (0..7).map(|n| json!({"text": "b", "key": n.to_string()})).collect::<Vec<_>>()})), &["content.template_card.button_interaction.buttons"]),
        (buttons(json!({"buttons": [{"text": "b"}]})), &["content.template_card.button_interaction.buttons[0].key"]),
        (buttons(json!({"buttons": [{"text": "b", "key": a(1025)}]})), &["content.template_card.button_interaction.buttons[0].key"]),
        (buttons(json!({"buttons": [{"text": "b", "type": "CARD_BUTTON_TYPE_URL"}]})), &["content.template_card.button_interaction.buttons[0].url"]),
        (buttons(json!({"buttons": [{"text": "b", "key": "k", "style": 5}]})), &["content.template_card.button_interaction.buttons[0].style"]),
        (buttons(json!({"button_selection": {"question_key": "q", "options": []}})), &["content.template_card.button_interaction.button_selection.options"]),
        (vote(json!({"checkbox": null})), &["content.template_card.vote_interaction.checkbox"]),
        (vote(json!({"checkbox": {"question_key": "", "options": [option("a")]}})), &["content.template_card.vote_interaction.checkbox.question_key"]),
        (vote(json!({"checkbox": {"question_key": "q", "options": [option("a"), option("a")]}})), &["content.template_card.vote_interaction.checkbox.options[1].id"]),
        (vote(json!({"checkbox": {"question_key": "q", "options": [option("a")], "disabled": true}})), &["content.template_card.vote_interaction.checkbox.disabled"]),
        (vote(json!({"checkbox": {"question_key": "q", "mode": 5, "options": [option("a")]}})), &["content.template_card.vote_interaction.checkbox.mode"]),
        (vote(json!({"submit_button": null})), &["content.template_card.vote_interaction.submit_button"]),
        (choices(json!({"selections": []})), &["content.template_card.multiple_interaction.selections"]),
        (choices(json!({"submit_button": {"text": "", "key": ""}})), &["content.template_card.multiple_interaction.submit_button.text", "content.template_card.multiple_interaction.submit_button.key"]),
        (selection(json!({"options": (0..11).map(|n| option(&n.to_string())).collect::<Vec<_>>()})), &["content.template_card.multiple_interaction.selections[0].options"]),
        (selection(json!({"options": [option(&a(129))]})), &["content.template_card.multiple_interaction.selections[0].options[0].id"]),
        (selection(json!({"disabled": true})), &["content.template_card.multiple_interaction.selections[0].disabled"]),
    ];
    let rows = rows.into_iter();
    rows.map(|(request, fields)| bad("SendMessage", request, fields)).collect()
}
