//! What a terminal shows of a job under way: a bar where there is one, lines where not.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::grpc::pb;
use crate::grpc::pb::bulk_event::Event;

/// How far a job is.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template(
            "{wide_bar} {human_pos}/{human_len} · {per_sec} · {eta} left · {msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self {
            bar,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    pub(super) fn show(&self, event: Event) {
        match event {
            Event::Accepted(accepted) => {
                self.bar.set_length(accepted.item_count.into());
                let known = match accepted.existing {
                    true => ", by an earlier upload of the same request id",
                    false => "",
                };
                self.say(&format!(
                    "accepted{known}: {} items in {} calls, {} folded into equal ones",
                    accepted.item_count, accepted.batch_count, accepted.folded_item_count
                ));
            }
            Event::BatchFinished(finished) => {
                let totals = finished.totals.unwrap_or_default();
                self.bar.set_position(total(&totals));
                self.bar.set_message(summary(&totals));
            }
            Event::Paused(paused) => {
                let until = paused.until.map_or_else(
                    || "until someone mends it".to_owned(),
                    |until| {
                        let at = std::time::UNIX_EPOCH
                            + std::time::Duration::from_secs(until.seconds.unsigned_abs());
                        format!("until {}", humantime::format_rfc3339_seconds(at))
                    },
                );
                let reason = paused.reason().as_str_name();
                let reason = reason.trim_start_matches("BULK_PAUSE_REASON_");
                self.say(&format!("paused {until}: {reason}: {}", paused.detail));
            }
            Event::Resumed(_) => self.say("going on"),
            Event::Finished(_) | Event::Heartbeat(_) => {}
        }
    }

    /// A line above the bar.
    pub(super) fn say(&self, line: &str) {
        match self.is_terminal {
            true => self.bar.println(line),
            false => eprintln!("{line}"),
        }
    }

    pub(super) fn close(&self) {
        self.bar.finish_and_clear();
    }
}

fn total(counts: &pb::BulkCounts) -> u64 {
    parts(counts)
        .iter()
        .map(|(count, _)| u64::from(*count))
        .sum()
}

/// The counts that are not zero, for a human.
pub(super) fn summary(counts: &pb::BulkCounts) -> String {
    let parts = parts(counts).into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match parts.is_empty() {
        true => "nothing yet".to_owned(),
        false => parts.join(", "),
    }
}

fn parts(counts: &pb::BulkCounts) -> [(u32, &'static str); 7] {
    [
        (counts.accepted, "accepted"),
        (counts.invalid, "invalid"),
        (counts.unlicensed, "unlicensed"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
        (counts.expired, "expired"),
        (counts.unknown, "unknown"),
    ]
}
