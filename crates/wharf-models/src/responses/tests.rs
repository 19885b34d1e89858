//! Streams as servers send them, whole and broken, and requests as they go out.

mod fuzz;
mod requests;
mod streams;

use wharf_protocol::Thinking;
use wharf_protocol::model::{ModelError, ModelErrorKind};

use super::Concessions;
use crate::ModelRequest;
use crate::tests::{request, user};

#[test]
fn what_a_server_refuses_is_left_out() {
    let concessions = Concessions::default();
    let off = ModelRequest { thinking: Thinking::Off, ..request(vec![user("Hi")]) };
    let refuse = |message: &str| {
        let error = ModelError { kind: ModelErrorKind::Refused, message: message.to_owned(), retry_after_ms: None };
        concessions.widen(&error, &off, &mut true)
    };
    assert_eq!(concessions.effort(Thinking::Off), Some("none"));
    assert!(refuse(
        "Unsupported value: 'none' is not supported with the 'gpt-5' model. Supported values are: 'minimal'."
    ));
    assert_eq!(concessions.effort(Thinking::Off), Some("minimal"));
    assert!(refuse("Unsupported parameter: 'reasoning.effort' is not supported with this model."));
    assert_eq!((concessions.effort(Thinking::Off), concessions.effort(Thinking::Low)), (Some("low"), Some("low")));
    assert!(refuse("Invalid 'reasoning': not taken."));
    assert_eq!(concessions.effort(Thinking::Off), None);
    assert!(refuse("Your organization must be verified to generate reasoning summaries."));
    assert!(refuse("Encrypted content is not supported with this model."));
    let options = concessions.options(Thinking::Off, true);
    assert_eq!((options.include, options.summary, options.effort, options.images), (false, false, None, true));
    assert!(!refuse("The model does not exist."));
    assert!(!refuse("Encrypted content is not supported with this model."), "there is nothing left to take back");
}
