//! Bursts, rates, and the bound of the table.

use std::net::Ipv4Addr;

use super::*;

fn limits(per_second: u32, burst: u32) -> Limits {
    Limits { requests_per_second: per_second, request_burst: burst, ..Limits::default() }
}

#[test]
fn a_burst_passes_and_the_rest_waits() {
    let bucket = Bucket::new(&limits(10, 3));
    let now = Instant::now();
    assert_eq!([(); 3].map(|()| bucket.take(now)), [Ok(()); 3]);
    assert_eq!(bucket.take(now), Err(Duration::from_millis(100)));
    let later = now + Duration::from_millis(100);
    assert_eq!(bucket.take(later), Ok(()));
    assert_eq!(bucket.take(later), Err(Duration::from_millis(100)));
}

#[test]
fn no_rate_is_no_limit() {
    let bucket = Bucket::new(&limits(0, 0));
    let now = Instant::now();
    assert!((0..10_000).all(|_| bucket.take(now).is_ok()));
}

#[test]
fn addresses_do_not_share_and_the_table_is_bounded() {
    let addresses = Addresses::new(&limits(1, 1));
    let now = Instant::now();
    let address = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
    assert!(addresses.take(address(1), now).is_ok());
    assert!(addresses.take(address(1), now).is_err());
    assert!(addresses.take(address(2), now).is_ok());
    for n in 0..100_000 {
        let _ = addresses.take(address(n), now);
    }
    let held: usize = addresses.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
    assert!(held <= SHARDS * SHARD_ADDRESSES, "{held}");
    let refilled = now + Duration::from_secs(2);
    assert!(addresses.take(address(200_000), refilled).is_ok());
}
