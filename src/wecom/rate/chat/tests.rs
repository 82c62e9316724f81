use std::sync::Arc;

use tokio::time::advance;

use super::super::Corp;
use super::*;

const TODAY: Day = Day {
    number: 20_000,
    left: Duration::from_secs(7200),
};
const TOMORROW: Day = Day {
    number: 20_001,
    left: Duration::from_secs(86_400),
};

fn pace() -> Pace {
    Pace::new("youxiao", Arc::default(), None)
}

fn crowd(name: &str, size: usize) -> Vec<String> {
    (0..size).map(|number| format!("{name}{number}")).collect()
}

fn send(pace: &Pace, members: &[String], day: Day) -> Result<Ticket, Held> {
    pace.take_chat(ChatShare::Message(members), day)
}

fn held(result: Result<Ticket, Held>) -> Held {
    result.map(|_| ()).expect_err("a spent limit")
}

/// Used shares of the limits that `ListApps` shows.
fn ratios(pace: &Pace, day: Day) -> Vec<(&'static str, f64)> {
    let quotas = pace.chat_quotas(day);
    quotas
        .iter()
        .map(|quota| (quota.api, quota.used_ratio))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_member_gets_two_hundred_in_any_minute_over_all_chats() {
    let pace = pace();
    for number in 0..200 {
        // Two chats that share a member, whose id they spell differently.
        let chat = match number % 2 {
            0 => ["LiSi".to_owned(), "zhangsan".to_owned()],
            _ => ["lisi".to_owned(), "wangwu".to_owned()],
        };
        send(&pace, &chat, TODAY).unwrap();
        advance(Duration::from_millis(100)).await;
    }
    let third = ["zhaoliu".to_owned(), "LISI".to_owned()];
    let found = held(send(&pace, &third, TODAY));
    assert_eq!(found.subject, "user:LISI");
    assert!(found.limit.contains("200/min"));
    assert_eq!(found.retry_after, Duration::from_millis(40_100));
    send(&pace, &third[..1], TODAY).expect("others are free");
    advance(found.retry_after).await;
    send(&pace, &third, TODAY).unwrap();
    held(send(&pace, &third, TODAY));
}

#[tokio::test(start_paused = true)]
async fn a_member_gets_ten_thousand_a_day_and_a_new_day_starts_anew() {
    let pace = pace();
    let chat = crowd("m", 2);
    let mut sent = 0;
    for _ in 0..60 {
        sent += (0..250)
            .filter(|_| send(&pace, &chat, TODAY).is_ok())
            .count();
        advance(Duration::from_secs(61)).await;
    }
    assert_eq!(sent, 10_000);
    let found = held(send(&pace, &chat, TODAY));
    assert_eq!(
        (&*found.subject, found.retry_after),
        ("user:m0", TODAY.left)
    );
    assert!(found.limit.contains("10000"));
    send(&pace, &chat, TOMORROW).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_corp_has_twenty_thousand_persons_in_any_minute_over_all_apps() {
    let corp: Arc<Corp> = Arc::default();
    let [one, two] = ["youxiao", "kaoqin"].map(|app| Pace::new(app, Arc::clone(&corp), None));
    let big = crowd("big", 2000);
    for number in 0..9 {
        let app = if number % 2 == 0 { &one } else { &two };
        send(app, &big, TODAY).unwrap();
        advance(Duration::from_secs(1)).await;
    }
    send(&one, &crowd("small", 1500), TODAY).unwrap();
    let found = held(send(&two, &big, TODAY));
    assert_eq!(found.subject, "api:appchat/send");
    assert!(found.limit.contains("20000/min"));
    assert_eq!(found.retry_after, Duration::from_secs(51));
    send(&two, &crowd("rest", 500), TODAY).expect("exactly the rest");
    assert_eq!(ratios(&two, TODAY), [("appchat/send", 1.0)]);
    let wait = two.chat_quotas(TODAY)[0].retry_after;
    assert_eq!(wait, Some(Duration::from_secs(51)));
    advance(found.retry_after).await;
    send(&two, &big, TODAY).expect("the oldest is a minute old");
    held(send(&one, &crowd("small", 2), TODAY));
}

#[tokio::test(start_paused = true)]
async fn a_corp_makes_a_thousand_chats_a_day() {
    let pace = pace();
    for _ in 0..1000 {
        pace.take_chat(ChatShare::Creation, TODAY).unwrap();
    }
    let found = held(pace.take_chat(ChatShare::Creation, TODAY));
    assert_eq!(
        (&*found.subject, found.retry_after),
        ("api:appchat/create", TODAY.left)
    );
    assert_eq!(ratios(&pace, TODAY), [("appchat/create", 1.0)]);
    pace.take_chat(ChatShare::Creation, TOMORROW).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_corp_changes_chats_a_thousand_times_in_any_hour() {
    let pace = pace();
    let mut changed = 0;
    for _ in 0..1999 {
        changed += usize::from(pace.take_chat(ChatShare::Change, TODAY).is_ok());
        advance(Duration::from_millis(1800)).await;
    }
    assert_eq!(changed, 1000, "in a little less than an hour");
    let found = held(pace.take_chat(ChatShare::Change, TODAY));
    assert_eq!(found.subject, "api:appchat/update");
    assert_eq!(found.retry_after, Duration::from_millis(1800));
    advance(found.retry_after).await;
    pace.take_chat(ChatShare::Change, TODAY).unwrap();
    held(pace.take_chat(ChatShare::Change, TODAY));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_done_is_given_back() {
    let pace = pace();
    let chat = crowd("m", 3);
    for share in [
        ChatShare::Message(&chat),
        ChatShare::Creation,
        ChatShare::Change,
    ] {
        for _ in 0..12_000 {
            let ticket = pace.take_chat(share, TODAY).unwrap();
            pace.give_back_chat(Some(share), Some(&ticket));
        }
    }
    assert_eq!(ratios(&pace, TODAY), []);
    // What comes back a day late does not lower the new day's count.
    let ticket = send(&pace, &chat, TODAY).unwrap();
    send(&pace, &chat, TOMORROW).unwrap();
    pace.give_back_chat(Some(ChatShare::Message(&chat)), Some(&ticket));
    let used = lock(&pace.chats).members[&pace.key("m0")].today.used;
    assert_eq!(used, 1);
}

#[tokio::test(start_paused = true)]
async fn one_member_at_the_limit_takes_nothing_from_the_others() {
    let pace = pace();
    let busy = crowd("busy", 1);
    for _ in 0..200 {
        send(&pace, &busy, TODAY).unwrap();
    }
    let both = ["calm".to_owned(), "busy0".to_owned()];
    for _ in 0..300 {
        held(send(&pace, &both, TODAY));
    }
    assert_eq!(lock(&pace.corp.chats).persons, 200);
    assert!(!lock(&pace.chats).members.contains_key(&pace.key("calm")));
}

#[tokio::test(start_paused = true)]
async fn yesterdays_members_are_forgotten() {
    let pace = pace();
    for number in 0..30 {
        let day = Day {
            number: 20_000 + number,
            ..TODAY
        };
        for part in 0..5 {
            send(&pace, &crowd(&format!("d{number}p{part}x"), 2000), day).unwrap();
        }
        advance(Duration::from_secs(86_400)).await;
        assert!(lock(&pace.chats).members.len() <= 2 * 10_000 + SWEEP_STEP + 2000);
    }
}
