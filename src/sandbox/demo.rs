//! The invented corp of the demo. Every name, id and secret here is made up.

use super::directory::{Department, Directory, Member, Tag};
use super::settings::{App, VisibleRange};

/// Corp id of the demo, shaped like a real one.
pub(super) const CORP_ID: &str = "ww5a9db0c5a9db0c5a";

/// Secret of contact sync.
pub(super) const CONTACTS_SECRET: &str = "sandbox-secret-contacts";

/// `kaoqin` was created early enough to be given mobile numbers and the like.
pub(super) const OLD_APP: u32 = 1_000_003;

/// The mini program that the first demo app is linked to.
const MINI_PROGRAM: &str = "wx5a9db0c5a9db0c5a";

/// Two apps. `youxiao` reaches all but the advisers and has a callback URL;
/// `kaoqin` reaches only human resources and has none. Group chats are for `youxiao`.
pub(super) fn apps() -> Vec<App> {
    let mut youxiao = App::new("youxiao", 1_000_002, "sandbox-secret-youxiao");
    youxiao.trusted_domains = domains(&["oa.example.com", "localhost:8000", "127.0.0.1:8000"]);
    youxiao.mini_program = Some(MINI_PROGRAM.to_owned());
    youxiao.visible = VisibleRange {
        department_ids: vec![2, 3, 4],
        user_ids: vec!["zhaomin".to_owned()],
    };
    let mut kaoqin = App::new("kaoqin", OLD_APP, "sandbox-secret-kaoqin");
    kaoqin.callback_url = false;
    kaoqin.app_chats = false;
    kaoqin.trusted_domains = domains(&["hr.example.com:8443"]);
    kaoqin.visible = VisibleRange {
        department_ids: vec![4],
        user_ids: vec!["zhangsan".to_owned()],
    };
    vec![youxiao, kaoqin]
}

fn domains(domains: &[&str]) -> Vec<String> {
    domains.iter().map(|&domain| domain.to_owned()).collect()
}

/// Six departments, thirty members, four tags.
pub(super) fn directory() -> Directory {
    Directory {
        departments: vec![
            Department::new(1, 0, "沙盒公司"),
            Department::new(2, 1, "研发部"),
            Department::new(3, 1, "市场部"),
            Department::new(4, 1, "人事部"),
            Department::new(5, 2, "平台组"),
            Department::new(6, 1, "外聘顾问"),
        ],
        members: members(),
        tags: vec![
            tag(1, "值班", &["zhangsan", "LiLei", "lisi"], &[]),
            tag(2, "羽毛球", &["wangwu", "HanMeimei"], &[4]),
            tag(3, "新同事", &["qianqi", "sunba"], &[]),
            tag(4, "顾问", &["guwen.ma", "guwen.hu"], &[6]),
        ],
    }
}

fn members() -> Vec<Member> {
    let people: [(&str, &str, &[u32]); 30] = [
        ("zhaomin", "赵敏行", &[1]),
        ("zhangsan", "张三", &[2]),
        ("lisi", "李四", &[2, 5]),
        ("wangwu", "王五", &[2]),
        ("zhaoliu", "赵六", &[2]),
        ("qianqi", "钱七", &[5]),
        ("sunba", "孙八", &[5]),
        ("LiLei", "李雷", &[5]),
        ("HanMeimei", "韩梅", &[5]),
        ("zhoujiu", "周九", &[5]),
        ("wushi", "吴拾", &[5]),
        ("ChenDaWen", "陈大文", &[2]),
        ("lin_x", "林小溪", &[2]),
        ("he-jing", "何静", &[2]),
        ("gao.yuan", "高原", &[3]),
        ("XuYang", "许阳", &[3]),
        ("tangning", "唐宁", &[3]),
        ("songci", "宋词", &[3]),
        ("yanhui", "颜回声", &[3]),
        ("luqi", "陆琪", &[3]),
        ("fangyi", "方一", &[3]),
        ("ShiJin", "石锦", &[3]),
        ("baiyun", "白云", &[4]),
        ("heitu", "贺土", &[4]),
        ("QinChuan", "秦川", &[4]),
        ("meiying", "梅影", &[4]),
        ("taoran", "陶然", &[4]),
        ("guwen.ma", "马顾问", &[6]),
        ("guwen.hu", "胡顾问", &[6]),
        ("GuWen.Long", "龙顾问", &[6]),
    ];
    let unlicensed = ["zhoujiu", "luqi", "QinChuan"];
    let without_wechat = ["taoran", "fangyi"];
    people
        .into_iter()
        .map(|(user_id, name, department_ids)| Member {
            licensed: !unlicensed.contains(&user_id),
            wechat: !without_wechat.contains(&user_id),
            activated: user_id != "sunba",
            ..Member::new(user_id, name, department_ids)
        })
        .collect()
}

fn tag(id: u32, name: &str, user_ids: &[&str], department_ids: &[u32]) -> Tag {
    Tag {
        id,
        name: name.to_owned(),
        user_ids: user_ids.iter().map(|&id| id.to_owned()).collect(),
        department_ids: department_ids.to_vec(),
    }
}
