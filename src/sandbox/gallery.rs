//! Pictures stored for ever (上传图片).

use serde_json::{Value, json};

/// Pictures a corp may store in a day and in a month
/// (<https://developer.work.weixin.qq.com/document/path/90312>, read 2026-02).
const DAILY: usize = 1000;
const MONTHLY: usize = 3000;
/// Days of the month: how long WeCom holds back who met the monthly limit.
const MONTH_DAYS: u64 = 30;

/// One picture. Its bytes are not kept: nobody can fetch them outside of WeCom.
pub(super) struct Picture {
    pub(super) url: String,
    pub(super) file_name: String,
    pub(super) content_type: &'static str,
    pub(super) sha256: String,
    pub(super) size_bytes: usize,
}

/// The pictures of the last month.
pub(super) struct Gallery(Vec<(u64, Picture)>);

impl Gallery {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Stores a picture on `day`, or tells that the day or the month is full.
    pub(super) fn put(&mut self, day: u64, picture: Picture) -> bool {
        self.0.retain(|(stored, _)| stored + MONTH_DAYS > day);
        let today = self.0.iter().filter(|(stored, _)| *stored == day).count();
        let fits = today < DAILY && self.0.len() < MONTHLY;
        if fits {
            self.0.push((day, picture));
        }
        fits
    }

    pub(super) fn to_json(&self) -> Value {
        let pictures = self.0.iter().map(|(_, picture)| {
            let Picture {
                url,
                file_name,
                content_type,
                sha256,
                size_bytes,
            } = picture;
            json!({
                "url": url,
                "file_name": file_name,
                "content_type": content_type,
                "sha256": sha256,
                "size_bytes": size_bytes,
            })
        });
        pictures.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture {
            url: String::new(),
            file_name: String::new(),
            content_type: "image/png",
            sha256: String::new(),
            size_bytes: 6,
        }
    }

    #[test]
    fn a_thousand_fit_in_a_day_and_three_thousand_in_a_month() {
        let mut gallery = Gallery::new();
        let mut stored = |day| (0..1100).filter(|_| gallery.put(day, picture())).count();
        assert_eq!([1, 2, 3, 4].map(&mut stored), [1000, 1000, 1000, 0]);
        assert_eq!([30, 31, 32].map(&mut stored), [0, 1000, 1000]);
    }
}
