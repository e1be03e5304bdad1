//! Networks of their own for servers and gateways, joined by cables that can be pulled, whole or one way.
//!
//! What a cable does not carry is gone, as are the acknowledgements of the kernel: a proxy that holds bytes back
//! still takes them.

use std::net::IpAddr;
use std::process::{Command, Stdio};

use crate::Result;

/// The bridge that all cables end in, and its address, which is this program's.
const BRIDGE: &str = "jetgate0";
const HERE: &str = "10.77.0.254";

/// The machines of the network, by their places.
#[derive(Clone, Copy)]
pub(crate) struct Network;

/// What a cable does not carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Everything,
    /// What the machine sends.
    Sent,
    /// What is sent to it.
    Received,
}

impl Network {
    /// Lays the cables of so many machines, in place of those that are there.
    pub(crate) fn lay(machines: usize) -> Result<Self> {
        // What another network of this program has left; mostly nothing.
        let _ = ip(&["link", "del", BRIDGE]);
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{HERE}/24"), "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        for number in 0..machines {
            let (machine, cable) = (machine(number), cable(number));
            let _ = ip(&["link", "del", &cable]);
            let _ = ip(&["netns", "del", &machine]);
            ip(&["netns", "add", &machine])?;
            let far = ["peer", "name", "eth0", "netns", &machine];
            ip(&[&["link", "add", &cable, "type", "veth"][..], &far].concat())?;
            ip(&["link", "set", &cable, "master", BRIDGE, "up"])?;
            let address = format!("{}/24", address(number));
            ip(&["-n", &machine, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &machine, "link", "set", "eth0", "up"])?;
            ip(&["-n", &machine, "link", "set", "lo", "up"])?;
        }
        Ok(Self)
    }

    /// The address of a machine.
    pub(crate) fn address(&self, number: usize) -> Result<IpAddr> {
        Ok(address(number).parse()?)
    }

    /// What a program's command line begins with that runs on a machine.
    pub(crate) fn on(&self, number: usize) -> [String; 4] {
        ["ip", "netns", "exec", &machine(number)].map(str::to_owned)
    }

    /// From now on the cable of a machine does not carry this.
    pub(crate) fn lose(&self, number: usize, lost: Lost) -> Result<()> {
        for end in ends(number, lost) {
            tc("add", &end)?;
        }
        Ok(())
    }

    /// It carries everything again.
    pub(crate) fn mend(&self, number: usize, lost: Lost) -> Result<()> {
        for end in ends(number, lost) {
            tc("del", &end)?;
        }
        Ok(())
    }
}

fn machine(number: usize) -> String {
    format!("m{number}")
}

fn cable(number: usize) -> String {
    format!("cable{number}")
}

fn address(number: usize) -> String {
    format!("10.77.0.{}", number + 1)
}

/// What is sent into these ends is lost: in which network, and the device.
fn ends(number: usize, lost: Lost) -> Vec<Vec<String>> {
    let near = vec!["dev".to_owned(), cable(number)];
    let far = ["-n", &machine(number), "dev", "eth0"].map(str::to_owned);
    match lost {
        Lost::Everything => vec![near, far.to_vec()],
        Lost::Sent => vec![far.to_vec()],
        Lost::Received => vec![near],
    }
}

/// Puts a hole before a device, or takes it away.
fn tc(action: &str, end: &[String]) -> Result<()> {
    let mut command = Command::new("tc");
    let (network, device) = end.split_at(end.len() - 2);
    command.args(network).args(["qdisc", action]).args(device);
    succeed(command.args(["root", "blackhole"]))
}

fn ip(arguments: &[&str]) -> Result<()> {
    succeed(Command::new("ip").args(arguments))
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(format!("{command:?}: {why}").into())
        }
    }
}
