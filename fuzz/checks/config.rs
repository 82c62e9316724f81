//! Text as the configuration file, with its apps, callers and permissions.

use wecomgw::config::Sources;
use wecomgw::gateway::{Config, DEFAULTS, SECRET_KEYS};

/// Stands where the file has a secret; must not be printed.
const SECRET: &str = "canary-5e1f";

/// Reads the file as `wecomgw check` does.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Faults may quote file names; they are not opened for the sake of the file system.
    if text.contains("_file") {
        return;
    }
    let text = text.replace("${secret}", SECRET);
    let Ok(sources) = Sources::read_with(DEFAULTS, &text, None, []) else {
        return;
    };
    let Ok(config) = sources.extract::<Config>() else {
        return;
    };
    // The secret may stand where none belongs, but then not as the value of `secret`.
    if let Ok(shown) = sources.masked(&SECRET_KEYS)
        && text.matches(SECRET).count()
            == text.matches(&format!("\nsecret = \"{SECRET}\"\n")).count()
    {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let faults = config.faults(false);
    let open = config.callers.is_empty() && !config.grpc.listen.ip().is_loopback();
    assert!(!open || !faults.is_empty(), "anyone may call");
}
