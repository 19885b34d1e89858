//! Named places where the crash harness kills the process, and mistakes that it seeds to see whether its checks are worth
//! trusting.
//!
//! Without the feature `enabled`, which only the harness's build has, every function here is empty and costs nothing.

#[cfg(feature = "enabled")]
mod armed;
mod names;

#[cfg(feature = "enabled")]
pub use armed::arm;
pub use names::{HELPER_POINTS, MISTAKES, POINTS};

/// The process may die here.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(feature = "enabled")]
    armed::point(name);
    #[cfg(not(feature = "enabled"))]
    let _ = name;
}

/// The process may die here, when it deals with this subject (a session).
#[inline]
pub fn point_for(name: &'static str, subject: &str) {
    #[cfg(feature = "enabled")]
    armed::point_for(name, subject);
    #[cfg(not(feature = "enabled"))]
    let _ = (name, subject);
}

/// Whether this mistake is to be made. Always false in a build that somebody uses.
#[inline]
#[must_use]
pub fn mistake(name: &'static str) -> bool {
    #[cfg(feature = "enabled")]
    return armed::mistake(name);
    #[cfg(not(feature = "enabled"))]
    {
        let _ = name;
        false
    }
}

/// What a child has to be given that is to make the same mistakes: a variable and its value.
#[inline]
#[must_use]
pub fn inherited() -> Option<(&'static str, String)> {
    #[cfg(feature = "enabled")]
    return armed::inherited();
    #[cfg(not(feature = "enabled"))]
    None
}

/// Notes a step whose order is checked afterwards: what was not synced survives `kill -9`, so that only the order of the
/// steps shows a sync that was left out.
#[inline]
pub fn trace(step: &'static str, number: u64) {
    #[cfg(feature = "enabled")]
    armed::trace(step, number);
    #[cfg(not(feature = "enabled"))]
    let _ = (step, number);
}
