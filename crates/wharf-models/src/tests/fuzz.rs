//! What the wires' properties of foreign streams share: streams of odd lines, cut anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::hear;
use crate::reply::decoder::Wire;

/// Stands in a line for a value that is nested deeper than any reader goes.
pub(crate) const DEEP: &str = "DEEP";

/// Any of these lines and some of any bytes, with the ends that lines may have.
pub(crate) fn stream(lines: &[&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let line = prop_oneof![
        8 => select(lines.to_vec()).prop_map(|line| line.replace(DEEP, &"[".repeat(5_000)).into_bytes()),
        1 => vec(any::<u8>(), 0..30),
    ];
    let end = select(vec!["\n", "\n\n", "\r\n", "\r"]);
    vec((line, end), 0..20)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()].concat()).collect())
}

pub(crate) fn cut(bytes: &[u8], cuts: &[Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|place| bytes[place[0]..place[1]].to_vec()).collect()
}

/// Reads a body whole and in pieces: both come to the same, whatever that is.
pub(crate) fn says_the_same_cut<W: Wire>(bytes: &[u8], cuts: &[Index]) -> Result<(), TestCaseError> {
    let tools = ["read_file", "list"];
    let whole = hear::<W>(&tools, [bytes]);
    prop_assert_eq!(hear::<W>(&tools, cut(bytes, cuts).iter().map(Vec::as_slice)), whole);
    Ok(())
}
