//! Tickets are used once, and not late.

use super::*;

#[test]
fn a_ticket_works_once_and_not_late() {
    let (tickets, now, owner) = (Tickets::default(), Instant::now(), Arc::new("laptop"));
    let first = tickets.issue(&owner, now).unwrap();
    assert_eq!(tickets.redeem(&first.ticket, now).as_deref(), Ok(&"laptop"));
    assert!(tickets.redeem(&first.ticket, now).is_err());
    let second = tickets.issue(&owner, now).unwrap();
    assert_ne!(first.ticket, second.ticket);
    assert!(tickets.redeem(&second.ticket, now + LIFETIME).is_err());
    assert!(tickets.redeem("", now).is_err());
}

#[test]
fn the_table_is_bounded() {
    let (tickets, now, owner) = (Tickets::default(), Instant::now(), Arc::new(()));
    for _ in 0..OPEN_TICKETS {
        tickets.issue(&owner, now).unwrap();
    }
    assert_eq!(tickets.issue(&owner, now).unwrap_err().code, ErrorCode::RateLimited);
    assert!(tickets.issue(&owner, now + LIFETIME).is_ok());
}
