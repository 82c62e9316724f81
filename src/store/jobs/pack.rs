//! Lists of numbers as bytes.

use super::{Counts, Outcome};
use crate::store::error::{Error, Result};

/// Bytes of an exception: its place and its outcome.
const EXCEPTION_BYTES: usize = 3;

/// Places in an upload: the difference to the one before, zigzag, in LEB128. Neighbours in an
/// upload are neighbours in a batch, so that most take one byte.
pub(super) fn places(places: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(places.len() + 4);
    let mut last = 0_i64;
    for &place in places {
        let difference = i64::from(place) - last;
        last = place.into();
        let mut rest = ((difference << 1) ^ (difference >> 63)).cast_unsigned();
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// The places that [`places`] packed.
pub(super) fn unpack_places(bytes: &[u8]) -> Result<Vec<u32>> {
    let mut places = Vec::with_capacity(bytes.len());
    let (mut last, mut rest, mut shift) = (0_i64, 0_u64, 0_u32);
    for byte in bytes {
        // A difference of two u32 has at most 33 bits, and a sign.
        if shift > 35 {
            return Err(damaged());
        }
        rest |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            last += (rest >> 1).cast_signed() ^ -(rest & 1).cast_signed();
            places.push(u32::try_from(last).map_err(|_| damaged())?);
            (rest, shift) = (0, 0);
        }
    }
    if shift == 0 {
        Ok(places)
    } else {
        Err(damaged())
    }
}

pub(super) fn exceptions(exceptions: &[(u16, Outcome)]) -> Vec<u8> {
    let bytes = exceptions.iter().flat_map(|(place, outcome)| {
        let [high, low] = place.to_be_bytes();
        [high, low, *outcome as u8]
    });
    bytes.collect()
}

pub(super) fn unpack_exceptions(bytes: &[u8]) -> Result<Vec<(u16, Outcome)>> {
    let (exceptions, []) = bytes.as_chunks::<EXCEPTION_BYTES>() else {
        return Err(damaged());
    };
    let unpack = |&[high, low, outcome]: &[u8; EXCEPTION_BYTES]| {
        let outcome = Outcome::try_from(i64::from(outcome))?;
        Ok((u16::from_be_bytes([high, low]), outcome))
    };
    exceptions.iter().map(unpack).collect()
}

pub(super) fn counts(Counts(counts): Counts) -> Vec<u8> {
    counts
        .iter()
        .flat_map(|count| count.to_be_bytes())
        .collect()
}

pub(super) fn unpack_counts(bytes: &[u8]) -> Result<Counts> {
    let (counts, []) = bytes.as_chunks() else {
        return Err(damaged());
    };
    let counts: Vec<u32> = counts.iter().copied().map(u32::from_be_bytes).collect();
    Ok(Counts(counts.try_into().map_err(|_| damaged())?))
}

pub(super) fn damaged() -> Error {
    Error::Corrupt("a row of a bulk job makes no sense".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_come_back(list: Vec<u32>) {
            prop_assert_eq!(unpack_places(&places(&list)).unwrap(), list);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = (unpack_places(&bytes), unpack_exceptions(&bytes), unpack_counts(&bytes));
        }
    }

    #[test]
    fn neighbours_take_a_byte_each() {
        let list: Vec<u32> = (4_000_000_000..4_000_001_000).collect();
        assert_eq!(places(&list).len(), 5 + 999);
    }

    #[test]
    fn what_is_cut_off_is_damaged() {
        let bytes = places(&[7, u32::MAX, 0]);
        assert!(unpack_places(&bytes[..bytes.len() - 1]).is_err());
        let bytes = exceptions(&[(999, Outcome::Invalid)]);
        assert_eq!(
            unpack_exceptions(&bytes).unwrap(),
            [(999, Outcome::Invalid)]
        );
        assert!(unpack_exceptions(&bytes[1..]).is_err());
    }
}
