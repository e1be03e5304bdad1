//! The process, under the names that Prometheus' own client libraries give it, and its runtime: looked
//! at whenever somebody asks.
//!
//! What only Linux tells is left out elsewhere.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use tokio::runtime::{Handle, RuntimeMetrics};

use super::catalogue::Catalogue;

/// A series: its name, its kind, what it tells, and how to find it.
type Series = (
    &'static str,
    MetricType,
    &'static str,
    fn(&Seen) -> Option<f64>,
);

/// Every series of the process.
const SERIES: [Series; 10] = [
    (
        "process_cpu_seconds",
        MetricType::Counter,
        "Processor time, user and system",
        |seen| Some(seen.stat.as_ref()?.cpu_seconds),
    ),
    (
        "process_resident_memory_bytes",
        MetricType::Gauge,
        "Memory that is resident",
        |seen| Some(seen.stat.as_ref()?.resident_bytes),
    ),
    (
        "process_virtual_memory_bytes",
        MetricType::Gauge,
        "Address space that is mapped, most of which costs nothing",
        |seen| Some(seen.stat.as_ref()?.virtual_bytes),
    ),
    ("process_threads", MetricType::Gauge, "Threads", |seen| {
        Some(seen.stat.as_ref()?.threads)
    }),
    (
        "process_start_time_seconds",
        MetricType::Gauge,
        "When the process began, in Unix time",
        |seen| Some(seen.stat.as_ref()?.start_time),
    ),
    (
        "process_open_fds",
        MetricType::Gauge,
        "Open files; each connection is one",
        |seen| seen.open_files,
    ),
    (
        "process_max_fds",
        MetricType::Gauge,
        "How many files may be open",
        |_| getrlimit(Resource::Nofile).current.map(|most| most as f64),
    ),
    (
        "jetgate_runtime_workers",
        MetricType::Gauge,
        "Threads that carry out tasks",
        |seen| Some(seen.runtime.as_ref()?.num_workers() as f64),
    ),
    (
        "jetgate_runtime_tasks",
        MetricType::Gauge,
        "Tasks that are alive: connections, calls, sessions and what serves them",
        |seen| Some(seen.runtime.as_ref()?.num_alive_tasks() as f64),
    ),
    (
        "jetgate_runtime_waiting_tasks",
        MetricType::Gauge,
        "Tasks that could go on and wait in the queue of all workers; many mean too little CPU",
        |seen| Some(seen.runtime.as_ref()?.global_queue_depth() as f64),
    ),
];

pub(super) fn register(catalogue: &mut Catalogue) {
    catalogue.section("The process");
    for (name, kind, help, _) in SERIES {
        catalogue.describe(name, kind, &[], help);
    }
    catalogue.collect(Process);
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let seen = Seen::now();
        for (name, kind, help, find) in SERIES {
            let Some(value) = find(&seen) else { continue };
            let metric = encoder.encode_descriptor(name, help, None, kind)?;
            match kind {
                MetricType::Counter => ConstCounter::new(value).encode(metric)?,
                _ => ConstGauge::new(value).encode(metric)?,
            }
        }
        Ok(())
    }
}

/// What is found at one moment.
struct Seen {
    stat: Option<Stat>,
    open_files: Option<f64>,
    runtime: Option<RuntimeMetrics>,
}

impl Seen {
    fn now() -> Self {
        // One of them is the folder itself.
        let open = fs::read_dir("/proc/self/fd").ok();
        let open = open.map(|files| files.count().saturating_sub(1) as f64);
        Self {
            stat: Stat::read(),
            open_files: open,
            runtime: Handle::try_current().ok().map(|handle| handle.metrics()),
        }
    }
}

/// What the kernel says of the process.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: f64,
    start_time: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        Self::parse(
            &stat,
            &system,
            clock_ticks_per_second() as f64,
            page_size() as f64,
        )
    }

    /// From proc_pid_stat(5) and proc_stat(5).
    fn parse(stat: &str, system: &str, ticks: f64, page: f64) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The first behind the name is the third of the manual.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let booted = system
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?;
        let booted: f64 = booted.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            threads: field(20)?,
            start_time: booted + field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_passed_over() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1000 8192 3 18446744073709551615";
        let system = "cpu 1 2 3\nbtime 1700000000\nprocesses 9\n";
        let expected = Stat {
            cpu_seconds: 2.0,
            threads: 9.0,
            start_time: 1_700_000_010.0,
            virtual_bytes: 8192.0,
            resident_bytes: 12288.0,
        };
        assert_eq!(Stat::parse(stat, system, 100.0, 4096.0), Some(expected));
        assert_eq!(Stat::parse("7 (a", system, 100.0, 4096.0), None);
        assert_eq!(Stat::parse(stat, "cpu 1\n", 100.0, 4096.0), None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_process_says_how_it_is() {
        let text = Metrics::new().encode().unwrap();
        let value = |name: &str| -> f64 {
            let line = text
                .lines()
                .find(|line| line.split(' ').next() == Some(name));
            let line = line.unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("jetgate_runtime_workers") >= 1.0);
        assert!(value("jetgate_runtime_tasks") >= 0.0);
        let began = UNIX_EPOCH + Duration::from_secs_f64(value("process_start_time_seconds"));
        let age = SystemTime::now().duration_since(began).unwrap();
        assert!(age < Duration::from_secs(24 * 60 * 60), "{age:?}");
    }
}
