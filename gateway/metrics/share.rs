//! A part of a gauge that one connection, session or call stands for.

use prometheus_client::metrics::gauge::Gauge;

/// A share of a gauge; leaves it when dropped, however that comes about.
#[derive(Debug)]
pub struct Share {
    gauge: Gauge,
    count: i64,
}

impl Share {
    pub(super) fn of(gauge: &Gauge, count: usize) -> Self {
        let mut share = Self {
            gauge: gauge.clone(),
            count: 0,
        };
        share.set(count);
        share
    }

    /// Says how large the share is now.
    pub fn set(&mut self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if count != self.count {
            self.gauge.inc_by(count - self.count);
            self.count = count;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.dec_by(self.count);
    }
}
