//! What is done to messages that were sent: recalls, updates of cards, counts.

use super::card::template_card;
use super::content::known;
use super::message::recipients;
use crate::grpc::pb;
use crate::wecom::Violation;
use crate::wecom::check::{Checker, Path};
use crate::wecom::message::{
    AppStatistics, CardChange, CardTarget, CardUpdate, Day, GetStatistics, Recall, Statistics,
    TaskCardUpdate, Updated,
};

/// A recall that breaks no rule.
pub(in crate::grpc) fn recall(request: pb::RecallMessageRequest) -> Result<Recall, Vec<Violation>> {
    let recall = Recall {
        message_id: request.message_id,
    };
    none(recall.check()).map(|()| recall)
}

/// The update of a card that a request asks for; its rules are still to be checked,
/// by [`CardUpdate::check`]. A request that cannot be converted gets the violations
/// of those rules too, so that the caller mends everything in one go.
pub(in crate::grpc) fn card_update(
    request: pb::UpdateTemplateCardRequest,
) -> Result<CardUpdate, Vec<Violation>> {
    let mut found = Checker::default();
    let target = CardTarget {
        recipients: recipients(request.recipients.unwrap_or_default()),
        response_code: request.response_code,
    };
    let Some(change) = card_change(request.update, &mut found) else {
        target.check(&Path::ROOT, &mut found);
        return Err(found.into_violations());
    };
    let update = CardUpdate {
        target,
        change,
        replace_text: request.replace_text,
        translate_ids: request.translate_ids,
    };
    let mut violations = found.into_violations();
    if violations.is_empty() {
        return Ok(update);
    }
    violations.extend(update.check());
    Err(violations)
}

/// What becomes of the card. None, with a violation, when that was not said.
fn card_change(
    change: Option<pb::update_template_card_request::Update>,
    found: &mut Checker,
) -> Option<CardChange> {
    use pb::update_template_card_request::Update;
    match change {
        None => {
            found.add(
                &Path::ROOT.field("update"),
                format_args!("required: button_text or template_card"),
            );
            None
        }
        Some(Update::ButtonText(text)) => Some(CardChange::GreyOut(text)),
        Some(Update::TemplateCard(card)) => {
            template_card(&Path::ROOT.field("template_card"), card, found).map(CardChange::Replace)
        }
    }
}

/// An update of a legacy task card, sent by the app `agent_id`, that breaks no rule.
pub(in crate::grpc) fn task_card_update(
    request: pb::UpdateTaskCardRequest,
    agent_id: u32,
) -> Result<TaskCardUpdate, Vec<Violation>> {
    let update = TaskCardUpdate {
        user_ids: request.user_ids,
        agent_id,
        task_id: request.task_id,
        replace_name: request.replace_name,
        clicked_key: request.clicked_key,
    };
    none(update.check()).map(|()| update)
}

/// The answer to an update of a template card.
pub(in crate::grpc) fn card_updated(updated: Updated) -> pb::UpdateTemplateCardResponse {
    let Updated { invalid_user_ids } = updated;
    pb::UpdateTemplateCardResponse { invalid_user_ids }
}

/// The answer to an update of a task card.
pub(in crate::grpc) fn task_card_updated(updated: Updated) -> pb::UpdateTaskCardResponse {
    let Updated { invalid_user_ids } = updated;
    pb::UpdateTaskCardResponse { invalid_user_ids }
}

/// The day that is asked for.
pub(in crate::grpc) fn get_statistics(
    request: pb::GetSendStatisticsRequest,
) -> Result<GetStatistics, Vec<Violation>> {
    use pb::StatisticsDay::{Today, Unspecified, Yesterday};
    let mut found = Checker::default();
    let day = match known(&Path::ROOT.field("day"), request.day, &mut found) {
        None | Some(Unspecified | Today) => Day::Today,
        Some(Yesterday) => Day::Yesterday,
    };
    none(found.into_violations()).map(|()| GetStatistics { day })
}

/// WeCom's counts.
pub(in crate::grpc) fn statistics(statistics: Statistics) -> pb::GetSendStatisticsResponse {
    let apps = statistics.apps.into_iter();
    let statistics = apps.map(|app| {
        let AppStatistics {
            agent_id,
            app_name,
            count,
        } = app;
        pb::SendStatistics {
            agent_id,
            app_name,
            count,
        }
    });
    pb::GetSendStatisticsResponse {
        statistics: statistics.collect(),
    }
}

fn none(violations: Vec<Violation>) -> Result<(), Vec<Violation>> {
    match violations.is_empty() {
        true => Ok(()),
        false => Err(violations),
    }
}

#[cfg(test)]
mod tests;
