//! Template cards: the contract's to ours.

use super::content::{convert_list, known, media};
use crate::grpc::pb;
use crate::wecom::check::{Checker, Path};
use crate::wecom::content::card::*;

/// The card at `path`. None, with a violation, when no kind was chosen.
pub(super) fn template_card(
    path: &Path<'_>,
    card: pb::TemplateCard,
    found: &mut Checker,
) -> Option<TemplateCard> {
    use pb::template_card::Kind;
    let Some(kind) = card.kind else {
        found.add(path, format_args!("required: exactly one kind of card"));
        return None;
    };
    Some(match kind {
        Kind::TextNotice(card) => {
            TemplateCard::TextNotice(text_notice(&path.field("text_notice"), card, found))
        }
        Kind::NewsNotice(card) => {
            TemplateCard::NewsNotice(news_notice(&path.field("news_notice"), card, found))
        }
        Kind::ButtonInteraction(card) => {
            let card_path = path.field("button_interaction");
            TemplateCard::ButtonInteraction(button_interaction(&card_path, card, found))
        }
        Kind::VoteInteraction(card) => {
            let card_path = path.field("vote_interaction");
            TemplateCard::VoteInteraction(vote_interaction(&card_path, card, found))
        }
        Kind::MultipleInteraction(card) => {
            let card_path = path.field("multiple_interaction");
            TemplateCard::MultipleInteraction(multiple_interaction(&card_path, card, found))
        }
    })
}

fn text_notice(path: &Path<'_>, card: pb::TextNoticeCard, found: &mut Checker) -> TextNoticeCard {
    TextNoticeCard {
        source: source(path, card.source, found),
        action_menu: card.action_menu.map(action_menu),
        task_id: card.task_id,
        main_title: card.main_title.map(main_title),
        quote_area: quote_area(path, card.quote_area, found),
        emphasis_content: card.emphasis_content.map(|content| CardEmphasisContent {
            title: content.title,
            description: content.description,
        }),
        sub_title_text: card.sub_title_text,
        horizontal_contents: horizontal_contents(path, card.horizontal_contents, found),
        jumps: jumps(path, card.jumps, found),
        card_action: card_action(path, card.card_action, found),
    }
}

fn news_notice(path: &Path<'_>, card: pb::NewsNoticeCard, found: &mut Checker) -> NewsNoticeCard {
    NewsNoticeCard {
        source: source(path, card.source, found),
        action_menu: card.action_menu.map(action_menu),
        task_id: card.task_id,
        main_title: card.main_title.map(main_title),
        quote_area: quote_area(path, card.quote_area, found),
        image_text_area: image_text_area(path, card.image_text_area, found),
        card_image: card.card_image.map(|image| CardImage {
            url: image.url,
            aspect_ratio: image.aspect_ratio,
        }),
        vertical_contents: convert_list(card.vertical_contents, |_, content| CardVerticalContent {
            title: content.title,
            description: content.description,
        }),
        horizontal_contents: horizontal_contents(path, card.horizontal_contents, found),
        jumps: jumps(path, card.jumps, found),
        card_action: card_action(path, card.card_action, found),
    }
}

fn button_interaction(
    path: &Path<'_>,
    card: pb::ButtonInteractionCard,
    found: &mut Checker,
) -> ButtonInteractionCard {
    ButtonInteractionCard {
        source: source(path, card.source, found),
        action_menu: card.action_menu.map(action_menu),
        task_id: card.task_id,
        main_title: card.main_title.map(main_title),
        quote_area: quote_area(path, card.quote_area, found),
        sub_title_text: card.sub_title_text,
        horizontal_contents: horizontal_contents(path, card.horizontal_contents, found),
        card_action: card_action(path, card.card_action, found),
        button_selection: card.button_selection.map(selection),
        buttons: buttons(path, card.buttons, found),
    }
}

fn vote_interaction(
    path: &Path<'_>,
    card: pb::VoteInteractionCard,
    found: &mut Checker,
) -> VoteInteractionCard {
    VoteInteractionCard {
        source: source(path, card.source, found),
        task_id: card.task_id,
        main_title: card.main_title.map(main_title),
        checkbox: checkbox(path, card.checkbox, found),
        submit_button: card.submit_button.map(submit_button),
    }
}

fn multiple_interaction(
    path: &Path<'_>,
    card: pb::MultipleInteractionCard,
    found: &mut Checker,
) -> MultipleInteractionCard {
    MultipleInteractionCard {
        source: source(path, card.source, found),
        task_id: card.task_id,
        main_title: card.main_title.map(main_title),
        selections: card.selections.into_iter().map(selection).collect(),
        submit_button: card.submit_button.map(submit_button),
    }
}

fn source(
    card: &Path<'_>,
    source: Option<pb::CardSource>,
    found: &mut Checker,
) -> Option<CardSource> {
    use pb::CardSourceColor as Color;
    let source = source?;
    let color = known(&card.field("source").field("color"), source.color, found);
    Some(CardSource {
        icon_url: source.icon_url,
        description: source.description,
        color: color.and_then(|color| match color {
            Color::Unspecified => None,
            Color::Grey => Some(CardSourceColor::Grey),
            Color::Black => Some(CardSourceColor::Black),
            Color::Red => Some(CardSourceColor::Red),
            Color::Green => Some(CardSourceColor::Green),
        }),
    })
}

fn action_menu(menu: pb::CardActionMenu) -> CardActionMenu {
    let actions = menu.actions.into_iter();
    CardActionMenu {
        description: menu.description,
        actions: actions
            .map(|action| CardMenuAction {
                text: action.text,
                key: action.key,
            })
            .collect(),
    }
}

fn main_title(title: pb::CardMainTitle) -> CardMainTitle {
    CardMainTitle {
        title: title.title,
        description: title.description,
    }
}

/// The type of the link in the part at `path`.
fn link_type(path: &Path<'_>, number: i32, found: &mut Checker) -> Option<CardLinkType> {
    use pb::CardLinkType as LinkType;
    let link_type = known(&path.field("link_type"), number, found)?;
    match link_type {
        LinkType::Unspecified => None,
        LinkType::Url => Some(CardLinkType::Url),
        LinkType::MiniProgram => Some(CardLinkType::MiniProgram),
    }
}

fn quote_area(
    card: &Path<'_>,
    quote: Option<pb::CardQuoteArea>,
    found: &mut Checker,
) -> Option<CardQuoteArea> {
    let quote = quote?;
    Some(CardQuoteArea {
        link_type: link_type(&card.field("quote_area"), quote.link_type, found),
        url: quote.url,
        app_id: quote.app_id,
        page_path: quote.page_path,
        title: quote.title,
        quote_text: quote.quote_text,
    })
}

fn image_text_area(
    card: &Path<'_>,
    area: Option<pb::CardImageTextArea>,
    found: &mut Checker,
) -> Option<CardImageTextArea> {
    let area = area?;
    Some(CardImageTextArea {
        link_type: link_type(&card.field("image_text_area"), area.link_type, found),
        url: area.url,
        app_id: area.app_id,
        page_path: area.page_path,
        title: area.title,
        description: area.description,
        image_url: area.image_url,
    })
}

fn horizontal_contents(
    card: &Path<'_>,
    contents: Vec<pb::CardHorizontalContent>,
    found: &mut Checker,
) -> Vec<CardHorizontalContent> {
    use pb::CardHorizontalContentType as Type;
    let path = card.field("horizontal_contents");
    convert_list(contents, |index, content| {
        let content_type = known(&path.at(index).field("type"), content.r#type, found);
        CardHorizontalContent {
            r#type: content_type.and_then(|content_type| match content_type {
                Type::Unspecified => None,
                Type::Url => Some(CardHorizontalContentType::Url),
                Type::File => Some(CardHorizontalContentType::File),
                Type::User => Some(CardHorizontalContentType::User),
            }),
            key: content.key,
            value: content.value,
            url: content.url,
            media: content.media.map(|file| media(Some(file))),
            user_id: content.user_id,
        }
    })
}

fn jumps(card: &Path<'_>, jumps: Vec<pb::CardJump>, found: &mut Checker) -> Vec<CardJump> {
    let path = card.field("jumps");
    convert_list(jumps, |index, jump| CardJump {
        link_type: link_type(&path.at(index), jump.link_type, found),
        title: jump.title,
        url: jump.url,
        app_id: jump.app_id,
        page_path: jump.page_path,
    })
}

fn card_action(
    card: &Path<'_>,
    action: Option<pb::CardAction>,
    found: &mut Checker,
) -> Option<CardAction> {
    let action = action?;
    Some(CardAction {
        link_type: link_type(&card.field("card_action"), action.link_type, found),
        url: action.url,
        app_id: action.app_id,
        page_path: action.page_path,
    })
}

fn selection(selection: pb::CardSelection) -> CardSelection {
    let options = selection.options.into_iter();
    CardSelection {
        question_key: selection.question_key,
        title: selection.title,
        selected_id: selection.selected_id,
        options: options
            .map(|option| CardOption {
                id: option.id,
                text: option.text,
            })
            .collect(),
        disabled: selection.disabled,
    }
}

fn buttons(card: &Path<'_>, buttons: Vec<pb::CardButton>, found: &mut Checker) -> Vec<CardButton> {
    use pb::CardButtonType as Type;
    let path = card.field("buttons");
    convert_list(buttons, |index, button| {
        let button_type = known(&path.at(index).field("type"), button.r#type, found);
        CardButton {
            r#type: button_type.and_then(|button_type| match button_type {
                Type::Unspecified => None,
                Type::Callback => Some(CardButtonType::Callback),
                Type::Url => Some(CardButtonType::Url),
            }),
            text: button.text,
            style: button.style,
            key: button.key,
            url: button.url,
        }
    })
}

fn checkbox(
    card: &Path<'_>,
    checkbox: Option<pb::CardCheckbox>,
    found: &mut Checker,
) -> Option<CardCheckbox> {
    use pb::CardCheckboxMode as Mode;
    let checkbox = checkbox?;
    let mode = known(&card.field("checkbox").field("mode"), checkbox.mode, found);
    Some(CardCheckbox {
        question_key: checkbox.question_key,
        mode: mode.and_then(|mode| match mode {
            Mode::Unspecified => None,
            Mode::Single => Some(CardCheckboxMode::Single),
            Mode::Multiple => Some(CardCheckboxMode::Multiple),
        }),
        options: convert_list(checkbox.options, |_, option| CardCheckboxOption {
            id: option.id,
            text: option.text,
            checked: option.checked,
        }),
        disabled: checkbox.disabled,
    })
}

fn submit_button(button: pb::CardSubmitButton) -> CardSubmitButton {
    CardSubmitButton {
        text: button.text,
        key: button.key,
    }
}
