use wharf_protocol::rest::Limits;

use super::*;
use crate::auth::{Auth, Gate};

fn principal() -> Arc<Principal> {
    Gate::new(&Auth::None, &Limits::default()).admit(&http::HeaderMap::new()).unwrap()
}

#[test]
fn a_ticket_works_once_and_not_late() {
    let (tickets, now) = (Tickets::default(), Instant::now());
    let first = tickets.issue(&principal(), now).unwrap();
    assert!(tickets.redeem(&first.ticket, now).is_ok());
    assert!(tickets.redeem(&first.ticket, now).is_err());
    let second = tickets.issue(&principal(), now).unwrap();
    assert_ne!(first.ticket, second.ticket);
    assert!(tickets.redeem(&second.ticket, now + LIFETIME).is_err());
    assert!(tickets.redeem("", now).is_err());
}

#[test]
fn the_table_is_bounded() {
    let (tickets, now, principal) = (Tickets::default(), Instant::now(), principal());
    for _ in 0..OPEN_TICKETS {
        tickets.issue(&principal, now).unwrap();
    }
    assert_eq!(tickets.issue(&principal, now).unwrap_err().code, ErrorCode::RateLimited);
    assert!(tickets.issue(&principal, now + LIFETIME).is_ok());
}
