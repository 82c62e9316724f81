//! The five template cards (模板卡片), each broken rule with its own errcode.
//!
//! Source: <https://developer.work.weixin.qq.com/document/path/90236> (read 2026-02),
//! the codes 42027–42051 from <https://developer.work.weixin.qq.com/document/path/90313>.
//! Widths in characters are advice for looks there, and are not checked.

use std::collections::HashSet;

use super::content::{Sheet, link};
use super::fields::{Fields, bounded, number, object, objects, required, text};
use crate::sandbox::answer::{Refusal, Verdict};
use crate::sandbox::media::Kind;

/// Longest key of a button, menu item or question, in bytes.
const MAX_KEY: usize = 1024;
/// Longest id of an option, in bytes.
const MAX_OPTION_ID: usize = 128;
const MAX_MENU_ITEMS: usize = 3;
const MAX_HORIZONTAL: usize = 6;
const MAX_VERTICAL: usize = 4;
const MAX_JUMPS: usize = 3;
const MAX_BUTTONS: usize = 6;
const MAX_CHECKBOX_OPTIONS: usize = 20;
const MAX_SELECT_OPTIONS: usize = 10;
const MAX_SELECTS: usize = 3;
/// Bounds of a cover's width to its height; the lower one is also the default.
const ASPECT_RATIO: std::ops::RangeInclusive<f64> = 1.3..=2.25;

#[derive(Clone, Copy, PartialEq, Eq)]
enum CardType {
    Text,
    News,
    Button,
    Vote,
    Multiple,
}

impl CardType {
    fn parse(name: &str) -> Verdict<Self> {
        match name {
            "text_notice" => Ok(Self::Text),
            "news_notice" => Ok(Self::News),
            "button_interaction" => Ok(Self::Button),
            "vote_interaction" => Ok(Self::Vote),
            "multiple_interaction" => Ok(Self::Multiple),
            _ => Err(Refusal::new(42031, "invalid card_type")),
        }
    }
}

/// Checks a card. Blocks that do not belong to its type are not looked at.
pub(super) fn check(sheet: &mut Sheet<'_>, card: &Fields) -> Verdict {
    use CardType::{Button, Multiple, News, Text, Vote};
    let kind = CardType::parse(text(card, "card_type"))?;
    let has_menu = matches!(kind, Text | News | Button) && card.contains_key("action_menu");
    sheet.answers_back = has_menu || matches!(kind, Button | Vote | Multiple);
    if sheet.answers_back {
        sheet.needs_callback()?;
    }
    if sheet.answers_back && !sheet.replaces {
        sheet.take_task_id(card)?;
    }
    if has_menu {
        action_menu(card)?;
    }
    title(kind, card)?;
    if matches!(kind, Text | News | Button) {
        if let Some(quote) = object(card, "quote_area") {
            link(quote, 42028, 42030)?;
        }
        horizontal(sheet, card)?;
        card_action(kind, card)?;
    }
    match kind {
        Text => jumps(card),
        News => covers(card).and_then(|()| jumps(card)),
        Button => buttons(card),
        Vote => checkbox(card).and_then(|()| submit_button(sheet, card)),
        Multiple => selects(card).and_then(|()| submit_button(sheet, card)),
    }
}

/// A list that must hold 1 to `limit` objects.
fn some<'a>(
    fields: &'a Fields,
    name: &str,
    limit: usize,
    code: i64,
    words: &str,
) -> Verdict<Vec<&'a Fields>> {
    let list = objects(fields, name);
    match list.len() {
        count if (1..=limit).contains(&count) => Ok(list),
        _ => Err(Refusal::new(code, words)),
    }
}

/// A list that may hold up to `limit` objects.
fn few<'a>(fields: &'a Fields, name: &str, limit: usize, code: i64) -> Verdict<Vec<&'a Fields>> {
    let list = objects(fields, name);
    match list.len() > limit {
        true => Err(Refusal::new(code, format!("invalid {name} length"))),
        false => Ok(list),
    }
}

fn action_menu(card: &Fields) -> Verdict {
    let none = Fields::new();
    let menu = object(card, "action_menu").unwrap_or(&none);
    let items = objects(menu, "action_list");
    if !(1..=MAX_MENU_ITEMS).contains(&items.len()) {
        return Err(Refusal::bad("action_menu.action_list length."));
    }
    let mut keys = HashSet::new();
    for item in items {
        required(item, "text", 42038, "invalid button text")?;
        let key = bounded(item, "key", MAX_KEY, 42039, "invalid button key")?;
        if !keys.insert(key) {
            return Err(Refusal::new(42051, "duplicate action key"));
        }
    }
    Ok(())
}

fn title(kind: CardType, card: &Fields) -> Verdict {
    let title = object(card, "main_title").map_or("", |main| text(main, "title"));
    let subtitle = match kind {
        CardType::Text => text(card, "sub_title_text"),
        _ => "",
    };
    match title.is_empty() && subtitle.is_empty() {
        true => Err(Refusal::new(42033, "invalid title")),
        false => Ok(()),
    }
}

fn horizontal(sheet: &Sheet<'_>, card: &Fields) -> Verdict {
    for row in few(card, "horizontal_content_list", MAX_HORIZONTAL, 42035)? {
        required(row, "keyname", 42027, "invalid keyname")?;
        match number(row, "type") {
            0 => {}
            1 => drop(required(row, "url", 42028, "invalid url")?),
            2 if sheet.has_media(text(row, "media_id"), Kind::File) => {}
            2 => return Err(Refusal::new(42029, "invalid media_id")),
            3 => drop(required(row, "userid", 42050, "invalid userid")?),
            _ => return Err(Refusal::bad("horizontal_content_list.type out of range.")),
        }
    }
    Ok(())
}

fn card_action(kind: CardType, card: &Fields) -> Verdict {
    let none = Fields::new();
    let action = object(card, "card_action").unwrap_or(&none);
    let words = "invalid card_action";
    match number(action, "type") {
        0 if kind == CardType::Button => Ok(()),
        1 => required(action, "url", 42045, words).map(drop),
        2 => required(action, "appid", 42045, words).map(drop),
        _ => Err(Refusal::new(42045, words)),
    }
}

fn jumps(card: &Fields) -> Verdict {
    for jump in few(card, "jump_list", MAX_JUMPS, 42042)? {
        required(jump, "title", 42033, "invalid title")?;
        link(jump, 42028, 42030)?;
    }
    Ok(())
}

/// A news_notice needs a cover or a picture beside text.
fn covers(card: &Fields) -> Verdict {
    let cover = object(card, "card_image");
    let beside = object(card, "image_text_area");
    if let Some(cover) = cover {
        required(cover, "url", 42044, "invalid card_image.url")?;
        let ratio = cover.get("aspect_ratio").and_then(|ratio| ratio.as_f64());
        if ratio.is_some_and(|ratio| !ASPECT_RATIO.contains(&ratio)) {
            return Err(Refusal::bad("card_image.aspect_ratio out of range."));
        }
    }
    if let Some(beside) = beside {
        required(
            beside,
            "image_url",
            40058,
            "image_text_area.image_url empty.",
        )?;
        link(beside, 42028, 42030)?;
    }
    if cover.is_none() && beside.is_none() {
        return Err(Refusal::new(42044, "invalid card_image.url"));
    }
    for row in few(card, "vertical_content_list", MAX_VERTICAL, 42036)? {
        required(row, "title", 42033, "invalid title")?;
    }
    Ok(())
}

fn buttons(card: &Fields) -> Verdict {
    if let Some(selection) = object(card, "button_selection") {
        question_key(selection)?;
        options(selection, MAX_SELECT_OPTIONS)?;
    }
    let buttons = objects(card, "button_list");
    if !(1..=MAX_BUTTONS).contains(&buttons.len()) {
        return Err(Refusal::bad("button_list length."));
    }
    let mut keys = HashSet::new();
    for button in buttons {
        required(button, "text", 42038, "invalid button text")?;
        if number(button, "type") == 1 {
            required(button, "url", 42028, "invalid url")?;
            continue;
        }
        let key = bounded(button, "key", MAX_KEY, 42039, "invalid button key")?;
        if !keys.insert(key) {
            return Err(Refusal::new(42039, "invalid button key"));
        }
    }
    Ok(())
}

fn checkbox(card: &Fields) -> Verdict {
    let none = Fields::new();
    let checkbox = object(card, "checkbox").unwrap_or(&none);
    question_key(checkbox)?;
    if !(0..=1).contains(&number(checkbox, "mode")) {
        return Err(Refusal::bad("checkbox.mode out of range."));
    }
    options(checkbox, MAX_CHECKBOX_OPTIONS)
}

fn selects(card: &Fields) -> Verdict {
    let words = "invalid select_list length";
    let mut keys = HashSet::new();
    for select in some(card, "select_list", MAX_SELECTS, 42047, words)? {
        if !keys.insert(question_key(select)?) {
            return Err(Refusal::new(42043, "invalid question_key"));
        }
        options(select, MAX_SELECT_OPTIONS)?;
    }
    Ok(())
}

fn question_key(fields: &Fields) -> Verdict<&str> {
    bounded(
        fields,
        "question_key",
        MAX_KEY,
        42043,
        "invalid question_key",
    )
}

fn options(fields: &Fields, limit: usize) -> Verdict {
    let mut ids = HashSet::new();
    let words = "invalid option_list length";
    for option in some(fields, "option_list", limit, 42037, words)? {
        let id = bounded(option, "id", MAX_OPTION_ID, 42040, "invalid option id")?;
        if !ids.insert(id) {
            return Err(Refusal::new(42040, "invalid option id"));
        }
        required(option, "text", 42041, "invalid option text")?;
    }
    Ok(())
}

/// Only a replacement may do without.
fn submit_button(sheet: &Sheet<'_>, card: &Fields) -> Verdict {
    if sheet.replaces && !card.contains_key("submit_button") {
        return Ok(());
    }
    let none = Fields::new();
    let button = object(card, "submit_button").unwrap_or(&none);
    required(button, "text", 42049, "invalid submit_button text")?;
    bounded(button, "key", MAX_KEY, 42046, "invalid submit_button key").map(drop)
}
