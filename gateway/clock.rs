//! The time of day, which goes by simulated time in simulations.

use std::time::SystemTime;

/// What time it is.
pub(crate) fn now() -> SystemTime {
    #[cfg(test)]
    if let Some(time) = crate::simulation::time_of_day() {
        return time;
    }
    SystemTime::now()
}
