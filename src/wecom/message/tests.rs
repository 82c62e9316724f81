use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::content::*;
use super::*;
use crate::wecom::content::card::*;

const AGENT_ID: u32 = 1_000_002;

fn to(user_ids: &[&str]) -> Recipients {
    Recipients {
        user_ids: user_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Recipients::default()
    }
}

fn text(content: &str) -> Content {
    Content::Text(Text {
        content: content.to_owned(),
        ..Text::default()
    })
}

fn send(content: Content) -> Send {
    Send {
        recipients: to(&["zhangsan"]),
        content,
        safe: None,
        translate_ids: None,
        duplicate_check: None,
    }
}

fn id(media_id: &str) -> Media {
    Media::Id(media_id.to_owned())
}

fn inline(data: &'static [u8], file_name: &str) -> Media {
    Media::Inline {
        data: data.into(),
        file_name: file_name.to_owned(),
    }
}

/// The paths of all broken rules.
fn fields(send: &Send) -> Vec<String> {
    send.check().into_iter().map(|found| found.field).collect()
}

fn descriptions(send: &Send) -> Vec<String> {
    let found = send.check().into_iter();
    found.map(|found| found.description).collect()
}

fn body(send: &Send) -> Value {
    let bytes = send
        .body(AGENT_ID, TaskCardName::InteractiveTaskcard)
        .expect("a send without inline media");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn card_action() -> Option<CardAction> {
    Some(CardAction {
        link_type: Some(CardLinkType::Url),
        url: "https://example.com/".into(),
        ..CardAction::default()
    })
}

fn main_title(title: &str) -> Option<CardMainTitle> {
    Some(CardMainTitle {
        title: title.into(),
        ..CardMainTitle::default()
    })
}

fn template(card: TemplateCard) -> Send {
    send(Content::TemplateCard(card))
}

/// One valid content of each kind that has a payload worth checking.
fn every_kind() -> Vec<Content> {
    let media = || id("3m-1");
    vec![
        text("hi"),
        Content::Image(Image { media: media() }),
        Content::Voice(Voice { media: media() }),
        Content::Video(Video {
            media: media(),
            title: String::new(),
            description: String::new(),
        }),
        Content::File(File { media: media() }),
        Content::TextCard(TextCard {
            title: "t".into(),
            description: "d".into(),
            url: "https://example.com".into(),
            button_text: "打开详情".into(),
        }),
        Content::News(News {
            articles: vec![NewsArticle {
                title: "t".into(),
                url: "https://example.com".into(),
                ..NewsArticle::default()
            }],
        }),
        Content::MpNews(MpNews {
            articles: vec![MpNewsArticle {
                title: "t".into(),
                thumbnail: media(),
                author: String::new(),
                content_source_url: String::new(),
                content: "<p>x</p>".into(),
                digest: String::new(),
            }],
        }),
        Content::Markdown(Markdown {
            content: "**x**".into(),
        }),
        Content::MiniProgramNotice(MiniProgramNotice {
            app_id: "wx0123456789abcdef".into(),
            title: "班车时间".into(),
            ..MiniProgramNotice::default()
        }),
        Content::TaskCard(TaskCard {
            title: "t".into(),
            task_id: "task-1".into(),
            buttons: vec![TaskCardButton {
                key: "yes".into(),
                name: "同意".into(),
                replace_name: "已同意".into(),
                ..TaskCardButton::default()
            }],
            ..TaskCard::default()
        }),
        Content::TemplateCard(TemplateCard::TextNotice(TextNoticeCard {
            main_title: main_title("t"),
            card_action: card_action(),
            ..TextNoticeCard::default()
        })),
    ]
}

#[test]
fn every_kind_passes_in_its_smallest_form() {
    for content in every_kind() {
        let name = content.msgtype(TaskCardName::default());
        assert_eq!(send(content).check(), [], "{name}");
    }
}

#[test]
fn text_may_be_2048_bytes_of_any_script() {
    let longest = format!("{}ab", "字".repeat(682));
    assert_eq!(longest.len(), 2048);
    assert_eq!(send(text(&longest)).check(), []);
    assert_eq!(
        send(text(&format!("{longest}c"))).check(),
        [Violation::new(
            "content.text.content",
            "2049 bytes, the limit is 2048"
        )]
    );
    assert_eq!(
        descriptions(&send(text(&"字".repeat(683)))),
        ["2049 bytes, the limit is 2048"]
    );
}

#[test]
fn empty_and_nul_text_is_refused() {
    assert_eq!(
        send(text("")).check(),
        [Violation::new("content.text.content", "required")]
    );
    assert_eq!(
        descriptions(&send(text("ab\0c"))),
        ["NUL is not allowed, byte 2 is one"]
    );
    assert_eq!(send(text("零宽\u{200b}与\u{202e}双向\t\r\n")).check(), []);
}

#[test]
fn somebody_must_get_it() {
    let mut nobody = send(text("x"));
    nobody.recipients = Recipients::default();
    assert_eq!(fields(&nobody), ["recipients"]);
    nobody.recipients.everyone = true;
    assert_eq!(nobody.check(), []);
    nobody.recipients.tag_ids = vec![1];
    assert_eq!(fields(&nobody), ["recipients.everyone"]);
}

#[test]
fn lists_of_recipients_have_their_limits() {
    let mut full = send(text("x"));
    full.recipients = Recipients {
        user_ids: (0..1000).map(|n| format!("u{n}")).collect(),
        department_ids: (1..=100).collect(),
        tag_ids: (1..=100).collect(),
        everyone: false,
    };
    assert_eq!(full.check(), []);
    full.recipients.user_ids.push("one.more".into());
    full.recipients.department_ids.push(101);
    full.recipients.tag_ids.push(101);
    assert_eq!(
        fields(&full),
        [
            "recipients.user_ids",
            "recipients.department_ids",
            "recipients.tag_ids"
        ]
    );
    assert_eq!(descriptions(&full)[0], "1001 items, the limit is 1000");
}

#[test]
fn every_bad_recipient_is_named() {
    let mut bad = send(text("x"));
    bad.recipients = to(&["ok", "a|b", "@all", "", "OK"]);
    bad.recipients.department_ids = vec![3, 0, 3];
    bad.recipients.tag_ids = vec![0];
    assert_eq!(
        fields(&bad),
        [
            "recipients.user_ids[1]",
            "recipients.user_ids[2]",
            "recipients.user_ids[3]",
            "recipients.user_ids[4]",
            "recipients.department_ids[1]",
            "recipients.department_ids[2]",
            "recipients.tag_ids[0]",
        ]
    );
}

#[test]
fn repetition_is_found_in_long_lists_too() {
    let mut long = send(text("x"));
    long.recipients.user_ids = (0..500).map(|n| format!("user{n}")).collect();
    long.recipients.user_ids.push("USER7".into());
    assert_eq!(fields(&long), ["recipients.user_ids[500]"]);
}

#[test]
fn safe_follows_the_table() {
    for content in every_kind() {
        let name = content.msgtype(TaskCardName::default());
        let takes = matches!(name, "text" | "image" | "video" | "file" | "mpnews");
        for (safe, good) in [
            (Safe::Off, takes),
            (Safe::On, takes),
            (Safe::Internal, name == "mpnews"),
        ] {
            let mut send = send(content.clone());
            send.safe = Some(safe);
            let expected: &[&str] = if good { &[] } else { &["safe"] };
            assert_eq!(fields(&send), expected, "{name} {safe:?}");
        }
    }
}

#[test]
fn confidential_file_needs_a_known_format() {
    for (file_name, good) in [
        ("plan.PDF", true),
        ("a.tar.gif", true),
        ("a.zip", false),
        ("pdf", false),
    ] {
        let mut send = send(Content::File(File {
            media: inline(b"123456", file_name),
        }));
        assert_eq!(send.check(), []);
        send.safe = Some(Safe::On);
        assert_eq!(send.check().is_empty(), good, "{file_name}");
    }
}

#[test]
fn translation_follows_the_table() {
    for content in every_kind() {
        let name = content.msgtype(TaskCardName::default());
        let refused = matches!(name, "image" | "voice" | "video" | "file" | "markdown");
        let mut send = send(content);
        send.translate_ids = Some(true);
        let expected: &[&str] = if refused { &["translate_ids"] } else { &[] };
        assert_eq!(fields(&send), expected, "{name}");
    }
}

#[test]
fn duplicate_check_lasts_one_second_to_four_hours() {
    for (seconds, good) in [(0, false), (1, true), (14_400, true), (14_401, false)] {
        let mut send = send(text("x"));
        send.duplicate_check = Some(DuplicateCheck {
            enabled: true,
            interval_seconds: Some(seconds),
        });
        let expected: &[&str] = if good {
            &[]
        } else {
            &["duplicate_check.interval"]
        };
        assert_eq!(fields(&send), expected, "{seconds}");
    }
}

#[test]
fn only_an_app_chat_mentions_members() {
    let content = Content::Text(Text {
        content: "x".into(),
        mentioned_user_ids: vec!["@all".into(), "a|b".into()],
    });
    assert_eq!(
        fields(&send(content.clone())),
        ["content.text.mentioned_user_ids"]
    );
    let mut found = Checker::default();
    content.check(&Path::ROOT.field("content"), Occasion::AppChat, &mut found);
    assert_eq!(
        found.into_violations()[0].field,
        "content.text.mentioned_user_ids[1]"
    );
}

#[test]
fn app_chat_takes_fewer_kinds_and_no_mini_program() {
    for content in every_kind() {
        let name = content.msgtype(TaskCardName::default());
        let refused = matches!(
            name,
            "miniprogram_notice" | "interactive_taskcard" | "template_card"
        );
        let mut found = Checker::default();
        content.check(&Path::ROOT.field("content"), Occasion::AppChat, &mut found);
        assert_eq!(!found.into_violations().is_empty(), refused, "{name}");
    }
}

#[test]
fn article_opens_a_link_or_a_mini_program() {
    let article = |url: &str, app_id: &str, page_path: &str| {
        send(Content::News(News {
            articles: vec![NewsArticle {
                title: "t".into(),
                url: url.into(),
                app_id: app_id.into(),
                page_path: page_path.into(),
                ..NewsArticle::default()
            }],
        }))
    };
    assert_eq!(article("", "wx1", "pages/a").check(), []);
    let field = |name: &str| vec![format!("content.news.articles[0].{name}")];
    assert_eq!(fields(&article("", "", "")), field("url"));
    assert_eq!(fields(&article("", "wx1", "")), field("page_path"));
    assert_eq!(fields(&article("https://e.com", "", "p")), field("app_id"));
    assert_eq!(
        fields(&article("", "wx1", &"p".repeat(129))),
        field("page_path")
    );
    assert_eq!(fields(&article("e.com", "", "")), field("url"));
}

#[test]
fn messages_have_one_to_eight_articles() {
    let news = |count| {
        let article = NewsArticle {
            title: "t".into(),
            url: "https://example.com".into(),
            ..NewsArticle::default()
        };
        send(Content::News(News {
            articles: vec![article; count],
        }))
    };
    assert_eq!(fields(&news(0)), ["content.news.articles"]);
    assert_eq!(news(8).check(), []);
    assert_eq!(fields(&news(9)), ["content.news.articles"]);
}

#[test]
fn stored_article_may_hold_666_kib() {
    let article = |length: usize, author: &str| {
        send(Content::MpNews(MpNews {
            articles: vec![MpNewsArticle {
                title: "t".into(),
                thumbnail: id("m"),
                author: author.into(),
                content_source_url: String::new(),
                content: "x".repeat(length),
                digest: String::new(),
            }],
        }))
    };
    assert_eq!(article(681_984, &"a".repeat(64)).check(), []);
    assert_eq!(
        fields(&article(681_985, &"a".repeat(65))),
        [
            "content.mp_news.articles[0].author",
            "content.mp_news.articles[0].content"
        ]
    );
}

#[test]
fn notice_counts_characters_and_never_goes_to_everyone() {
    let notice = MiniProgramNotice {
        app_id: "wx1".into(),
        title: "三个字".into(),
        description: "十三个字十三个字十三个字啊".into(),
        items: vec![
            MiniProgramNoticeItem::default(),
            MiniProgramNoticeItem {
                key: "十一个字的键十一个字的".into(),
                value: "值".repeat(30),
            },
        ],
        ..MiniProgramNotice::default()
    };
    let mut send = send(Content::MiniProgramNotice(notice));
    send.recipients = Recipients {
        everyone: true,
        ..Recipients::default()
    };
    let prefix = "content.mini_program_notice";
    assert_eq!(
        fields(&send),
        [
            "recipients.everyone".to_owned(),
            format!("{prefix}.title"),
            format!("{prefix}.description"),
            format!("{prefix}.items[0]"),
            format!("{prefix}.items[1].key"),
        ]
    );
}

#[test]
fn task_card_shows_replace_name_under_its_older_name_only() {
    let content = every_kind().remove(10);
    let send = send(content);
    let render = |name| -> Value {
        serde_json::from_slice(&send.body(7, name).expect("renders")).expect("JSON")
    };
    assert_eq!(
        render(TaskCardName::InteractiveTaskcard)["interactive_taskcard"]["btn"],
        json!([{"key": "yes", "name": "同意"}])
    );
    assert_eq!(
        render(TaskCardName::Taskcard)["taskcard"],
        json!({"title": "t", "task_id": "task-1",
               "btn": [{"key": "yes", "name": "同意", "replace_name": "已同意"}]})
    );
    assert_eq!(
        serde_json::from_value::<TaskCardName>(json!("taskcard")).expect("a setting"),
        TaskCardName::Taskcard
    );
}

#[test]
fn task_card_has_one_or_two_buttons_with_keys() {
    let button = TaskCardButton {
        key: "有".into(),
        name: "一二三四五六七".into(),
        ..TaskCardButton::default()
    };
    let send = send(Content::TaskCard(TaskCard {
        title: "t".into(),
        task_id: "a.b".into(),
        buttons: vec![button; 3],
        ..TaskCard::default()
    }));
    assert_eq!(
        fields(&send),
        [
            "content.task_card.task_id",
            "content.task_card.buttons",
            "content.task_card.buttons[0].key",
            "content.task_card.buttons[0].name",
            "content.task_card.buttons[1].key",
            "content.task_card.buttons[1].name",
        ]
    );
}

#[test]
fn text_notice_tells_everything_that_is_wrong() {
    let card = TextNoticeCard {
        action_menu: Some(CardActionMenu {
            actions: vec![
                CardMenuAction {
                    text: "a".into(),
                    key: "k".into(),
                };
                2
            ],
            ..CardActionMenu::default()
        }),
        horizontal_contents: vec![
            CardHorizontalContent {
                r#type: Some(CardHorizontalContentType::File),
                ..CardHorizontalContent::default()
            },
            CardHorizontalContent {
                r#type: Some(CardHorizontalContentType::User),
                key: "k".into(),
                ..CardHorizontalContent::default()
            },
        ],
        jumps: vec![
            CardJump {
                title: "t".into(),
                ..CardJump::default()
            },
            CardJump {
                link_type: Some(CardLinkType::MiniProgram),
                ..CardJump::default()
            },
        ],
        ..TextNoticeCard::default()
    };
    let prefix = "content.template_card.text_notice";
    let expected = [
        "action_menu.actions[1].key",
        "task_id",
        "main_title.title",
        "horizontal_contents[0].key",
        "horizontal_contents[0].media",
        "horizontal_contents[1].user_id",
        "jumps[1].app_id",
        "jumps[1].title",
        "card_action.link_type",
    ];
    assert_eq!(
        fields(&template(TemplateCard::TextNotice(card))),
        expected.map(|field| format!("{prefix}.{field}"))
    );
}

#[test]
fn news_notice_needs_a_picture_of_a_sane_shape() {
    let notice = |card_image: Option<CardImage>| {
        template(TemplateCard::NewsNotice(NewsNoticeCard {
            main_title: main_title("t"),
            card_image,
            card_action: card_action(),
            ..NewsNoticeCard::default()
        }))
    };
    let prefix = "content.template_card.news_notice.card_image";
    assert_eq!(fields(&notice(None)), [prefix]);
    for (aspect_ratio, good) in [
        (0.0, true),
        (1.29, false),
        (1.3, true),
        (2.25, true),
        (2.26, false),
        (-1.5, false),
        (f64::NAN, false),
        (f64::INFINITY, false),
    ] {
        let url = "https://example.com/a.png".into();
        let send = notice(Some(CardImage { url, aspect_ratio }));
        let expected: Vec<String> = (!good)
            .then(|| format!("{prefix}.aspect_ratio"))
            .into_iter()
            .collect();
        assert_eq!(fields(&send), expected, "{aspect_ratio}");
    }
}

#[test]
fn card_with_buttons_checks_each_of_them() {
    let card = ButtonInteractionCard {
        task_id: "t-1".into(),
        main_title: main_title("t"),
        buttons: vec![
            CardButton {
                text: "a".into(),
                key: "k".into(),
                style: 5,
                ..CardButton::default()
            },
            CardButton {
                r#type: Some(CardButtonType::Url),
                text: "b".into(),
                ..CardButton::default()
            },
            CardButton {
                text: "c".into(),
                key: "k".into(),
                ..CardButton::default()
            },
        ],
        ..ButtonInteractionCard::default()
    };
    let prefix = "content.template_card.button_interaction.buttons";
    assert_eq!(
        fields(&template(TemplateCard::ButtonInteraction(card))),
        ["[0].style", "[1].url", "[2].key"].map(|field| format!("{prefix}{field}"))
    );
}

#[test]
fn only_an_update_locks_choices_and_does_without_a_task_id() {
    let card = TemplateCard::VoteInteraction(VoteInteractionCard {
        main_title: main_title("t"),
        checkbox: Some(CardCheckbox {
            question_key: "q".into(),
            options: vec![CardCheckboxOption {
                id: "o".into(),
                text: "o".into(),
                checked: false,
            }],
            disabled: true,
            ..CardCheckbox::default()
        }),
        ..VoteInteractionCard::default()
    });
    let mut found = Checker::default();
    card.check(
        &Path::ROOT.field("template_card"),
        Occasion::CardUpdate,
        &mut found,
    );
    assert_eq!(found.into_violations(), []);
    let prefix = "content.template_card.vote_interaction";
    assert_eq!(
        fields(&template(card)),
        ["task_id", "checkbox.disabled", "submit_button"].map(|field| format!("{prefix}.{field}"))
    );
}

#[test]
fn lists_of_choices_have_unique_questions_and_options() {
    let option = CardOption {
        id: "o".into(),
        text: "o".into(),
    };
    let selection = CardSelection {
        question_key: "q".into(),
        options: vec![option; 2],
        ..CardSelection::default()
    };
    let card = TemplateCard::MultipleInteraction(MultipleInteractionCard {
        task_id: "t".into(),
        main_title: main_title("t"),
        selections: vec![selection; 2],
        submit_button: Some(CardSubmitButton {
            text: "好".into(),
            key: "k".repeat(1025),
        }),
        ..MultipleInteractionCard::default()
    });
    let prefix = "content.template_card.multiple_interaction";
    assert_eq!(
        fields(&template(card)),
        [
            "selections[0].options[1].id",
            "selections[1].options[1].id",
            "selections[1].question_key",
            "submit_button.key"
        ]
        .map(|field| format!("{prefix}.{field}"))
    );
}

#[test]
fn votes_render_no_colour_of_the_source() {
    let source = Some(CardSource {
        description: "食堂".into(),
        color: Some(CardSourceColor::Red),
        ..CardSource::default()
    });
    let vote = template(TemplateCard::VoteInteraction(VoteInteractionCard {
        source: source.clone(),
        ..VoteInteractionCard::default()
    }));
    assert_eq!(
        body(&vote)["template_card"]["source"],
        json!({"desc": "食堂"})
    );
    let notice = template(TemplateCard::TextNotice(TextNoticeCard {
        source,
        ..TextNoticeCard::default()
    }));
    assert_eq!(
        body(&notice)["template_card"],
        json!({"card_type": "text_notice", "source": {"desc": "食堂", "desc_color": 2}})
    );
}

#[test]
fn inline_media_is_found_typed_and_replaceable() {
    let png = b"\x89PNG\r\n\x1A\n";
    let mut content = Content::MpNews(MpNews {
        articles: ["a", "b"]
            .map(|name| MpNewsArticle {
                title: name.into(),
                thumbnail: if name == "a" {
                    id("m")
                } else {
                    inline(png, "b.png")
                },
                author: String::new(),
                content_source_url: String::new(),
                content: "x".into(),
                digest: String::new(),
            })
            .into(),
    });
    assert!(
        send(content.clone())
            .body(1, TaskCardName::default())
            .is_err()
    );
    let mut seen = 0;
    for (media_type, media) in content.inline_media() {
        assert_eq!(media_type, MediaType::Image);
        *media = id("uploaded");
        seen += 1;
    }
    assert_eq!(seen, 1);
    let articles = &body(&send(content))["mpnews"]["articles"];
    assert_eq!(articles[0]["thumb_media_id"], "m");
    assert_eq!(articles[1]["thumb_media_id"], "uploaded");

    let mut card = Content::TemplateCard(TemplateCard::NewsNotice(NewsNoticeCard {
        horizontal_contents: vec![CardHorizontalContent {
            media: Some(inline(b"123456", "a.txt")),
            ..CardHorizontalContent::default()
        }],
        ..NewsNoticeCard::default()
    }));
    let types: Vec<MediaType> = card
        .inline_media()
        .map(|(media_type, _)| media_type)
        .collect();
    assert_eq!(types, [MediaType::File]);
}

#[test]
fn body_is_spelled_out_and_keeps_raw_utf8() {
    let mut send = send(text("第一行\n<a href=\"https://e.com\">链接</a> 😀"));
    send.recipients.department_ids = vec![2, 30];
    send.safe = Some(Safe::Off);
    send.translate_ids = Some(false);
    send.duplicate_check = Some(DuplicateCheck {
        enabled: false,
        interval_seconds: Some(60),
    });
    let bytes = send
        .body(AGENT_ID, TaskCardName::default())
        .expect("renders");
    assert_eq!(
        String::from_utf8(bytes).expect("UTF-8"),
        concat!(
            r#"{"touser":"zhangsan","toparty":"2|30","msgtype":"text","agentid":1000002,"#,
            r#""text":{"content":"第一行\n<a href=\"https://e.com\">链接</a> 😀"},"#,
            r#""safe":0,"enable_id_trans":0,"enable_duplicate_check":0,"#,
            r#""duplicate_check_interval":60}"#
        )
    );
}

fn user_ids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::hash_set("[a-z0-9][A-Za-z0-9_.@-]{0,63}", 0..40)
        .prop_map(|ids| ids.into_iter().collect())
}

fn sends() -> impl Strategy<Value = Send> {
    let recipients = (
        user_ids(),
        prop::collection::vec(1u32.., 0..5),
        prop::collection::vec(1u32.., 0..5),
        any::<bool>(),
    );
    let safe = prop::option::of(prop::sample::select(vec![
        Safe::Off,
        Safe::On,
        Safe::Internal,
    ]));
    let check = prop::option::of((any::<bool>(), any::<Option<u32>>()));
    (
        recipients,
        any::<String>(),
        safe,
        any::<Option<bool>>(),
        check,
    )
        .prop_map(
            |(
                (user_ids, department_ids, tag_ids, everyone),
                content,
                safe,
                translate_ids,
                check,
            )| {
                Send {
                    recipients: Recipients {
                        user_ids,
                        department_ids,
                        tag_ids,
                        everyone,
                    },
                    content: text(&content),
                    safe,
                    translate_ids,
                    duplicate_check: check.map(|(enabled, interval_seconds)| DuplicateCheck {
                        enabled,
                        interval_seconds,
                    }),
                }
            },
        )
}

proptest! {
    #[test]
    fn touser_splits_back_to_the_given_ids(send in sends()) {
        let body = body(&send);
        let recipients = &send.recipients;
        if recipients.everyone {
            prop_assert_eq!(&body["touser"], "@all");
            prop_assert!(body.get("toparty").is_none() && body.get("totag").is_none());
        } else if !recipients.user_ids.is_empty() {
            let joined = body["touser"].as_str().expect("a string");
            let split: Vec<&str> = joined.split('|').collect();
            prop_assert_eq!(split, recipients.user_ids.iter().collect::<Vec<_>>());
        }
        prop_assert_eq!(body["text"]["content"].as_str(), match &send.content {
            Content::Text(text) => Some(text.content.as_str()),
            _ => None,
        });
    }

    #[test]
    fn body_has_no_field_that_was_not_set(send in sends()) {
        let body = body(&send);
        let recipients = &send.recipients;
        let everyone = recipients.everyone;
        let mut expected = vec![
            ("agentid", true),
            ("duplicate_check_interval",
                send.duplicate_check.is_some_and(|check| check.interval_seconds.is_some())),
            ("enable_duplicate_check", send.duplicate_check.is_some()),
            ("enable_id_trans", send.translate_ids.is_some()),
            ("msgtype", true),
            ("safe", send.safe.is_some()),
            ("text", true),
            ("toparty", !everyone && !recipients.department_ids.is_empty()),
            ("totag", !everyone && !recipients.tag_ids.is_empty()),
            ("touser", everyone || !recipients.user_ids.is_empty()),
        ];
        expected.retain(|(_, set)| *set);
        let mut keys: Vec<&str> = body
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        prop_assert_eq!(keys, expected.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
        prop_assert_eq!(body["text"].as_object().expect("an object").len(), 1);
    }

    #[test]
    fn equal_sends_have_equal_bytes(send in sends()) {
        let name = TaskCardName::default();
        let again = send.clone();
        prop_assert_eq!(
            send.body(AGENT_ID, name).expect("renders"),
            again.body(AGENT_ID, name).expect("renders")
        );
    }

    #[test]
    fn check_never_panics(send in sends()) {
        send.check();
    }
}
