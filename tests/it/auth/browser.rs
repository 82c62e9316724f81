//! The example application in Debian's browser. `make browser` runs this, and installs
//! the browser first.

use std::path::Path;
use std::process::{Command, Stdio};

use super::exchanges;
use super::web::start;

/// Opens `url` in a browser of its own process with what `profile` remembers; gives the
/// page as it stands in the end.
async fn open(profile: &Path, url: &str) -> String {
    let profile = format!("--user-data-dir={}", profile.display());
    let url = url.to_owned();
    let browser = tokio::task::spawn_blocking(move || {
        Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-proxy-server",
            ])
            // Nothing but what the test asks for goes out.
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args([profile.as_str(), "--dump-dom", &url])
            .stdin(Stdio::null())
            .output()
    });
    let output = browser.await.unwrap();
    let output = output.expect("chromium: `make browser` installs it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The address of the link to `user` on the sandbox's page.
fn link_to(page: &str, user: &str) -> String {
    let mut links = page
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let end = format!("user={user}");
    let link = links.find(|link| link.ends_with(&end));
    link.unwrap_or_else(|| panic!("no link to {user} in {page}"))
        .replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make browser"]
async fn a_real_browser_is_led_to_wecom_once_and_remembers_the_member() {
    let (world, site) = start().await;
    let profile = tempfile::tempdir().unwrap();

    // Without a cookie our page leads to WeCom's.
    let choose = open(profile.path(), &format!("{site}/")).await;
    assert!(choose.contains("Scan to log in"), "{choose}");
    let link = link_to(&choose, "zhangsan");
    assert!(link.starts_with("/wwlogin/sso/login?"), "{link}");

    // The one whom the visitor chooses comes back to our page.
    let home = open(profile.path(), &format!("{}{link}", world.sandbox.url)).await;
    assert!(home.contains("Hello <b>张三</b> (zhangsan)"), "{home}");
    assert_eq!(exchanges(&world).await, 1);

    // Each visit is another process of the browser: a cookie that it brings has an end
    // of its own. With it nothing leads to WeCom.
    let home = open(profile.path(), &format!("{site}/")).await;
    assert!(home.contains("Hello <b>张三</b> (zhangsan)"), "{home}");
    assert_eq!(exchanges(&world).await, 1);

    // Another browser has no cookie.
    let other = tempfile::tempdir().unwrap();
    let choose = open(other.path(), &format!("{site}/")).await;
    assert!(choose.contains("Scan to log in"), "{choose}");
    // Nor does the first login's link serve it: it began elsewhere.
    let page = open(other.path(), &format!("{}{link}", world.sandbox.url)).await;
    assert!(page.contains("did not begin here"), "{page}");
    assert_eq!(exchanges(&world).await, 1);
    world.stop().await;
}
