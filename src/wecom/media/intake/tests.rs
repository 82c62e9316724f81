use super::*;

const JPG: &[u8] = b"\xFF\xD8\xFF\xE0\0\x10JFIF";
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n....";
const AMR: &[u8] = b"#!AMR\n..";
const MP4: &[u8] = b"\0\0\0\x10ftypisom";

fn incoming(purpose: Purpose, size_bytes: Option<u64>) -> Incoming {
    Incoming {
        purpose,
        file_name: "a.bin".to_owned(),
        size_bytes,
    }
}

/// The field and words of the rule that an upload of these pieces breaks.
async fn upload(incoming: Incoming, pieces: &[&[u8]]) -> std::result::Result<Received, String> {
    let told = |error| match error {
        Error::Invalid(violations) => violations
            .iter()
            .map(|found| format!("{}: {}", found.field, found.description))
            .collect::<Vec<_>>()
            .join("; "),
        other => panic!("{other}"),
    };
    let spool = Spool::new(None).await.expect("a file");
    let mut intake = Intake::new(incoming, spool);
    for piece in pieces {
        let piece = Bytes::copy_from_slice(piece);
        intake.push(piece).await.map_err(told)?;
    }
    intake.finish().map_err(told)
}

async fn broken(incoming: Incoming, pieces: &[&[u8]]) -> String {
    upload(incoming, pieces).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn each_kind_has_its_formats_and_its_most_bytes() {
    use MediaType::{File, Image, Video, Voice};
    for (purpose, head, limit) in [
        (Purpose::Media(Image), JPG, 10_485_760),
        (Purpose::Media(Image), PNG, 10_485_760),
        (Purpose::Media(Voice), AMR, 2_097_152),
        (Purpose::Media(Video), MP4, 10_485_760),
        (Purpose::Media(File), b"anything".as_slice(), 20_971_520),
        (Purpose::Picture, PNG, 2_097_152),
    ] {
        let mut bytes = head.to_vec();
        bytes.resize(limit, 0);
        let pieces: Vec<&[u8]> = bytes.chunks(CHUNK_MAX_BYTES).collect();
        let received = upload(incoming(purpose, None), &pieces)
            .await
            .expect("at the limit");
        assert_eq!(received.data.length(), limit as u64);

        let over: Vec<&[u8]> = pieces.iter().copied().chain([b"x".as_slice()]).collect();
        let expected = format!("chunk: over {limit} bytes in all, the limit");
        assert_eq!(broken(incoming(purpose, None), &over).await, expected);

        let mut found = Checker::default();
        incoming(purpose, Some(limit as u64 + 1)).check(&Path::ROOT.field("header"), &mut found);
        assert_eq!(found.into_violations()[0].field, "header.size_bytes");
    }
    for (purpose, head) in [
        (Purpose::Media(Image), AMR),
        (Purpose::Media(Voice), MP4),
        (Purpose::Media(Video), PNG),
        (Purpose::Picture, AMR),
    ] {
        let found = broken(incoming(purpose, None), &[head]).await;
        assert!(found.starts_with("chunk: must be "), "{found}");
    }
}

#[tokio::test]
async fn the_format_is_known_however_the_bytes_are_cut() {
    let image = Purpose::Media(MediaType::Image);
    for size in 1..PNG.len() {
        let pieces: Vec<&[u8]> = PNG.chunks(size).collect();
        let received = upload(incoming(image, None), &pieces).await.expect("a PNG");
        assert_eq!(received.head, &PNG[..8], "in pieces of {size}");
        let pieces: Vec<&[u8]> = MP4.chunks(size).collect();
        assert!(
            broken(incoming(image, None), &pieces)
                .await
                .contains("JPG or PNG")
        );
    }
    // Shorter than the longest signature, and still known.
    assert!(upload(incoming(image, None), &[&JPG[..6]]).await.is_ok());
    assert!(
        broken(incoming(image, None), &[&PNG[..6]])
            .await
            .contains("JPG or PNG")
    );
}

#[tokio::test]
async fn the_length_is_more_than_five_bytes_and_what_was_declared() {
    let file = Purpose::Media(MediaType::File);
    for (declared, pieces, expected) in [
        (None, vec![], "chunk: 0 bytes, at least 6 are needed"),
        (None, vec!["12345"], "chunk: 5 bytes, at least 6 are needed"),
        (None, vec!["123456", ""], "chunk: must not be empty"),
        (
            Some(7),
            vec!["123456"],
            "header.size_bytes: 7, but 6 bytes came",
        ),
        (
            Some(6),
            vec!["123", "4567"],
            "header.size_bytes: 6, but more came",
        ),
    ] {
        let bytes: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        assert_eq!(broken(incoming(file, declared), &bytes).await, expected);
    }
    let pieces: [&[u8]; 2] = [b"123", b"456"];
    assert!(upload(incoming(file, Some(6)), &pieces).await.is_ok());
    let long = vec![b'x'; CHUNK_MAX_BYTES + 1];
    let found = broken(incoming(file, None), &[&long]).await;
    assert_eq!(found, "chunk: 1048577 bytes, the limit is 1048576");
}

#[test]
fn a_header_tells_all_its_faults() {
    let mut found = Checker::default();
    let incoming = Incoming {
        purpose: Purpose::Picture,
        file_name: "a/b".to_owned(),
        size_bytes: Some(5),
    };
    incoming.check(&Path::ROOT.field("header"), &mut found);
    let fields: Vec<String> = found
        .into_violations()
        .into_iter()
        .map(|found| found.field)
        .collect();
    assert_eq!(fields, ["header.file_name", "header.size_bytes"]);
}
