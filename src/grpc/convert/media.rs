//! Media: the contract's to ours, and WeCom's answers back.

use super::content::known;
use crate::grpc::pb;
use crate::wecom::Violation;
use crate::wecom::check::{Checker, Path};
use crate::wecom::content::MediaType;
use crate::wecom::media::{Download, Get, Incoming, LIFE, Purpose, Uploaded};

/// What the header of UploadMedia says of the file, every rule checked.
pub(in crate::grpc) fn media(header: pb::UploadMediaHeader) -> Result<Incoming, Vec<Violation>> {
    let mut found = Checker::default();
    let path = Path::ROOT.field("header");
    let kind = kind(&path.field("kind"), header.kind, &mut found);
    let incoming = Incoming {
        // Checked as one that may be anything, so that the other fields are told too.
        purpose: Purpose::Media(kind.unwrap_or(MediaType::File)),
        file_name: header.file_name,
        size_bytes: size(header.size_bytes),
    };
    incoming.check(&path, &mut found);
    valid(incoming, found)
}

/// What the header of UploadImage says of the picture, every rule checked.
pub(in crate::grpc) fn picture(header: pb::UploadImageHeader) -> Result<Incoming, Vec<Violation>> {
    let mut found = Checker::default();
    let incoming = Incoming {
        purpose: Purpose::Picture,
        file_name: header.file_name,
        size_bytes: size(header.size_bytes),
    };
    incoming.check(&Path::ROOT.field("header"), &mut found);
    valid(incoming, found)
}

/// The file that is asked for, every rule checked.
pub(in crate::grpc) fn get(request: pb::DownloadMediaRequest) -> Result<Get, Vec<Violation>> {
    let get = Get {
        media_id: request.media_id,
    };
    let violations = get.check();
    match violations.is_empty() {
        true => Ok(get),
        false => Err(violations),
    }
}

/// The answer to an upload.
pub(in crate::grpc) fn uploaded(uploaded: &Uploaded, reused: bool) -> pb::UploadMediaResponse {
    let Uploaded {
        media_id,
        created_at,
    } = uploaded;
    pb::UploadMediaResponse {
        media_id: media_id.clone(),
        created_at: Some((*created_at).into()),
        expires_at: Some((*created_at + LIFE).into()),
        reused,
    }
}

/// The description of a file.
pub(in crate::grpc) fn info(download: &Download) -> pb::MediaInfo {
    pb::MediaInfo {
        file_name: download.file_name.clone(),
        content_type: download.content_type.clone(),
        size_bytes: download.size_bytes.and_then(|size| size.try_into().ok()),
    }
}

fn kind(path: &Path<'_>, number: i32, found: &mut Checker) -> Option<MediaType> {
    match known(path, number, found)? {
        pb::MediaKind::Unspecified => {
            found.add(path, format_args!("required"));
            None
        }
        pb::MediaKind::Image => Some(MediaType::Image),
        pb::MediaKind::Voice => Some(MediaType::Voice),
        pb::MediaKind::Video => Some(MediaType::Video),
        pb::MediaKind::File => Some(MediaType::File),
    }
}

/// 0 is "not known".
fn size(size_bytes: u32) -> Option<u64> {
    (size_bytes > 0).then_some(size_bytes.into())
}

fn valid(incoming: Incoming, found: Checker) -> Result<Incoming, Vec<Violation>> {
    let violations = found.into_violations();
    match violations.is_empty() {
        true => Ok(incoming),
        false => Err(violations),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn fields(violations: Vec<Violation>) -> Vec<String> {
        violations.into_iter().map(|found| found.field).collect()
    }

    #[test]
    fn every_fault_of_a_header_is_told() {
        let told = |header| fields(media(header).expect_err("faults"));
        let all = ["header.kind", "header.file_name", "header.size_bytes"];
        let header = |kind, size_bytes| pb::UploadMediaHeader {
            kind,
            size_bytes,
            ..Default::default()
        };
        assert_eq!(told(header(0, 20_971_521)), all);
        assert_eq!(told(header(7, 5)), all);
        assert_eq!(told(header(2, 2_097_153)), all[1..]);
        assert_eq!(told(header(4, 0)), all[1..2]);
    }

    #[test]
    fn an_upload_ends_three_days_after_it_was_stored() {
        let body = std::fs::read("tests/fixtures/cgi-bin/media/upload.ok.response.json")
            .expect("the fixture");
        let answer: Uploaded = serde_json::from_slice(&body).expect("an answer");
        let created_at = UNIX_EPOCH + Duration::from_secs(1_795_500_000);
        assert_eq!(answer.created_at, created_at);
        let reply = uploaded(&answer, true);
        assert_eq!(reply.media_id.len(), 44);
        assert_eq!(reply.created_at.expect("set").seconds, 1_795_500_000);
        assert_eq!(reply.expires_at.expect("set").seconds, 1_795_759_200);
        assert!(reply.reused);
    }
}
